//! The C library's heap: blocks are 16-aligned, and `realloc` and `free` of any of them is the C
//! library's too.
//!
//! Tests make it fail on purpose, see `failing`.

use crate::error::Errno;
use core::ffi::c_void;
use core::ptr::NonNull;

/// `malloc`: `bytes` bytes of unknown content. `bytes` must not be 0 (the C library's answer to 0
/// is its own affair).
pub(crate) fn malloc(bytes: usize) -> Result<NonNull<c_void>, Errno> {
    #[cfg(test)]
    failing::check()?;
    // SAFETY: malloc has no precondition.
    NonNull::new(unsafe { libc::malloc(bytes) }).ok_or(Errno::ENOMEM)
}

/// `calloc`: `bytes` zero bytes. A large block is not written: the kernel's fresh pages are zero
/// already, and the C library knows which those are.
pub(crate) fn calloc(bytes: usize) -> Result<NonNull<c_void>, Errno> {
    #[cfg(test)]
    failing::check()?;
    // SAFETY: calloc has no precondition.
    NonNull::new(unsafe { libc::calloc(1, bytes) }).ok_or(Errno::ENOMEM)
}

/// `realloc`: on failure the old block is untouched and still the caller's.
///
/// # Safety
/// `block` is NULL or a live block of this heap, which no one else uses during the call.
pub(crate) unsafe fn realloc(block: *mut c_void, bytes: usize) -> Result<NonNull<c_void>, Errno> {
    #[cfg(test)]
    failing::check()?;
    // SAFETY: the caller guarantees the block.
    NonNull::new(unsafe { libc::realloc(block, bytes) }).ok_or(Errno::ENOMEM)
}

/// `free`; NULL is nothing to free.
///
/// # Safety
/// `block` is NULL or a live block of this heap, which no one uses from here on.
pub(crate) unsafe fn free(block: *mut c_void) {
    // SAFETY: the caller guarantees the block.
    unsafe { libc::free(block) }
}

/// Whether the heap is the C library's own, which takes its memory private and anonymous from the kernel;
/// another one may have been loaded before it.
pub(crate) fn is_the_c_librarys() -> bool {
    use std::sync::OnceLock;
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| {
        let heap = super::library::file_of(libc::malloc as *const c_void);
        heap.is_some() && heap == super::library::file_of(libc::getpid as *const c_void)
    })
}

/// Failure on order, per thread: the only way to test what happens when memory ends.
#[cfg(test)]
pub(crate) mod failing {
    use crate::error::Errno;
    use std::cell::Cell;

    thread_local! {
        static COUNTDOWN: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Runs `work` with the allocation after the next `successes` ones failing, and all later.
    pub(crate) fn after<R>(successes: usize, work: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                COUNTDOWN.set(None);
            }
        }
        let _reset = Reset;
        COUNTDOWN.set(Some(successes));
        work()
    }

    pub(crate) fn check() -> Result<(), Errno> {
        match COUNTDOWN.get() {
            None => Ok(()),
            Some(0) => Err(Errno::ENOMEM),
            Some(n) => {
                COUNTDOWN.set(Some(n - 1));
                Ok(())
            }
        }
    }
}
