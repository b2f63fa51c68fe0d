//! A span: slots of one size class side by side, and an entry for each.

use super::chain;
use super::class::{self, Class, SPAN};
use super::region::REGION;
use super::shared::{Done, Shared};
use crate::ledger::entry::Entry;
use crate::ledger::{Block, Size, freed_at_once};
use crate::own;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A span's own figures; those of its slots are in their entries. Zeros are a span in no use.
///
/// What everybody reads, what its owner changes and what others do have cache lines of their own.
#[repr(C, align(256))]
pub(super) struct Span {
    owners: Owners,
    others: Others,
    // Not first, where in its page a span's first slot lies in its own, and so the block that is taken over and
    // over: see `SKEW`.
    all: ReadMostly,
}

#[repr(C, align(64))]
struct ReadMostly {
    /// The first slot; NULL if it is in no use.
    slots: AtomicPtr<u8>,
    entries: AtomicPtr<Entry>,
    class: AtomicPtr<Class>,
    /// The class's own figures, [`Class::inverse`] and so on: without a look elsewhere.
    inverse: AtomicU64,
    bytes: AtomicU32,
    count: AtomicU32,
    number: AtomicU32,
    class_number: AtomicU8,
}

const _: () = assert!(size_of::<ReadMostly>() == 64);

#[repr(C, align(64))]
struct Owners {
    /// Slots from here on have not been taken since the span came to use.
    fresh: AtomicU32,
    /// Entries from here on have told nothing when it came to use.
    told: AtomicU32,
    /// The chain that the last owner has left; 0 while there is one.
    left: AtomicU32,
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

/// A block that its owner and another thread have freed at the same moment, as it has turned out.
#[must_use]
pub(super) struct Twice(*mut u8, Size);

impl Twice {
    pub(super) fn tell(self) {
        let Self(address, size) = self;
        freed_at_once(address, size);
    }
}

/// A span in use.
#[derive(Clone, Copy)]
pub(super) struct Place(&'static Span);

impl Place {
    /// The span of that number, if it is in use.
    #[inline]
    pub(super) fn of(number: usize) -> Option<Self> {
        Self::used(REGION.span(number)?)
    }

    /// The span that an address lies in, if it is in use.
    #[inline]
    pub(super) fn at(address: *mut u8) -> Option<Self> {
        Self::used(REGION.span_at(address)?)
    }

    /// The span that a thread owns.
    #[inline]
    pub(super) fn owned(mine: &own::Span) -> Option<Self> {
        // SAFETY: as `set_at` had it: NULL, or from `own`.
        unsafe { mine.at().cast::<Span>().as_ref() }.map(Self)
    }

    /// Notes that the thread owns it.
    pub(super) fn own(self, mine: &own::Span) {
        let Self(span) = self;
        // SAFETY: a reference for ever: the pages that spans are known in are never given back.
        unsafe { mine.set_at(ptr::from_ref(span).cast()) };
    }

    /// Notes that the thread owns none.
    pub(super) fn disown(mine: &own::Span) {
        // SAFETY: NULL.
        unsafe { mine.set_at(ptr::null()) };
    }

    #[inline]
    pub(super) fn is_owned(self, mine: &own::Span) -> bool {
        let Self(span) = self;
        ptr::eq(mine.at(), ptr::from_ref(span).cast())
    }

    #[inline]
    fn used(span: &'static Span) -> Option<Self> {
        // Acquire: who sees it in use sees its figures.
        let is_used = !span.all.slots.load(Ordering::Acquire).is_null();
        is_used.then_some(Self(span))
    }

    /// Puts an unused span to use; the calling thread owns it.
    pub(super) fn begin(number: usize, class: &'static Class) -> Option<Self> {
        let span = REGION.span(number)?;
        let Owners { fresh, told, .. } = &span.owners;
        let mut tell = fresh.load(Ordering::Relaxed).max(told.load(Ordering::Relaxed));
        let before = span.all.class.load(Ordering::Relaxed).cast_const();
        if !ptr::eq(before, class) {
            // What its entries tell is of slots that lay elsewhere.
            for index in 0..tell {
                // SAFETY: below the number of its slots, and every span has as many entries.
                let entry = unsafe { REGION.entries(number).add(index as usize) };
                // SAFETY: the span was in use: atomics, which can be read and written.
                unsafe { &*entry }.clear();
            }
            tell = 0;
        }
        told.store(tell, Ordering::Relaxed);
        fresh.store(0, Ordering::Relaxed);
        span.others.shared.adopt();
        span.all.number.store(u32::try_from(number).ok()?, Ordering::Relaxed);
        span.all.class.store(ptr::from_ref(class).cast_mut(), Ordering::Relaxed);
        span.all.inverse.store(class.inverse, Ordering::Relaxed);
        span.all.bytes.store(class.bytes, Ordering::Relaxed);
        span.all.count.store(class.slots, Ordering::Relaxed);
        span.all.class_number.store(class.number, Ordering::Relaxed);
        span.all.entries.store(REGION.entries(number), Ordering::Relaxed);
        span.all.slots.store(REGION.address(number), Ordering::Release);
        Some(Self(span))
    }

    /// Ends the use of a span whose slots are all free, and which is in no list: nobody but the caller can
    /// change anything of it.
    pub(super) fn end(self) {
        let Self(span) = self;
        // Nobody needs the chain, but the entries tell what is so.
        let twice = self.settle(span.others.shared.now().head(), &Cell::new(0));
        span.owners.left.store(0, Ordering::Relaxed);
        span.all.slots.store(ptr::null_mut(), Ordering::Release);
        span.others.shared.reset();
        twice.into_iter().for_each(Twice::tell);
    }

    /// Gives the content of a span in no use back to the kernel.
    ///
    /// # Safety
    /// It has been used, and nobody puts it to use meanwhile.
    pub(super) unsafe fn forget(number: usize) {
        if let Some(span) = REGION.span(number) {
            // SAFETY: opened; no slot is live, or will be meanwhile, as the caller guarantees.
            if unsafe { REGION.forget(number) }.is_ok() {
                span.owners.fresh.store(0, Ordering::Relaxed);
                span.owners.told.store(0, Ordering::Relaxed);
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

    /// [`Class::number`] of its class.
    #[inline]
    pub(super) fn class_number(self) -> usize {
        usize::from(self.0.all.class_number.load(Ordering::Relaxed))
    }

    /// The place of the slot that begins at the address, which is in the span.
    #[inline]
    pub(super) fn index_of(self, address: *mut u8) -> Option<u32> {
        // Of two classes' figures, if a program that frees twice has had the span put to another use
        // meanwhile: then it is a place in neither, or one that `Slot::claim` refuses.
        let ReadMostly { inverse, bytes, count, .. } = &self.0.all;
        let class = Class {
            number: 0,
            bytes: bytes.load(Ordering::Relaxed),
            slots: count.load(Ordering::Relaxed),
            inverse: inverse.load(Ordering::Relaxed),
        };
        class.index_of(address.addr() % SPAN)
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
        slots.wrapping_add(index as usize * self.0.all.bytes.load(Ordering::Relaxed) as usize)
    }

    /// Whether a block of that size fits a slot, and no smaller class would do.
    pub(super) fn suits(self, bytes: usize) -> bool {
        class::get(bytes).is_some_and(|class| ptr::eq(class, self.class()))
    }

    /// A slot, of the owner's chain if there is one; the owner only.
    #[inline]
    pub(super) fn take(self, chain: &Cell<u32>) -> Option<u32> {
        chain::pop(chain, |index| self.entry(index)).or_else(|| self.take_fresh())
    }

    #[inline(never)]
    fn take_fresh(self) -> Option<u32> {
        let fresh = &self.0.owners.fresh;
        let index = fresh.load(Ordering::Relaxed);
        let is_there = index < self.class().slots;
        if is_there {
            fresh.store(index + 1, Ordering::Relaxed);
        }
        is_there.then_some(index)
    }

    /// What others have given back goes into the owner's chain; the owner only.
    pub(super) fn take_shared(self, chain: &Cell<u32>) -> Vec<Twice> {
        self.settle(self.0.others.shared.take_all().head(), chain)
    }

    /// The owner, who has used it up, gives it up; false if others have given something back.
    pub(super) fn leave_empty(self) -> bool {
        self.0.others.shared.disown_empty()
    }

    /// The owner gives it up with all that is free in it, that in his chain too.
    pub(super) fn leave(self, chain: u32) -> Done {
        let (left, count) = chain::leave(chain, |index| self.entry(index));
        self.0.owners.left.store(left, Ordering::Relaxed);
        self.0.others.shared.disown(count, self.enough())
    }

    /// A span of the list becomes the caller's, and its slots go into his chain, which is empty.
    pub(super) fn adopt(self, chain: &Cell<u32>) -> Vec<Twice> {
        let given = self.0.others.shared.adopt();
        chain.set(self.0.owners.left.load(Ordering::Relaxed));
        self.0.owners.left.store(0, Ordering::Relaxed);
        self.settle(given.head(), chain)
    }

    /// Puts slots that others have given back into the owner's chain; whoever is alone with both.
    fn settle(self, given: u32, chain: &Cell<u32>) -> Vec<Twice> {
        let twice = chain::settle(given, chain, |index| self.entry(index));
        twice.into_iter().map(|(index, size)| Twice(self.address(index), size)).collect()
    }

    /// [`Entry::free`], by the owner, who is that thread.
    #[inline]
    pub(super) fn free(self, index: u32, thread: u32, chain: &Cell<u32>) -> Option<Size> {
        let size = self.entry(index).free(thread, chain.get())?;
        chain.set(index + 1);
        Some(size)
    }

    /// Gives a slot back, whose block was claimed, into the owner's chain; the owner.
    pub(super) fn put(self, index: u32, chain: &Cell<u32>) {
        // Who claims a block finds out whether it is freed twice.
        let _ = self.entry(index).settle(chain.get());
        chain.set(index + 1);
    }

    /// Gives a slot back, whose block was claimed; anybody.
    pub(super) fn put_shared(self, index: u32) -> Done {
        let link = |head| self.entry(index).give(head);
        self.0.others.shared.push(index + 1, link, || self.enough())
    }

    /// With so many slots given back it is worth while to own the span again: with the fresh ones that
    /// is a quarter of all.
    fn enough(self) -> u32 {
        let fresh = self.class().slots - self.0.owners.fresh.load(Ordering::Relaxed);
        (self.class().slots / 4).saturating_sub(fresh)
    }

    /// Whether all its slots are free, and nobody owns it.
    pub(super) fn is_unused(self) -> bool {
        let word = self.0.others.shared.now();
        !word.is_owned() && word.count() == self.0.owners.fresh.load(Ordering::Relaxed)
    }

    /// All live blocks.
    pub(super) fn for_each(self, mut look: impl FnMut(usize, &Block)) {
        for index in 0..self.0.owners.fresh.load(Ordering::Relaxed) {
            if let Some(block) = self.entry(index).look() {
                look(self.address(index).addr(), &block);
            }
        }
    }
}
