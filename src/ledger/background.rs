//! The library's own thread, for what comes with time: free memory of our own goes back to the kernel when
//! nobody has wanted it for a while, and the [`clock`] goes on while anybody looks at it.
//!
//! Memory does not go at once: a program that takes again what it has just given back, as most do, would pay
//! for every page a second time. So the thread counts seconds, and what has been free for a whole one goes. It
//! starts with the first memory that may have to go.

use super::{clock, extent, slab};
use crate::os;
use core::time::Duration;
use std::sync::Once;
use std::time::Instant;

/// What nobody has wanted for one or two steps goes; a span that is kept for its class, for one more.
const STEP: Duration = Duration::from_secs(1);

/// Called before there is anything that may have to go. Without the thread all stays, and everybody asks the
/// kernel for the time.
#[cold]
pub(super) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A process that can have no further thread keeps what it has.
        let _started = os::thread::spawn("offheap", run);
    });
}

fn run() {
    clock::begin();
    let mut last = Instant::now();
    loop {
        clock::go_on(STEP.saturating_sub(last.elapsed()));
        if last.elapsed() >= STEP {
            // It may take long: they end what is good of the clock meanwhile.
            slab::decay();
            extent::decay();
            last = Instant::now();
        }
    }
}
