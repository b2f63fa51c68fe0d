//! The primitives the budget is made of: the standard library's, or under `--cfg loom` the model
//! checker's, which runs every interleaving of them.

#[cfg(loom)]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};

pub(super) use core::sync::atomic::Ordering;
