//! Figures that many threads add to at once.
//!
//! A figure is a sum of parts, and each thread adds to the part it was given when it first counted
//! anything: threads rarely meet on a cache line, so to count costs a few nanoseconds whoever else
//! does. Reading adds the parts up.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads beyond this many share parts.
const PARTS: usize = 16;

/// On x86_64 cache lines are fetched in pairs.
#[repr(align(128))]
struct Part<const N: usize>([AtomicU64; N]);

/// `N` figures, all 0 at first.
pub(crate) struct Counters<const N: usize>([Part<N>; PARTS]);

/// The calling thread's part.
fn part() -> usize {
    thread_local! {
        static PART: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // A thread that is ending may have no such variable any more; then any part will do.
    PART.try_with(|part| {
        if part.get() == usize::MAX {
            part.set(NEXT.fetch_add(1, Ordering::Relaxed) % PARTS);
        }
        part.get()
    })
    .unwrap_or(0)
}

impl<const N: usize> Counters<N> {
    pub(crate) const fn new() -> Self {
        Self([const { Part([const { AtomicU64::new(0) }; N]) }; PARTS])
    }

    /// Adds to figure `figure`; one that does not exist is not counted. Sums wrap around.
    pub(crate) fn add(&self, figure: usize, amount: u64) {
        if let Some(count) = self.0.get(part()).and_then(|part| part.0.get(figure)) {
            count.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// The sum so far; 0 for a figure that does not exist. What other threads add meanwhile may be
    /// in it or not.
    pub(crate) fn sum(&self, figure: usize) -> u64 {
        let counts = self.0.iter().filter_map(|part| part.0.get(figure));
        counts.fold(0, |sum, count| sum.wrapping_add(count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_add_at_once_is_all_in_the_sum() {
        static COUNTERS: Counters<2> = Counters::new();
        std::thread::scope(|scope| {
            for _ in 0..2 * PARTS {
                scope.spawn(|| (0..1000).for_each(|i| COUNTERS.add(1, i)));
            }
        });
        assert_eq!(COUNTERS.sum(1), 2 * PARTS as u64 * 499_500);
        assert_eq!(COUNTERS.sum(0), 0);
    }

    #[test]
    fn a_figure_that_does_not_exist_is_zero() {
        let counters = Counters::<1>::new();
        counters.add(1, 5);
        assert_eq!((counters.sum(0), counters.sum(1)), (0, 0));
    }
}
