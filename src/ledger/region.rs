//! Addresses that are reserved once and opened step by step, so that an address tells by itself whether
//! something of ours may lie there: for `N` kinds of things, as many of each, what is known of a place
//! beside the place itself.

use crate::error::Errno;
use crate::os;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What lies where. It hardly ever changes, and is looked at for every block.
#[repr(align(64))]
pub(super) struct Region<const N: usize> {
    /// Where each kind begins; NULL before [`Region::reserve`].
    starts: [AtomicPtr<u8>; N],
    /// So many of each can be used.
    opened: AtomicUsize,
}

impl<const N: usize> Region<N> {
    pub(super) const fn new() -> Self {
        Self { starts: [const { AtomicPtr::new(ptr::null_mut()) }; N], opened: AtomicUsize::new(0) }
    }

    /// Sets addresses aside for `most` things of each kind, which take so many bytes; those of the first
    /// kind begin at multiples of theirs, a power of two. Called once, before any other thread uses it.
    ///
    /// # Errors
    /// There are not so many: nothing is ever opened.
    pub(super) fn reserve(&self, most: usize, sizes: [usize; N]) -> Result<(), Errno> {
        let [alignment, ..] = sizes.as_slice() else { return Err(Errno::EINVAL) };
        let all = most * sizes.iter().sum::<usize>();
        let pages = os::map::reserve(all + alignment)?;
        let mut start = pages.map_addr(|pages| pages.next_multiple_of(*alignment));
        for (place, size) in self.starts.iter().zip(sizes) {
            // Release: who sees one sees what it is for.
            place.store(start, Ordering::Release);
            start = start.wrapping_add(most * size);
        }
        Ok(())
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.starts.iter().all(|start| !start.load(Ordering::Acquire).is_null())
    }

    /// Where the things of a kind begin: its place among the sizes that were set aside for.
    #[inline(always)] // with a constant it is one load
    pub(super) fn start(&self, kind: usize) -> *mut u8 {
        self.starts.get(kind).map_or(ptr::null_mut(), |start| start.load(Ordering::Relaxed))
    }

    /// So many of each can be used; who sees that, sees where they are.
    #[inline]
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Acquire)
    }

    /// Lets things be touched, all before `until`, of the sizes that they were reserved for; one thread at a
    /// time. Others learn of it by [`Region::publish`].
    ///
    /// # Errors
    /// The kernel has no memory for them, or there are no such addresses.
    pub(super) fn open(&self, until: usize, sizes: [usize; N]) -> Result<(), Errno> {
        if !self.is_reserved() {
            return Err(Errno::ENOMEM);
        }
        let opened = self.opened();
        for (kind, size) in sizes.into_iter().enumerate() {
            let start = self.start(kind);
            // SAFETY: pages of ours, within what was reserved.
            unsafe { os::map::open(start.wrapping_add(opened * size), (until - opened) * size) }?;
        }
        Ok(())
    }

    /// From now on all before `until`, which are open, can be used.
    pub(super) fn publish(&self, until: usize) {
        // Release: who sees it may touch them.
        self.opened.store(until, Ordering::Release);
    }
}
