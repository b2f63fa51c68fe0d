//! `icebergs=collect`: a collection is asked for before memory runs out that only waits for one.
//!
//! A collector goes by its heap, where a buffer is a few dozen bytes, and not by the limit or the
//! container below which the buffers' memory lies. So a thread looks, when enough is live to matter,
//! how much of it nobody can reach any more.

use super::options::Collect;
use super::{Agent, heap, percent_of, say};
use crate::bits;
use crate::ledger;
use crate::os;
use core::time::Duration;
use std::time::Instant;

/// A look at the heap stops the program: it may take this share of the time, whatever the interval.
const MOST_TIME: u32 = 100;

/// How often it is asked whether enough is live to look.
const TICK: Duration = Duration::from_millis(200);

/// Watches as long as the JVM can run Java.
pub(super) fn watch(agent: &Agent, collect: Collect) {
    let mut next = Instant::now();
    loop {
        std::thread::sleep(TICK.min(collect.interval));
        if !agent.is_live() {
            return;
        }
        let enough = share(collect.share);
        if bits::budget().snapshot().reserved_memory < enough || Instant::now() < next {
            continue;
        }
        // SAFETY: the JVM's own, live from the event on that has started this thread; the thread runs
        // no Java.
        let pause = match unsafe { heap::walk(agent.vm) } {
            Ok(walk) => {
                let icebergs = ledger::sums(false, Some(&walk)).icebergs.unwrap_or_default();
                let waiting = icebergs.total.unreachable_bytes;
                if waiting >= u64::try_from(enough).unwrap_or(0) {
                    ask(agent, waiting, icebergs.pause);
                }
                icebergs.pause
            }
            Err(cause) => {
                if agent.options.verbose {
                    say(&cause);
                }
                Duration::ZERO
            }
        };
        next = Instant::now() + collect.interval.max(pause * MOST_TIME);
    }
}

/// In bytes, of the limit at this moment, or else of what the container or the machine has.
fn share(percent: u8) -> i64 {
    match bits::budget().snapshot().max_memory {
        i64::MAX => percent_of(os::cgroup::memory_of_machine_or_container(), percent),
        limit => percent_of(limit.cast_unsigned(), percent),
    }
}

fn ask(agent: &Agent, waiting: u64, pause: Duration) {
    // SAFETY: as in `watch`.
    let collected = unsafe { heap::attached(agent.vm, |jvmti, _| Ok(jvmti.collect())) };
    if agent.options.verbose {
        let pause = pause.as_secs_f64() * 1000.0;
        let how = if matches!(collected, Some(Ok(()))) { "was" } else { "could not be" };
        say(&format!(
            "a collection {how} asked for: {waiting} bytes waited for one (a look of {pause:.1} ms)"
        ));
    }
}
