//! What each thread counts by itself, without a word that threads share, because nothing is decided by it at
//! that moment: what is reserved while there is no limit, and the number of reservations.

use crate::counter::{Counters, add_own};
use crate::own::Own;
use core::sync::atomic::{AtomicU64, Ordering};

/// What a thread has counted and not told the others of is below this, above 0 or below.
const UNTOLD_BYTES: u64 = 256 << 10;
const UNTOLD_COUNT: u64 = 64;

/// Bytes, and number of reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u64,
    pub(crate) count: u64,
}

impl Amount {
    #[inline]
    pub(super) fn load([bytes, count]: &[AtomicU64; 2], order: Ordering) -> Self {
        Self { bytes: bytes.load(order), count: count.load(order) }
    }

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

/// A sum in two's complement, of figures of different moments: a thread has told of blocks that it has given
/// back, others not yet of having taken them.
#[inline]
pub(super) fn not_below_0(sum: u64) -> u64 {
    sum.cast_signed().max(0).cast_unsigned()
}

/// What is reserved while there is no limit.
pub(super) struct Tally {
    by_thread: Counters<6>,
    /// What threads have told of, less what they have told of as given back: two's complement.
    told: [AtomicU64; 2],
}

/// The figures of a thread: bytes and number come, gone, and what of their difference it has told others, in two's
/// complement.
const COME: usize = 0;
const GONE: usize = 2;

/// A thread looks at what it has not told at each block larger than this, and at every so many of others. It tells if
/// that is `MUCH_BYTES` or `MUCH_COUNT`: what has come since its last look then stays below what may be untold.
const LARGE: u64 = 4 << 10;
const EVERY: u64 = 8;
const MUCH_BYTES: u64 = UNTOLD_BYTES - (EVERY - 1) * LARGE;
const MUCH_COUNT: u64 = UNTOLD_COUNT - (EVERY - 1);

impl Tally {
    pub(super) const fn new() -> Self {
        Self { by_thread: Counters::new(), told: [const { AtomicU64::new(0) }; 2] }
    }

    /// Counts what the thread reserves; true if others have been told.
    #[inline(always)]
    pub(super) fn add(&self, own: &Own, sum: Amount) -> bool {
        self.change::<COME>(own, sum)
    }

    /// Counts what the thread gives back.
    #[inline(always)]
    pub(super) fn subtract(&self, own: &Own, sum: Amount) {
        self.change::<GONE>(own, sum);
    }

    #[inline(always)]
    fn change<const TO: usize>(&self, own: &Own, sum: Amount) -> bool {
        debug_assert!(sum.count <= 1, "or it steps over the eighth");
        let Some(figures) = self.by_thread.of(own) else {
            return self.change_shared(TO, sum);
        };
        let [come, come_count, gone, gone_count, ..] = figures;
        let [bytes, count] = if TO == COME { [come, come_count] } else { [gone, gone_count] };
        add_own(bytes, sum.bytes);
        let count = add_own(count, sum.count);
        // A change of no number is that of a block's size.
        let looks = count.is_multiple_of(EVERY) || sum.bytes > LARGE || sum.count == 0;
        looks && self.look(figures)
    }

    /// Tells others of what the thread has not told them yet, if that is much.
    #[inline(never)] // not `cold`: of large blocks it is every time
    fn look(
        &self,
        [come, come_count, gone, gone_count, told, told_count]: &[AtomicU64; 6],
    ) -> bool {
        let untold = |come: &AtomicU64, gone: &AtomicU64, told: &AtomicU64| {
            let [come, gone, told] =
                [come, gone, told].map(|figure| figure.load(Ordering::Relaxed));
            come.wrapping_sub(gone).wrapping_sub(told)
        };
        let (bytes, count) = (untold(come, gone, told), untold(come_count, gone_count, told_count));
        let is_much = is_beyond(bytes, MUCH_BYTES) || is_beyond(count, MUCH_COUNT);
        if is_much {
            self.tell(Amount { bytes, count });
            add_own(told, bytes);
            add_own(told_count, count);
        }
        is_much
    }

    /// For a thread that shares its figures with others.
    #[cold]
    fn change_shared(&self, to: usize, sum: Amount) -> bool {
        self.by_thread.add_shared([(to, sum.bytes), (to + 1, sum.count)]);
        self.tell(if to == COME { sum } else { sum.negative() });
        true
    }

    #[cold]
    fn tell(&self, Amount { bytes, count }: Amount) {
        let [told, told_count] = &self.told;
        told.fetch_add(bytes, Ordering::Relaxed);
        told_count.fetch_add(count, Ordering::Relaxed);
    }

    /// What is reserved, as far as threads have told.
    pub(super) fn told(&self) -> Amount {
        Amount::load(&self.told, Ordering::Relaxed)
    }

    /// What is reserved, exactly.
    pub(super) fn now(&self) -> Amount {
        // In this order: what is seen to be given back is seen to have come, as `add_own` stores them.
        let gone = self.sum(GONE);
        let come = self.ever();
        Amount {
            bytes: come.bytes.wrapping_sub(gone.bytes),
            count: come.count.wrapping_sub(gone.count),
        }
    }

    /// What has ever been reserved.
    pub(super) fn ever(&self) -> Amount {
        self.sum(COME)
    }

    fn sum(&self, figure: usize) -> Amount {
        Amount { bytes: self.by_thread.sum(figure), count: self.by_thread.sum(figure + 1) }
    }
}

/// The number of reservations, and the bytes that they were of.
pub(super) struct Count {
    by_thread: Counters<4>,
    /// As [`Tally::told`].
    told: AtomicU64,
}

impl Count {
    /// The figures of a thread: bytes come, number come and gone, and what of its difference it has told
    /// others.
    const BYTES: usize = 0;
    const COME: usize = 1;
    const GONE: usize = 2;

    pub(super) const fn new() -> Self {
        Self { by_thread: Counters::new(), told: AtomicU64::new(0) }
    }

    /// Counts what the thread reserves; how many reservations there are now, as far as it knows.
    #[inline]
    pub(super) fn add(&self, own: &Own, Amount { bytes, count }: Amount) -> u64 {
        match self.by_thread.of(own) {
            Some([bytes_come, come, gone, told]) => {
                add_own(bytes_come, bytes);
                self.now_to(add_own(come, count), gone.load(Ordering::Relaxed), told)
            }
            None => {
                self.by_thread.add_shared([(Self::BYTES, bytes), (Self::COME, count)]);
                self.tell(count)
            }
        }
    }

    /// Counts what the thread gives back.
    #[inline]
    pub(super) fn subtract(&self, own: &Own, count: u64) {
        match self.by_thread.of(own) {
            Some([_, come, gone, told]) => {
                self.now_to(come.load(Ordering::Relaxed), add_own(gone, count), told);
            }
            None => {
                self.by_thread.add_shared([(Self::GONE, count)]);
                self.tell(count.wrapping_neg());
            }
        }
    }

    /// How many there are to the thread of which so many have come, gone, and been told of. If it is much that
    /// it has not told, it does.
    #[inline]
    fn now_to(&self, come: u64, gone: u64, told: &AtomicU64) -> u64 {
        let untold = come.wrapping_sub(gone).wrapping_sub(told.load(Ordering::Relaxed));
        if is_beyond(untold, UNTOLD_COUNT) {
            add_own(told, untold);
            return self.tell(untold);
        }
        self.told.load(Ordering::Relaxed).wrapping_add(untold)
    }

    #[cold]
    fn tell(&self, count: u64) -> u64 {
        self.told.fetch_add(count, Ordering::Relaxed).wrapping_add(count)
    }

    /// How many there are, as far as threads have told.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// How many there are, exactly; in two's complement, as releases may have matched no reservation.
    pub(super) fn now(&self) -> u64 {
        // In this order: what is seen to be given back is seen to have come, as `add_own` stores them.
        let gone = self.by_thread.sum(Self::GONE);
        self.by_thread.sum(Self::COME).wrapping_sub(gone)
    }

    /// What has ever been reserved.
    pub(super) fn ever(&self) -> Amount {
        let [bytes, count] = [Self::BYTES, Self::COME].map(|figure| self.by_thread.sum(figure));
        Amount { bytes, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own;

    const BLOCK: Amount = Amount { bytes: 1000, count: 1 };

    /// Four threads that add 10,000 times each, and four that subtract 9000 times.
    fn at_once(add: impl Fn(&Own) + Sync, subtract: impl Fn(&Own) + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| own::with(&add)));
                scope.spawn(|| (0..9_000).for_each(|_| own::with(&subtract)));
            }
        });
    }

    #[test]
    fn what_some_threads_take_and_others_give_back_adds_up() {
        static TALLY: Tally = Tally::new();
        let add = |own: &Own| {
            TALLY.add(own, BLOCK);
        };
        at_once(add, |own| TALLY.subtract(own, BLOCK));
        assert_eq!(TALLY.now(), Amount { bytes: 4_000_000, count: 4000 });
        assert_eq!(TALLY.ever(), Amount { bytes: 40_000_000, count: 40_000 });
        let Amount { bytes, count } = TALLY.told();
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
        let add = |bytes| own::with(|own| tally.add(own, Amount { bytes, count: 1 }));
        assert!(add(UNTOLD_BYTES));
        assert_eq!(tally.told(), Amount { bytes: UNTOLD_BYTES, count: 1 });
        // With the last of them there have been 64, a multiple of eight.
        assert_eq!((1..UNTOLD_COUNT).filter(|_| add(1)).count(), 1);
        assert_eq!(tally.told(), tally.now());
    }

    /// Blocks of all sizes, and such as grow, which some thread takes more of than it gives back, or less.
    #[test]
    fn what_is_not_told_is_never_much() {
        for (of_come, of_gone) in [(9, 2), (2, 9), (5, 5), (1, 0), (0, 1)] {
            for bytes in [1, 1000, LARGE, LARGE + 1, UNTOLD_BYTES] {
                for count in [0, 1] {
                    let tally = Box::new(Tally::new());
                    // So that neither number is one at which all is looked at.
                    own::with(|own| {
                        tally.add(own, Amount { bytes: 1, count: 1 });
                        tally.subtract(own, Amount { bytes: 1, count: 1 });
                    });
                    for turn in 0..1000 {
                        let count = if turn % 5 == 0 { 0 } else { count };
                        let sum = Amount { bytes: bytes >> (turn % 3), count };
                        own::with(|own| {
                            if turn % 11 < of_come {
                                tally.add(own, sum);
                            }
                            if turn % 11 < of_gone {
                                tally.subtract(own, sum);
                            }
                        });
                        let [now, told] = [tally.now(), tally.told()];
                        let untold = now.bytes.wrapping_sub(told.bytes).cast_signed();
                        assert!(untold.unsigned_abs() < UNTOLD_BYTES, "{untold} of {bytes}");
                        let untold = now.count.wrapping_sub(told.count).cast_signed();
                        assert!(untold.unsigned_abs() < UNTOLD_COUNT, "{untold} blocks");
                    }
                }
            }
        }
    }

    #[test]
    fn reservations_that_some_threads_make_and_others_end_add_up() {
        static COUNT: Count = Count::new();
        let add = |own: &Own| {
            COUNT.add(own, BLOCK);
        };
        at_once(add, |own| COUNT.subtract(own, 1));
        assert_eq!(COUNT.now(), 4000);
        assert_eq!(COUNT.ever(), Amount { bytes: 40_000_000, count: 40_000 });
        assert!(COUNT.told().abs_diff(4000) <= 8 * UNTOLD_COUNT, "{}", COUNT.told());
    }

    #[test]
    fn a_thread_knows_what_it_has_not_told() {
        let count = Box::new(Count::new());
        own::with(|own| {
            for now in 1..=2 * UNTOLD_COUNT {
                assert_eq!(count.add(own, BLOCK), now);
            }
            count.subtract(own, UNTOLD_COUNT / 2);
            assert_eq!(count.add(own, BLOCK), 2 * UNTOLD_COUNT - UNTOLD_COUNT / 2 + 1);
        });
    }

    /// What a thread has that shares its figures with others: there are too many.
    #[test]
    fn threads_that_share_their_figures_count_as_others_do() {
        let (tally, count) = (Box::new(Tally::new()), Box::new(Count::new()));
        let sharing = own::sharing();
        for now in 1..=10 {
            assert!(tally.add(&sharing, BLOCK));
            assert_eq!(count.add(&sharing, BLOCK), now);
        }
        for _ in 0..4 {
            tally.subtract(&sharing, BLOCK);
            count.subtract(&sharing, 1);
        }
        assert_eq!(tally.now(), Amount { bytes: 6000, count: 6 });
        assert_eq!(tally.told(), tally.now());
        assert_eq!((count.now(), count.told()), (6, 6));
        assert_eq!(count.ever(), Amount { bytes: 10_000, count: 10 });
    }
}
