//! How much was live over time, in so little room that it can be kept always.

use crate::os;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Moments that are kept. When there are more, every second one goes, and from then on half as many
/// come.
const MOST: usize = 512;

/// How much was live, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the first moment.
    pub after: Duration,
    /// Live bytes; the most that was seen since the moment before.
    pub bytes: i64,
}

#[derive(Default)]
struct History {
    start: Duration,
    moments: Vec<Moment>,
    /// How many ticks make a moment: a power of two.
    ticks: u32,
    /// Ticks since the last moment, and the most of them.
    pending: u32,
    most: i64,
}

static HISTORY: Mutex<History> = Mutex::new(History {
    start: Duration::ZERO,
    moments: Vec::new(),
    ticks: 0,
    pending: 0,
    most: 0,
});

fn history() -> MutexGuard<'static, History> {
    // A panic under the lock leaves it whole.
    HISTORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This many bytes are live now.
pub(super) fn tick(bytes: i64) {
    history().tick(os::clock::monotonic_coarse(), bytes);
}

/// All moments, the oldest first.
pub(super) fn moments() -> Vec<Moment> {
    history().moments.clone()
}

impl History {
    fn tick(&mut self, now: Duration, bytes: i64) {
        if self.ticks == 0 {
            self.ticks = 1;
            self.start = now;
        }
        self.pending += 1;
        self.most = self.most.max(bytes);
        if self.pending < self.ticks && !self.moments.is_empty() {
            return;
        }
        if self.moments.len() >= MOST {
            self.halve();
        }
        self.moments.push(Moment { after: now.saturating_sub(self.start), bytes: self.most });
        (self.pending, self.most) = (0, 0);
    }

    /// Of every two moments the later stays, with the most of both.
    fn halve(&mut self) {
        let pairs = self.moments.chunks(2).filter_map(|pair| {
            let last = pair.last()?;
            let bytes = pair.iter().map(|moment| moment.bytes).max()?;
            Some(Moment { after: last.after, bytes })
        });
        self.moments = pairs.collect();
        self.ticks = self.ticks.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_its_ends_its_order_and_its_peaks() {
        let mut history = History::default();
        for second in 0..100_000_u32 {
            let bytes = if second == 4711 { 1_000_000 } else { i64::from(second % 100) };
            history.tick(Duration::from_secs(1000 + u64::from(second)), bytes);
        }
        let moments = &history.moments;
        assert!(moments.len() <= MOST && moments.len() > MOST / 4, "{}", moments.len());
        assert!(moments.is_sorted_by(|a, b| a.after < b.after));
        assert_eq!(moments.iter().map(|moment| moment.bytes).max(), Some(1_000_000));
        assert!(moments.last().unwrap().after.as_secs() > 99_000);
        // As far apart at the beginning as at the end, save for the first and where it was halved last.
        let gaps = moments.windows(2).skip(1).map(|pair| (pair[1].after - pair[0].after).as_secs());
        let (least, most) = (gaps.clone().min().unwrap(), gaps.max().unwrap());
        assert!(most <= 2 * least, "{least} to {most} s");
    }

    #[test]
    fn a_short_history_has_every_second() {
        let mut history = History::default();
        for second in 0..10 {
            history.tick(Duration::from_secs(second), i64::try_from(second).unwrap());
        }
        let bytes: Vec<i64> = history.moments.iter().map(|moment| moment.bytes).collect();
        assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
