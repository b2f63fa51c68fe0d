//! Which blocks are looked at closely: a sample by bytes.
//!
//! Sampling points lie on the bytes that a thread takes, at random, one in so many on average (a
//! Poisson process), and a block is sampled if one or more fall into it. So the chance depends on the
//! size alone, `1 - exp(-bytes / mean)`, and one over it is how many blocks a sampled one stands for:
//! sums of that are estimates without bias, whatever the sizes.

use crate::os;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Nothing is sampled.
const OFF: u64 = u64::MAX;

static MEAN: AtomicU64 = AtomicU64::new(OFF);

/// From now on one sampling point falls on `mean` bytes on average; 0 samples every block.
pub fn sample_every(mean: u64) {
    MEAN.store(mean, Ordering::Relaxed);
}

/// Bytes from one sampling point to the next, on average; 0 is every block, `None` none.
#[must_use]
pub fn sample_mean() -> Option<u64> {
    Some(MEAN.load(Ordering::Relaxed)).filter(|mean| *mean != OFF)
}

/// Whether a block of this size is sampled, which moves on along the thread's bytes.
pub(super) fn is_sampled(bytes: u64) -> bool {
    match MEAN.load(Ordering::Relaxed) {
        OFF => false,
        0 => true,
        // A thread that is ending may have no place any more.
        mean => PLACE.try_with(|place| place.pass(bytes, mean)).unwrap_or(false),
    }
}

/// How many blocks of this size a sampled one stands for, at least 1.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn weight(bytes: u64, mean: u64) -> f64 {
    if mean == 0 {
        return 1.0;
    }
    let chance = -f64::exp_m1(-(bytes as f64) / mean as f64);
    if chance > 0.0 { 1.0 / chance } else { 1.0 }
}

thread_local! {
    static PLACE: Place = const { Place::new() };
}

/// Where a thread is between two sampling points.
struct Place {
    /// Bytes to the next point; 0 before the first use.
    left: Cell<u64>,
    /// The generator's state.
    random: Cell<u64>,
}

impl Place {
    const fn new() -> Self {
        Self { left: Cell::new(0), random: Cell::new(0) }
    }

    fn pass(&self, bytes: u64, mean: u64) -> bool {
        if self.left.get() == 0 {
            self.seed();
            self.left.set(self.distance(mean));
        }
        match self.left.get().checked_sub(bytes).filter(|left| *left > 0) {
            Some(left) => {
                self.left.set(left);
                false
            }
            None => {
                // The points forget: the next one is as far from here as from anywhere.
                self.left.set(self.distance(mean));
                true
            }
        }
    }

    fn seed(&self) {
        static THREADS: AtomicUsize = AtomicUsize::new(1);
        let thread = THREADS.fetch_add(1, Ordering::Relaxed) as u64;
        let now = os::clock::monotonic_coarse();
        self.random.set(thread << 32 ^ u64::from(now.subsec_nanos()) ^ now.as_secs() << 20);
    }

    /// To the next point: exponentially distributed, at least 1.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a random distance; as takes what is too large for the largest"
    )]
    fn distance(&self, mean: u64) -> u64 {
        // From 2^-53 to 1, in equal steps.
        let uniform = ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        (-uniform.ln() * mean as f64).ceil().max(1.0) as u64
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    fn next(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes from far below the mean to far above it, and how many of each.
    const BLOCKS: [(u64, u32); 5] =
        [(64, 400_000), (1000, 100_000), (65_536, 4000), (1 << 20, 500), (1 << 30, 10)];

    #[test]
    fn estimates_are_without_bias_for_every_size() {
        const MEAN: u64 = 64 << 10;
        let place = Place::new();
        place.random.set(7);
        for (bytes, count) in BLOCKS {
            // Several times over, so that the error is that of the estimate and not of luck.
            let repeats = 10;
            let mut estimate = 0.0;
            let mut sampled = 0_u32;
            for _ in 0..repeats * count {
                if place.pass(bytes, MEAN) {
                    estimate += weight(bytes, MEAN);
                    sampled += 1;
                }
            }
            let truth = f64::from(repeats * count);
            // Five standard deviations of a binomial count.
            let tolerance = 5.0 * f64::from(sampled).sqrt() * weight(bytes, MEAN);
            let error = (estimate - truth).abs();
            assert!(error <= tolerance.max(1e-9 * truth), "{bytes}: {estimate} of {truth}");
        }
    }

    #[test]
    fn a_block_far_larger_than_the_mean_is_always_sampled_and_stands_for_itself() {
        let place = Place::new();
        assert!((0..1000).all(|_| place.pass(1 << 40, 1 << 19)));
        assert!((weight(1 << 40, 1 << 19) - 1.0).abs() < 1e-12);
        assert!((weight(1, 0) - 1.0).abs() < 1e-12);
        assert!(weight(0, 1 << 19) >= 1.0);
    }

    #[test]
    fn threads_sample_at_different_places() {
        let first = || {
            let place = Place::new();
            (0..).take_while(|_| !place.pass(1, 1 << 16)).count()
        };
        let firsts: std::collections::HashSet<usize> = (0..8).map(|_| first()).collect();
        assert!(firsts.len() > 4, "{firsts:?}");
    }
}
