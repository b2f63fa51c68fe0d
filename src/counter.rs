//! Figures that many threads add to at once.
//!
//! A figure is a sum of parts. A thread that counts for the first time is given a part of its own until
//! it ends, and adds to it with a load and a store: to count costs a nanosecond, whoever else does.
//! Threads that come when all parts are given share one. Reading adds the parts up.

use crate::own::{self, NO_PART, Own};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

/// Those of threads. The model checker's stacks are small.
const OWN: usize = if cfg!(loom) { 3 } else { 255 };

/// The part of all threads that have none of their own, the last.
const SHARED: usize = OWN;

const PARTS: usize = OWN + 1;

/// On x86_64 cache lines are fetched in pairs.
#[repr(align(128))]
struct Part<const N: usize>([AtomicU64; N]);

/// `N` figures, all 0 at first.
pub(crate) struct Counters<const N: usize>([Part<N>; PARTS]);

/// Which parts are given, a bit each. The shared one is never a thread's own.
static GIVEN: [AtomicU64; PARTS.div_ceil(64)] = [const { AtomicU64::new(0) }; PARTS.div_ceil(64)];

/// Gives a part to the calling thread. What an earlier owner has added to it is seen.
fn take() -> usize {
    for (word, given) in GIVEN.iter().enumerate() {
        let part = |bits: u64| 64 * word + usize::try_from(bits.trailing_ones()).unwrap_or(0);
        let lowest = |bits: u64| {
            (part(bits) < OWN.min(64 * (word + 1))).then_some(bits | bits.wrapping_add(1))
        };
        if let Ok(before) = given.fetch_update(Ordering::Acquire, Ordering::Relaxed, lowest) {
            return part(before);
        }
    }
    SHARED
}

fn give_back(part: usize) {
    if part != SHARED
        && let Some(given) = GIVEN.get(part / 64)
    {
        given.fetch_and(!(1 << (part % 64)), Ordering::Release);
    }
}

/// Gives a thread's part back when it ends.
struct AtEnd;

impl Drop for AtEnd {
    fn drop(&mut self) {
        // What it still counts after that, in other destructors, goes to the shared part.
        if let Some(part) = own::with(|own| set_part(own, SHARED)) {
            give_back(part);
        }
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd };
}

/// The thread's part, if it has been given one.
fn part(own: &Own) -> Option<usize> {
    Some(own.part.get()).filter(|part| *part != NO_PART).map(|part| part as usize)
}

fn set_part(own: &Own, part: usize) -> Option<usize> {
    let before = self::part(own);
    own.part.set(u32::try_from(part).unwrap_or(NO_PART));
    before
}

/// The thread's part; it is given one if it has none.
#[cold]
#[inline(never)]
fn own_part(own: &Own) -> usize {
    part(own).unwrap_or_else(|| first_part(own))
}

/// The thread's part, which it is given now.
fn first_part(own: &Own) -> usize {
    let part = if AT_END.try_with(|_| ()).is_ok() { take() } else { SHARED };
    set_part(own, part);
    part
}

/// The figures that the calling thread adds to, looked up once for a whole call: behind a system call little
/// is in the cache of what leads there.
#[derive(Clone, Copy)]
pub(crate) struct Mine<const N: usize> {
    all: &'static Counters<N>,
    own: Option<&'static [AtomicU64; N]>,
    /// Not another thread's.
    here: PhantomData<*const ()>,
}

impl<const N: usize> Mine<N> {
    /// [`Counters::add`].
    #[inline]
    pub(crate) fn add(&self, figure: usize, amount: u64) {
        self.all.add_to(self.own, figure, amount);
    }
}

/// Adds to a figure that no other thread writes, and no signal handler; its sum.
#[inline]
pub(crate) fn add_own(figure: &AtomicU64, amount: u64) -> u64 {
    let sum = figure.load(Ordering::Relaxed).wrapping_add(amount);
    // Release: who sees it sees what was added to others before.
    figure.store(sum, Ordering::Release);
    sum
}

impl<const N: usize> Counters<N> {
    pub(crate) const fn new() -> Self {
        Self([const { Part([const { AtomicU64::new(0) }; N]) }; PARTS])
    }

    /// Adds to figure `figure`; one that does not exist is not counted. Sums wrap around.
    #[inline]
    pub(crate) fn add(&self, figure: usize, amount: u64) {
        own::with(|own| self.add_by(own, figure, amount));
    }

    #[inline]
    pub(crate) fn mine(&'static self) -> Mine<N> {
        Mine { all: self, own: own::with(|own| self.of(own)), here: PhantomData }
    }

    /// [`Counters::add`], by the thread whose own that is.
    #[inline]
    pub(crate) fn add_by(&self, own: &Own, figure: usize, amount: u64) {
        self.add_to(self.of(own), figure, amount);
    }

    /// [`Counters::add`], by the thread whose own figures these are, if it has any.
    #[inline]
    fn add_to(&self, own: Option<&[AtomicU64; N]>, figure: usize, amount: u64) {
        match own {
            Some(figures) => {
                if let Some(count) = figures.get(figure) {
                    add_own(count, amount);
                }
            }
            None => self.add_shared([(figure, amount)]),
        }
    }

    /// The thread's own figures, which no other thread writes; `None` if it has none of its own.
    #[inline]
    pub(crate) fn of(&self, own: &Own) -> Option<&[AtomicU64; N]> {
        let (parts, _) = self.0.split_at(OWN);
        // Both that it has none yet and that it shares one are beyond the end.
        let part = match parts.get(own.part.get() as usize) {
            None => parts.get(own_part(own)),
            mine => mine,
        };
        part.map(|Part(figures)| figures)
    }

    /// [`Counters::add`] to several figures, by a thread that has none of its own.
    #[cold]
    pub(crate) fn add_shared<const M: usize>(&self, amounts: [(usize, u64); M]) {
        let Some(Part(shared)) = self.0.get(SHARED) else { return };
        for (figure, amount) in amounts {
            if let Some(count) = shared.get(figure) {
                count.fetch_add(amount, Ordering::Release);
            }
        }
    }

    /// The sum so far; 0 for a figure that does not exist. What other threads add meanwhile may be
    /// in it or not.
    pub(crate) fn sum(&self, figure: usize) -> u64 {
        let counts = self.0.iter().filter_map(|part| part.0.get(figure));
        counts.fold(0, |sum, count| sum.wrapping_add(count.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Each of these tests may take all parts.
    fn alone() -> MutexGuard<'static, ()> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn what_threads_add_at_once_is_all_in_the_sum() {
        let _alone = alone();
        static COUNTERS: Counters<2> = Counters::new();
        // All alive at once: parts are not given again meanwhile.
        let all = std::sync::Barrier::new(2 * PARTS);
        std::thread::scope(|scope| {
            // More than there are parts, so that some share one.
            let count = || {
                (0..1000).for_each(|i| COUNTERS.add(1, i));
                all.wait();
            };
            let threads: Vec<_> = (0..2 * PARTS).map(|_| scope.spawn(count)).collect();
            // Until they have ended, and not only done their work: then their parts are free again.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(COUNTERS.sum(1), 2 * PARTS as u64 * 499_500);
        assert_eq!(COUNTERS.sum(0), 0);
    }

    #[test]
    fn parts_are_given_once_and_given_again_when_their_thread_has_ended() {
        let _alone = alone();
        use std::sync::Barrier;
        let all = Barrier::new(20);
        let round = || {
            std::thread::scope(|scope| {
                let own = || {
                    let own = own::with(own_part);
                    all.wait();
                    own
                };
                let threads: Vec<_> = (0..20).map(|_| scope.spawn(own)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            })
        };
        // Far more threads than parts in all, and never all parts taken: other tests' threads are few.
        for _ in 0..2 * PARTS / 20 {
            let mut given = round();
            assert!(!given.contains(&SHARED), "{given:?}");
            given.sort_unstable();
            given.dedup();
            assert_eq!(given.len(), 20);
        }
    }

    #[test]
    fn what_a_thread_counts_stays_when_it_ends_and_it_counts_until_the_last() {
        let _alone = alone();
        static COUNTERS: Counters<1> = Counters::new();
        static LAST: AtomicU64 = AtomicU64::new(0);
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                // After `AtEnd`, which was made later.
                LAST.store(own::with(part).unwrap_or(0) as u64, Ordering::Relaxed);
                COUNTERS.add(0, 1);
            }
        }
        thread_local!(static LATE: Late = const { Late });
        let count = || {
            LATE.with(|_| ());
            (0..10).for_each(|_| COUNTERS.add(0, 100));
        };
        for _ in 0..10 {
            std::thread::spawn(count).join().unwrap();
            assert_eq!(LAST.load(Ordering::Relaxed), SHARED as u64);
        }
        assert_eq!(COUNTERS.sum(0), 10 * 1001);
    }

    #[test]
    fn a_figure_that_does_not_exist_is_zero() {
        let counters = Counters::<1>::new();
        counters.add(1, 5);
        assert_eq!((counters.sum(0), counters.sum(1)), (0, 0));
    }
}
