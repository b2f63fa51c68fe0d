//! A span: slots of one size class side by side, and an entry for each.

use super::Left;
use super::class::{self, Class};
use super::region::REGION;
use super::shared::{Done, Shared};
use crate::ledger::{Block, SiteId, Size};
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// Who owns what nobody owns.
pub(super) const NOBODY: usize = 0;

/// What is known of a slot. Only whoever takes it out of the books, or has not put it into them yet, writes
/// to it; anybody may look.
#[repr(C)]
pub(in crate::ledger) struct Entry {
    state: AtomicU64,
    /// Site and time of birth.
    whence: AtomicU64,
    /// Thread, and collections before; of one that is not live, the thread that has freed it.
    who: AtomicU64,
}

/// An entry's first word. Zero is a slot that was never taken.
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
    /// Of one that was given back, the next such in its chain.
    const NEXT: u32 = 32;
    const NEXT_MASK: u64 = ((1 << 12) - 1) << Self::NEXT;
    /// Changes with every life.
    const LIFE: u64 = 1 << 52;

    fn is_live(self) -> bool {
        self.0 & Self::LIVE != 0
    }

    fn size(self) -> Size {
        Size::of_packed(self.0 & Self::SIZE)
    }
}

fn halves(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[expect(clippy::cast_possible_truncation, reason = "halves")]
fn halved(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

impl Entry {
    fn state(&self) -> State {
        State(self.state.load(Ordering::Acquire))
    }

    fn block(&self, state: State) -> Block {
        let (thread, collections) = halved(self.who.load(Ordering::Relaxed));
        let (_, born) = halved(self.whence.load(Ordering::Relaxed));
        Block { size: state.size(), site: self.site(), born, thread, collections }
    }

    /// The block there, if it is live.
    pub(in crate::ledger) fn look(&self) -> Option<Block> {
        let state = self.state();
        let block = state.is_live().then(|| self.block(state))?;
        // If the state is as before, so was all between.
        fence(Ordering::Acquire);
        (self.state.load(Ordering::Relaxed) == state.0).then_some(block)
    }

    /// Makes the block live. The slot is the caller's.
    #[inline]
    pub(in crate::ledger) fn enter(&self, block: &Block) {
        let site = block.site.map_or(0, SiteId::number);
        // Release: whoever sees one of these sees that the last block is live no more.
        self.whence.store(halves(site, block.born), Ordering::Release);
        self.who.store(halves(block.thread, block.collections), Ordering::Release);
        let life = self.state.load(Ordering::Relaxed) & !(State::LIFE - 1);
        let state =
            life.wrapping_add(State::LIFE) | block.size.packed() | State::LIVE | State::TAKEN;
        self.state.store(state, Ordering::Release);
    }

    /// Takes the block out of the books, for the thread that frees it; of several that try one gets it.
    #[inline]
    pub(in crate::ledger) fn claim(&self, thread: u32) -> Option<Size> {
        let dead = |state: u64| State(state).is_live().then_some(state & !State::LIVE);
        let state = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, dead).ok()?;
        let (taker, _) = halved(self.who.load(Ordering::Relaxed));
        // Release: as in `enter`.
        self.who.store(halves(taker, thread), Ordering::Release);
        Some(State(state).size())
    }

    /// Takes back a claim of the wrong block.
    #[cold]
    pub(super) fn unclaim(&self) {
        self.state.fetch_or(State::LIVE, Ordering::Release);
    }

    /// Forgets all, as if no block had ever been in it. None is.
    fn clear(&self) {
        for word in [&self.state, &self.whence, &self.who] {
            word.store(0, Ordering::Release);
        }
    }

    /// Where the block in it, or the last one, was taken, if that is known.
    #[inline]
    pub(in crate::ledger) fn site(&self) -> Option<SiteId> {
        SiteId::of_number(halved(self.whence.load(Ordering::Relaxed)).0)
    }

    /// The last block, if it has left the books and no other has come.
    pub(in crate::ledger) fn left(&self) -> Option<Left> {
        let state = self.state();
        let has_left = !state.is_live() && state.0 & State::TAKEN != 0;
        let block = self.block(state);
        has_left
            .then_some(Left { block: Block { collections: 0, ..block }, thread: block.collections })
    }

    /// The next in its chain. The slot is the caller's, or in a chain of his.
    #[inline]
    fn next(&self) -> u32 {
        let state = self.state.load(Ordering::Relaxed);
        u32::try_from((state & State::NEXT_MASK) >> State::NEXT).unwrap_or(0)
    }

    #[inline]
    fn set_next(&self, next: u32) {
        let state = self.state.load(Ordering::Relaxed) & !State::NEXT_MASK;
        self.state.store(state | u64::from(next) << State::NEXT, Ordering::Relaxed);
    }
}

/// A span's own figures; those of its slots are in their entries. Zeros are a span in no use.
///
/// What everybody reads, what its owner changes and what others do have cache lines of their own.
#[repr(C, align(256))]
pub(super) struct Span {
    all: ReadMostly,
    own: Own,
    others: Others,
}

#[repr(C, align(64))]
struct ReadMostly {
    /// The first slot; NULL if it is in no use.
    slots: AtomicPtr<u8>,
    entries: AtomicPtr<Entry>,
    class: AtomicPtr<Class>,
    /// The thread that owns it, as an address of its own, or [`NOBODY`]. Only that thread changes it from
    /// that.
    owner: AtomicUsize,
    number: AtomicU32,
}

#[repr(C, align(64))]
struct Own {
    /// Slots from here on have not been taken since the span came to use.
    fresh: AtomicU32,
    /// The first of the owner's own chain of slots given back: its place and 1.
    local: AtomicU32,
}

#[repr(C, align(64))]
struct Others {
    shared: Shared,
    links: Links,
}

/// A span's place in a list. Under the list's lock; who has another one may look at `list`, and reads the
/// number of his own only if it is in his.
pub(super) struct Links {
    /// Neighbours: their numbers and 1; 0 is none.
    pub(super) previous: AtomicU32,
    pub(super) next: AtomicU32,
    /// The class whose list it is in: its number and 1; 0 is none.
    pub(super) list: AtomicU8,
    /// Of one that is in the list though it is unused: not only since the last step of the decay.
    pub(super) is_idle: AtomicBool,
}

impl Span {
    pub(super) fn links(&self) -> &Links {
        &self.others.links
    }
}

/// A span in use.
#[derive(Clone, Copy)]
pub(super) struct Place(&'static Span);

impl Place {
    /// The span of that number, if it is in use.
    #[inline]
    pub(super) fn of(number: usize) -> Option<Self> {
        let span = REGION.span(number)?;
        // Acquire: who sees it in use sees its figures.
        let is_used = !span.all.slots.load(Ordering::Acquire).is_null();
        is_used.then_some(Self(span))
    }

    /// Puts an unused span to use; the caller owns it.
    pub(super) fn begin(number: usize, class: &'static Class, owner: usize) -> Option<Self> {
        let span = REGION.span(number)?;
        let before = span.all.class.load(Ordering::Relaxed).cast_const();
        if !ptr::eq(before, class) {
            // What its entries tell is of slots that lay elsewhere.
            for index in 0..span.own.fresh.load(Ordering::Relaxed) {
                // SAFETY: below the number of its slots, and every span has as many entries.
                let entry = unsafe { REGION.entries(number).add(index as usize) };
                // SAFETY: the span was in use: atomics, which can be read and written.
                unsafe { &*entry }.clear();
            }
        }
        span.own.fresh.store(0, Ordering::Relaxed);
        span.own.local.store(0, Ordering::Relaxed);
        span.others.shared.adopt();
        span.all.owner.store(owner, Ordering::Relaxed);
        span.all.number.store(u32::try_from(number).ok()?, Ordering::Relaxed);
        span.all.class.store(ptr::from_ref(class).cast_mut(), Ordering::Relaxed);
        span.all.entries.store(REGION.entries(number), Ordering::Relaxed);
        span.all.slots.store(REGION.address(number), Ordering::Release);
        Some(Self(span))
    }

    /// Ends the use of a span whose slots are all free, and which is in no list: nobody but the caller can
    /// change anything of it.
    pub(super) fn end(self) {
        let Self(span) = self;
        span.all.slots.store(ptr::null_mut(), Ordering::Release);
        span.others.shared.reset();
    }

    /// Gives the content of a span in no use back to the kernel.
    ///
    /// # Safety
    /// It has been used, and nobody puts it to use meanwhile.
    pub(super) unsafe fn forget(number: usize) {
        if let Some(span) = REGION.span(number) {
            // SAFETY: opened; no slot is live, or will be meanwhile, as the caller guarantees.
            if unsafe { REGION.forget(number) }.is_ok() {
                // Its entries tell nothing.
                span.own.fresh.store(0, Ordering::Relaxed);
            }
        }
    }

    #[inline]
    pub(super) fn class(self) -> &'static Class {
        // SAFETY: stored before the span came to use, from a reference for ever.
        unsafe { &*self.0.all.class.load(Ordering::Relaxed) }
    }

    pub(super) fn number(self) -> usize {
        self.0.all.number.load(Ordering::Relaxed) as usize
    }

    pub(super) fn links(self) -> &'static Links {
        &self.0.others.links
    }

    /// The place of the slot that begins at the address, which is in the span.
    #[inline]
    pub(super) fn index_of(self, address: *mut u8) -> Option<u32> {
        let slots = self.0.all.slots.load(Ordering::Relaxed);
        self.class().index_of(address.addr().wrapping_sub(slots.addr()))
    }

    #[inline]
    pub(super) fn entry(self, index: u32) -> &'static Entry {
        let entries = self.0.all.entries.load(Ordering::Relaxed);
        // SAFETY: indices are those of `index_of`, of `take` and of chains: below the class's number of
        // slots, and every span has as many entries.
        let entry = unsafe { entries.add(index as usize) };
        // SAFETY: the span is or was in use, so it can be read and written for as long as the process lives:
        // atomics, for which the kernel's zeros are values.
        unsafe { &*entry }
    }

    #[inline]
    pub(super) fn address(self, index: u32) -> *mut u8 {
        let slots = self.0.all.slots.load(Ordering::Relaxed);
        slots.wrapping_add(index as usize * self.class().bytes as usize)
    }

    /// Whether a block of that size fits a slot, and no smaller class would do.
    pub(super) fn suits(self, bytes: usize) -> bool {
        class::get(bytes).is_some_and(|class| ptr::eq(class, self.class()))
    }

    #[inline]
    pub(super) fn is_owned_by(self, thread: usize) -> bool {
        self.0.all.owner.load(Ordering::Relaxed) == thread && thread != NOBODY
    }

    /// A slot; the owner only.
    #[inline]
    pub(super) fn take(self) -> Option<u32> {
        let Own { fresh, local } = &self.0.own;
        if let Some(index) = local.load(Ordering::Relaxed).checked_sub(1) {
            local.store(self.entry(index).next(), Ordering::Relaxed);
            return Some(index);
        }
        let index = fresh.load(Ordering::Relaxed);
        let is_there = index < self.class().slots;
        if is_there {
            fresh.store(index + 1, Ordering::Relaxed);
        }
        is_there.then_some(index)
    }

    /// What others have given back becomes the owner's own, whose chain is empty.
    pub(super) fn take_shared(self) {
        self.0.own.local.store(self.0.others.shared.take_all().head(), Ordering::Relaxed);
    }

    /// The owner, who has used it up, gives it up; false if others have given something back.
    pub(super) fn leave_empty(self, thread: usize) -> bool {
        self.0.all.owner.store(NOBODY, Ordering::Relaxed);
        let left = self.0.others.shared.disown_empty();
        if !left {
            self.0.all.owner.store(thread, Ordering::Relaxed);
        }
        left
    }

    /// The owner gives it up with all that is free in it.
    pub(super) fn leave(self) -> Done {
        let (mut count, mut last) = (0, 0);
        let first = self.0.own.local.swap(0, Ordering::Relaxed);
        let mut slot = first;
        while let Some(index) = slot.checked_sub(1) {
            (count, last) = (count + 1, index);
            slot = self.entry(index).next();
        }
        if count > 0 {
            let link = |head| self.entry(last).set_next(head);
            self.0.others.shared.push(first, count, link, || 0);
        }
        self.0.all.owner.store(NOBODY, Ordering::Relaxed);
        self.0.others.shared.disown(self.enough())
    }

    /// A span of the list becomes the caller's.
    pub(super) fn adopt(self, owner: usize) {
        let word = self.0.others.shared.adopt();
        self.0.own.local.store(word.head(), Ordering::Relaxed);
        self.0.all.owner.store(owner, Ordering::Relaxed);
    }

    /// Gives a slot back, whose entry is not live; the owner.
    #[inline]
    pub(super) fn put(self, index: u32) {
        let local = &self.0.own.local;
        self.entry(index).set_next(local.load(Ordering::Relaxed));
        local.store(index + 1, Ordering::Relaxed);
    }

    /// Gives a slot back, whose entry is not live; anybody.
    pub(super) fn put_shared(self, index: u32) -> Done {
        let link = |head| self.entry(index).set_next(head);
        self.0.others.shared.push(index + 1, 1, link, || self.enough())
    }

    /// With so many slots given back it is worth while to own the span again: with the fresh ones that
    /// is a quarter of all.
    fn enough(self) -> u32 {
        let fresh = self.class().slots - self.0.own.fresh.load(Ordering::Relaxed);
        (self.class().slots / 4).saturating_sub(fresh)
    }

    /// Whether all its slots are free, and nobody owns it.
    pub(super) fn is_unused(self) -> bool {
        let word = self.0.others.shared.now();
        !word.is_owned() && word.count() == self.0.own.fresh.load(Ordering::Relaxed)
    }

    /// All live blocks.
    pub(super) fn for_each(self, mut look: impl FnMut(usize, &Block)) {
        for index in 0..self.0.own.fresh.load(Ordering::Relaxed) {
            if let Some(block) = self.entry(index).look() {
                look(self.address(index).addr(), &block);
            }
        }
    }
}
