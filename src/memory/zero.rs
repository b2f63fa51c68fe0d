//! Zeros for large blocks, which mostly are zero already. Here it is found out where they are not; who asks fills.
//!
//! Pages are not given back to the kernel instead, fast as that is: a device may have them pinned, and
//! would go on with the old ones.

use crate::os;
use crate::os::pagemap::{Pagemap, Run};
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

/// To ask the kernel costs as much as to write about half of so many bytes.
const LARGE: usize = 512 << 10;

/// Runs of written pages that are asked for at a time.
const RUNS: usize = 64;

/// Pages that are asked for at a time where the kernel does not know of runs.
const ENTRIES: usize = 1024;

/// After an answer of no use nobody asks for so many blocks: a program that writes to what it takes gets
/// it back from the allocator written to. Of what follows the beginning of a block that says nothing.
const PAUSE: u32 = 31;

static PAUSING: AtomicU32 = AtomicU32::new(0);

/// Whether [`where_not_zero`] may be faster than to write.
#[must_use]
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= LARGE
}

/// Which part of a block a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its beginning, or all of it.
    First,
    /// One that follows.
    Next,
}

/// Hands to `fill` address and length of each piece of a range of private anonymous memory, as that of the C
/// library's heap is, that may be something else than zeros: not pages that have no content yet. It touches
/// nothing itself; and of any other range it tells nothing of use. (Nor of one for which somebody else handles
/// page faults, as by userfaultfd.)
pub(crate) fn where_not_zero(
    part: Part,
    address: *mut u8,
    bytes: usize,
    mut fill: impl FnMut(*mut u8, usize),
) {
    if where_written(part, address, bytes, &mut fill).is_none() {
        fill(address, bytes);
    }
}

/// `None`: the kernel does not tell, or is not asked.
fn where_written(
    part: Part,
    address: *mut u8,
    bytes: usize,
    fill: &mut impl FnMut(*mut u8, usize),
) -> Option<()> {
    let pausing = |left: u32| left.checked_sub(1);
    if part == Part::First
        && PAUSING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pausing).is_ok()
    {
        return None;
    }
    let page = os::page_size();
    let end = address.addr().checked_add(bytes)?;
    // A page that is only begun or ended by the range is of the same mapping.
    let pages = address.addr() / page * page..end.checked_next_multiple_of(page)?;
    let map = Pagemap::open().ok()?;
    let mut written = 0;
    for_each_written(&map, pages.clone(), |run| {
        written += run.len();
        let start = run.start.max(address.addr());
        fill(address.with_addr(start), run.end.min(end).saturating_sub(start));
    })?;
    if part == Part::First && written > pages.len() / 4 * 3 {
        PAUSING.store(PAUSE, Ordering::Relaxed);
    }
    Some(())
}

/// Looks at the pages of a range that have a content, run by run. `None`: the kernel does not tell.
fn for_each_written(
    map: &Pagemap,
    range: Range<usize>,
    mut look: impl FnMut(Range<usize>),
) -> Option<()> {
    let mut runs = [Run::default(); RUNS];
    let mut at = range.start;
    while at < range.end {
        match map.scan(at..range.end, &mut runs) {
            Ok((runs, until)) if until > at => {
                runs.iter().map(Run::range).for_each(&mut look);
                at = until;
            }
            // Before Linux 6.7.
            _ => return for_each_written_page(map, at..range.end, look),
        }
    }
    Some(())
}

/// [`for_each_written`], page by page.
fn for_each_written_page(
    map: &Pagemap,
    range: Range<usize>,
    mut look: impl FnMut(Range<usize>),
) -> Option<()> {
    let page = os::page_size();
    let mut entries = [0; ENTRIES];
    for from in range.clone().step_by(ENTRIES * page) {
        let asked = entries.get_mut(..ENTRIES.min((range.end - from) / page))?;
        for (index, has_content) in map.have_content(from, asked).ok()?.enumerate() {
            if has_content {
                let at = from + index * page;
                look(at..at + page);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;
    use crate::memory::{allocate_memory, free_memory, set_memory};

    /// Sets to 0 what may not be.
    fn zero(part: Part, address: *mut u8, bytes: usize) {
        where_not_zero(part, address, bytes, |at, len| {
            assert!(len > 0 && at >= address && at.addr() + len <= address.addr() + bytes);
            // SAFETY: a part of the tests' own block.
            unsafe { set_memory(at, len, 0) }.unwrap();
        });
    }

    fn zeroed(address: *mut u8, bytes: usize) -> bool {
        zero(Part::First, address, bytes);
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
    fn runs_and_pages_tell_the_same() {
        let page = os::page_size();
        let pages = 3 * ENTRIES;
        // Not of the heap, where others have left something.
        let block = os::map::reserve(pages * page).unwrap();
        // SAFETY: the test's own pages.
        unsafe { os::map::open(block, pages * page) }.unwrap();
        let written =
            |index: &usize| index.is_multiple_of(3) || index / 100 % 2 == 1 || *index == pages - 1;
        for index in (0..pages).filter(written) {
            // SAFETY: within the pages.
            unsafe { block.wrapping_add(index * page).write(1) };
        }
        let map = Pagemap::open().unwrap();
        let range = block.addr()..block.addr() + pages * page;
        let mut runs = [Run::default(); 2];
        match map.scan(range.clone(), &mut runs) {
            Ok((runs, until)) => assert!(runs.len() == 2 && until < range.end, "{runs:?} {until}"),
            // Only a kernel that does not know of runs may say no.
            Err(error) => assert_eq!(error, Errno::new(libc::ENOTTY)),
        }
        let expected: Vec<_> =
            (0..pages).filter(written).map(|index| range.start + index * page).collect();
        let mut by_page = Vec::new();
        for_each_written_page(&map, range.clone(), |run| by_page.push(run.start)).unwrap();
        assert!(by_page == expected, "{} pages, not {}", by_page.len(), expected.len());
        let mut by_run = Vec::new();
        for_each_written(&map, range, |run| by_run.extend(run.step_by(page))).unwrap();
        assert!(by_run == expected, "{} pages, not {}", by_run.len(), expected.len());
        // SAFETY: the test's own pages, not used again.
        unsafe { os::map::give_back(block, pages * page) }.unwrap();
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
        // Not of the heap, where others have left something.
        let block = os::map::reserve(bytes).unwrap();
        // SAFETY: the test's own pages.
        unsafe { os::map::open(block, bytes) }.unwrap();
        // Of this part nobody says that it is a bad moment to ask.
        zero(Part::Next, block, bytes);
        let page = os::page_size();
        let map = Pagemap::open().unwrap();
        let mut entries = vec![0; bytes / page - 2];
        let inside = block.addr().next_multiple_of(page);
        let touched = map.have_content(inside, &mut entries).unwrap().filter(|touched| *touched);
        // Huge pages may bring a few with the first and the last.
        let touched = touched.count();
        assert!(touched < bytes / page / 4, "{touched} pages");
        // SAFETY: the test's own pages, not used again.
        unsafe { os::map::give_back(block, bytes) }.unwrap();
    }
}
