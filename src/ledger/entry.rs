//! The entry of a block that lies in memory of our own: apart from the memory, and found by its address.
//!
//! A block leaves the books in one of three ways. An extent's, by a change of the state that one thread succeeds
//! with ([`Entry::claim`]). A slot's, when the thread that owns its span frees it, by a plain store ([`Entry::free`]):
//! a locked instruction would be a tenth of what a small block costs. And a slot's in all other cases, by a change of
//! another word that one thread succeeds with ([`Entry::claim_slot`]): the owner looks at it before it frees the block
//! or takes the slot again, and puts the state right when the slot has come back to it ([`Entry::settle`]).
//!
//! A program that frees each block once sees no difference. If it has the owner and another thread free one at the
//! very same moment, each may think that it was the one. Then the slot is in the owner's chain and in the others'; it
//! is taken from the latter only, and by then it turns out. But for two cases, both within the time in which a store
//! reaches the other processors. Who has seen a live block, and then that it is free, takes its claim back; an owner
//! that looks in between takes the slot for the others', and nobody has it from then on, nor does its span ever
//! become unused. And if the owner takes the slot again at once, it is the next block that the other thread frees, as
//! it would be later, too.

use super::{Block, SiteId, Size};
use crate::sync::{AtomicU16, AtomicU32, AtomicU64, fence};
use core::sync::atomic::Ordering;

/// A block that has left the books, as its entry still tells.
pub(super) struct Left {
    pub(super) block: Block,
    /// Who has freed it: the kernel's number of the thread.
    pub(super) thread: u32,
}

/// What the books know of a place for a block. Only whoever takes the block out of them, or has not put it into
/// them yet, writes to it, and the owner of a slot that comes back; anybody may look.
#[repr(C)]
pub(super) struct Entry {
    state: AtomicU64,
    /// When it was taken, as [`Block::born`].
    born: AtomicU32,
    /// Where, if that is known; 0 if not.
    site: AtomicU16,
    /// Of a slot whose block was claimed, [`GIVEN`] and the next such in its chain, until the slot is an owner's
    /// again or has another block; else 0.
    given: AtomicU16,
    /// Collections before; of one that is not live, the thread that has freed it.
    collections: AtomicU32,
    thread: AtomicU32,
}

const GIVEN: u16 = 1 << 15;

/// An entry's first word. Zero is a place that was never taken.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

const _: () = assert!(
    State::SIZE & (State::LIVE | State::TAKEN | State::NEXT_MASK | !(State::LIFE - 1)) == 0
);

impl State {
    /// Size and kind, as [`Size::packed`] has them.
    const SIZE: u64 = Size::PACKED;
    const LIVE: u64 = 1 << 30;
    const TAKEN: u64 = 1 << 31;
    /// Of a slot in its owner's chain, the next one there.
    const NEXT: u32 = 32;
    const NEXT_MASK: u64 = ((1 << 12) - 1) << Self::NEXT;
    /// Changes with every life, and begins anew after 4096.
    const LIFE: u64 = 1 << 52;

    fn is_live(self) -> bool {
        self.0 & Self::LIVE != 0
    }

    /// The bits of the next slot in the chain.
    fn next(next: u32) -> u64 {
        u64::from(next) << Self::NEXT
    }

    fn size(self) -> Size {
        Size::of_packed(self.0 & Self::SIZE)
    }
}

impl Entry {
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            born: AtomicU32::new(0),
            site: AtomicU16::new(0),
            given: AtomicU16::new(0),
            collections: AtomicU32::new(0),
            thread: AtomicU32::new(0),
        }
    }

    /// The state, and whether the block is live.
    fn now(&self) -> (State, bool) {
        // In this order: by the time that a slot is given no more, the state is right.
        let is_given = self.given.load(Ordering::Acquire) != 0;
        let state = State(self.state.load(Ordering::Acquire));
        (state, state.is_live() && !is_given)
    }

    fn block(&self, state: State) -> Block {
        let load = |figure: &AtomicU32| figure.load(Ordering::Relaxed);
        Block {
            size: state.size(),
            site: self.site(),
            born: load(&self.born),
            thread: load(&self.thread),
            collections: load(&self.collections),
        }
    }

    /// The block there, if it is live.
    pub(super) fn look(&self) -> Option<Block> {
        let seen = self.now();
        let (state, is_live) = seen;
        let block = is_live.then(|| self.block(state))?;
        // If both words are as before, so was all between: whoever has written to it has changed one of them before,
        // and what is given changes back after the state only.
        fence(Ordering::Acquire);
        (self.now() == seen).then_some(block)
    }

    /// Makes the block live. The place is the caller's.
    #[inline]
    pub(super) fn enter(&self, block: &Block) {
        // Release: whoever sees one of these sees that the last block is live no more.
        self.born.store(block.born, Ordering::Release);
        self.site.store(block.site.map_or(0, SiteId::number), Ordering::Release);
        self.collections.store(block.collections, Ordering::Release);
        self.thread.store(block.thread, Ordering::Release);
        let life = self.state.load(Ordering::Relaxed) & !(State::LIFE - 1);
        let state =
            life.wrapping_add(State::LIFE) | block.size.packed() | State::LIVE | State::TAKEN;
        self.state.store(state, Ordering::Release);
    }

    /// Makes a block live again that was claimed, or another one in its place; by whoever has claimed it.
    pub(super) fn enter_again(&self, block: &Block) {
        self.enter(block);
        self.given.store(0, Ordering::Release);
    }

    /// Takes an extent's block out of the books, for the thread that frees it; of several that try one gets it.
    pub(super) fn claim(&self, thread: u32) -> Option<Size> {
        let dead = |state: u64| State(state).is_live().then_some(state & !State::LIVE);
        let state = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, dead).ok()?;
        // Release: as in `enter`.
        self.collections.store(thread, Ordering::Release);
        Some(State(state).size())
    }

    /// Takes a slot's block out of the books, and puts the slot into its owner's chain, before `next`; by the
    /// span's owner, for the thread that he is. `None`: there is none, or it has taken room from a limit, which is
    /// not to be given back twice for however short a time; nothing was done.
    #[inline]
    pub(super) fn free(&self, thread: u32, next: u32) -> Option<Size> {
        const IS_PLAIN: u64 = State::LIVE | Size::PACKED_TALLIED;
        let state = State(self.state.load(Ordering::Relaxed));
        if state.0 & IS_PLAIN != IS_PLAIN || self.is_given() {
            return None;
        }
        // It was in no chain.
        self.state.store(state.0 & !State::LIVE | State::next(next), Ordering::Release);
        // Release: as in `enter`.
        self.collections.store(thread, Ordering::Release);
        Some(state.size())
    }

    /// Takes a slot's block out of the books, for the thread that frees it; of several that try one gets it, but for
    /// the owner's [`Entry::free`] at the same moment.
    pub(super) fn claim_slot(&self, thread: u32) -> Option<Size> {
        // SeqCst, both: an owner that leaves his chain looks the other way round.
        if !self.now().1 || self.given.fetch_or(GIVEN, Ordering::SeqCst) != 0 {
            return None;
        }
        #[cfg(loom)] // which takes it for no more than acquire and release
        fence(Ordering::SeqCst);
        let state = State(self.state.load(Ordering::SeqCst));
        if !state.is_live() {
            self.unclaim();
            return None;
        }
        // Release: as in `enter`.
        self.collections.store(thread, Ordering::Release);
        Some(state.size())
    }

    /// Takes back a claim of the wrong block. Who has looked meanwhile takes it for freed; and an owner who was
    /// about to take the slot does without it from then on.
    #[cold]
    pub(super) fn unclaim(&self) {
        self.given.fetch_and(!GIVEN, Ordering::Release);
    }

    /// Whether its block was claimed, and the slot is neither an owner's again nor has another block.
    #[inline]
    pub(super) fn is_given(&self) -> bool {
        self.given.load(Ordering::Relaxed) != 0
    }

    /// The slot is in its owner's chain, before `next`.
    pub(super) fn set_next(&self, next: u32) {
        let state = self.state.load(Ordering::Relaxed) & !State::NEXT_MASK;
        self.state.store(state | State::next(next), Ordering::Relaxed);
    }

    /// The slot was claimed, and is the last but `next` to be given back.
    pub(super) fn give(&self, next: u32) {
        self.given.store(GIVEN | u16::try_from(next).unwrap_or(0), Ordering::Relaxed);
    }

    /// The one that was given back before it.
    pub(super) fn given_before(&self) -> u32 {
        u32::from(self.given.load(Ordering::Relaxed) & !GIVEN)
    }

    /// A slot that was given back is its span's owner's, who puts it into his chain before `next`. `Err`: the owner
    /// of that time has freed it, too.
    pub(super) fn settle(&self, next: u32) -> Result<(), Size> {
        let state = State(self.state.load(Ordering::Relaxed));
        let settled = state.0 & !(State::LIVE | State::NEXT_MASK) | State::next(next);
        self.state.store(settled, Ordering::Release);
        self.given.store(0, Ordering::Release);
        if state.is_live() { Ok(()) } else { Err(state.size()) }
    }

    /// Forgets all, as if no block had ever been in it. None is.
    pub(super) fn clear(&self) {
        self.state.store(0, Ordering::Release);
        for figure in [&self.site, &self.given] {
            figure.store(0, Ordering::Release);
        }
        for figure in [&self.born, &self.collections, &self.thread] {
            figure.store(0, Ordering::Release);
        }
    }

    /// Where the block in it, or the last one, was taken, if that is known.
    #[inline]
    pub(super) fn site(&self) -> Option<SiteId> {
        SiteId::of_number(self.site.load(Ordering::Relaxed))
    }

    /// The last block, if it has left the books and no other has come.
    pub(super) fn left(&self) -> Option<Left> {
        let (state, is_live) = self.now();
        let has_left = !is_live && state.0 & State::TAKEN != 0;
        let block = self.block(state);
        has_left
            .then_some(Left { block: Block { collections: 0, ..block }, thread: block.collections })
    }

    /// The next in its owner's chain, which it is in.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        let state = self.state.load(Ordering::Relaxed);
        u32::try_from((state & State::NEXT_MASK) >> State::NEXT).unwrap_or(0)
    }
}
