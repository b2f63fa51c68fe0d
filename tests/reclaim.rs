//! The process' budget and its reclaimers, in a process of their own.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its set-up too")]

use offheap::bits::{self, Policy, Reclaimer, Slot};
use offheap::error::Errno;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// The limit before any test has set one.
static FIRST_LIMIT: LazyLock<i64> = LazyLock::new(|| bits::budget().max_memory());

/// The process' budget, full, at a limit of 100 bytes; for one test at a time.
struct Alone(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

fn alone(policy: Policy) -> Alone {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&FIRST_LIMIT);
    bits::set_policy(policy);
    bits::budget().set_max_memory(100).unwrap();
    bits::reserve_memory(100, 100).unwrap();
    Alone(guard)
}

impl Drop for Alone {
    fn drop(&mut self) {
        bits::set_reclaimer(Slot::Callback, None);
        bits::set_reclaimer(Slot::Runtime, None);
        while bits::budget().snapshot().count > 0 {
            bits::budget().unreserve_memory(100, 100).unwrap();
        }
    }
}

fn release_all() {
    bits::budget().unreserve_memory(100, 100).unwrap();
}

#[derive(Default)]
struct Counting {
    collections: AtomicUsize,
    helps: AtomicUsize,
    /// The next help releases what is reserved.
    can_help: AtomicBool,
}

impl Reclaimer for Counting {
    fn collect(&self, shortfall: i64) {
        assert_eq!(shortfall, 100);
        self.collections.fetch_add(1, SeqCst);
    }

    fn help(&self) -> bool {
        self.helps.fetch_add(1, SeqCst);
        let helps = self.can_help.swap(false, SeqCst);
        if helps {
            release_all();
        }
        helps
    }
}

fn register(slot: Slot) -> Arc<Counting> {
    let reclaimer = Arc::new(Counting::default());
    bits::set_reclaimer(slot, Some(reclaimer.clone()));
    reclaimer
}

#[test]
fn the_limit_is_the_largest_until_set() {
    let _alone = alone(Policy::Legacy);
    assert_eq!(*FIRST_LIMIT, i64::MAX);
}

#[test]
fn without_a_reclaimer_an_overrun_is_no_memory() {
    for policy in [Policy::Legacy, Policy::Backoff] {
        let _alone = alone(policy);
        assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
        assert_eq!(bits::reserve_memory(-1, 100), Err(Errno::EINVAL));
        assert_eq!(bits::budget().snapshot().count, 1);
    }
}

#[test]
fn both_reclaimers_are_asked_to_collect_and_to_help() {
    let _alone = alone(Policy::Backoff);
    let both = [register(Slot::Callback), register(Slot::Runtime)];
    assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
    for reclaimer in both {
        assert_eq!(reclaimer.collections.load(SeqCst), 1);
        assert!(reclaimer.helps.load(SeqCst) > 1);
    }
}

#[test]
fn the_legacy_policy_collects_and_never_helps() {
    let _alone = alone(Policy::Legacy);
    let reclaimer = register(Slot::Runtime);
    reclaimer.can_help.store(true, SeqCst);
    assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
    assert_eq!(reclaimer.collections.load(SeqCst), 1);
    assert_eq!(reclaimer.helps.load(SeqCst), 0);
}

#[test]
fn the_help_of_either_is_enough() {
    for helper in [Slot::Callback, Slot::Runtime] {
        let _alone = alone(Policy::Backoff);
        let callback = register(Slot::Callback);
        let runtime = register(Slot::Runtime);
        let chosen = if helper == Slot::Callback { &callback } else { &runtime };
        chosen.can_help.store(true, SeqCst);
        bits::reserve_memory(100, 100).unwrap();
        assert_eq!(callback.collections.load(SeqCst), 0, "{helper:?}");
        assert_eq!(runtime.collections.load(SeqCst), 0, "{helper:?}");
    }
}

#[test]
fn a_removed_reclaimer_is_dropped_and_not_called() {
    let _alone = alone(Policy::Legacy);
    let removed = register(Slot::Callback);
    let other = register(Slot::Runtime);
    bits::set_reclaimer(Slot::Callback, None);
    assert_eq!(Arc::strong_count(&removed), 1);
    assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
    assert_eq!(removed.collections.load(SeqCst), 0);
    assert_eq!(other.collections.load(SeqCst), 1);
}

#[test]
fn a_reclaimer_may_change_the_settings_and_reserve() {
    struct Meddler;
    impl Reclaimer for Meddler {
        fn collect(&self, _: i64) {
            bits::set_reclaimer(Slot::Callback, None);
            bits::set_policy(Policy::Backoff);
            release_all();
            bits::reserve_memory(0, 0).unwrap();
            bits::budget().unreserve_memory(0, 0).unwrap();
        }
    }
    let _alone = alone(Policy::Legacy);
    bits::set_reclaimer(Slot::Callback, Some(Arc::new(Meddler)));
    bits::reserve_memory(100, 100).unwrap();
}

#[test]
fn a_reclaimer_is_not_called_for_what_it_reserves_itself() {
    #[derive(Default)]
    struct Spender(AtomicUsize);
    impl Spender {
        fn spend(&self) {
            assert_eq!(self.0.fetch_add(1, SeqCst), 0, "called inside itself");
            assert_eq!(bits::reserve_memory(1, 1), Err(Errno::ENOMEM));
            self.0.fetch_sub(1, SeqCst);
        }
    }
    impl Reclaimer for Spender {
        fn collect(&self, _: i64) {
            self.spend();
        }

        fn help(&self) -> bool {
            self.spend();
            false
        }
    }
    let _alone = alone(Policy::Backoff);
    for slot in [Slot::Callback, Slot::Runtime] {
        bits::set_reclaimer(slot, Some(Arc::new(Spender::default())));
        assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
        bits::set_reclaimer(slot, None);
    }
}

#[test]
fn a_reclaimer_that_panics_does_no_lasting_harm() {
    struct Bomb;
    impl Reclaimer for Bomb {
        fn collect(&self, _: i64) {
            panic!("on order");
        }
    }
    let _alone = alone(Policy::Legacy);
    bits::set_reclaimer(Slot::Callback, Some(Arc::new(Bomb)));
    catch_unwind(AssertUnwindSafe(|| bits::reserve_memory(100, 100))).unwrap_err();
    let next = register(Slot::Callback);
    assert_eq!(bits::reserve_memory(100, 100), Err(Errno::ENOMEM));
    assert_eq!(next.collections.load(SeqCst), 1);
}
