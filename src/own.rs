//! What a thread has of its own, of every layer: side by side, so that a call which takes or frees a block
//! asks once where it is, and touches few cache lines of it.
//!
//! Each field is of the module that it names, and means nothing to others.

use core::cell::Cell;
use core::ptr;

/// No thread has this part, or the one before it.
pub(crate) const NO_PART: u32 = u32::MAX;

/// The thread keeps no extent: it has not begun to, or it ends.
pub(crate) const KEEPS_NONE: u32 = u32::MAX;

/// So many kinds of spans there may be.
pub(crate) const SPANS: usize = 40;

/// No field has a destructor: it is there for as long as the thread is.
#[repr(C, align(64))]
pub(crate) struct Own {
    /// `counter`: the thread's part of all counters; [`NO_PART`] before the first use.
    pub(crate) part: Cell<u32>,
    /// `os`: the kernel's number of the thread; 0 before the first use.
    pub(crate) id: Cell<u32>,
    /// `ledger::sample`: bytes to the thread's next sampling point; 0 before the first use.
    pub(crate) to_point: Cell<u64>,
    /// `ledger::extent`: what the thread has given back last, and keeps.
    pub(crate) kept: Kept,
    /// `ledger::slab`: the span of each size class.
    pub(crate) spans: [Span; SPANS],
}

/// An extent that a thread keeps: the number of its first granule, and how many it has. Of none that is 0, or
/// [`KEEPS_NONE`].
#[repr(C, align(16))] // so that no span lies in two cache lines
pub(crate) struct Kept {
    pub(crate) first: Cell<u32>,
    pub(crate) granules: Cell<u32>,
}

/// A span that a thread owns, if any, and the chain of the slots in it that the thread has given back.
pub(crate) struct Span {
    /// Where what is known of it lies; NULL is none.
    at: Cell<*const ()>,
    /// The first slot's place, and 1; 0 is an empty chain.
    pub(crate) chain: Cell<u32>,
}

impl Span {
    /// NULL, or what was set last.
    #[inline(always)]
    pub(crate) fn at(&self) -> *const () {
        self.at.get()
    }

    /// # Safety
    /// It is NULL, or lies there for as long as the process lives, and is what `ledger::slab` takes for one of its
    /// spans.
    pub(crate) unsafe fn set_at(&self, at: *const ()) {
        self.at.set(at);
    }
}

const _: () = assert!(!core::mem::needs_drop::<Own>(), "see `get`");

impl Own {
    const fn new() -> Self {
        Self {
            part: Cell::new(NO_PART),
            id: Cell::new(0),
            to_point: Cell::new(0),
            kept: Kept { first: Cell::new(0), granules: Cell::new(KEEPS_NONE) },
            spans: [const { Span { at: Cell::new(ptr::null()), chain: Cell::new(0) } }; SPANS],
        }
    }
}

thread_local! {
    static OWN: Own = const { Own::new() };
}

/// As a thread's that has come when all parts of counters were given.
#[cfg(test)]
pub(crate) fn sharing() -> Own {
    let own = Own::new();
    own.part.set(NO_PART - 1);
    own
}

/// The calling thread's. Not [`Sync`], so no other thread can get at it.
#[inline(always)]
pub(crate) fn get() -> &'static Own {
    let own = OWN.with(ptr::from_ref);
    // SAFETY: without a destructor it is there until the thread, and all that it can do with it, has ended.
    unsafe { &*own }
}

/// Hands the calling thread's own to `work`.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&Own) -> R) -> R {
    work(get())
}
