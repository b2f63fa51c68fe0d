//! The one panic guard of all faces: nothing unwinds into C or into a JVM.
//!
//! A panic in offheap is a bug in offheap. It must still not become undefined behaviour, nor end a
//! process that could have gone on: the guard catches it and lets the face answer in its own
//! terms (an `errno`, an exception). If even that answer panics, the process aborts, because no
//! truthful answer is left.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(not(panic = "unwind"))]
compile_error!("offheap needs panic = \"unwind\": a panic must reach the guard, not end the JVM");

/// Runs `work`; if it panics, `answer` gets the panic's message and speaks for it.
///
/// Unwind safety: the core keeps no state half-changed across a call that can panic, which is why
/// the assertion is made here once and nowhere else.
pub(crate) fn guard<R>(work: impl FnOnce() -> R, answer: impl FnOnce(&str) -> R) -> R {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) => answer_or_abort(payload, answer),
    }
}

/// Out of line, so that the guard costs its caller a landing pad and nothing more.
#[cold]
#[inline(never)]
fn answer_or_abort<R>(payload: Box<dyn Any + Send>, answer: impl FnOnce(&str) -> R) -> R {
    let reply = catch_unwind(AssertUnwindSafe(|| answer(message(&*payload))));
    // The payload is somebody's value: its destructor may panic too, and must not do so here.
    std::mem::forget(payload);
    reply.unwrap_or_else(|_| std::process::abort())
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "panic without a message"
    }
}

#[cfg(test)]
mod tests {
    use super::guard;

    #[test]
    fn a_result_passes_through() {
        assert_eq!(guard(|| 7, |_| 0), 7);
    }

    #[test]
    fn a_panic_becomes_the_answer_with_its_message() {
        let text = guard(|| panic!("at {}", 12), str::to_owned);
        assert_eq!(text, "at 12");
        let text: String = guard(|| std::panic::panic_any(3_u8), str::to_owned);
        assert_eq!(text, "panic without a message");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_no_harm() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the payload's destructor");
            }
        }
        assert_eq!(guard(|| std::panic::panic_any(Bomb), |_| 3), 3);
    }
}
