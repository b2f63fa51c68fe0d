//! The entry of a block that lies in memory of our own: apart from the memory, and found by its address.

use super::{Block, SiteId, Size};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A block that has left the books, as its entry still tells.
pub(super) struct Left {
    pub(super) block: Block,
    /// Who has freed it: the kernel's number of the thread.
    pub(super) thread: u32,
}

/// What the books know of a place for a block. Only whoever takes the block out of them, or has not put it into
/// them yet, writes to it; anybody may look.
#[repr(C)]
pub(super) struct Entry {
    state: AtomicU64,
    /// When it was taken, as [`Block::born`].
    born: AtomicU32,
    /// Where, if that is known; 0 if not.
    site: AtomicU32,
    /// Collections before; of one that is not live, the thread that has freed it.
    collections: AtomicU32,
    thread: AtomicU32,
}

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
    /// Of a slot that was given back, the next such in its chain.
    const NEXT: u32 = 32;
    const NEXT_MASK: u64 = ((1 << 12) - 1) << Self::NEXT;
    /// Changes with every life, and begins anew after 4096.
    const LIFE: u64 = 1 << 52;

    fn is_live(self) -> bool {
        self.0 & Self::LIVE != 0
    }

    fn size(self) -> Size {
        Size::of_packed(self.0 & Self::SIZE)
    }
}

impl Entry {
    fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
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
        let state = self.state();
        let block = state.is_live().then(|| self.block(state))?;
        // If the state is as before, so was all between.
        fence(Ordering::Acquire);
        (self.state.load(Ordering::Relaxed) == state.0).then_some(block)
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

    /// Takes the block out of the books, for the thread that frees it; of several that try one gets it.
    #[inline]
    pub(super) fn claim(&self, thread: u32) -> Option<Size> {
        let dead = |state: u64| State(state).is_live().then_some(state & !State::LIVE);
        let state = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, dead).ok()?;
        // Release: as in `enter`.
        self.collections.store(thread, Ordering::Release);
        Some(State(state).size())
    }

    /// Takes back a claim of the wrong block.
    #[cold]
    pub(super) fn unclaim(&self) {
        self.state.fetch_or(State::LIVE, Ordering::Release);
    }

    /// Forgets all, as if no block had ever been in it. None is.
    pub(super) fn clear(&self) {
        self.state.store(0, Ordering::Release);
        for figure in [&self.born, &self.site, &self.collections, &self.thread] {
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
        let state = self.state();
        let has_left = !state.is_live() && state.0 & State::TAKEN != 0;
        let block = self.block(state);
        has_left
            .then_some(Left { block: Block { collections: 0, ..block }, thread: block.collections })
    }

    /// The next in its chain. The slot is the caller's, or in a chain of his.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        let state = self.state.load(Ordering::Relaxed);
        u32::try_from((state & State::NEXT_MASK) >> State::NEXT).unwrap_or(0)
    }

    #[inline]
    pub(super) fn set_next(&self, next: u32) {
        let state = self.state.load(Ordering::Relaxed) & !State::NEXT_MASK;
        self.state.store(state | u64::from(next) << State::NEXT, Ordering::Relaxed);
    }
}
