//! The budget under every interleaving of two or three threads:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.
//!
//! The model checker has no clock: a wait ends by its grant, and a waiter that nobody wakes is a
//! deadlock, which it reports. A time-out is a waiter that leaves by itself.

use super::{Amount, Budget, WAITERS, Waiting};
use crate::error::Errno;
use crate::own;
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Every interleaving with up to this many switches away from a thread that could go on.
const PREEMPTIONS: usize = 2;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(run);
}

fn full(max: i64) -> Arc<Budget> {
    let budget = Arc::new(Budget::new(max));
    for _ in 0..max {
        budget.try_reserve_memory(1, 1).unwrap();
    }
    budget
}

/// Reserves, waiting as long as it takes.
fn reserve(budget: &Budget, capacity: u64) {
    let waiting = budget.enqueue(capacity).unwrap();
    wait(&waiting);
    keep(waiting);
    enter(budget, capacity);
}

/// Enters the reservation of capacity that is taken.
fn enter(budget: &Budget, capacity: u64) {
    let total = budget.total.load(Ordering::Relaxed) & !WAITERS;
    let reserved = budget.enter_extra(capacity, capacity, total).unwrap();
    own::with(|own| budget.note_at(own, Amount { bytes: capacity, count: 1 }, reserved));
}

fn wait(waiting: &Waiting<'_>) {
    assert!(waiting.wait_until(Instant::now() + Duration::from_secs(3600)));
}

/// What was granted stays.
fn keep(waiting: Waiting<'_>) {
    assert!(waiting.is_granted());
    waiting.keep();
}

fn spawn(
    budget: &Arc<Budget>,
    run: impl FnOnce(&Budget) + Send + 'static,
) -> thread::JoinHandle<()> {
    let budget = budget.clone();
    thread::spawn(move || run(&budget))
}

/// No capacity, no flag, no size, no reservation, no waiter is left.
fn assert_empty(budget: &Budget) {
    let snapshot = budget.snapshot();
    assert_eq!((snapshot.total_capacity, snapshot.reserved_memory, snapshot.count), (0, 0, 0));
    assert_eq!(budget.total.load(super::Ordering::Relaxed), 0, "the flag is up");
    assert!(budget.lock().waiters.is_empty());
}

#[test]
fn loom_never_over_the_limit() {
    model(|| {
        let budget = Arc::new(Budget::new(3));
        let reserve_and_look = |budget: &Budget| {
            let reserved = budget.try_reserve_memory(2, 2);
            assert!(budget.snapshot().total_capacity <= 3);
            if reserved.is_ok() {
                budget.unreserve_memory(2, 2).unwrap();
            }
            reserved.is_ok()
        };
        let other = spawn(&budget, move |budget| {
            reserve_and_look(budget);
        });
        reserve_and_look(&budget);
        other.join().unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_a_release_wakes_the_waiter() {
    model(|| {
        let budget = full(1);
        let waiter = spawn(&budget, |budget| {
            reserve(budget, 1);
            budget.unreserve_memory(1, 1).unwrap();
        });
        budget.unreserve_memory(1, 1).unwrap();
        waiter.join().unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_two_waiters_are_served_by_one_release_after_the_other() {
    model(|| {
        let budget = full(1);
        let wait_and_release = |budget: &Budget| {
            reserve(budget, 1);
            assert_eq!(budget.snapshot().total_capacity, 1);
            budget.unreserve_memory(1, 1).unwrap();
        };
        let waiters = [spawn(&budget, wait_and_release), spawn(&budget, wait_and_release)];
        budget.unreserve_memory(1, 1).unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_empty(&budget);
    });
}

#[test]
fn loom_one_release_serves_every_waiter_that_fits() {
    model(|| {
        let budget = Arc::new(Budget::new(2));
        budget.try_reserve_memory(2, 2).unwrap();
        let waiters = [(); 2].map(|()| spawn(&budget, |budget| reserve(budget, 1)));
        budget.unreserve_memory(2, 2).unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(budget.snapshot().total_capacity, 2);
        assert_eq!(budget.snapshot().count, 2);
    });
}

#[test]
fn loom_a_large_waiter_in_front_does_not_hold_up_a_small_one() {
    model(|| {
        let budget = full(2);
        let large = budget.enqueue(2).unwrap();
        let small = spawn(&budget, |budget| {
            reserve(budget, 1);
            budget.unreserve_memory(1, 1).unwrap();
        });
        budget.unreserve_memory(1, 1).unwrap();
        small.join().unwrap();
        assert!(!large.is_granted());
        budget.unreserve_memory(1, 1).unwrap();
        assert!(large.leave());
        enter(&budget, 2);
        budget.unreserve_memory(2, 2).unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_the_large_waiter_is_woken_though_a_small_one_waits_too() {
    model(|| {
        let budget = full(2);
        let waiters = [2, 1].map(|capacity| {
            spawn(&budget, move |budget| {
                reserve(budget, capacity);
                let capacity = capacity.cast_signed();
                budget.unreserve_memory(capacity, capacity).unwrap();
            })
        });
        budget.unreserve_memory(1, 1).unwrap();
        budget.unreserve_memory(1, 1).unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_empty(&budget);
    });
}

#[test]
fn loom_a_time_out_races_with_the_grant() {
    model(|| {
        let budget = full(1);
        let waiter = spawn(&budget, |budget| {
            if budget.enqueue(1).unwrap().leave() {
                enter(budget, 1);
                budget.unreserve_memory(1, 1).unwrap();
            }
        });
        budget.unreserve_memory(1, 1).unwrap();
        waiter.join().unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_who_times_out_leaves_the_room_to_the_next() {
    model(|| {
        let budget = full(1);
        let leaver = spawn(&budget, |budget| {
            if budget.enqueue(1).unwrap().leave() {
                enter(budget, 1);
                budget.unreserve_memory(1, 1).unwrap();
            }
        });
        let stayer = spawn(&budget, |budget| {
            reserve(budget, 1);
            budget.unreserve_memory(1, 1).unwrap();
        });
        budget.unreserve_memory(1, 1).unwrap();
        leaver.join().unwrap();
        stayer.join().unwrap();
        assert_empty(&budget);
    });
}

/// As when the reclaimer panics while its caller is in the queue.
#[test]
fn loom_a_waiter_that_is_dropped_gives_its_grant_back() {
    model(|| {
        let budget = full(1);
        let dropped = spawn(&budget, |budget| drop(budget.enqueue(1).unwrap()));
        budget.unreserve_memory(1, 1).unwrap();
        dropped.join().unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_a_higher_limit_wakes_the_waiter() {
    model(|| {
        let budget = Arc::new(Budget::new(0));
        let waiter = spawn(&budget, |budget| reserve(budget, 1));
        budget.set_max_memory(1).unwrap();
        waiter.join().unwrap();
        budget.unreserve_memory(1, 1).unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_a_newcomer_takes_nothing_from_a_waiter() {
    model(|| {
        let budget = full(1);
        let waiting = budget.enqueue(1).unwrap();
        let newcomer = spawn(&budget, |budget| {
            assert_eq!(budget.try_reserve_memory(1, 1), Err(Errno::ENOMEM));
        });
        budget.unreserve_memory(1, 1).unwrap();
        wait(&waiting);
        newcomer.join().unwrap();
        keep(waiting);
        enter(&budget, 1);
        budget.unreserve_memory(1, 1).unwrap();
        assert_empty(&budget);
    });
}

#[test]
fn loom_a_wrong_unreserve_never_fails_a_right_one() {
    model(|| {
        let budget = full(2);
        let right = spawn(&budget, |budget| budget.unreserve_memory(1, 1).unwrap());
        let wrong = spawn(&budget, |budget| {
            assert_eq!(budget.unreserve_memory(1, 3), Err(Errno::EINVAL));
            assert_eq!(budget.unreserve_memory(3, 1), Err(Errno::EINVAL));
        });
        budget.unreserve_memory(1, 1).unwrap();
        right.join().unwrap();
        wrong.join().unwrap();
        assert_empty(&budget);
    });
}

/// The sum of two sizes may be too much for a reservation; then it leaves nothing of itself behind.
#[test]
fn loom_a_reservation_that_is_too_large_beside_another_is_not_entered() {
    model(|| {
        let budget = Arc::new(Budget::new(i64::MAX));
        let reserve = |budget: &Budget, size, capacity| {
            if budget.try_reserve_memory(size, capacity).is_ok() {
                budget.unreserve_memory(size, capacity).unwrap();
            }
        };
        let small = spawn(&budget, move |budget| reserve(budget, 10, 10));
        reserve(&budget, i64::MAX - 3, 1);
        small.join().unwrap();
        assert_empty(&budget);
    });
}
