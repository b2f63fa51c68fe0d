//! The addresses that slots lie at, and those of what is known of them.

use super::class::{MOST_SLOTS, SPAN};
use super::span::Span;
use crate::error::Errno;
use crate::ledger::entry::Entry;
use crate::ledger::region;
use crate::os;

/// 16 GiB of slots. Addresses cost nothing; who needs more gets it from the C library.
const MOST: usize = 1 << 18;

/// So many spans are opened at a time: each opening is three system calls.
const STEP: usize = 64;

/// Bytes from the entries of a span to those of the next.
const ENTRIES: usize = SPAN;
// The model checker's atomics are larger.
const _: () = assert!(cfg!(loom) || SKEW + MOST_SLOTS * size_of::<Entry>() <= ENTRIES);

/// Where the first entry of a span lies in its page. With the same place in theirs as the first slot and its
/// span, a load from one would wait for a store to another: processors compare the last 12 bits first.
const SKEW: usize = 2 << 10;

/// Slots, entries and what is known of spans.
pub(super) struct Region(region::Region<3>);

pub(super) static REGION: Region = Region(region::Region::new());

/// The kinds of things, and what a span takes of each.
const SLOTS: usize = 0;
const BOOKS: usize = 1;
const SPANS: usize = 2;
const SIZES: [usize; 3] = [SPAN, ENTRIES, size_of::<Span>()];

impl Region {
    /// Sets the addresses aside. Called once, before any other thread uses it.
    ///
    /// # Errors
    /// There are not so many, or pages are too large: nothing is ever opened.
    pub(super) fn reserve(&self) -> Result<(), Errno> {
        let page = os::page_size();
        if [SPAN, ENTRIES, STEP * size_of::<Span>()].iter().any(|bytes| bytes % page != 0) {
            return Err(Errno::EINVAL);
        }
        self.0.reserve(MOST, SIZES)?;
        // SAFETY: pages of ours.
        unsafe { os::map::keep_small(self.0.start(SLOTS), MOST * SIZES.iter().sum::<usize>()) };
        Ok(())
    }

    /// Whether nobody else can have anything there.
    pub(super) fn contains(&self, address: *mut u8) -> bool {
        self.is_reserved() && self.offset(address) < MOST * SPAN
    }

    #[inline]
    fn offset(&self, address: *mut u8) -> usize {
        address.addr().wrapping_sub(self.0.start(SLOTS).addr())
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.0.is_reserved()
    }

    /// Makes spans usable, all before `end`; one thread at a time.
    ///
    /// # Errors
    /// The kernel has no memory for them, or there are no such addresses.
    pub(super) fn open(&self, end: usize) -> Result<(), Errno> {
        if end <= self.0.opened() {
            return Ok(());
        }
        let until = end.next_multiple_of(STEP);
        if until > MOST {
            return Err(Errno::ENOMEM);
        }
        self.0.open(until, SIZES)?;
        self.0.publish(until);
        Ok(())
    }

    /// The span of that number, if it is opened.
    #[inline]
    pub(super) fn span(&self, number: usize) -> Option<&'static Span> {
        if number >= self.0.opened() {
            return None;
        }
        let span = self.0.start(SPANS).wrapping_add(number * size_of::<Span>());
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
        self.0.start(BOOKS).wrapping_add(number * ENTRIES)
    }

    /// Where the span's slots begin.
    pub(super) fn address(&self, number: usize) -> *mut u8 {
        self.0.start(SLOTS).wrapping_add(number * SPAN)
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
