//! Free memory of our own goes back to the kernel when nobody has wanted it for a while.
//!
//! Not at once: a program that takes again what it has just given back, as most do, would pay for every
//! page a second time. So a thread of its own counts seconds, and what has been free for a whole one goes.
//! It starts with the first memory that may have to go.

use super::{extent, slab};
use crate::os;
use core::time::Duration;
use std::sync::Once;

/// What nobody has wanted for one or two steps goes; a span that is kept for its class, for one more.
const STEP: Duration = Duration::from_secs(1);

/// Called before there is anything that may have to go. Without the thread all stays.
#[cold]
pub(super) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let started = os::thread::spawn("offheap decay", || {
            loop {
                std::thread::sleep(STEP);
                step();
            }
        });
        // A process that can have no further thread keeps what it has.
        drop(started);
    });
}

fn step() {
    slab::decay();
    extent::decay();
}
