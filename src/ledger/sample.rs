//! Which blocks are looked at closely: a sample by bytes.
//!
//! Sampling points lie on the bytes that a thread takes, at random, one in so many on average (a
//! Poisson process), and a block is sampled if one or more fall into it. So the chance depends on the
//! size alone, `1 - exp(-bytes / mean)`, and one over it is how many blocks a sampled one stands for:
//! sums of that are estimates without bias, whatever the sizes.
//!
//! To look where a thread is costs microseconds. Of a thread that takes so much that it would be looked
//! at all the time, points lie further apart, twice, four times and so on, for as long as it does
//! ([`at_most`]); each sampled block remembers how far, so its weight is right.

use super::settings::SETTINGS;
use crate::os;
use crate::own::Own;
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;

/// A mean: nothing is sampled.
pub(super) const OFF: u64 = u64::MAX;

static AT_MOST: AtomicU32 = AtomicU32::new(u32::MAX);

/// The coarse clock's step is 4 ms where it is longest: what is counted within one is little.
const WINDOW: Duration = Duration::from_millis(500);

/// How often points may move apart by twice. With that no thread takes as many bytes as would matter.
const MOST_DOUBLED: u8 = 40;

/// From now on one sampling point falls on `mean` bytes on average; 0 samples every block.
pub(crate) fn sample_every(mean: u64) {
    SETTINGS.mean.store(mean, Ordering::Relaxed);
}

/// Bytes from one sampling point to the next, on average; 0 is every block, `None` none.
#[must_use]
pub(crate) fn sample_mean() -> Option<u64> {
    Some(SETTINGS.mean.load(Ordering::Relaxed)).filter(|mean| *mean != OFF)
}

/// From now on a thread is looked at no more than so often a second, about; 0 is at every point. With
/// [`sample_every`] 0 it has no effect.
pub(crate) fn at_most(samples: u32) {
    let window = u32::try_from(WINDOW.as_millis()).unwrap_or(1);
    let in_window = samples.saturating_mul(window) / 1000;
    AT_MOST.store(if samples == 0 { u32::MAX } else { in_window.max(1) }, Ordering::Relaxed);
}

/// How often the distance of points was doubled where a sampled block fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubled(pub(super) u8);

/// Whether a block of this size is sampled, which moves on along the thread's bytes.
#[inline(always)]
pub(super) fn is_sampled(own: &Own, bytes: u64) -> Option<Doubled> {
    let left = &own.to_point;
    match SETTINGS.mean.load(Ordering::Relaxed) {
        OFF => None,
        0 => Some(Doubled(0)),
        mean => pass(left, bytes, || reach(left, bytes, mean)),
    }
}

/// [`Place::reach`] of the calling thread's.
#[cold]
#[inline(never)]
fn reach(left: &Cell<u64>, bytes: u64, mean: u64) -> Option<Doubled> {
    PLACE.with(|place| place.reach(left, bytes, mean))
}

/// A block takes its bytes of those that are left to the next point, or does what `reach` does.
#[inline(always)]
fn pass(left: &Cell<u64>, bytes: u64, reach: impl FnOnce() -> Option<Doubled>) -> Option<Doubled> {
    match left.get().checked_sub(bytes).filter(|left| *left > 0) {
        Some(now) => {
            left.set(now);
            None
        }
        None => reach(),
    }
}

/// How many blocks of this size a sampled one stands for, at least 1.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn weight(bytes: u64, mean: u64, doubled: Doubled) -> f64 {
    if mean == 0 {
        return 1.0;
    }
    let mean = mean as f64 * f64::exp2(f64::from(doubled.0));
    let chance = -f64::exp_m1(-(bytes as f64) / mean);
    if chance > 0.0 { 1.0 / chance } else { 1.0 }
}

thread_local! {
    static PLACE: Place = const { Place::new() };
}

/// How a thread's sampling points lie.
#[cfg_attr(test, derive(Default))]
struct Place {
    /// The generator's state.
    random: Cell<u64>,
    doubled: Cell<Doubled>,
    /// When the window began, and the points passed in it.
    window: Cell<(Duration, u32)>,
}

impl Place {
    const fn new() -> Self {
        Self {
            random: Cell::new(0),
            doubled: Cell::new(Doubled(0)),
            window: Cell::new((Duration::ZERO, 0)),
        }
    }

    /// A block reaches as far as the next point, unless there is none yet.
    fn reach(&self, left: &Cell<u64>, bytes: u64, mean: u64) -> Option<Doubled> {
        if left.get() == 0 {
            self.seed();
            left.set(self.distance(mean));
            return pass(left, bytes, || self.reach(left, bytes, mean));
        }
        let doubled = self.doubled.get();
        self.adapt(os::clock::monotonic_coarse(), AT_MOST.load(Ordering::Relaxed));
        // The points forget: the next one is as far from here as from anywhere.
        left.set(self.distance(mean));
        Some(doubled)
    }

    /// A point is passed: moves the next ones apart if they are too many, and together if they are few.
    fn adapt(&self, now: Duration, at_most: u32) {
        let (began, passed) = self.window.get();
        let Doubled(doubled) = self.doubled.get();
        if now.saturating_sub(began) >= WINDOW {
            // Half a window's worth would be enough after that.
            if passed < at_most / 2 || now.saturating_sub(began) >= 2 * WINDOW {
                self.doubled.set(Doubled(doubled.saturating_sub(1)));
            }
            self.window.set((now, 1));
        } else if passed >= at_most {
            self.doubled.set(Doubled((doubled + 1).min(MOST_DOUBLED)));
            self.window.set((now, 1));
        } else {
            self.window.set((began, passed + 1));
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
        let mean = mean as f64 * f64::exp2(f64::from(self.doubled.get().0));
        (-uniform.ln() * mean).ceil().max(1.0) as u64
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

    /// A thread's way, on which each block is one of so many bytes.
    #[derive(Default)]
    struct Way(Place, Cell<u64>);

    impl Way {
        fn pass(&self, bytes: u64, mean: u64) -> Option<Doubled> {
            let Self(place, left) = self;
            pass(left, bytes, || place.reach(left, bytes, mean))
        }
    }

    #[test]
    fn estimates_are_without_bias_for_every_size() {
        const MEAN: u64 = 64 << 10;
        let way = Way::default();
        for (bytes, count) in BLOCKS {
            // Several times over, so that the error is that of the estimate and not of luck.
            let repeats = 10;
            let mut estimate = 0.0;
            let mut sampled = 0_u32;
            for _ in 0..repeats * count {
                if let Some(doubled) = way.pass(bytes, MEAN) {
                    estimate += weight(bytes, MEAN, doubled);
                    sampled += 1;
                }
            }
            let truth = f64::from(repeats * count);
            // Five standard deviations of a binomial count.
            let tolerance = 5.0 * f64::from(sampled).sqrt() * weight(bytes, MEAN, Doubled(0));
            let error = (estimate - truth).abs();
            assert!(error <= tolerance.max(1e-9 * truth), "{bytes}: {estimate} of {truth}");
        }
    }

    #[test]
    fn a_block_far_larger_than_the_mean_is_always_sampled_and_stands_for_itself() {
        let way = Way::default();
        assert!((0..1000).all(|_| way.pass(1 << 40, 1 << 19).is_some()));
        assert!((weight(1 << 40, 1 << 19, Doubled(0)) - 1.0).abs() < 1e-12);
        assert!((weight(1, 0, Doubled(0)) - 1.0).abs() < 1e-12);
        assert!(weight(0, 1 << 19, Doubled(0)) >= 1.0);
    }

    #[test]
    fn a_thread_that_takes_very_much_is_looked_at_less_and_its_estimate_stays_right() {
        const BYTES: u64 = 1 << 20;
        const MEAN: u64 = 512 << 10;
        const AT_MOST: u32 = 10;
        let (place, left) = (Place::default(), Cell::new(1));
        place.seed();
        let mut now = Duration::from_secs(1000);
        let (mut estimate, mut sampled, mut variance) = (0.0, 0_u32, 0.0);
        let blocks = 1_000_000_u32;
        for _ in 0..blocks {
            // As `reach` does, with a clock of its own: 1000 blocks in a window.
            now += WINDOW / 1000;
            let sample = pass(&left, BYTES, || {
                let doubled = place.doubled.get();
                place.adapt(now, AT_MOST);
                left.set(place.distance(MEAN));
                Some(doubled)
            });
            if let Some(doubled) = sample {
                let weight = weight(BYTES, MEAN, doubled);
                estimate += weight;
                variance += weight * weight;
                sampled += 1;
            }
        }
        let windows = blocks / 1000;
        assert!(sampled < 3 * AT_MOST * windows, "{sampled}");
        assert!(sampled > AT_MOST * windows / 4, "{sampled}");
        let error = (estimate - f64::from(blocks)).abs();
        assert!(error < 6.0 * f64::sqrt(variance), "{estimate} of {blocks}");
        // And comes back when it takes less.
        for _ in 0..100 {
            now += WINDOW * 3;
            place.adapt(now, AT_MOST);
        }
        assert_eq!(place.doubled.get(), Doubled(0));
    }

    #[test]
    fn threads_sample_at_different_places() {
        let first = || {
            let way = Way::default();
            (0..).take_while(|_| way.pass(1, 1 << 16).is_none()).count()
        };
        let firsts: std::collections::HashSet<usize> = (0..8).map(|_| first()).collect();
        assert!(firsts.len() > 4, "{firsts:?}");
    }
}
