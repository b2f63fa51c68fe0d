//! Zeros for large blocks, which mostly are zero already.
//!
//! Pages are not given back to the kernel instead, fast as that is: a device may have them pinned, and
//! would go on with the old ones.

use super::set_memory;
use crate::os;
use crate::os::pagemap::Pagemap;
use core::sync::atomic::{AtomicU32, Ordering};

/// To ask the kernel costs as much as to write about half of so many bytes.
const LARGE: usize = 512 << 10;

/// Pages that are asked for at a time.
const ENTRIES: usize = 1024;

/// After an answer of no use nobody asks for so many blocks: a program that writes to what it takes gets
/// it back from the allocator written to.
const PAUSE: u32 = 31;

static PAUSING: AtomicU32 = AtomicU32::new(0);

/// Whether [`zero_private`] may be faster than to write.
#[must_use]
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= LARGE
}

/// Sets `bytes` bytes to 0, as [`set_memory`] does; pages that have no content yet are zero already, and
/// are not touched.
///
/// # Safety
/// As [`set_memory`]; the range is private anonymous memory, as that of the C library's heap is.
pub(crate) unsafe fn zero_private(address: *mut u8, bytes: usize) {
    // SAFETY: the caller guarantees the range.
    let zeroed = unsafe { zero_written(address, bytes) };
    if zeroed.is_none() {
        // SAFETY: as above. It can't fail: the range is writable, so it neither wraps nor starts at NULL.
        let _ = unsafe { set_memory(address, bytes, 0) };
    }
}

/// `None`: the kernel does not tell, or is not asked, and nothing is written.
///
/// # Safety
/// As [`zero_private`].
unsafe fn zero_written(address: *mut u8, bytes: usize) -> Option<()> {
    let pausing = |left: u32| left.checked_sub(1);
    if PAUSING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pausing).is_ok() {
        return None;
    }
    let page = os::page_size();
    // Bytes before the first whole page, and how many pages there are.
    let first = address.addr().checked_next_multiple_of(page)? - address.addr();
    let pages = bytes.checked_sub(first)? / page;
    let map = Pagemap::open().ok()?;
    let mut written = 0;
    let mut entries = [0; ENTRIES];
    for from in (0..pages).step_by(ENTRIES) {
        let asked = entries.get_mut(..ENTRIES.min(pages - from))?;
        let start = address.wrapping_add(first + from * page);
        for (index, has_content) in map.have_content(start.addr(), asked).ok()?.enumerate() {
            if has_content {
                written += 1;
                // SAFETY: a page within the range.
                let _ = unsafe { set_memory(start.wrapping_add(index * page), page, 0) };
            }
        }
    }
    let last = first + pages * page;
    // SAFETY: the part of the range before its first page.
    let _ = unsafe { set_memory(address, first, 0) };
    // SAFETY: and behind its last one.
    let _ = unsafe { set_memory(address.wrapping_add(last), bytes - last, 0) };
    if written > pages / 4 * 3 {
        PAUSING.store(PAUSE, Ordering::Relaxed);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{allocate_memory, free_memory};

    fn zeroed(address: *mut u8, bytes: usize) -> bool {
        // SAFETY: the tests' own block.
        unsafe { zero_private(address, bytes) };
        // SAFETY: as above.
        let content = unsafe { core::slice::from_raw_parts(address, bytes) };
        content.iter().all(|byte| *byte == 0)
    }

    #[test]
    fn what_was_written_is_zero_and_what_was_not_stays_untouched() {
        let page = os::page_size();
        for bytes in [1 << 20, (1 << 20) + 8, 3 * ENTRIES * page + 40] {
            let block = allocate_memory(bytes).unwrap();
            for round in 0..PAUSE as usize + 2 {
                // A few bytes here and there, in the first page, the last and between.
                for place in [0, 7, page, 100 * page + round, bytes / 2, bytes - 1] {
                    // SAFETY: within the block, which only this thread knows.
                    unsafe { block.wrapping_add(place).write(0xFF) };
                }
                assert!(zeroed(block, bytes), "{bytes}, round {round}");
            }
            // SAFETY: the test's own block, not used again.
            unsafe { free_memory(block) };
        }
    }

    #[test]
    fn every_alignment_and_the_smallest_ranges_are_zeroed() {
        let page = os::page_size();
        let block = allocate_memory(8 * page).unwrap();
        for offset in [0, 1, 2, 4, 8, page - 1, page] {
            for bytes in [1, 2, 8, page - 1, page, page + 1, 3 * page + 5] {
                // SAFETY: within the block, which only this thread knows.
                unsafe { block.write_bytes(0xFF, 8 * page) };
                assert!(zeroed(block.wrapping_add(offset), bytes), "{bytes} at {offset}");
                let at = |place: usize| {
                    // SAFETY: as above.
                    unsafe { block.wrapping_add(place).read() }
                };
                let (before, after) = (offset.checked_sub(1).map(at), at(offset + bytes));
                assert!(before.is_none_or(|byte| byte == 0xFF) && after == 0xFF);
            }
        }
        // SAFETY: the test's own block, not used again.
        unsafe { free_memory(block) };
    }

    #[test]
    fn a_block_that_nobody_has_written_to_takes_no_memory_by_being_zeroed() {
        let bytes = 24 << 20;
        let block = allocate_memory(bytes).unwrap();
        PAUSING.store(0, Ordering::Relaxed);
        // SAFETY: the test's own block.
        unsafe { zero_private(block, bytes) };
        let page = os::page_size();
        let map = Pagemap::open().unwrap();
        let mut entries = vec![0; bytes / page - 2];
        let inside = block.addr().next_multiple_of(page);
        let touched = map.have_content(inside, &mut entries).unwrap().filter(|touched| *touched);
        // Huge pages may bring a few with the first and the last.
        let touched = touched.count();
        assert!(touched < bytes / page / 4, "{touched} pages");
        // SAFETY: the test's own block, not used again.
        unsafe { free_memory(block) };
    }
}
