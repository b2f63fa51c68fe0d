//! Guarded blocks: a sample of all, each on pages of its own, its end at a page that nobody may touch;
//! after its release nobody may touch it either, for as long as its addresses are kept from others.
//!
//! So a use after free and a write beyond the end fault at the instruction that does it, and
//! [`explain`] knows of which block. What lies between the block and the page, and before it, is filled
//! with a pattern and looked at when the block is freed.
//!
//! After GWP-ASan (Serebryany and others, 2023), with pages taken as they are needed.

use super::SiteId;
use super::misuse::{Ago, stack};
use super::settings::SETTINGS;
use super::{clock, site};
use crate::memory;
use crate::os;
use core::cell::Cell;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A guarded block costs three of the kernel's mappings, of which a process may have 65,530.
const MOST_LIVE: usize = 8192;
/// Freed ones that are kept from others; in one mapping with their neighbours if they are lucky.
const MOST_FREED: usize = 4096;
/// And no more addresses than this.
const MOST_FREED_BYTES: usize = 1 << 36;

/// As `malloc` aligns.
const ALIGNMENT: usize = 16;
/// What is looked at before a block; all that there is behind it, less than [`ALIGNMENT`].
const BEFORE: usize = 64;
const PATTERN: u8 = 0xA5;

/// Guarded blocks have lain from the first to the second.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// From now on so many of a hundred blocks are guarded; 100 is all, while there are not too many.
pub(crate) fn guard_share(percent: u8) {
    SETTINGS.guard_share.store(percent, Ordering::Relaxed);
}

/// Whether any block is to be guarded.
#[inline]
pub(super) fn is_on() -> bool {
    SETTINGS.guard_share.load(Ordering::Relaxed) != 0
}

/// Whether the block that the calling thread is about to take is to be guarded.
pub(super) fn is_chosen() -> bool {
    let share = SETTINGS.guard_share.load(Ordering::Relaxed);
    if share == 0 {
        return false;
    }
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    static THREADS: AtomicU64 = AtomicU64::new(1);
    // Of every hundred that a thread takes, in an order without pattern: 61 and 100 share no divisor.
    // Each thread begins elsewhere.
    let draw = NEXT.try_with(|next| {
        if next.get() == 0 {
            next.set(37 * THREADS.fetch_add(1, Ordering::Relaxed) + 1);
        }
        next.replace(next.get().wrapping_add(61)) % 100
    });
    draw.is_ok_and(|draw| draw < u64::from(share))
}

/// Where a block was written to that should not have been: relative to its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: isize,
}

/// Who has taken or freed a block.
#[derive(Clone, Copy)]
struct Record {
    at: u32,
    thread: u32,
    site: Option<SiteId>,
}

impl Record {
    fn here() -> Self {
        Self { at: clock::now(), thread: os::thread_id(), site: site::id_here() }
    }
}

struct Guarded {
    /// Of all its pages, those included that nobody may touch.
    pages: usize,
    block: usize,
    bytes: usize,
    taken: Record,
    freed: Option<Record>,
}

/// All that are known, by their first page.
#[derive(Default)]
struct All {
    by_pages: BTreeMap<usize, Guarded>,
    live: usize,
    /// The first pages of freed ones, the longest freed first.
    freed: VecDeque<usize>,
    freed_bytes: usize,
}

static ALL: Mutex<All> =
    Mutex::new(All { by_pages: BTreeMap::new(), live: 0, freed: VecDeque::new(), freed_bytes: 0 });

fn all() -> MutexGuard<'static, All> {
    // A panic under the lock leaves it whole.
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a block of that size lies: bytes of all pages, and from the first page to the block.
fn layout(bytes: usize) -> Option<(usize, usize)> {
    let page = os::page_size();
    let aligned = bytes.checked_next_multiple_of(ALIGNMENT)?;
    let inner = aligned.checked_next_multiple_of(page)?;
    Some((inner.checked_add(2 * page)?, page + inner - aligned))
}

/// A guarded block of `bytes` bytes, which is not 0. `None`: there is no room for one, or there are too
/// many.
pub(super) fn allocate(bytes: usize) -> Option<*mut u8> {
    let (whole, offset) = layout(bytes)?;
    let page = os::page_size();
    if all().live >= MOST_LIVE {
        return None;
    }
    let pages = os::map::reserve(whole).ok()?;
    let inner = pages.wrapping_add(page);
    // SAFETY: pages that are ours, less the first and the last.
    if unsafe { os::map::open(inner, whole - 2 * page) }.is_err() {
        // SAFETY: no one but us has seen them. If it fails, addresses are lost.
        let _ = unsafe { os::map::give_back(pages, whole) };
        return None;
    }
    let block = pages.wrapping_add(offset);
    for (start, len) in edges(block, bytes) {
        // SAFETY: within the pages that are open, and no one but us has seen them. Filled always.
        let _ = unsafe { memory::set_memory(start, len, PATTERN) };
    }
    LOWEST.fetch_min(pages.addr(), Ordering::Relaxed);
    HIGHEST.fetch_max(pages.addr() + whole, Ordering::Relaxed);
    let taken = Record::here();
    let guarded = Guarded { pages: whole, block: block.addr(), bytes, taken, freed: None };
    let mut all = all();
    all.live += 1;
    all.by_pages.insert(pages.expose_provenance(), guarded);
    Some(block)
}

/// What is filled with the pattern: before the block, and behind it.
fn edges(block: *mut u8, bytes: usize) -> [(*mut u8, usize); 2] {
    let before = (block.addr() % os::page_size()).min(BEFORE);
    let behind = bytes.next_multiple_of(ALIGNMENT) - bytes;
    [(block.wrapping_sub(before), before), (block.wrapping_add(bytes), behind)]
}

/// Looks for writes beyond the ends of a block.
///
/// # Safety
/// `block` is a live guarded block of `bytes` bytes.
unsafe fn damage(block: *mut u8, bytes: usize) -> Option<Damage> {
    edges(block, bytes).into_iter().find_map(|(start, len)| {
        (0..len).find_map(|i| {
            let byte = start.wrapping_add(i);
            // SAFETY: within the block's open pages.
            let value = unsafe { byte.read_volatile() };
            let offset = byte.addr().wrapping_sub(block.addr()).cast_signed();
            (value != PATTERN).then_some(Damage { offset })
        })
    })
}

/// Takes a guarded block back, and keeps its addresses from others. Tells what was written to beyond
/// its ends.
///
/// # Safety
/// `block` is a live guarded block of `bytes` bytes, which no one uses from here on.
pub(super) unsafe fn free(block: *mut u8, bytes: usize) -> Option<Damage> {
    // SAFETY: the caller guarantees the block.
    let damage = unsafe { damage(block, bytes) };
    let (whole, offset) = layout(bytes)?;
    let page = os::page_size();
    let pages = block.wrapping_sub(offset);
    let freed = Record::here();
    // SAFETY: they are the block's, which no one uses. If it fails they stay open, and known.
    let _ = unsafe { os::map::close(pages.wrapping_add(page), whole - 2 * page) };
    let mut all = all();
    all.live = all.live.saturating_sub(1);
    if let Some(guarded) = all.by_pages.get_mut(&pages.addr()) {
        guarded.freed = Some(freed);
        all.freed.push_back(pages.addr());
        all.freed_bytes += whole;
    }
    all.forget();
    damage
}

impl All {
    /// Gives addresses back of which there are too many.
    fn forget(&mut self) {
        while self.freed.len() > MOST_FREED || self.freed_bytes > MOST_FREED_BYTES {
            let Some(oldest) = self.freed.pop_front() else { return };
            let Some(guarded) = self.by_pages.remove(&oldest) else { continue };
            self.freed_bytes -= guarded.pages;
            let pages = core::ptr::with_exposed_provenance_mut(oldest);
            // SAFETY: the pages of a block that was freed; ours, and in no list any more. If it fails,
            // addresses are lost.
            let _ = unsafe { os::map::give_back(pages, guarded.pages) };
        }
    }
}

/// Whether guarded blocks lie, or have lain, around there: quick, and right if the answer is no.
#[must_use]
pub fn may_explain(address: usize) -> bool {
    (LOWEST.load(Ordering::Relaxed)..HIGHEST.load(Ordering::Relaxed)).contains(&address)
}

/// What a thread did that has faulted at this address: which block it was, and who has taken and freed
/// it. `None` if it has nothing to do with a guarded block, or the thread may be in this module itself.
#[must_use]
pub fn explain(address: usize) -> Option<String> {
    let all = site::patiently(&ALL)?;
    let (pages, guarded) = all.by_pages.range(..=address).next_back()?;
    if address >= pages + guarded.pages {
        return None;
    }
    let Guarded { block, bytes, taken, freed, .. } = *guarded;
    drop(all);
    let offset = address.wrapping_sub(block).cast_signed();
    let what = match (freed, address < block) {
        (Some(_), _) => "use after free",
        (None, true) => "underrun",
        (None, false) => "overrun",
    };
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = writeln!(
        text,
        "offheap: {what}: {address:#x} is byte {offset} of a block of {bytes} bytes at {block:#x}"
    );
    let records = [freed.map(|freed| ("freed", freed)), Some(("taken", taken))];
    for (verb, record) in records.into_iter().flatten() {
        let _ = writeln!(text, "  {verb} {} ago by thread {}, at", Ago(record.at), record.thread);
        let _ = stack(&mut text, record.site.and_then(site::get_patiently).as_deref());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_unused(block: *mut u8, bytes: usize) -> Option<Damage> {
        // SAFETY: the tests use no block that they have freed.
        unsafe { free(block, bytes) }
    }

    #[test]
    fn a_block_is_aligned_and_ends_at_its_page_or_less_than_16_bytes_before() {
        for bytes in [1, 15, 16, 17, 4095, 4096, 4097, 100_000] {
            let block = allocate(bytes).unwrap();
            assert_eq!(block.addr() % 16, 0, "{bytes}");
            let end = block.addr() + bytes;
            assert!(end.next_multiple_of(os::page_size()) - end < 16, "{bytes}");
            // SAFETY: live, so long, and only this thread knows it.
            unsafe { block.write_bytes(1, bytes) };
            assert_eq!(free_unused(block, bytes), None, "{bytes}");
        }
    }

    #[test]
    fn a_write_beyond_an_end_is_seen_when_the_block_is_freed() {
        for (bytes, offset) in [(100, 100), (100, 111), (100, -1), (4000, -64), (15, 15)] {
            let block = allocate(bytes).unwrap();
            // SAFETY: within the block's pages, which only this thread knows.
            unsafe { block.wrapping_offset(offset).write(7) };
            assert_eq!(free_unused(block, bytes), Some(Damage { offset }), "{bytes}");
        }
    }

    #[test]
    fn an_address_is_explained_by_its_block_while_it_is_remembered() {
        let block = allocate(64).unwrap();
        let address = block.addr();
        assert!(may_explain(address) && may_explain(address + 64));
        let explained = |address| explain(address).unwrap_or_default();
        let overrun = explained(address + 64);
        assert!(overrun.starts_with("offheap: overrun: "), "{overrun}");
        assert!(overrun.contains("is byte 64 of a block of 64 bytes"), "{overrun}");
        let underrun = explained(address - os::page_size());
        assert!(underrun.starts_with("offheap: underrun: "), "{underrun}");
        free_unused(block, 64);
        let after = explained(address + 5);
        assert!(after.starts_with("offheap: use after free: "), "{after}");
        assert!(after.contains("is byte 5 of a block of 64 bytes"), "{after}");
        let (freed, taken) = (after.find("  freed "), after.find("  taken "));
        assert!(freed.is_some() && freed < taken, "{after}");
        assert_eq!(explain(1), None);
    }

    #[test]
    fn addresses_of_freed_blocks_are_given_back_at_last() {
        for _ in 0..2 * MOST_FREED {
            let block = allocate(8).unwrap();
            free_unused(block, 8);
        }
        let all = all();
        assert!(all.freed.len() <= MOST_FREED, "{}", all.freed.len());
        assert!(all.by_pages.len() <= MOST_FREED + all.live, "{}", all.by_pages.len());
    }

    #[test]
    fn without_pages_there_is_no_guarded_block() {
        for successes in 0..2 {
            let none = os::heap::failing::after(successes, || allocate(100));
            assert_eq!(none, None, "after {successes}");
        }
    }
}
