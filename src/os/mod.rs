//! The only system calls and C library allocations of offheap.
//!
//! Each function is one call, its result a value or an [`Errno`]; no policy,
//! no retry, no state. What to do with a short write, a signal or a failed allocation is decided
//! by the modules above.

pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod heap;
pub(crate) mod library;
pub(crate) mod map;
pub(crate) mod net;
pub(crate) mod pagemap;
pub(crate) mod signal;
pub(crate) mod thread;

use crate::error::Errno;
use crate::own::{self, Own};
use core::ffi::c_int;

/// The value of a call that answers `-1` and `errno`.
fn checked(result: c_int) -> Result<c_int, Errno> {
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}

/// The count of a call that answers `-1` and `errno`.
fn counted(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::last())
}

/// Bytes in a page of memory, a power of two (`sysconf(_SC_PAGESIZE)`).
pub(crate) fn page_size() -> usize {
    use std::sync::OnceLock;
    static PAGE_SIZE: OnceLock<usize> = OnceLock::new();
    *PAGE_SIZE.get_or_init(|| {
        // SAFETY: sysconf takes no pointer and has no precondition.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        // Linux always answers; 4096 is the smallest page any supported machine has.
        usize::try_from(size).ok().filter(|s| s.is_power_of_two()).unwrap_or(4096)
    })
}

/// `_exit`: the process ends at once, without handlers, destructors or other threads' consent.
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: no precondition.
    unsafe { libc::_exit(code) }
}

/// `geteuid`: the user as whom this process acts.
pub(crate) fn effective_user() -> libc::uid_t {
    // SAFETY: no precondition.
    unsafe { libc::geteuid() }
}

/// The kernel's number of the calling thread; 0 if there is none.
pub(crate) fn thread_id() -> u32 {
    own::with(thread_id_of)
}

/// [`thread_id`] of the thread whose own that is, asked once a thread.
#[inline]
pub(crate) fn thread_id_of(own: &Own) -> u32 {
    match own.id.get() {
        0 => ask_thread_id(own),
        id => id,
    }
}

#[cold]
fn ask_thread_id(own: &Own) -> u32 {
    // SAFETY: no precondition.
    own.id.set(u32::try_from(unsafe { libc::gettid() }).unwrap_or(0));
    own.id.get()
}
