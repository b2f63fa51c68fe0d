//! What is reserved while there is no limit: nothing is decided by it, so each thread counts by itself,
//! without a word that threads share.

use crate::counter::Counters;
use core::sync::atomic::{AtomicU64, Ordering};

/// A thread tells the others of what it has counted when it is so much.
const UNTOLD_BYTES: u64 = 64 << 10;
const UNTOLD_COUNT: u64 = 64;

/// Bytes, and number of reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) count: u64,
}

pub(super) struct Tally {
    by_thread: Counters<6>,
    /// What threads have told of, less what they have told of as given back: two's complement.
    told: [AtomicU64; 2],
}

/// The figures of a thread: bytes and number come, gone, and told of.
const COME: usize = 0;
const GONE: usize = 2;

impl Tally {
    pub(super) const fn new() -> Self {
        Self { by_thread: Counters::new(), told: [const { AtomicU64::new(0) }; 2] }
    }

    /// Counts what is reserved; true if others have been told.
    #[inline]
    pub(super) fn add(&self, sum: Sum) -> bool {
        self.change::<COME>(sum)
    }

    /// Counts what is given back; true if others have been told.
    #[inline]
    pub(super) fn subtract(&self, sum: Sum) -> bool {
        self.change::<GONE>(sum)
    }

    #[inline]
    fn change<const TO: usize>(&self, Sum { bytes, count }: Sum) -> bool {
        let Some([come, come_count, gone, gone_count, told, told_count]) = self.by_thread.own()
        else {
            return self.change_shared(TO, Sum { bytes, count });
        };
        let add = |figure: &AtomicU64, amount| {
            let sum = figure.load(Ordering::Relaxed).wrapping_add(amount);
            // Release: see `Tally::sum`.
            figure.store(sum, Ordering::Release);
            sum
        };
        let to = if TO == COME { [come, come_count] } else { [gone, gone_count] };
        add(to[0], bytes);
        add(to[1], count);
        let untold = |come: &AtomicU64, gone: &AtomicU64, told: &AtomicU64| {
            let [come, gone, told] = [come, gone, told].map(|sum| sum.load(Ordering::Relaxed));
            come.wrapping_sub(gone).wrapping_sub(told)
        };
        let (bytes, count) = (untold(come, gone, told), untold(come_count, gone_count, told_count));
        let is_much = bytes.cast_signed().unsigned_abs() >= UNTOLD_BYTES
            || count.cast_signed().unsigned_abs() >= UNTOLD_COUNT;
        if is_much {
            self.tell(bytes, count);
            add(told, bytes);
            add(told_count, count);
        }
        is_much
    }

    /// For a thread that shares its figures with others.
    #[cold]
    fn change_shared(&self, to: usize, Sum { bytes, count }: Sum) -> bool {
        self.by_thread.add_all([(to, bytes), (to + 1, count)]);
        match to {
            COME => self.tell(bytes, count),
            _ => self.tell(bytes.wrapping_neg(), count.wrapping_neg()),
        }
        true
    }

    #[cold]
    fn tell(&self, bytes: u64, count: u64) {
        let [told, told_count] = &self.told;
        told.fetch_add(bytes, Ordering::Relaxed);
        told_count.fetch_add(count, Ordering::Relaxed);
    }

    /// What is reserved, as far as threads have told.
    pub(super) fn told(&self) -> Sum {
        let [bytes, count] = self.told.each_ref().map(|sum| {
            let sum = sum.load(Ordering::Relaxed);
            // A thread has told of blocks that it has given back, others not yet of having taken them.
            u64::try_from(sum.cast_signed()).unwrap_or(0)
        });
        Sum { bytes, count }
    }

    /// What is reserved, exactly.
    pub(super) fn now(&self) -> Sum {
        // In this order: what is seen to be given back is seen to have come.
        let gone = self.sum(GONE);
        let come = self.ever();
        Sum {
            bytes: come.bytes.wrapping_sub(gone.bytes),
            count: come.count.wrapping_sub(gone.count),
        }
    }

    /// What has ever been reserved.
    pub(super) fn ever(&self) -> Sum {
        self.sum(COME)
    }

    fn sum(&self, figure: usize) -> Sum {
        Sum { bytes: self.by_thread.sum(figure), count: self.by_thread.sum(figure + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Sum = Sum { bytes: 1000, count: 1 };

    #[test]
    fn what_some_threads_take_and_others_give_back_adds_up() {
        static TALLY: Tally = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).filter(|_| TALLY.add(BLOCK)).count());
                scope.spawn(|| (0..9_000).filter(|_| TALLY.subtract(BLOCK)).count());
            }
        });
        assert_eq!(TALLY.now(), Sum { bytes: 4_000_000, count: 4000 });
        assert_eq!(TALLY.ever(), Sum { bytes: 40_000_000, count: 40_000 });
        let Sum { bytes, count } = TALLY.told();
        assert!(bytes.abs_diff(4_000_000) <= 8 * UNTOLD_BYTES, "{bytes}");
        assert!(count.abs_diff(4000) <= 8 * UNTOLD_COUNT, "{count}");
    }

    #[test]
    fn others_are_told_when_it_is_much() {
        let tally = Box::new(Tally::new());
        assert!(tally.add(Sum { bytes: UNTOLD_BYTES, count: 1 }));
        assert_eq!(tally.told(), Sum { bytes: UNTOLD_BYTES, count: 1 });
        let told = (0..UNTOLD_COUNT).filter(|_| tally.add(Sum { bytes: 1, count: 1 })).count();
        assert_eq!(told, 1);
        assert_eq!(tally.told(), tally.now());
    }
}
