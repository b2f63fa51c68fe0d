//! The locks and atomics of what the model checker checks: std's, or loom's under `--cfg loom`,
//! which runs every interleaving of them.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, fence},
};

/// A function that is `const` unless the model checker's locks and atomics are in it.
macro_rules! const_but_for_loom {
    ($(#[$meta:meta])* $visibility:vis fn $($function:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $visibility const fn $($function)*
        #[cfg(loom)]
        $(#[$meta])* $visibility fn $($function)*
    };
}
pub(crate) use const_but_for_loom;

#[cfg(not(loom))]
pub(crate) const fn condvars<const N: usize>() -> [Condvar; N] {
    [const { Condvar::new() }; N]
}
#[cfg(loom)]
pub(crate) fn condvars<const N: usize>() -> [Condvar; N] {
    std::array::from_fn(|_| Condvar::new())
}
