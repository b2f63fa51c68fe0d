//! The addresses that extents lie at, and those of what is known of them.

use crate::error::Errno;
use crate::ledger::entry::Entry;
use crate::ledger::region;
use crate::os;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Bytes that an extent is a multiple of, and begins at a multiple of.
pub(super) const GRANULE: usize = 4 << 10;

/// Bytes that are opened at a time. No extent reaches from one chunk to another.
pub(super) const CHUNK: usize = 64 << 20;

/// 16 GiB of extents. Addresses cost nothing; who needs more gets it from the C library.
const MOST: usize = 256;

/// Bytes of which it is known together when a part of them was last given back.
pub(super) const UNIT: usize = 64 << 10;

/// What is known of a granule, and of the extent that begins there if one does. Zeros are a granule in
/// which none ever did.
#[repr(C, align(64))]
pub(super) struct Granule {
    /// Of the block, live or the last one that was.
    pub(super) entry: Entry,
    /// The rest is the arena's, under its lock. The extent's granules.
    granules: AtomicU32,
    /// Those of the extent before it in the chunk; 0: it is the first.
    before: AtomicU32,
    /// Of a free one, its neighbours in its bin: their numbers and 1; 0 is none.
    pub(super) next: AtomicU32,
    pub(super) previous: AtomicU32,
    /// Whether it is in a bin.
    is_free: AtomicBool,
}

#[expect(clippy::cast_possible_truncation, reason = "a chunk has fewer")]
impl Granule {
    pub(super) fn granules(&self) -> usize {
        self.granules.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_granules(&self, granules: usize) {
        self.granules.store(granules as u32, Ordering::Relaxed);
    }

    pub(super) fn before(&self) -> usize {
        self.before.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_before(&self, granules: usize) {
        self.before.store(granules as u32, Ordering::Relaxed);
    }

    pub(super) fn is_free(&self) -> bool {
        self.is_free.load(Ordering::Relaxed)
    }

    pub(super) fn set_free(&self, is_free: bool) {
        self.is_free.store(is_free, Ordering::Relaxed);
    }
}

/// What is known of a chunk. All is its arena's, under the lock.
#[repr(C, align(4096))]
pub(super) struct Chunk {
    /// Whether it has units to look at: something was given back, and may still have its content.
    pub(super) is_dirty: AtomicBool,
    /// Of each unit, when something of it was last given back; 0: not since its content went back to the
    /// kernel.
    pub(super) given_back: [AtomicU8; CHUNK / UNIT],
}

/// Granules of a chunk.
pub(super) const GRANULES: usize = CHUNK / GRANULE;

/// Extents, granules and what is known of chunks.
pub(super) struct Region {
    all: region::Region<3>,
    /// Whose each chunk is: set before others know of it. Not in [`Chunk`]: to give a block back, and to take its
    /// size again, needs nothing else of the chunk, and so not its cache lines.
    owners: [AtomicUsize; MOST],
}

pub(super) static REGION: Region =
    Region { all: region::Region::new(), owners: [const { AtomicUsize::new(0) }; MOST] };

/// The kinds of things, and what a chunk takes of each.
const EXTENTS: usize = 0;
const BOOKS: usize = 1;
const CHUNKS: usize = 2;
const SIZES: [usize; 3] = [CHUNK, GRANULES * size_of::<Granule>(), size_of::<Chunk>()];

impl Region {
    /// Sets the addresses aside. Called once, before any other thread uses it.
    ///
    /// # Errors
    /// There are not so many, or pages are too large: nothing is ever opened.
    pub(super) fn reserve(&self) -> Result<(), Errno> {
        if !GRANULE.is_multiple_of(os::page_size()) {
            return Err(Errno::EINVAL);
        }
        self.all.reserve(MOST, SIZES)?;
        let (granules, [_, of_granules, of_chunk]) = (self.all.start(BOOKS), SIZES);
        // What is known of a block takes a page, not a huge one. The blocks themselves lie as the machine has it
        // for all memory.
        // SAFETY: pages of ours.
        unsafe { os::map::keep_small(granules, MOST * (of_granules + of_chunk)) };
        Ok(())
    }

    /// Whether nobody else can have anything there.
    pub(super) fn contains(&self, address: *mut u8) -> bool {
        self.all.is_reserved() && self.offset(address) < MOST * CHUNK
    }

    #[inline]
    fn offset(&self, address: *mut u8) -> usize {
        address.addr().wrapping_sub(self.all.start(EXTENTS).addr())
    }

    /// The number of the granule that begins at an address, if it is opened.
    #[inline]
    pub(super) fn number_of(&self, address: *mut u8) -> Option<usize> {
        let (opened, offset) = (self.opened(), self.offset(address));
        (offset < opened * CHUNK && offset.is_multiple_of(GRANULE)).then_some(offset / GRANULE)
    }

    /// Where a granule begins.
    pub(super) fn address(&self, granule: usize) -> *mut u8 {
        self.all.start(EXTENTS).wrapping_add(granule * GRANULE)
    }

    /// What is known of the granule of that number.
    #[inline]
    pub(super) fn granule(&self, number: usize) -> Option<&'static Granule> {
        if number >= self.opened() * GRANULES {
            return None;
        }
        let granule = self.all.start(BOOKS).wrapping_add(number * size_of::<Granule>());
        // SAFETY: opened, so it can be read and written for as long as the process lives; it is aligned,
        // atomics all over, for which the kernel's zeros are values.
        Some(unsafe { &*granule.cast::<Granule>() })
    }

    /// What is known of the chunk of that number.
    #[inline]
    pub(super) fn chunk(&self, number: usize) -> Option<&'static Chunk> {
        if number >= self.opened() {
            return None;
        }
        let chunk = self.all.start(CHUNKS).wrapping_add(number * size_of::<Chunk>());
        // SAFETY: as for a granule.
        Some(unsafe { &*chunk.cast::<Chunk>() })
    }

    /// The arena that a chunk was opened for.
    #[inline]
    pub(super) fn owner(&self, chunk: usize) -> usize {
        self.owners.get(chunk).map_or(0, |owner| owner.load(Ordering::Relaxed))
    }

    /// Chunks that can be used.
    pub(super) fn opened(&self) -> usize {
        self.all.opened()
    }

    /// Makes the next chunk usable, for that arena; one thread at a time. Its number.
    ///
    /// # Errors
    /// The kernel has no memory for it, or there are no such addresses.
    pub(super) fn open(&self, arena: usize) -> Result<usize, Errno> {
        let number = self.opened();
        let owner = self.owners.get(number).ok_or(Errno::ENOMEM)?;
        self.all.open(number + 1, SIZES)?;
        owner.store(arena, Ordering::Relaxed);
        self.all.publish(number + 1);
        Ok(number)
    }

    /// Gives the content of granules back to the kernel. If it can't be, they keep it.
    ///
    /// # Safety
    /// They are opened, and of free extents of an arena that is locked.
    pub(super) unsafe fn forget(&self, first: usize, granules: usize) {
        // SAFETY: pages of ours; the caller guarantees the rest.
        let _ = unsafe { os::map::forget(self.address(first), granules * GRANULE) };
    }
}
