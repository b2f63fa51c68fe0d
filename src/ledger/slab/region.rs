//! The addresses that slots lie at, and those of what is known of them: reserved once, opened step by
//! step, so that an address tells by itself whether it may be a slot's.

use super::class::{MOST_SLOTS, SPAN};
use super::span::{Entry, Span};
use crate::error::Errno;
use crate::os;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// 16 GiB of slots. Addresses cost nothing; who needs more gets it from the C library.
const MOST: usize = 1 << 18;

/// So many spans are opened at a time: each opening is three system calls.
const STEP: usize = 64;

/// Bytes from the entries of a span to those of the next.
const ENTRIES: usize = SPAN;
const _: () = assert!(SKEW + MOST_SLOTS * size_of::<Entry>() <= ENTRIES);

/// Where the first entry of a span lies in its page. With the same place in theirs as the first slot and its
/// span, a load from one would wait for a store to another: processors compare the last 12 bits first.
const SKEW: usize = 2 << 10;

/// What lies where. NULL before [`Region::reserve`]. It hardly ever changes, and is looked at for every
/// block.
#[repr(align(64))]
pub(super) struct Region {
    slots: AtomicPtr<u8>,
    entries: AtomicPtr<u8>,
    spans: AtomicPtr<u8>,
    /// Spans that can be used.
    opened: AtomicUsize,
}

pub(super) static REGION: Region = Region {
    slots: AtomicPtr::new(ptr::null_mut()),
    entries: AtomicPtr::new(ptr::null_mut()),
    spans: AtomicPtr::new(ptr::null_mut()),
    opened: AtomicUsize::new(0),
};

impl Region {
    /// Sets the addresses aside. Called once, before any other thread uses it.
    ///
    /// # Errors
    /// There are not so many, or pages are too large: nothing is ever opened.
    pub(super) fn reserve(&self) -> Result<(), Errno> {
        let (span, page) = (size_of::<Span>(), os::page_size());
        if [SPAN, ENTRIES, STEP * span].iter().any(|bytes| bytes % page != 0) {
            return Err(Errno::EINVAL);
        }
        let all = MOST * (SPAN + ENTRIES + span);
        // One more, so that spans begin at multiples of their size.
        let pages = os::map::reserve(all + SPAN)?;
        let slots = pages.map_addr(|pages| pages.next_multiple_of(SPAN));
        let entries = slots.wrapping_add(MOST * SPAN);
        // SAFETY: pages of ours.
        unsafe { os::map::keep_small(slots, all) };
        self.entries.store(entries, Ordering::Relaxed);
        self.spans.store(entries.wrapping_add(MOST * ENTRIES), Ordering::Relaxed);
        // Release: who sees this one sees the others.
        self.slots.store(slots, Ordering::Release);
        Ok(())
    }

    /// Whether nobody else can have anything there.
    pub(super) fn contains(&self, address: *mut u8) -> bool {
        self.is_reserved() && self.offset(address) < MOST * SPAN
    }

    #[inline]
    fn offset(&self, address: *mut u8) -> usize {
        address.addr().wrapping_sub(self.slots.load(Ordering::Relaxed).addr())
    }

    pub(super) fn is_reserved(&self) -> bool {
        !self.slots.load(Ordering::Acquire).is_null()
    }

    /// Makes spans usable, all before `end`; one thread at a time.
    ///
    /// # Errors
    /// The kernel has no memory for them, or there are no such addresses.
    pub(super) fn open(&self, end: usize) -> Result<(), Errno> {
        let opened = self.opened.load(Ordering::Relaxed);
        if end <= opened {
            return Ok(());
        }
        let until = end.next_multiple_of(STEP);
        if until > MOST || !self.is_reserved() {
            return Err(Errno::ENOMEM);
        }
        let parts =
            [(&self.slots, SPAN), (&self.entries, ENTRIES), (&self.spans, size_of::<Span>())];
        for (start, each) in parts {
            let pages = start.load(Ordering::Relaxed).wrapping_add(opened * each);
            // SAFETY: pages of ours, within what was reserved.
            unsafe { os::map::open(pages, (until - opened) * each) }?;
        }
        // Release: who sees them opened may touch them.
        self.opened.store(until, Ordering::Release);
        Ok(())
    }

    /// The span of that number, if it is opened.
    #[inline]
    pub(super) fn span(&self, number: usize) -> Option<&'static Span> {
        // Acquire: where something is opened, its addresses are known.
        if number >= self.opened.load(Ordering::Acquire) {
            return None;
        }
        let span = self.spans.load(Ordering::Relaxed).wrapping_add(number * size_of::<Span>());
        // SAFETY: opened, so it can be read and written for as long as the process lives; it is aligned,
        // atomics all over, for which the kernel's zeros are values.
        Some(unsafe { &*span.cast::<Span>() })
    }

    /// The span that an address lies in, if it is opened. Before any is, there is no such number.
    #[inline]
    pub(super) fn span_at(&self, address: *mut u8) -> Option<&'static Span> {
        self.span(self.offset(address) / SPAN)
    }

    /// The entries of the span's slots.
    pub(super) fn entries(&self, number: usize) -> *mut Entry {
        self.entry_pages(number).wrapping_add(SKEW).cast()
    }

    fn entry_pages(&self, number: usize) -> *mut u8 {
        self.entries.load(Ordering::Relaxed).wrapping_add(number * ENTRIES)
    }

    /// Where the span's slots begin.
    pub(super) fn address(&self, number: usize) -> *mut u8 {
        self.slots.load(Ordering::Relaxed).wrapping_add(number * SPAN)
    }

    /// Gives the content of a span, and of its entries, back to the kernel.
    ///
    /// # Errors
    /// Both may be as they were.
    ///
    /// # Safety
    /// It is opened, and no one uses it, but to look at entries.
    pub(super) unsafe fn forget(&self, number: usize) -> Result<(), Errno> {
        let entries = self.entry_pages(number);
        // SAFETY: pages of ours; the caller guarantees the rest.
        unsafe { os::map::forget(self.address(number), SPAN) }?;
        // SAFETY: as above. Whoever looks sees zeros, an entry of nothing, or if the kernel keeps the pages,
        // entries that are not live.
        unsafe { os::map::forget(entries, ENTRIES) }
    }
}
