//! What is looked at for every block and seldom changes, in one cache line.
//!
//! No function that other crates may have inlined touches it: else it would be a symbol for them too, which
//! is found by a look at a table, in a line of its own.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};

#[repr(C, align(64))]
pub(super) struct Settings {
    /// `sample`: bytes from one sampling point to the next on average, and what else [`super::sample`] says.
    pub(super) mean: AtomicU64,
    /// `clock`: the time, and whether it is good.
    pub(super) time: AtomicU64,
    /// Collections of the runtime's heap so far.
    pub(super) collections: AtomicU32,
    /// `guard`: so many of a hundred blocks are guarded.
    pub(super) guard_share: AtomicU8,
    /// Whether books are kept.
    pub(super) is_kept: AtomicBool,
    /// Whether new blocks come from the runtime's allocator.
    pub(super) is_runtimes: AtomicBool,
}

const _: () = assert!(size_of::<Settings>() == 64);

pub(super) static SETTINGS: Settings = Settings {
    mean: AtomicU64::new(super::sample::OFF),
    time: AtomicU64::new(0),
    collections: AtomicU32::new(0),
    guard_share: AtomicU8::new(0),
    is_kept: AtomicBool::new(false),
    is_runtimes: AtomicBool::new(false),
};
