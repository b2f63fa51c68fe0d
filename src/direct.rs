//! `DirectByteBuffer`'s memory: the constructor and the `Deallocator`.
//!
//! The order is the JDK's: reserve, allocate, zero, align, attach the deallocator; and at the end
//! free, then unreserve. A step that fails undoes those before it. The block is in the [`ledger`] too,
//! for reports: who took it, and when.
//!
//! The registry of live blocks makes "freed once, from any thread" a fact: the deallocator is taken
//! out of it before it runs, and an address that has none is refused.

use crate::bits::{self, Budget};
use crate::error::Errno;
use crate::ledger::{self, Family, Live};
use crate::memory;
use std::sync::LazyLock;

/// The process' direct blocks, on the process' budget.
static BLOCKS: LazyLock<Blocks<'static>> = LazyLock::new(|| Blocks::new(bits::budget()));

/// `ByteBuffer.allocateDirect`: a block of `capacity` zero bytes, counted in the budget. If there
/// is no room the call reclaims and waits, as [`bits::reserve_memory`] does.
///
/// The address is 16-aligned, or a multiple of the page size if `page_aligned`; it is not NULL, not
/// even for capacity 0. The block is the caller's until [`free`]. `door` is what reports call it:
/// who asks.
///
/// # Errors
/// See [`AllocateError`]; the budget is then as before.
pub fn allocate(
    capacity: usize,
    page_aligned: bool,
    door: Family,
) -> Result<*mut u8, AllocateError> {
    BLOCKS.allocate(capacity, page_aligned, door)
}

/// The deallocator: frees a block of [`allocate`] and gives back its reservation. Any thread may,
/// but only once.
///
/// # Errors
/// `EINVAL` if `address` is not that of a live block of [`allocate`]: nothing happens then.
///
/// # Safety
/// If a live block starts at `address`, no one uses it from here on.
pub unsafe fn free(address: *mut u8) -> Result<(), Errno> {
    // SAFETY: the caller guarantees that no one uses the block.
    unsafe { BLOCKS.free(address) }
}

/// The step at which [`allocate`] failed. `size` is the bytes of the block: the capacity, and a page
/// more for one that is page-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateError {
    /// The size is beyond what can be counted.
    Size,
    /// The budget has no room for it.
    Reserve {
        /// Bytes of the block.
        size: i64,
    },
    /// There is no such block to be had.
    Allocate {
        /// Bytes of the block.
        size: i64,
    },
}

impl From<AllocateError> for Errno {
    fn from(_: AllocateError) -> Self {
        Self::ENOMEM
    }
}

/// The live direct blocks of one budget, by the address the user knows.
struct Blocks<'b> {
    budget: &'b Budget,
    live: Live<Deallocator>,
}

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
    /// # Safety
    /// No one uses the block from here on.
    unsafe fn run(self, budget: &Budget) {
        ledger::leave(self.base);
        // SAFETY: `base` came from the heap and this deallocator, its only owner, ends here; that
        // no one uses the block is the caller's guarantee.
        unsafe { memory::free_memory(self.base) };
        // Refused only if somebody unreserved what was not his. The block is gone all the same.
        let _ = budget.unreserve_memory(self.size, self.capacity);
    }
}

impl<'b> Blocks<'b> {
    fn new(budget: &'b Budget) -> Self {
        Self { budget, live: Live::new() }
    }

    fn allocate(
        &self,
        capacity: usize,
        page_aligned: bool,
        door: Family,
    ) -> Result<*mut u8, AllocateError> {
        let page = if page_aligned { bits::page_size() } else { 1 };
        let slack = if page_aligned { page } else { 0 };
        let bytes = capacity.checked_add(slack).ok_or(AllocateError::Size)?.max(1);
        let size = i64::try_from(bytes).map_err(|_| AllocateError::Size)?;
        let capacity = i64::try_from(capacity).map_err(|_| AllocateError::Size)?;

        bits::reserve_memory_in(self.budget, size, capacity).map_err(|errno| match errno {
            Errno::ENOMEM => AllocateError::Reserve { size },
            _ => AllocateError::Size,
        })?;
        let base = memory::allocate_zeroed(bytes).map_err(|_| {
            // Ours, so it can't be refused.
            let _ = self.budget.unreserve_memory(size, capacity);
            AllocateError::Allocate { size }
        })?;
        // Within the block: it is one page longer than the capacity.
        let address = base.map_addr(|base| base.next_multiple_of(page));
        // Live last: from then on it may be freed.
        ledger::enter_reserved(base, bytes, door)
            .and_then(|()| self.live.insert(address, Deallocator { base, size, capacity }))
            .map_err(|_| {
                // SAFETY: no one but us has seen the block.
                unsafe { Deallocator { base, size, capacity }.run(self.budget) };
                AllocateError::Allocate { size }
            })?;
        Ok(address)
    }

    /// # Safety
    /// If a live block starts at `address`, no one uses it from here on.
    unsafe fn free(&self, address: *mut u8) -> Result<(), Errno> {
        let deallocator = self.live.remove(address).ok_or(Errno::EINVAL)?;
        // SAFETY: the caller guarantees that no one uses the block.
        unsafe { deallocator.run(self.budget) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::heap::failing;
    use std::thread;

    impl Blocks<'_> {
        fn take(&self, capacity: usize, page_aligned: bool) -> Result<*mut u8, AllocateError> {
            self.allocate(capacity, page_aligned, Family::C)
        }

        fn free_unused(&self, address: *mut u8) -> Result<(), Errno> {
            // SAFETY: the tests use no block that they have freed.
            unsafe { self.free(address) }
        }
    }

    fn figures(budget: &Budget) -> (i64, i64, i64) {
        let snapshot = budget.snapshot();
        (snapshot.reserved_memory, snapshot.total_capacity, snapshot.count)
    }

    fn page() -> i64 {
        i64::try_from(bits::page_size()).unwrap()
    }

    #[test]
    fn an_allocation_that_fails_leaves_the_budget_as_it_was() {
        let budget = Budget::new(1 << 20);
        let blocks = Blocks::new(&budget);
        // The block first, then the ledger's entry, then the registry's.
        for successes in 0..3 {
            for page_aligned in [false, true] {
                let failed = failing::after(successes, || blocks.take(1000, page_aligned));
                let size = if page_aligned { 1000 + page() } else { 1000 };
                assert_eq!(failed, Err(AllocateError::Allocate { size }), "after {successes}");
                assert_eq!(figures(&budget), (0, 0, 0), "after {successes}");
            }
        }
        let block = failing::after(3, || blocks.take(1000, true)).unwrap();
        blocks.free_unused(block).unwrap();
    }

    #[test]
    fn capacities_that_no_memory_has_are_no_memory() {
        let budget = Budget::new(i64::MAX);
        let blocks = Blocks::new(&budget);
        let largest = isize::MAX.cast_unsigned();
        for capacity in
            [usize::MAX, usize::MAX - 4095, largest + 1, largest, largest - 4095, 1 << 62]
        {
            for page_aligned in [false, true] {
                let refused = blocks.take(capacity, page_aligned);
                assert_eq!(refused.map_err(Errno::from), Err(Errno::ENOMEM), "{capacity}");
                assert_eq!(figures(&budget), (0, 0, 0), "{capacity}, {page_aligned}");
            }
        }
    }

    #[test]
    fn a_budget_that_refuses_is_the_answer_and_no_memory_is_asked_for() {
        let budget = Budget::new(10);
        let blocks = Blocks::new(&budget);
        // An allocation would fail too, but a full sum of sizes is another error.
        budget.try_reserve_memory(i64::MAX, 0).unwrap();
        let refused = failing::after(0, || blocks.take(10, false));
        assert_eq!(refused, Err(AllocateError::Size));
        budget.unreserve_memory(i64::MAX, 0).unwrap();
        assert_eq!(blocks.take(11, false), Err(AllocateError::Reserve { size: 11 }));
        assert_eq!(figures(&budget), (0, 0, 0));
    }

    #[test]
    fn only_the_address_of_a_live_block_can_be_freed() {
        let budget = Budget::new(1 << 20);
        let blocks = Blocks::new(&budget);
        let block = blocks.take(100, true).unwrap();
        let before = figures(&budget);
        let mut foreign = 0_u8;
        for address in [
            std::ptr::null_mut(),
            &raw mut foreign,
            block.wrapping_add(1),
            block.wrapping_add(64),
            block.wrapping_sub(16),
            std::ptr::without_provenance_mut(usize::MAX),
        ] {
            assert_eq!(blocks.free_unused(address), Err(Errno::EINVAL), "{address:p}");
            assert_eq!(figures(&budget), before, "{address:p}");
        }
        blocks.free_unused(block).unwrap();
        assert_eq!(blocks.free_unused(block), Err(Errno::EINVAL), "a second time");
        assert_eq!(figures(&budget), (0, 0, 0));
    }

    #[test]
    fn size_is_capacity_and_a_page_if_aligned_and_at_least_1() {
        let budget = Budget::new(1 << 20);
        let blocks = Blocks::new(&budget);
        for (capacity, page_aligned, size) in
            [(0, false, 1), (1000, false, 1000), (0, true, page()), (1000, true, 1000 + page())]
        {
            let block = blocks.take(capacity, page_aligned).unwrap();
            assert!(!block.is_null());
            assert_eq!(figures(&budget), (size, i64::try_from(capacity).unwrap(), 1));
            blocks.free_unused(block).unwrap();
            assert_eq!(figures(&budget), (0, 0, 0));
        }
    }

    #[test]
    fn a_block_is_aligned_zero_and_writable_for_its_whole_capacity() {
        let budget = Budget::new(1 << 30);
        let blocks = Blocks::new(&budget);
        for capacity in [1, 17, 4095, 4096, 4097, 200_000, 3 << 20] {
            for (page_aligned, alignment) in [(false, 16), (true, bits::page_size())] {
                let block = blocks.take(capacity, page_aligned).unwrap();
                assert_eq!(block.addr() % alignment, 0, "{capacity}");
                // SAFETY: a live block of that capacity, which only this thread knows.
                let content = unsafe { std::slice::from_raw_parts_mut(block, capacity) };
                assert!(content.iter().all(|byte| *byte == 0), "{capacity}");
                content.fill(0xFF);
                blocks.free_unused(block).unwrap();
            }
        }
        assert_eq!(figures(&budget), (0, 0, 0));
    }

    #[test]
    fn a_release_makes_room_for_an_allocation_that_waits() {
        let budget = Budget::new(100);
        let blocks = Blocks::new(&budget);
        let first = blocks.take(100, false).unwrap().expose_provenance();
        thread::scope(|scope| {
            scope.spawn(|| {
                blocks.free_unused(std::ptr::with_exposed_provenance_mut(first)).unwrap()
            });
            // Without the release this is ENOMEM.
            let second = blocks.take(60, false).unwrap();
            assert_eq!(figures(&budget), (60, 60, 1));
            blocks.free_unused(second).unwrap();
        });
        assert_eq!(figures(&budget), (0, 0, 0));
    }

    #[test]
    fn of_threads_that_free_one_block_one_succeeds() {
        let budget = Budget::new(1 << 20);
        let blocks = Blocks::new(&budget);
        for _ in 0..100 {
            let block = blocks.take(10, false).unwrap().expose_provenance();
            let freed = thread::scope(|scope| {
                let free =
                    || blocks.free_unused(std::ptr::with_exposed_provenance_mut(block)).is_ok();
                let threads = [(); 4].map(|()| scope.spawn(free));
                threads.map(|thread| thread.join().unwrap())
            });
            assert_eq!(freed.into_iter().filter(|freed| *freed).count(), 1);
            assert_eq!(figures(&budget), (0, 0, 0));
        }
    }

    #[test]
    fn threads_that_allocate_and_free_leave_nothing() {
        let budget = Budget::new(1 << 30);
        let blocks = Blocks::new(&budget);
        thread::scope(|scope| {
            for thread in 0..8_usize {
                let blocks = &blocks;
                scope.spawn(move || {
                    for round in 0..200_usize {
                        let live: Vec<_> = (0..10)
                            .map(|i| blocks.take(i * 31 + round + thread, i % 3 == 0).unwrap())
                            .collect();
                        live.into_iter().for_each(|block| blocks.free_unused(block).unwrap());
                    }
                });
            }
        });
        assert_eq!(figures(&budget), (0, 0, 0));
        assert!(blocks.live.is_empty());
    }

    #[test]
    fn the_process_blocks_are_on_the_process_budget() {
        // Other tests may use the same budget: only what is certain is asserted.
        let block = allocate(10, true, Family::C).unwrap();
        assert!(bits::budget().snapshot().count >= 1);
        // A second free is not tried: another test may have been given the address.
        // SAFETY: ours, and not used again.
        unsafe { free(block) }.unwrap();
    }
}
