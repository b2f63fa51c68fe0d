//! `Bits`: the budget of direct memory, page size, byte order.
//!
//! The contract is `java.nio.Bits`'. [`Budget`] holds its three figures and its limit; the decision
//! to let a reservation in is on total capacity, the figure shown to people is the sum of sizes.
//! [`reserve_memory`] is the process' budget with the process' [`Policy`] and its reclaimers.

mod budget;
mod order;
mod reclaim;
mod tally;

pub use budget::{Budget, Policy, Reclaimer, Snapshot};
pub use order::{ByteOrder, get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
pub use reclaim::{Slot, budget, reserve_memory, set_policy, set_reclaimer};

pub(crate) use budget::Reservation;
pub(crate) use reclaim::{BUDGET, reserve_block, reserve_memory_in, take_block};
pub(crate) use tally::Amount;

/// `Bits.pageSize`: bytes in a page of memory, a power of two.
#[must_use]
pub fn page_size() -> usize {
    crate::os::page_size()
}

/// `Bits.unaligned`: true if the processor loads and stores misaligned integers by itself.
#[must_use]
pub const fn unaligned() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_power_of_two_of_at_least_4096_bytes() {
        assert!(page_size().is_power_of_two(), "{}", page_size());
        assert!(page_size() >= 4096, "{}", page_size());
    }

    #[test]
    fn the_machines_we_test_on_take_misaligned_integers() {
        assert!(unaligned());
    }
}
