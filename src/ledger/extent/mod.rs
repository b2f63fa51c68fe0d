//! Larger blocks: memory and books in one, as those of [`slab`](super::slab).
//!
//! A block is an *extent* (Wilson et al., Dynamic storage allocation: A survey and critical review, 1995,
//! call it a block of a segregated fit): a run of pages in one of a few *arenas*, its entry apart from the
//! memory and found by the address. A thread takes from the arena that its number falls to, under a lock,
//! and the extent goes back to the one it came from. What is free is found by [`fit`], lies together with
//! what is free beside it, and is taken again from its low end. So a program that takes and frees over and over, of
//! whatever sizes, stays on memory that its processor has at hand. The last small one that a thread has given back it
//! keeps for a while ([`kept`]): to take the same size again needs no lock.
//!
//! Free memory goes back to the kernel when nobody has wanted it for a while ([`background`]).

mod arena;
mod fit;
mod kept;
mod region;

use super::entry::{Entry, Left};
use super::{Block, Size, background, clock, home};
use crate::error::Errno;
use crate::os;
use crate::own::{self, Own};
use arena::{Arena, Tick, after};
use core::sync::atomic::{AtomicU8, Ordering};
use core::time::Duration;
use region::{GRANULE, GRANULES, Granule, REGION};
use std::sync::{Mutex, MutexGuard};

/// Bytes of the largest block that is an extent. For larger ones the C library asks the kernel each time.
pub(super) const LARGEST: usize = 16 << 20;

/// With more, threads would meet less and share less of what is free.
const ARENAS: usize = 4;

static ALL: [Shared; ARENAS] = [const { Shared(Mutex::new(Arena::new())) }; ARENAS];

/// Cache lines of its own (two are fetched together).
#[repr(align(128))]
struct Shared(Mutex<Arena>);

/// One thread at a time opens chunks.
static OPENING: Mutex<()> = Mutex::new(());

/// Between two pieces of work of the decay.
const PAUSE: Duration = Duration::from_micros(50);

static TICK: AtomicU8 = AtomicU8::new(1);

/// Sets the addresses aside; before that nothing is taken.
///
/// # Errors
/// There are not so many, or pages are too large: there are no extents.
pub(super) fn open() -> Result<(), Errno> {
    REGION.reserve()
}

/// An extent in use: a block's memory and its entry.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    first: usize,
    granule: &'static Granule,
}

/// An extent for so many bytes, not in the books yet, for the thread whose own that is.
#[inline]
pub(super) fn take(own: &Own, bytes: usize) -> Option<Extent> {
    if bytes == 0 || bytes > LARGEST {
        return None;
    }
    let granules = bytes.div_ceil(GRANULE);
    match kept::take(own, granules) {
        Some(first) => Extent::of(first),
        None => take_elsewhere(own, granules),
    }
}

/// An extent of an arena; what the thread keeps goes back first.
#[inline(never)] // so that who takes the kept one does not make room for it
fn take_elsewhere(own: &Own, granules: usize) -> Option<Extent> {
    let number = os::thread_id_of(own) as usize % ARENAS;
    let kept = kept::take_any(own);
    let is_here = |first: &usize| owner(*first) == number;
    kept.filter(|first| !is_here(first)).into_iter().for_each(put);
    let mut arena = locked(number);
    kept.filter(is_here).into_iter().for_each(|first| arena.put(first, now()));
    let taken = arena.take(granules);
    drop(arena);
    let of = |arena: usize| Extent::of(locked(arena).take(granules)?);
    match taken {
        Some(first) => Extent::of(first),
        None => add_chunk(number, granules).or_else(|| (0..ARENAS).find_map(of)),
    }
}

/// The arena of an extent.
fn owner(first: usize) -> usize {
    REGION.owner(first / GRANULES)
}

/// Gives an extent back to its arena.
#[inline(never)] // as `take_elsewhere`
fn put(first: usize) {
    locked(owner(first)).put(first, now());
}

/// What a thread keeps goes back: it ends.
pub(super) fn leave(own: &Own) {
    kept::end(own).into_iter().for_each(put);
}

/// An extent of an arena that gets one more chunk for it.
#[cold]
fn add_chunk(arena: usize, granules: usize) -> Option<Extent> {
    background::begin();
    let _opening = home::locked(&OPENING);
    // Another thread may have given it one meanwhile.
    if let Some(first) = locked(arena).take(granules) {
        return Extent::of(first);
    }
    let chunk = REGION.open(arena).ok()?;
    let mut arena = locked(arena);
    arena.add(chunk);
    Extent::of(arena.take(granules)?)
}

#[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
fn locked(arena: usize) -> MutexGuard<'static, Arena> {
    home::locked(&ALL[arena % ARENAS].0)
}

/// Whether nobody but this module can have a block there.
pub(super) fn is_here(address: *mut u8) -> bool {
    REGION.contains(address)
}

/// The extent that begins at an address, or may have begun there once.
#[inline]
pub(super) fn find(address: *mut u8) -> Option<Extent> {
    Extent::of(REGION.number_of(address)?)
}

/// Looks at every live block. Others come and go meanwhile; those of the chunk that is looked at wait, so
/// `look` must be quick, and take or give no block.
pub(super) fn for_each(mut look: impl FnMut(usize, &Block)) {
    for chunk in 0..REGION.opened() {
        locked(REGION.owner(chunk)).for_each(chunk, |first, granule| {
            if let Some(block) = granule.entry.look() {
                look(REGION.address(first).addr(), &block);
            }
        });
    }
}

/// A step of time has gone by: what nobody has wanted since the last one goes back to the kernel.
pub(super) fn decay() {
    let now = after(now());
    TICK.store(now, Ordering::Relaxed);
    for chunk in 0..REGION.opened() {
        // Not under one lock: whoever wants to take something gets in between.
        while locked(REGION.owner(chunk)).purge(chunk, now) {
            clock::end();
            std::thread::sleep(PAUSE);
        }
    }
}

fn now() -> Tick {
    TICK.load(Ordering::Relaxed)
}

impl Extent {
    #[inline]
    fn of(first: usize) -> Option<Self> {
        Some(Self { first, granule: REGION.granule(first)? })
    }

    fn arena(self) -> MutexGuard<'static, Arena> {
        locked(owner(self.first))
    }

    pub(super) fn address(self) -> *mut u8 {
        REGION.address(self.first)
    }

    #[inline]
    pub(super) fn entry(self) -> &'static Entry {
        &self.granule.entry
    }

    /// Takes the block out of the books: it is freed by `thread`, or moved. `None`: there is none.
    #[inline]
    pub(super) fn claim(self, thread: u32) -> Option<Size> {
        // An entry is live only where a used extent begins, and always tells of the same address.
        self.entry().claim(thread)
    }

    /// What is still told of the last block that began here, if none is live, or lies here.
    pub(super) fn left(self) -> Option<Left> {
        let left = self.entry().left()?;
        (!self.arena().is_inside(self.first)).then_some(left)
    }

    /// Makes it hold so many bytes where it is; false if there is no room. The block is not in the books, and
    /// the caller's.
    pub(super) fn resize(self, bytes: usize) -> bool {
        let granules = bytes.div_ceil(GRANULE);
        // It may lie beside it.
        own::with(kept::take_any).into_iter().for_each(put);
        (1..=LARGEST).contains(&bytes) && self.arena().resize(self.first, granules, now())
    }

    /// Gives the memory back, by the thread whose own that is. The block is not in the books, and the caller's.
    #[inline]
    pub(super) fn give_back(self, own: &Own) {
        // Only who has an extent changes how many granules it has.
        kept::put(own, self.first, self.granule.granules()).into_iter().for_each(put);
    }
}

#[cfg(test)]
mod tests;
