//! The locks of this room: std's, or loom's when the model checker runs.

#[cfg(loom)]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicBool};
