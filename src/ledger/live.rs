//! A table of live blocks, by address.

use crate::error::Errno;
use core::hash::{BuildHasher, Hasher};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Threads that allocate and free at once rarely meet on one of so many locks.
const SHARDS: usize = 64;

/// Blocks that have gone are remembered, so many in each part of the table.
const REMEMBERED: usize = 128;

/// What is known of each live block, and of some that are live no more: `G`.
pub(crate) struct Live<T, G = ()> {
    shards: [Shard<T, G>; SHARDS],
}

/// A cache line each (two are fetched together), so that neighbours do not slow each other down.
#[repr(align(128))]
struct Shard<T, G>(Mutex<Part<T, G>>);

struct Part<T, G> {
    live: HashMap<usize, T, AddressHash>,
    /// A ring; made when the first block goes.
    gone: Vec<(usize, G)>,
    /// Where the next one goes.
    next: usize,
}

impl<T, G> Part<T, G> {
    const fn new() -> Self {
        Self { live: HashMap::with_hasher(AddressHash), gone: Vec::new(), next: 0 }
    }

    /// Without memory for the ring nothing is remembered.
    fn remember(&mut self, address: usize, gone: G) {
        if let Some(place) = self.gone.get_mut(self.next) {
            *place = (address, gone);
        } else if self.gone.capacity() > 0 || self.gone.try_reserve_exact(REMEMBERED).is_ok() {
            self.gone.push((address, gone));
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The last one that has gone from there.
    fn gone(&mut self, address: usize) -> Option<&mut G> {
        let (newer, older) = self.gone.split_at_mut_checked(self.next)?;
        let mut newest_first = newer.iter_mut().rev().chain(older.iter_mut().rev());
        newest_first.find(|(gone, _)| *gone == address).map(|(_, gone)| gone)
    }
}

impl<T, G> Live<T, G> {
    pub(crate) const fn new() -> Self {
        Self { shards: [const { Shard(Mutex::new(Part::new())) }; SHARDS] }
    }

    /// Makes the block live; what stood at the address before is returned.
    ///
    /// # Errors
    /// `ENOMEM`: nothing has changed.
    pub(crate) fn insert(&self, address: *mut u8, value: T) -> Result<Option<T>, Errno> {
        let mut shard = self.shard(address);
        #[cfg(test)]
        crate::os::heap::failing::check()?;
        // Without the abort that a failed insertion would be.
        shard.live.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        Ok(shard.live.insert(address.addr(), value))
    }

    /// [`Live::insert`] for what was taken out a moment ago, or has moved: there is room for it, unless
    /// other threads have filled it meanwhile.
    pub(crate) fn put_back(&self, address: *mut u8, value: T) -> Result<Option<T>, Errno> {
        let mut shard = self.shard(address);
        if shard.live.len() == shard.live.capacity() {
            shard.live.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(shard.live.insert(address.addr(), value))
    }

    /// Takes the block out; of several threads that ask for the same one, one gets it.
    pub(crate) fn remove(&self, address: *mut u8) -> Option<T> {
        self.shard(address).live.remove(&address.addr())
    }

    /// [`Live::remove`], which remembers what `gone` says of the block.
    pub(crate) fn remove_and_remember(
        &self,
        address: *mut u8,
        gone: impl FnOnce(&T) -> G,
    ) -> Option<T> {
        let mut shard = self.shard(address);
        let block = shard.live.remove(&address.addr())?;
        shard.remember(address.addr(), gone(&block));
        Some(block)
    }

    /// Remembers a block that was live elsewhere.
    pub(crate) fn remember(&self, address: *mut u8, gone: G) {
        self.shard(address).remember(address.addr(), gone);
    }

    /// Looks at a block.
    pub(crate) fn with<R>(&self, address: *mut u8, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.shard(address).live.get(&address.addr()).map(look)
    }

    /// Looks at what is remembered of the last block that has gone from there, if none is live there.
    pub(crate) fn with_gone<R>(
        &self,
        address: *mut u8,
        look: impl FnOnce(&mut G) -> R,
    ) -> Option<R> {
        let mut shard = self.shard(address);
        if shard.live.contains_key(&address.addr()) {
            return None;
        }
        shard.gone(address.addr()).map(look)
    }

    /// Looks at every block. A part of the table is locked meanwhile, so `look` must be quick, and
    /// take or give no block.
    pub(crate) fn for_each(&self, mut look: impl FnMut(usize, &T)) {
        for shard in &self.shards {
            // A panic under the lock leaves the map whole.
            let shard = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            shard.live.iter().for_each(|(address, block)| look(*address, block));
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.0.lock().unwrap().live.is_empty())
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
    fn shard(&self, address: *mut u8) -> MutexGuard<'_, Part<T, G>> {
        // Not the bits that the map goes by, see `AddressHash`.
        let hash = AddressHash.hash_one(address.addr());
        let shard = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        // A panic under the lock leaves the map whole.
        self.shards[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One multiplication and a fold. Blocks differ in their middle bits, the low ones being alignment
/// and the high ones the heap's; the map goes by the lowest and the seven highest bits of a hash.
/// Addresses are the heap's choice, not an attacker's, so nothing is kept secret.
#[derive(Clone, Copy, Default)]
pub(crate) struct AddressHash;

pub(crate) struct AddressHasher(u64);

impl BuildHasher for AddressHash {
    type Hasher = AddressHasher;

    fn build_hasher(&self) -> AddressHasher {
        AddressHasher(0)
    }
}

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        // 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
        let product = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        product ^ (product >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = address as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::without_provenance_mut;

    #[test]
    fn blocks_of_every_spacing_spread_over_shards_and_within_them() {
        for spacing in [16, 32, 80, 4096, 65536, 1 << 20, 1 << 30] {
            let mut shards = [0_usize; SHARDS];
            let mut low = std::collections::HashSet::new();
            for block in 0..64 * SHARDS {
                let hash = AddressHash.hash_one(0x7F12_3450_0010 + block * spacing);
                shards[usize::try_from(hash >> 32).unwrap() % SHARDS] += 1;
                low.insert(hash & 0xFFFF);
            }
            let fullest = shards.iter().max().unwrap();
            assert!(*fullest <= 4 * 64, "spacing {spacing}: {fullest} of 64 on average");
            assert!(low.len() > 1024, "spacing {spacing}: only {} low parts", low.len());
        }
    }

    #[test]
    fn the_last_blocks_that_have_gone_are_remembered_newest_first() {
        let live: Live<u32, u32> = Live::new();
        let at = |block: usize| without_provenance_mut(16 * (block + 1));
        assert_eq!(live.with_gone(at(0), |gone| *gone), None);
        // Far more than are remembered, so that the ring comes round.
        for round in 0..3 {
            for block in 0..SHARDS * REMEMBERED {
                live.insert(at(block), 0).unwrap();
                assert_eq!(live.with_gone(at(block), |gone| *gone), None, "live");
                live.remove_and_remember(at(block), |_| round).unwrap();
                assert_eq!(live.with_gone(at(block), |gone| *gone), Some(round));
            }
        }
        let remembered = |block: &usize| live.with_gone(at(*block), |gone| *gone) == Some(2);
        let remembered = (0..SHARDS * REMEMBERED).filter(remembered).count();
        // The parts are not filled evenly.
        assert!(remembered > SHARDS * REMEMBERED / 2, "{remembered}");
    }

    #[test]
    fn of_threads_that_remove_one_block_one_gets_it() {
        let live: Live<usize> = Live::new();
        for round in 0..100_usize {
            let address = 16 * (round + 1);
            assert_eq!(live.insert(without_provenance_mut(address), round), Ok(None));
            let got = std::thread::scope(|scope| {
                let remove = || live.remove(without_provenance_mut(address));
                [(); 4].map(|()| scope.spawn(remove)).map(|thread| thread.join().unwrap())
            });
            assert_eq!(got.into_iter().flatten().collect::<Vec<_>>(), [round]);
        }
        assert!(live.is_empty());
    }
}
