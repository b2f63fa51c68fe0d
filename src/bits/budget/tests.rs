use super::{Amount, Budget, Policy, Reclaimer, Snapshot};
use crate::error::Errno;
use crate::own;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn figures(budget: &Budget) -> (i64, i64, i64) {
    let Snapshot { reserved_memory, total_capacity, count, .. } = budget.snapshot();
    (reserved_memory, total_capacity, count)
}

/// A reclaimer made of closures, which counts its calls.
struct Fake<C, H> {
    collect: C,
    help: H,
    collections: AtomicUsize,
    helps: AtomicUsize,
}

fn fake<C: Fn(i64) + Send + Sync, H: Fn() -> bool + Send + Sync>(
    collect: C,
    help: H,
) -> Fake<C, H> {
    Fake { collect, help, collections: AtomicUsize::new(0), helps: AtomicUsize::new(0) }
}

impl<C: Fn(i64) + Send + Sync, H: Fn() -> bool + Send + Sync> Reclaimer for Fake<C, H> {
    fn collect(&self, shortfall: i64) {
        self.collections.fetch_add(1, SeqCst);
        (self.collect)(shortfall);
    }

    fn help(&self) -> bool {
        self.helps.fetch_add(1, SeqCst);
        (self.help)()
    }
}

/// Waits until another thread stands in the queue.
fn await_waiter(budget: &Budget) {
    let end = Instant::now() + Duration::from_secs(10);
    while budget.lock().waiters.is_empty() {
        assert!(Instant::now() < end, "nobody came to wait");
        thread::yield_now();
    }
}

#[test]
fn negative_figures_are_refused_everywhere() {
    let budget = Budget::new(100);
    budget.try_reserve_memory(10, 10).unwrap();
    let nothing = fake(|_| panic!("not to be called"), || panic!("not to be called"));
    for (size, capacity) in [(-1, 0), (0, -1), (i64::MIN, i64::MIN), (-1, i64::MAX)] {
        let refused = Err(Errno::EINVAL);
        assert_eq!(budget.try_reserve_memory(size, capacity), refused);
        assert_eq!(budget.reserve_memory(size, capacity, Policy::Backoff, &nothing), refused);
        assert_eq!(budget.unreserve_memory(size, capacity), refused);
    }
    assert_eq!(budget.set_max_memory(-1), Err(Errno::EINVAL));
    assert_eq!(budget.set_default_max_memory(i64::MIN), Err(Errno::EINVAL));
    assert_eq!(budget.max_memory(), 100);
    assert_eq!(figures(&budget), (10, 10, 1));
}

#[test]
fn more_than_is_reserved_can_not_be_given_back() {
    let budget = Budget::new(100);
    for (size, capacity) in [(0, 0), (1, 0), (0, 1)] {
        let answer = budget.unreserve_memory(size, capacity);
        assert_eq!(answer, Err(Errno::EINVAL), "there is no reservation");
    }
    budget.try_reserve_memory(20, 10).unwrap();
    for (size, capacity) in [(21, 10), (20, 11), (0, 11), (21, 0), (i64::MAX, i64::MAX)] {
        assert_eq!(budget.unreserve_memory(size, capacity), Err(Errno::EINVAL));
        assert_eq!(figures(&budget), (20, 10, 1), "after {size}, {capacity}");
    }
    budget.unreserve_memory(20, 10).unwrap();
    assert_eq!(figures(&budget), (0, 0, 0));
}

#[test]
fn the_decision_is_on_capacity_and_the_count_on_size() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(4096 + 10, 10).unwrap();
    assert_eq!(figures(&budget), (4106, 10, 1));
    assert_eq!(budget.try_reserve_memory(1, 1), Err(Errno::ENOMEM));
    budget.try_reserve_memory(1, 0).unwrap();
    assert_eq!(figures(&budget), (4107, 10, 2));
}

#[test]
fn figures_go_up_to_the_largest_and_not_beyond() {
    let budget = Budget::new(i64::MAX);
    budget.try_reserve_memory(i64::MAX, i64::MAX).unwrap();
    assert_eq!(budget.try_reserve_memory(0, 1), Err(Errno::ENOMEM));
    assert_eq!(budget.try_reserve_memory(0, i64::MAX), Err(Errno::ENOMEM));
    assert_eq!(budget.try_reserve_memory(1, 0), Err(Errno::EINVAL), "the sum of sizes");
    assert_eq!(figures(&budget), (i64::MAX, i64::MAX, 1));
    budget.unreserve_memory(0, i64::MAX).unwrap();
    assert_eq!(figures(&budget), (i64::MAX, 0, 0));
}

#[test]
fn a_sum_of_sizes_that_overflows_gives_its_capacity_back() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(i64::MAX, 1).unwrap();
    assert_eq!(budget.try_reserve_memory(1, 9), Err(Errno::EINVAL));
    assert_eq!(figures(&budget), (i64::MAX, 1, 1));
}

#[test]
fn a_limit_of_zero_admits_capacity_zero_only() {
    for max in [0, -5] {
        let budget = Budget::new(max);
        assert_eq!(budget.max_memory(), 0);
        assert_eq!(budget.try_reserve_memory(1, 1), Err(Errno::ENOMEM));
        budget.try_reserve_memory(1, 0).unwrap();
        assert_eq!(figures(&budget), (1, 0, 1));
    }
}

#[test]
fn a_limit_below_what_is_reserved_takes_nothing_back() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    budget.set_max_memory(4).unwrap();
    assert_eq!(budget.try_reserve_memory(1, 1), Err(Errno::ENOMEM));
    assert_eq!(budget.try_reserve_memory(1, 0), Err(Errno::ENOMEM), "as the JDK: 0 > 4 - 10");
    budget.unreserve_memory(10, 10).unwrap();
    budget.try_reserve_memory(4, 4).unwrap();
    assert_eq!(budget.try_reserve_memory(1, 1), Err(Errno::ENOMEM));
}

#[test]
fn a_default_limit_gives_way_to_a_chosen_one() {
    let budget = Budget::new(10);
    budget.set_default_max_memory(20).unwrap();
    assert_eq!(budget.max_memory(), 20);
    budget.set_default_max_memory(30).unwrap();
    assert_eq!(budget.max_memory(), 30);
    budget.set_max_memory(5).unwrap();
    budget.set_default_max_memory(40).unwrap();
    assert_eq!(budget.max_memory(), 5);
}

#[test]
fn nobody_is_asked_to_reclaim_while_there_is_room() {
    let budget = Budget::new(10);
    let nobody = fake(|_| panic!("not to be called"), || panic!("not to be called"));
    budget.reserve_memory(10, 10, Policy::Backoff, &nobody).unwrap();
    budget.unreserve_memory(10, 10).unwrap();
    budget.reserve_memory(10, 10, Policy::Legacy, &nobody).unwrap();
    assert_eq!(figures(&budget), (10, 10, 1));
}

#[test]
fn an_overrun_is_no_memory_after_one_collection_and_the_wait() {
    for (policy, wait, helped) in [(Policy::Backoff, 511, true), (Policy::Legacy, 100, false)] {
        let budget = Budget::new(10);
        budget.try_reserve_memory(4, 4).unwrap();
        let shortfall = AtomicI64::new(0);
        let useless = fake(|missing| shortfall.store(missing, SeqCst), || false);
        let start = Instant::now();
        assert_eq!(budget.reserve_memory(9, 9, policy, &useless), Err(Errno::ENOMEM));
        // A lower bound only: a busy machine may take longer.
        assert!(start.elapsed() >= Duration::from_millis(wait), "{policy:?}");
        assert_eq!(shortfall.load(SeqCst), 3, "{policy:?}");
        assert_eq!(useless.collections.load(SeqCst), 1, "{policy:?}");
        assert_eq!(useless.helps.load(SeqCst) > 0, helped, "{policy:?}");
        assert_eq!(figures(&budget), (4, 4, 1));
        assert!(budget.lock().waiters.is_empty());
    }
}

#[test]
fn a_shortfall_can_be_as_large_as_any_figure() {
    let budget = Budget::new(i64::MAX);
    budget.try_reserve_memory(i64::MAX, i64::MAX).unwrap();
    budget.set_max_memory(0).unwrap();
    let shortfall = AtomicI64::new(0);
    let reclaimer = fake(|missing| shortfall.store(missing, SeqCst), || false);
    let refused = budget.reserve_memory(0, i64::MAX, Policy::Legacy, &reclaimer);
    assert_eq!(refused, Err(Errno::ENOMEM));
    assert_eq!(shortfall.load(SeqCst), i64::MAX);
}

#[test]
fn help_that_makes_room_spares_the_collection() {
    let budget = Budget::new(10);
    (0..10).for_each(|_| budget.try_reserve_memory(1, 1).unwrap());
    let one_by_one = fake(|_| panic!("not to be called"), || budget.unreserve_memory(1, 1).is_ok());
    budget.reserve_memory(3, 3, Policy::Backoff, &one_by_one).unwrap();
    assert_eq!(one_by_one.helps.load(SeqCst), 3);
    assert_eq!(figures(&budget), (10, 10, 8));
}

#[test]
fn a_collection_that_makes_room_is_enough() {
    for policy in [Policy::Backoff, Policy::Legacy] {
        let budget = Budget::new(10);
        budget.try_reserve_memory(10, 10).unwrap();
        let collector = fake(|_| budget.unreserve_memory(10, 10).unwrap(), || false);
        budget.reserve_memory(7, 7, policy, &collector).unwrap();
        assert_eq!(figures(&budget), (7, 7, 1), "{policy:?}");
    }
}

#[test]
fn what_the_collection_left_to_help_is_granted_to_the_waiter() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    let collected = AtomicBool::new(false);
    let reclaimer = fake(
        |_| collected.store(true, SeqCst),
        || collected.swap(false, SeqCst) && budget.unreserve_memory(10, 10).is_ok(),
    );
    budget.reserve_memory(10, 10, Policy::Backoff, &reclaimer).unwrap();
    assert_eq!(figures(&budget), (10, 10, 1));
}

#[test]
fn a_reclaimer_may_reserve_for_itself() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    let inner = fake(|_| budget.unreserve_memory(10, 10).unwrap(), || false);
    let outer = fake(|_| budget.reserve_memory(4, 4, Policy::Legacy, &inner).unwrap(), || false);
    budget.reserve_memory(6, 6, Policy::Legacy, &outer).unwrap();
    assert_eq!(figures(&budget), (10, 10, 2));
}

#[test]
fn a_reclaimer_that_panics_leaves_nothing_behind() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    let in_collect = fake(|_| panic!("on order"), || false);
    let collected = AtomicBool::new(false);
    // It frees, which grants the room to the waiter, its caller; and panics.
    let in_queue = fake(
        |_| collected.store(true, SeqCst),
        || {
            if collected.load(SeqCst) {
                budget.unreserve_memory(10, 10).unwrap();
                panic!("on order");
            }
            false
        },
    );
    let reclaimers: [&dyn Reclaimer; 2] = [&in_collect, &in_queue];
    for reclaimer in reclaimers {
        let reserve = || budget.reserve_memory(5, 5, Policy::Backoff, reclaimer);
        catch_unwind(AssertUnwindSafe(reserve)).unwrap_err();
        assert!(budget.lock().waiters.is_empty());
    }
    assert_eq!(figures(&budget), (0, 0, 0));
    budget.try_reserve_memory(10, 10).unwrap();
}

#[test]
fn a_release_by_another_thread_ends_the_wait() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            await_waiter(&budget);
            budget.unreserve_memory(10, 10).unwrap();
        });
        // Without the release this ends in ENOMEM.
        budget.reserve_memory(8, 8, Policy::Backoff, &fake(|_| (), || false)).unwrap();
    });
    assert_eq!(figures(&budget), (8, 8, 1));
}

/// No clock takes part: a wake-up that is lost is an hour's wait.
#[test]
fn the_release_itself_wakes_the_waiter() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            await_waiter(&budget);
            budget.unreserve_memory(10, 10).unwrap();
        });
        let waiting = budget.enqueue(10).unwrap();
        assert!(waiting.wait_until(start + Duration::from_secs(3600)));
        assert!(waiting.leave());
    });
    assert!(start.elapsed() < Duration::from_secs(1800));
}

#[test]
fn a_higher_limit_ends_the_wait() {
    let budget = Budget::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            await_waiter(&budget);
            budget.set_default_max_memory(8).unwrap();
        });
        budget.reserve_memory(8, 8, Policy::Backoff, &fake(|_| (), || false)).unwrap();
    });
    assert_eq!(figures(&budget), (8, 8, 1));
}

#[test]
fn room_made_while_one_waits_is_his_before_a_newcomers() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(10, 10).unwrap();
    let waiting = budget.enqueue(6).unwrap();
    budget.unreserve_memory(10, 10).unwrap();
    assert!(waiting.is_granted());
    assert_eq!(budget.try_reserve_memory(5, 5), Err(Errno::ENOMEM));
    budget.try_reserve_memory(4, 4).unwrap();
    assert!(waiting.leave());
}

#[test]
fn a_newcomer_passes_a_waiter_that_does_not_fit() {
    let budget = Budget::new(10);
    budget.try_reserve_memory(5, 5).unwrap();
    let waiting = budget.enqueue(6).unwrap();
    budget.try_reserve_memory(5, 5).unwrap();
    assert!(!waiting.is_granted());
    assert!(!waiting.leave());
    assert_eq!(figures(&budget), (10, 10, 2));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(i64, i64),
    Unreserve(i64, i64),
    /// Gives back one of the reservations that are in.
    Return(prop::sample::Index),
    SetMax(i64),
}

fn figure() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -1_i64..40, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 20), 1 => Just(i64::MIN)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (figure(), figure()).prop_map(|(size, capacity)| Step::Reserve(size, capacity)),
        1 => (figure(), figure()).prop_map(|(size, capacity)| Step::Unreserve(size, capacity)),
        3 => any::<prop::sample::Index>().prop_map(Step::Return),
        1 => figure().prop_map(Step::SetMax),
    ]
}

/// The budget as one would write it without threads, in integers that can't overflow.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Model {
    max: i128,
    reserved: i128,
    total: i128,
    count: i128,
}

impl Model {
    fn reserve(&mut self, size: i64, capacity: i64) -> Result<(), Errno> {
        let (size, capacity) = (i128::from(size), i128::from(capacity));
        if size < 0 || capacity < 0 {
            return Err(Errno::EINVAL);
        }
        if self.total + capacity > self.max {
            return Err(Errno::ENOMEM);
        }
        if self.reserved + size > i128::from(i64::MAX) {
            return Err(Errno::EINVAL);
        }
        self.reserved += size;
        self.total += capacity;
        self.count += 1;
        Ok(())
    }

    fn unreserve(&mut self, size: i64, capacity: i64) -> Result<(), Errno> {
        let (size, capacity) = (i128::from(size), i128::from(capacity));
        let none = size == 0 && capacity == 0 && self.count <= 0;
        let too_much = size > self.reserved || capacity > self.total || none;
        if size < 0 || capacity < 0 || too_much {
            return Err(Errno::EINVAL);
        }
        self.reserved -= size;
        self.total -= capacity;
        self.count -= 1;
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_sequence_of_calls_is_as_in_the_model(
        max in 0_i64..100, steps in prop::collection::vec(step(), 0..60),
    ) {
        let budget = Budget::new(max);
        let mut model = Model { max: max.into(), reserved: 0, total: 0, count: 0 };
        let mut live = Vec::new();
        for step in steps {
            let (answer, expected) = match step {
                Step::Reserve(size, capacity) => {
                    let expected = model.reserve(size, capacity);
                    live.extend(expected.map(|()| (size, capacity)));
                    (budget.try_reserve_memory(size, capacity), expected)
                }
                Step::Unreserve(size, capacity) => {
                    let expected = model.unreserve(size, capacity);
                    (budget.unreserve_memory(size, capacity), expected)
                }
                Step::Return(_) if live.is_empty() => continue,
                Step::Return(index) => {
                    let (size, capacity) = live.swap_remove(index.index(live.len()));
                    let expected = model.unreserve(size, capacity);
                    (budget.unreserve_memory(size, capacity), expected)
                }
                Step::SetMax(max) => {
                    let expected = if max < 0 { Err(Errno::EINVAL) } else { Ok(()) };
                    model.max = if max < 0 { model.max } else { max.into() };
                    (budget.set_max_memory(max), expected)
                }
            };
            prop_assert_eq!(answer, expected);
            let Snapshot { max_memory, reserved_memory, total_capacity, count, .. } =
                budget.snapshot();
            prop_assert_eq!(model, Model {
                max: max_memory.into(),
                reserved: reserved_memory.into(),
                total: total_capacity.into(),
                count: model.count,
            });
            prop_assert_eq!(i128::from(count), model.count.max(0));
        }
    }
}

/// Eight threads want more than there is, for a second.
#[test]
fn threads_that_compete_never_pass_the_limit_and_leave_nothing() {
    const LIMIT: i64 = 100;
    let budget = Budget::new(LIMIT);
    let held = AtomicI64::new(0);
    let end = Instant::now() + Duration::from_secs(1);
    thread::scope(|scope| {
        for seed in 0..8_i64 {
            let (budget, held) = (&budget, &held);
            scope.spawn(move || {
                let patient = fake(|_| (), || false);
                let mut random = seed;
                while Instant::now() < end {
                    random = (random * 1_103_515_245 + 12_345) % (1 << 31);
                    let capacity = (random >> 8) % 60;
                    let size = capacity + 7;
                    let reserved = if random & (1 << 20) == 0 {
                        budget.try_reserve_memory(size, capacity)
                    } else {
                        budget.reserve_memory(size, capacity, Policy::Legacy, &patient)
                    };
                    if reserved.is_ok() {
                        let now = held.fetch_add(capacity, SeqCst) + capacity;
                        assert!(now <= LIMIT, "{now} bytes are held");
                        assert!(budget.snapshot().total_capacity <= LIMIT);
                        thread::yield_now();
                        held.fetch_sub(capacity, SeqCst);
                        budget.unreserve_memory(size, capacity).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(figures(&budget), (0, 0, 0));
    assert!(budget.lock().waiters.is_empty());
}

#[test]
fn a_blocks_reservation_grows_and_shrinks_and_stays_one() {
    let budget = Budget::new(100);
    let nobody = fake(|_| (), || false);
    let note = |bytes, count| own::with(|own| budget.note(own, Amount { bytes, count }));
    let shrink = |bytes| own::with(|own| budget.unreserve_block(own, Amount { bytes, count: 0 }));
    budget.try_reserve_block(40).unwrap();
    note(40, 1);
    budget.reserve_block(60, Policy::Legacy, &nobody).unwrap();
    note(60, 0);
    assert_eq!(figures(&budget), (100, 100, 1));
    assert_eq!(budget.try_reserve_block(1), Err(Errno::ENOMEM));
    assert_eq!(budget.reserve_block(1, Policy::Legacy, &nobody), Err(Errno::ENOMEM));
    assert_eq!(budget.reserve_block(-1, Policy::Legacy, &nobody), Err(Errno::EINVAL));
    shrink(90).unwrap();
    assert_eq!(figures(&budget), (10, 10, 1));
    assert_eq!(shrink(11), Err(Errno::EINVAL));
    budget.unreserve_memory(10, 10).unwrap();
    assert_eq!(figures(&budget), (0, 0, 0));
    let past = budget.snapshot();
    assert_eq!((past.peak_reserved_memory, past.peak_count), (100, 1));
    assert_eq!((past.ever_reserved_memory, past.ever_count), (100, 1));
}

#[test]
fn a_block_taken_without_a_limit_that_grows_under_one_has_come_once() {
    let budget = Budget::new(i64::MAX);
    own::with(|own| budget.tally(own, 10));
    budget.set_max_memory(100).unwrap();
    budget.try_reserve_block(40).unwrap();
    own::with(|own| budget.note_limited(own, 10, 40));
    assert_eq!(figures(&budget), (40, 40, 1));
    assert_eq!(budget.try_reserve_memory(61, 61), Err(Errno::ENOMEM));
    budget.try_reserve_memory(60, 60).unwrap();
    let past = budget.snapshot();
    assert_eq!((past.ever_reserved_memory, past.ever_count), (100, 2));
    own::with(|own| budget.unreserve_block(own, Amount { bytes: 40, count: 1 })).unwrap();
    budget.unreserve_memory(60, 60).unwrap();
    assert_eq!(figures(&budget), (0, 0, 0));
}

#[test]
fn a_release_that_matches_no_reservation_leaves_the_number_one_too_low() {
    let budget = Budget::new(100);
    budget.try_reserve_memory(100, 100).unwrap();
    budget.unreserve_memory(50, 50).unwrap();
    budget.unreserve_memory(50, 50).unwrap();
    assert_eq!(figures(&budget), (0, 0, 0));
    budget.try_reserve_memory(10, 10).unwrap();
    assert_eq!(figures(&budget), (10, 10, 0));
    budget.try_reserve_memory(10, 10).unwrap();
    assert_eq!(figures(&budget), (20, 20, 1));
}

#[test]
fn a_block_that_does_not_come_to_be_is_not_in_the_past() {
    let budget = Budget::new(i64::MAX);
    budget.try_reserve_block(1 << 40).unwrap();
    budget.abandon_block(1 << 40).unwrap();
    budget.try_reserve_block(8).unwrap();
    own::with(|own| budget.note(own, Amount { bytes: 8, count: 1 }));
    let past = budget.snapshot();
    assert_eq!((past.peak_reserved_memory, past.peak_count), (8, 1));
    assert_eq!((past.ever_reserved_memory, past.ever_count, past.refusals), (8, 1, 0));
}

#[test]
fn the_past_is_told_peaks_totals_and_refusals() {
    let budget = Budget::new(100);
    let nobody = fake(|_| (), || false);
    budget.try_reserve_memory(30, 10).unwrap();
    budget.try_reserve_memory(50, 20).unwrap();
    budget.unreserve_memory(30, 10).unwrap();
    budget.try_reserve_memory(5, 5).unwrap();
    assert_eq!(budget.reserve_memory(101, 101, Policy::Legacy, &nobody), Err(Errno::ENOMEM));
    let past = budget.snapshot();
    assert_eq!((past.peak_reserved_memory, past.peak_count), (80, 2));
    assert_eq!((past.ever_reserved_memory, past.ever_count, past.refusals), (85, 3, 1));
}

#[test]
fn what_was_taken_before_there_was_a_limit_counts_and_its_end_lets_waiters_in() {
    let budget = Budget::new(i64::MAX);
    for bytes in [1 << 20, 6, 6] {
        own::with(|own| budget.tally(own, bytes));
    }
    budget.try_reserve_memory(100, 100).unwrap();
    assert_eq!(figures(&budget), ((1 << 20) + 112, (1 << 20) + 112, 4));
    assert!(!budget.is_limited());
    budget.set_max_memory((1 << 20) + 100).unwrap();
    assert!(budget.is_limited());
    assert_eq!(budget.try_reserve_memory(50, 50), Err(Errno::ENOMEM));
    own::with(|own| budget.untally(own, 1 << 20));
    budget.try_reserve_memory(1 << 20, 1 << 20).unwrap_err();
    budget.try_reserve_memory((1 << 20) - 12, (1 << 20) - 12).unwrap();
    let waiting = budget.enqueue(10).unwrap();
    own::with(|own| budget.untally(own, 6));
    assert!(!waiting.is_granted());
    own::with(|own| budget.untally(own, 6));
    assert!(waiting.is_granted() && waiting.leave());
    let past = budget.snapshot();
    assert_eq!((past.count, past.peak_count, past.ever_count), (2, 4, 5));
    assert_eq!(past.ever_reserved_memory, (1 << 21) + 100);
}

#[test]
fn a_tallied_block_grows_and_shrinks_and_stays_one() {
    let budget = Budget::new(i64::MAX);
    own::with(|own| budget.tally(own, 10));
    own::with(|own| budget.tally_growth(own, 1 << 20));
    own::with(|own| budget.tally_growth(own, -5));
    assert_eq!(figures(&budget), ((1 << 20) + 5, (1 << 20) + 5, 1));
    assert_eq!(budget.snapshot().peak_reserved_memory, (1 << 20) + 10);
    own::with(|own| budget.untally(own, (1 << 20) + 5));
    assert_eq!(figures(&budget), (0, 0, 0));
}

/// As when two threads have freed a block at the same moment.
#[test]
fn a_tallied_block_that_is_taken_out_twice_is_nothing_until_it_is_put_right() {
    let budget = Budget::new(i64::MAX);
    own::with(|own| budget.tally(own, 10));
    budget.set_max_memory(100).unwrap();
    // So that the limit counts what was tallied.
    own::with(|own| budget.tally(own, 10));
    own::with(|own| (0..3).for_each(|_| budget.untally(own, 10)));
    assert_eq!(figures(&budget), (0, 0, 0));
    assert_eq!(budget.try_reserve_memory(100, 100), Ok(()));
    budget.unreserve_memory(100, 100).unwrap();
    own::with(|own| budget.tally_again(own, 10));
    assert_eq!(figures(&budget), (0, 0, 0));
    let Snapshot { ever_reserved_memory, ever_count, .. } = budget.snapshot();
    assert_eq!((ever_reserved_memory, ever_count), (120, 3));
}
