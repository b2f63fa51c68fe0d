//! `DirectByteBuffer`'s memory: the constructor and the `Deallocator`.
//!
//! The order is the JDK's: reserve, allocate, zero, align, attach the deallocator; and at the end
//! free, then unreserve. A step that fails undoes those before it.
//!
//! The registry of live blocks makes "freed once, from any thread" a fact: the deallocator is taken
//! out of it before it runs, and an address that has none is refused.

use crate::bits::{self, Budget};
use crate::error::Errno;
use crate::memory;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The process' direct blocks, on the process' budget.
static BLOCKS: LazyLock<Blocks<'static>> = LazyLock::new(|| Blocks::new(bits::budget()));

/// `ByteBuffer.allocateDirect`: a block of `capacity` zero bytes, counted in the budget. If there
/// is no room the call reclaims and waits, as [`bits::reserve_memory`] does.
///
/// The address is 16-aligned, or a multiple of the page size if `page_aligned`; it is not NULL, not
/// even for capacity 0. The block is the caller's until [`free`].
///
/// # Errors
/// `ENOMEM` if the budget has no room, or there is no such block to be had; the budget is then as
/// before.
pub fn allocate(capacity: usize, page_aligned: bool) -> Result<*mut u8, Errno> {
    BLOCKS.allocate(capacity, page_aligned)
}

/// The deallocator: frees a block of [`allocate`] and gives back its reservation. Any thread may,
/// but only once, and when no one uses the block any more.
///
/// # Errors
/// `EINVAL` if `address` is not that of a live block of [`allocate`]: nothing happens then.
pub fn free(address: *mut u8) -> Result<(), Errno> {
    BLOCKS.free(address)
}

/// Threads that allocate and free at once rarely meet on one of so many locks.
const SHARDS: usize = 64;

/// The live direct blocks of one budget.
struct Blocks<'b> {
    budget: &'b Budget,
    shards: [Mutex<Shard>; SHARDS],
}

/// By the address the user knows.
type Shard = HashMap<usize, Deallocator>;

/// What it takes to undo an allocation.
struct Deallocator {
    base: *mut u8,
    size: i64,
    capacity: i64,
}

// SAFETY: the deallocator owns the block at `base`, and the heap takes a block back from any
// thread.
unsafe impl Send for Deallocator {}

impl Deallocator {
    fn run(self, budget: &Budget) {
        // SAFETY: `base` came from the heap and this deallocator, its only owner, ends here.
        unsafe { memory::free_memory(self.base) };
        // Refused only if somebody unreserved what was not his. The block is gone all the same.
        let _ = budget.unreserve_memory(self.size, self.capacity);
    }
}

impl<'b> Blocks<'b> {
    fn new(budget: &'b Budget) -> Self {
        Self { budget, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn allocate(&self, capacity: usize, page_aligned: bool) -> Result<*mut u8, Errno> {
        let page = if page_aligned { bits::page_size() } else { 1 };
        let slack = if page_aligned { page } else { 0 };
        let bytes = capacity.checked_add(slack).ok_or(Errno::ENOMEM)?.max(1);
        let size = i64::try_from(bytes).map_err(|_| Errno::ENOMEM)?;
        let capacity = i64::try_from(capacity).map_err(|_| Errno::ENOMEM)?;

        bits::reserve_memory_in(self.budget, size, capacity)?;
        let base = memory::allocate_zeroed(bytes).inspect_err(|_| {
            // Ours, so it can't be refused.
            let _ = self.budget.unreserve_memory(size, capacity);
        })?;
        // Within the block: it is one page longer than the capacity.
        let address = base.map_addr(|base| base.next_multiple_of(page));
        self.register(address, Deallocator { base, size, capacity })?;
        Ok(address)
    }

    /// Makes the block live; if that fails, it is freed.
    fn register(&self, address: *mut u8, deallocator: Deallocator) -> Result<(), Errno> {
        let mut shard = self.shard(address.addr());
        if grow(&mut shard).is_err() {
            drop(shard);
            deallocator.run(self.budget);
            return Err(Errno::ENOMEM);
        }
        shard.insert(address.addr(), deallocator);
        Ok(())
    }

    fn free(&self, address: *mut u8) -> Result<(), Errno> {
        let deallocator = self.shard(address.addr()).remove(&address.addr());
        deallocator.ok_or(Errno::EINVAL)?.run(self.budget);
        Ok(())
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
    fn shard(&self, address: usize) -> MutexGuard<'_, Shard> {
        // Blocks differ in their middle bits: the low ones are alignment, the high ones the heap's.
        let mixed = (address >> 4) ^ (address >> 12) ^ (address >> 20);
        // A panic under the lock leaves the map whole.
        self.shards[mixed % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one more entry, without the abort that a failed insertion would be.
fn grow(shard: &mut Shard) -> Result<(), Errno> {
    #[cfg(test)]
    crate::os::heap::failing::check()?;
    shard.try_reserve(1).map_err(|_| Errno::ENOMEM)
}
