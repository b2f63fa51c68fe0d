//! `offheap report` and `offheap top`: running JVMs asked from outside, on all JDKs.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

#[path = "../common"]
mod common {
    pub(crate) mod child;
    #[expect(dead_code, reason = "the tests that compare with a stock JVM use the rest")]
    pub(crate) mod jdk;
    pub(crate) mod library;
}

mod program;
mod report;
mod serve;
mod terminal;
mod top;

use common::child::{self, Finished};
use std::process::Command;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// `offheap ARGUMENTS`, to its end.
fn offheap(arguments: &[&str]) -> Finished {
    child::run(Command::new(env!("CARGO_BIN_EXE_offheap")).args(arguments), LIMIT, "this package")
}

/// What `offheap` says that can't do what it is asked for.
fn refused(arguments: &[&str]) -> String {
    let finished = offheap(arguments);
    assert_eq!(finished.status.code(), Some(1), "{arguments:?}: {}", finished.output);
    assert!(finished.output.starts_with("offheap: "), "{arguments:?}: {}", finished.output);
    finished.output
}

/// Waits until it is so; what was seen last, if it never is.
fn wait_until<T: std::fmt::Debug>(
    what: &str,
    look: impl Fn() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        assert!(std::time::Instant::now() < deadline, "{what}: {seen:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
