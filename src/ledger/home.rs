//! Memory of our own, each block's entry found by its address: [`slab`] for small blocks, [`extent`] for
//! larger ones.

use super::entry::{Entry, Left};
use super::extent::{self, Extent};
use super::slab::{self, Slot};
use super::{Block, Size};
use crate::error::Errno;
use crate::os;
use crate::own::{self, Own};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a block of our own lies.
#[derive(Clone, Copy)]
pub(super) enum Home {
    Slot(Slot),
    Extent(Extent),
}

/// Sets the addresses aside; before that nothing is taken. A process whose addresses are limited
/// (`ulimit -v`) needs them for other things.
pub(super) fn open() {
    if os::map::is_unlimited() {
        // Without them blocks lie elsewhere.
        let _: [Result<(), Errno>; 2] = [slab::open(), extent::open()];
    }
}

/// A lock under which no step panics.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives up what a thread has of this memory when it ends.
struct AtEnd;

thread_local! {
    static AT_END: AtEnd = const { AtEnd };
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        // Other destructors that come after this one may still take blocks, elsewhere.
        own::with(|own| {
            slab::leave(own);
            extent::leave(own);
        });
    }
}

/// Whether what the calling thread has from here on is given up when it ends. When it is ending it is too late for
/// that.
#[cold]
pub(super) fn is_left_at_end() -> bool {
    AT_END.try_with(|_| ()).is_ok()
}

/// Whether a block of so many bytes may be one of our own.
#[inline]
pub(super) fn is_for(bytes: usize) -> bool {
    (1..=extent::LARGEST).contains(&bytes)
}

/// Memory for so many bytes, not in the books yet, for the thread whose own that is. `None`: there is none of
/// our own.
// A function of its own would hand it over in memory, piece by piece, which whoever reads it waits for.
#[inline(always)]
pub(super) fn take(own: &Own, bytes: usize) -> Option<Home> {
    if bytes <= slab::LARGEST {
        return slab::take(own, bytes).map(Home::Slot);
    }
    extent::take(own, bytes).map(Home::Extent)
}

/// Where the block at an address lies, if it is one of our own.
#[inline(always)] // as `take`
pub(super) fn find(address: *mut u8) -> Option<Home> {
    match slab::find(address) {
        Some(slot) => Some(Home::Slot(slot)),
        None => extent::find(address).map(Home::Extent),
    }
}

/// Whether nobody else can have a block there.
pub(super) fn is_here(address: *mut u8) -> bool {
    slab::is_here(address) || extent::is_here(address)
}

/// Looks at every live block. Others come and go meanwhile; `look` must be quick, and take or give none.
pub(super) fn for_each(mut look: impl FnMut(usize, &Block)) {
    slab::for_each(&mut look);
    extent::for_each(&mut look);
}

impl Home {
    pub(super) fn address(self) -> *mut u8 {
        match self {
            Self::Slot(slot) => slot.address(),
            Self::Extent(extent) => extent.address(),
        }
    }

    /// What the books know of the place.
    #[inline]
    pub(super) fn entry(self) -> &'static Entry {
        match self {
            Self::Slot(slot) => slot.entry(),
            Self::Extent(extent) => extent.entry(),
        }
    }

    /// Takes the block at that address, where this is, out of the books: it is freed by `thread`, or moved.
    /// `None`: there is none.
    #[inline]
    pub(super) fn claim(self, address: *mut u8, thread: u32) -> Option<Size> {
        match self {
            Self::Slot(slot) => slot.claim(address, thread),
            Self::Extent(extent) => extent.claim(thread),
        }
    }

    /// What it still tells of the last block in it, if none is live.
    pub(super) fn left(self) -> Option<Left> {
        match self {
            Self::Slot(slot) => slot.entry().left(),
            Self::Extent(extent) => extent.left(),
        }
    }

    /// Makes it hold so many bytes where it is, if a block of that size would be put into such a place and
    /// there is room. The block is not in the books, and the caller's.
    pub(super) fn resize(self, bytes: usize) -> bool {
        match self {
            Self::Slot(slot) => slot.suits(bytes),
            Self::Extent(extent) => bytes > slab::LARGEST && extent.resize(bytes),
        }
    }

    /// Gives the memory back, by the thread whose own that is. The block is not in the books, and the
    /// caller's.
    #[inline]
    pub(super) fn give_back(self, own: &Own) {
        match self {
            Self::Slot(slot) => slot.give_back(own),
            Self::Extent(extent) => extent.give_back(own),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
