//! The clock that costs next to nothing: a few milliseconds coarse, never set back.

use core::mem::MaybeUninit;
use core::time::Duration;

/// `clock_gettime(CLOCK_MONOTONIC_COARSE)`: time since some moment before the process began.
pub(crate) fn monotonic_coarse() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the out-parameter is writable.
    // Can't fail: the clock is there since Linux 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, time.as_mut_ptr()) };
    // SAFETY: two integers, for which zero is a value too.
    let time = unsafe { time.assume_init() };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
