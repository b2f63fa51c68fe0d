//! The process' own budget, and who reclaims for it.

use super::{Budget, Policy, Reclaimer, Reservation};
use crate::error::Errno;
use core::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The two that may reclaim for one process: both are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A callback the program registered.
    Callback,
    /// The managed runtime the library is loaded in.
    Runtime,
}

#[derive(Default)]
struct Settings {
    policy: Policy,
    callback: Option<Arc<dyn Reclaimer>>,
    runtime: Option<Arc<dyn Reclaimer>>,
}

/// [`budget`], for the rest of the library.
#[cfg(not(loom))]
pub(crate) static BUDGET: Budget = Budget::new(i64::MAX);
#[cfg(loom)]
pub(crate) static BUDGET: std::sync::LazyLock<Budget> =
    std::sync::LazyLock::new(|| Budget::new(i64::MAX));
static SETTINGS: RwLock<Settings> =
    RwLock::new(Settings { policy: Policy::Backoff, callback: None, runtime: None });

/// The process' budget. Its limit is `i64::MAX` bytes until set.
#[must_use]
#[inline(never)] // else BUDGET would be a symbol for others too, which is found by a look at a table
pub fn budget() -> &'static Budget {
    &BUDGET
}

/// [`Budget::reserve_memory`] on the process' budget, with its policy and all its reclaimers. Called
/// by a reclaimer it asks none of them, and only waits.
///
/// # Errors
/// As [`Budget::reserve_memory`].
pub fn reserve_memory(size: i64, capacity: i64) -> Result<(), Errno> {
    reserve_memory_in(&BUDGET, size, capacity)
}

/// [`reserve_memory`] on another budget.
pub(crate) fn reserve_memory_in(budget: &Budget, size: i64, capacity: i64) -> Result<(), Errno> {
    // The settings are of interest only when there is no room.
    match budget.try_reserve_memory(size, capacity) {
        Err(Errno::ENOMEM) => {
            let policy = settings().policy;
            budget.reserve_memory(size, capacity, policy, &Registered)
        }
        answer => answer,
    }
}

/// The reservation of a new block. Without a limit there is nothing to ask for.
#[inline]
pub(crate) fn reserve_block(bytes: i64) -> Result<Reservation, Errno> {
    if !BUDGET.is_limited() {
        return Ok(Reservation::Tallied);
    }
    take_block(bytes).map(|()| Reservation::Taken)
}

/// [`Budget::reserve_block`] on the process' budget, with its policy and all its reclaimers.
pub(crate) fn take_block(bytes: i64) -> Result<(), Errno> {
    // The settings are of interest only when there is no room.
    match BUDGET.try_reserve_block(bytes) {
        Err(Errno::ENOMEM) => {
            let policy = settings().policy;
            BUDGET.reserve_block(bytes, policy, &Registered)
        }
        answer => answer,
    }
}

/// Sets what [`reserve_memory`] does when there is no room.
pub fn set_policy(policy: Policy) {
    settings_mut().policy = policy;
}

/// Registers a reclaimer in `slot`, or with `None` removes it.
///
/// A call of the old one that is under way goes on; it is dropped when the last such call ends.
pub fn set_reclaimer(slot: Slot, reclaimer: Option<Arc<dyn Reclaimer>>) {
    let old = {
        let mut settings = settings_mut();
        let place = match slot {
            Slot::Callback => &mut settings.callback,
            Slot::Runtime => &mut settings.runtime,
        };
        std::mem::replace(place, reclaimer)
    };
    // Outside the lock: its destructor is not ours.
    drop(old);
}

fn settings() -> RwLockReadGuard<'static, Settings> {
    SETTINGS.read().unwrap_or_else(PoisonError::into_inner)
}

fn settings_mut() -> RwLockWriteGuard<'static, Settings> {
    SETTINGS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever is registered at the time of the call. Nobody, on a thread on which one of them runs: what
/// a reclaimer reserves would call it again, inside itself, for as long as the stack lasts.
struct Registered;

thread_local! {
    static RECLAIMING: Cell<bool> = const { Cell::new(false) };
}

impl Registered {
    /// Copied out, so that no lock is held while a reclaimer runs.
    fn all() -> impl Iterator<Item = Arc<dyn Reclaimer>> {
        let (callback, runtime) = {
            let settings = settings();
            (settings.callback.clone(), settings.runtime.clone())
        };
        callback.into_iter().chain(runtime)
    }

    fn unless_reclaiming<R: Default>(reclaim: impl FnOnce() -> R) -> R {
        /// Also when a reclaimer panics.
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                RECLAIMING.set(false);
            }
        }
        if RECLAIMING.replace(true) {
            return R::default();
        }
        let _ended = Ended;
        reclaim()
    }
}

impl Reclaimer for Registered {
    fn collect(&self, shortfall: i64) {
        Self::unless_reclaiming(|| {
            Self::all().for_each(|reclaimer| reclaimer.collect(shortfall));
        });
    }

    fn help(&self) -> bool {
        Self::unless_reclaiming(|| Self::all().any(|reclaimer| reclaimer.help()))
    }

    fn while_waiting(&self, wait: &mut dyn FnMut()) {
        let runtime = settings().runtime.clone();
        match runtime {
            Some(runtime) => runtime.while_waiting(wait),
            None => wait(),
        }
    }
}
