//! The C face: what `include/offheap.h` declares.
//!
//! Each function checks what only C can get wrong, calls the core, and converts the result; the
//! helpers below are the three ways C is told of a failure, and how a text is read. The functions are private: they
//! are exported to the linker by name and unreachable from Rust. Their doc comments are the C
//! manual, so they speak C.

mod bits;
mod direct;
mod memory;
mod net;
mod report;

use crate::boundary::guard;
use crate::error::Errno;
use crate::os::signal;
use core::ffi::{CStr, c_char, c_int};
use core::ptr;

/// 0, or the errno value; `errno` itself is not touched, unless there is a panic to be told.
fn status(work: impl FnOnce() -> Result<(), Errno>) -> c_int {
    run(work).err().map_or(0, Errno::code)
}

/// The pointer, or NULL and `errno`.
fn pointer<T>(work: impl FnOnce() -> Result<*mut T, Errno>) -> *mut T {
    value(work, ptr::null_mut())
}

/// The value, or `failed` and `errno`.
fn value<T>(work: impl FnOnce() -> Result<T, Errno>, failed: T) -> T {
    run(work).unwrap_or_else(|errno| {
        errno.set();
        failed
    })
}

/// The text, or `None` for NULL.
///
/// # Safety
/// `text` is NULL, or a text that ends with a NUL and stays as it is for `'a`.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: the caller guarantees the text.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// The guard of this face: a panic is `ENOTRECOVERABLE`.
fn run<T>(work: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    guard(work, |_| Err(Errno::ENOTRECOVERABLE))
}

/// Puts a pthread_cancel of the calling thread off until `work`, which must not panic, has ended.
/// The cancellation would unwind the stack from a system call, or a callback; Rust's frames don't
/// let it pass, and the process would end.
fn uncancelled<R>(work: impl FnOnce() -> R) -> R {
    let before = signal::set_cancel_state(signal::CANCEL_DISABLE);
    let result = work();
    signal::set_cancel_state(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_zero_or_the_errno_value_and_leaves_errno_alone() {
        Errno::EPIPE.set();
        assert_eq!(status(|| Ok(())), 0);
        assert_eq!(status(|| Err(Errno::EINVAL)), libc::EINVAL);
        assert_eq!(Errno::last(), Errno::EPIPE);
        // What tells of a panic may change it.
        assert_eq!(status(|| panic!("on purpose")), libc::ENOTRECOVERABLE);
    }

    #[test]
    fn a_failed_pointer_is_null_with_errno() {
        assert!(pointer::<u8>(|| Err(Errno::ENOMEM)).is_null());
        assert_eq!(Errno::last(), Errno::ENOMEM);
        assert!(pointer::<u8>(|| panic!("on purpose")).is_null());
        assert_eq!(Errno::last(), Errno::ENOTRECOVERABLE);
    }

    #[test]
    fn a_value_passes_and_leaves_errno_alone() {
        Errno::EPIPE.set();
        assert_eq!(value(|| Ok(3), -1), 3);
        assert_eq!(Errno::last(), Errno::EPIPE);
        assert_eq!(value(|| Err(Errno::EBADF), -1), -1);
        assert_eq!(Errno::last(), Errno::EBADF);
    }
}
