//! Since when a block lives: a time for every block, which to ask the kernel for would be a third of what a small
//! block costs.
//!
//! So who asks leaves the answer for everybody, and it is good until the library's own thread says that it is not,
//! [`TICK`] later: a time is late by that, and by how long the machine lets that thread wait. While nobody takes a
//! block, the thread rests; whoever asks wakes it. Without that thread, as in a process that was forked, everybody
//! asks.

use super::settings::SETTINGS;
use crate::os;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::OnceLock;
use std::thread::{self, Thread};

/// How long an answer is good.
const TICK: Duration = Duration::from_millis(20);

/// Of [`super::settings::Settings::time`]: nobody need ask. The other bits are the time, which never goes back.
const IS_GOOD: u64 = 1;

/// Who ends what is good, and whether he is of this process.
static ENDS: OnceLock<Thread> = OnceLock::new();
static IS_ENDED: AtomicBool = AtomicBool::new(false);
/// And waits for somebody to ask.
static RESTS: AtomicBool = AtomicBool::new(false);

/// Hundredths of a second since some moment; they begin anew after 497 days.
#[inline(always)]
pub(super) fn now() -> u32 {
    let known = SETTINGS.time.load(Ordering::Relaxed);
    if known & IS_GOOD == 0 { ask() } else { as_told(known >> 1) }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "they begin anew")]
fn as_told(hundredths: u64) -> u32 {
    hundredths as u32
}

#[cold]
#[inline(never)]
fn ask() -> u32 {
    let Some(thread) = ENDS.get().filter(|_| IS_ENDED.load(Ordering::Relaxed)) else {
        return exact();
    };
    let asked = hundredths();
    let good = |known: u64| Some(asked.max(known >> 1) << 1 | IS_GOOD);
    // SeqCst, all three: the thread rests and then looks for what is good, and here it is the other way round.
    let known = match SETTINGS.time.fetch_update(Ordering::SeqCst, Ordering::Relaxed, good) {
        Ok(known) | Err(known) => known,
    };
    if RESTS.swap(false, Ordering::SeqCst) {
        thread.unpark();
    }
    as_told(asked.max(known >> 1))
}

/// [`now`], but late by nothing: no block has come later.
pub(super) fn exact() -> u32 {
    as_told(latest())
}

fn latest() -> u64 {
    hundredths().max(SETTINGS.time.load(Ordering::Relaxed) >> 1)
}

/// Puts the time on by a hundredth, and waits for so long. Blocks that are taken when this has returned are younger
/// than the time that it returns, and none that was taken before it was called is.
pub(super) fn pass() -> u32 {
    let last = latest();
    SETTINGS.time.fetch_max((last + 1) << 1, Ordering::SeqCst);
    // So time is not ahead for long, and who has taken a block just before makes the object that tells what it is.
    thread::sleep(Duration::from_millis(10));
    as_told(last)
}

/// By the kernel's coarse clock, which costs next to nothing when it is in the cache.
fn hundredths() -> u64 {
    let now = os::clock::monotonic_coarse();
    // Not by `as_millis`, whose 128 bits take longer to divide than the clock to read.
    now.as_secs().wrapping_mul(100) + u64::from(now.subsec_millis() / 10)
}

/// The calling thread ends what is good from now on, by [`go_on`] over and over.
pub(super) fn begin() {
    let _first = ENDS.set(thread::current());
    // Without it a child would take the same answer for good for ever.
    IS_ENDED.store(os::thread::at_fork_in_child(in_child).is_ok(), Ordering::Release);
}

extern "C" fn in_child() {
    IS_ENDED.store(false, Ordering::Relaxed);
    end();
}

/// Ends what is good, if anything is, and waits for a tick; else for somebody to ask, but no longer than `most`.
pub(super) fn go_on(most: Duration) {
    if end() {
        return thread::sleep(TICK);
    }
    RESTS.store(true, Ordering::SeqCst);
    if SETTINGS.time.load(Ordering::SeqCst) & IS_GOOD == 0 {
        thread::park_timeout(most);
    }
    RESTS.store(false, Ordering::Relaxed);
}

/// Ends what is good; whether anything was.
pub(super) fn end() -> bool {
    SETTINGS.time.fetch_and(!IS_GOOD, Ordering::SeqCst) & IS_GOOD != 0
}

#[cfg(test)]
mod tests {
    use super::super::background;
    use super::*;
    use std::sync::mpsc::{TryRecvError, channel};
    use std::time::Instant;

    fn is_good() -> bool {
        SETTINGS.time.load(Ordering::Relaxed) & IS_GOOD != 0
    }

    fn started() {
        background::begin();
        while !IS_ENDED.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    /// Runs `check` while another thread asks all the time.
    fn among_askers(check: impl FnOnce()) {
        let (done, is_done) = channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.try_recv() == Err(TryRecvError::Empty) {
                    now();
                }
            });
            check();
            drop(done);
        });
    }

    #[test]
    fn time_never_goes_back_and_is_not_ahead() {
        started();
        among_askers(|| {
            let mut last = now();
            let end = Instant::now() + 10 * TICK;
            while Instant::now() < end {
                let next = now();
                assert!(next.wrapping_sub(last).cast_signed() >= 0, "{last}, {next}");
                assert!(exact().wrapping_sub(next).cast_signed() >= 0, "{next}");
                last = next;
            }
        });
    }

    #[test]
    fn what_comes_after_a_hundredth_has_passed_is_younger() {
        started();
        among_askers(|| {
            for _ in 0..20 {
                let before = now();
                let last = pass();
                let after = now();
                assert!(last.wrapping_sub(before).cast_signed() >= 0, "{before}, {last}");
                assert!(after.wrapping_sub(last).cast_signed() > 0, "{last}, {after}");
            }
        });
    }

    #[test]
    fn time_goes_on_in_a_child() {
        started();
        now();
        // SAFETY: the child does nothing but look at clocks, sleep and end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let first = now();
            let goes_on = (0..1000).any(|_| {
                // SAFETY: no precondition.
                unsafe { libc::usleep(10_000) };
                now() != first
            });
            // SAFETY: no precondition.
            unsafe { libc::_exit(i32::from(!goes_on)) };
        }
        let mut status = 0;
        // SAFETY: the out-parameter is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "it has stopped");
    }

    #[test]
    fn an_answer_is_not_good_for_ever_however_long_nobody_has_asked() {
        started();
        for pause in [Duration::ZERO, 5 * TICK] {
            thread::sleep(pause);
            now();
            let end = Instant::now() + Duration::from_secs(60);
            while is_good() {
                assert!(Instant::now() < end, "nobody ends it");
                thread::sleep(TICK / 4);
            }
        }
    }
}
