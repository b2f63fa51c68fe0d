//! What is reserved while there is no limit: nothing is decided by it, so each thread counts by itself,
//! without a word that threads share.

use crate::counter::{Counters, add_own};
use crate::own::Own;
use core::sync::atomic::{AtomicU64, Ordering};

/// A thread tells the others of what it has counted when it is so much: more than a buffer that it takes and frees
/// over and over.
const UNTOLD_BYTES: u64 = 256 << 10;
const UNTOLD_COUNT: u64 = 64;

/// Bytes, and number of reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) count: u64,
}

impl Sum {
    /// In two's complement.
    fn negative(self) -> Self {
        Self { bytes: self.bytes.wrapping_neg(), count: self.count.wrapping_neg() }
    }
}

/// Whether a figure in two's complement is `much` or more, above 0 or below.
#[inline]
fn is_beyond(figure: u64, much: u64) -> bool {
    figure.wrapping_add(much - 1) > 2 * (much - 1)
}

pub(super) struct Tally {
    by_thread: Counters<6>,
    /// What threads have told of, less what they have told of as given back: two's complement.
    told: [AtomicU64; 2],
}

/// The figures of a thread: bytes and number come, gone, and what of their difference it has not told others
/// yet, in two's complement.
const COME: usize = 0;
const GONE: usize = 2;

impl Tally {
    pub(super) const fn new() -> Self {
        Self { by_thread: Counters::new(), told: [const { AtomicU64::new(0) }; 2] }
    }

    /// Counts what the thread reserves; true if others have been told.
    #[inline]
    pub(super) fn add(&self, own: &Own, sum: Sum) -> bool {
        self.change::<COME>(own, sum)
    }

    /// Counts what the thread gives back; true if others have been told.
    #[inline]
    pub(super) fn subtract(&self, own: &Own, sum: Sum) -> bool {
        self.change::<GONE>(own, sum)
    }

    #[inline]
    fn change<const TO: usize>(&self, own: &Own, sum: Sum) -> bool {
        let Some([come, come_count, gone, gone_count, untold_bytes, untold_count]) =
            self.by_thread.of(own)
        else {
            return self.change_shared(TO, sum);
        };
        let (to, Sum { bytes, count }) = match TO {
            COME => ([come, come_count], sum),
            _ => ([gone, gone_count], sum.negative()),
        };
        add_own(to[0], sum.bytes);
        add_own(to[1], sum.count);
        let untold =
            Sum { bytes: add_own(untold_bytes, bytes), count: add_own(untold_count, count) };
        let is_much =
            is_beyond(untold.bytes, UNTOLD_BYTES) || is_beyond(untold.count, UNTOLD_COUNT);
        if is_much {
            self.tell(untold);
            add_own(untold_bytes, untold.bytes.wrapping_neg());
            add_own(untold_count, untold.count.wrapping_neg());
        }
        is_much
    }

    /// For a thread that shares its figures with others.
    #[cold]
    fn change_shared(&self, to: usize, sum: Sum) -> bool {
        self.by_thread.add_shared([(to, sum.bytes), (to + 1, sum.count)]);
        self.tell(if to == COME { sum } else { sum.negative() });
        true
    }

    #[cold]
    fn tell(&self, Sum { bytes, count }: Sum) {
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
        // In this order: what is seen to be given back is seen to have come, as `add_own` stores them.
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
    use crate::own;

    const BLOCK: Sum = Sum { bytes: 1000, count: 1 };

    #[test]
    fn what_some_threads_take_and_others_give_back_adds_up() {
        static TALLY: Tally = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..10_000).filter(|_| own::with(|own| TALLY.add(own, BLOCK))).count()
                });
                scope.spawn(|| {
                    (0..9_000).filter(|_| own::with(|own| TALLY.subtract(own, BLOCK))).count()
                });
            }
        });
        assert_eq!(TALLY.now(), Sum { bytes: 4_000_000, count: 4000 });
        assert_eq!(TALLY.ever(), Sum { bytes: 40_000_000, count: 40_000 });
        let Sum { bytes, count } = TALLY.told();
        assert!(bytes.abs_diff(4_000_000) <= 8 * UNTOLD_BYTES, "{bytes}");
        assert!(count.abs_diff(4000) <= 8 * UNTOLD_COUNT, "{count}");
    }

    #[test]
    fn much_is_much_on_either_side_of_nothing() {
        for (figure, is_much) in [(0, false), (9, false), (10, true), (11, true), (1 << 62, true)] {
            assert_eq!(is_beyond(figure, 10), is_much, "{figure}");
            assert_eq!(is_beyond(figure.wrapping_neg(), 10), is_much, "-{figure}");
        }
    }

    #[test]
    fn others_are_told_when_it_is_much() {
        let tally = Box::new(Tally::new());
        let add = |bytes| own::with(|own| tally.add(own, Sum { bytes, count: 1 }));
        assert!(add(UNTOLD_BYTES));
        assert_eq!(tally.told(), Sum { bytes: UNTOLD_BYTES, count: 1 });
        assert_eq!((0..UNTOLD_COUNT).filter(|_| add(1)).count(), 1);
        assert_eq!(tally.told(), tally.now());
    }
}
