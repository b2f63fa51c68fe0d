//! Memory of our own, each block's entry found by its address: [`slab`] for small blocks, [`extent`] for
//! larger ones.

use super::extent::{self, Extent};
use super::slab::{self, Left, Slot};
use super::{Block, SiteId, Size};
use crate::own::Own;

/// Where a block of our own lies.
#[derive(Clone, Copy)]
pub(super) enum Home {
    Slot(Slot),
    Extent(Extent),
}

/// Sets the addresses aside; before that nothing is taken.
pub(super) fn open() {
    slab::open();
    extent::open();
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
    extent::take(bytes).map(Home::Extent)
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

    /// Puts the block into the books.
    #[inline]
    pub(super) fn enter(self, block: &Block) {
        match self {
            Self::Slot(slot) => slot.enter(block),
            Self::Extent(extent) => extent.enter(block),
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

    /// The block in it, if one is live.
    pub(super) fn look(self) -> Option<Block> {
        match self {
            Self::Slot(slot) => slot.look(),
            Self::Extent(extent) => extent.look(),
        }
    }

    /// Where the block in it was taken, if that is known.
    #[inline]
    pub(super) fn site(self) -> Option<SiteId> {
        match self {
            Self::Slot(slot) => slot.site(),
            Self::Extent(extent) => extent.site(),
        }
    }

    /// What it still tells of the last block in it, if none is live.
    pub(super) fn left(self) -> Option<Left> {
        match self {
            Self::Slot(slot) => slot.left(),
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
            Self::Extent(extent) => extent.give_back(),
        }
    }
}

/// As [`open`], which is for once; and for one test at a time, so that each knows who has what.
#[cfg(test)]
pub(super) fn opened() -> std::sync::MutexGuard<'static, ()> {
    use std::sync::{Mutex, Once, PoisonError};
    static ONCE: Once = Once::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(open);
    for bytes in [1, slab::LARGEST + 1] {
        let is_there =
            crate::own::with(|own| take(own, bytes).map(|home| home.give_back(own)).is_some());
        assert!(is_there, "a limit of addresses (ulimit -v)?");
    }
    alone
}
