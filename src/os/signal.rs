//! Threads and signals.

use crate::error::Errno;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::ptr;

/// A thread of this process, as `pthread_kill` names it.
#[derive(Clone, Copy)]
pub(crate) struct Thread(libc::pthread_t);

// SAFETY: a name, good in any thread of the process; some C libraries make it a pointer.
unsafe impl Send for Thread {}

/// `pthread_self`.
pub(crate) fn current_thread() -> Thread {
    // SAFETY: no precondition.
    Thread(unsafe { libc::pthread_self() })
}

/// `pthread_kill`. `EAGAIN`: the user's queue of real-time signals is full.
///
/// # Safety
/// The thread has not ended.
pub(crate) unsafe fn kill(thread: Thread, signal: c_int) -> Result<(), Errno> {
    // SAFETY: the caller guarantees the thread.
    match unsafe { libc::pthread_kill(thread.0, signal) } {
        0 => Ok(()),
        code => Err(Errno::new(code)),
    }
}

/// Takes the signal out of the calling thread's mask.
pub(crate) fn unblock(signal: c_int) -> Result<(), Errno> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised by the line above; a bad number is answered with EINVAL.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: the set is initialised; no old mask is asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) } {
        0 => Ok(()),
        code => Err(Errno::new(code)),
    }
}

/// A thread's mask of signals.
pub(crate) struct Mask(libc::sigset_t);

/// Takes no signals on the calling thread from now on, save those that its own instructions cause;
/// the mask before.
pub(crate) fn block_foreign() -> Mask {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigfillset writes the whole set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    for own in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP] {
        // SAFETY: the set is initialised by the line above.
        unsafe { libc::sigdelset(set.as_mut_ptr(), own) };
    }
    // SAFETY: the set is initialised, and the out-parameter writable. It can't fail: `how` is right.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: written by the call, or zero, which is the empty set.
    Mask(unsafe { before.assume_init() })
}

/// Gives the calling thread its mask back.
pub(crate) fn restore(mask: &Mask) {
    // SAFETY: the mask is initialised; no old one is asked for. It can't fail: `how` is right.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, ptr::null_mut()) };
}

/// Whether the calling thread takes no such signal.
#[cfg(test)]
pub(crate) fn is_blocked(signal: c_int) -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the out-parameter is writable; no new mask is given.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr()) };
    // SAFETY: the call has written the set.
    unsafe { libc::sigismember(set.as_ptr(), signal) == 1 }
}

unsafe extern "C" {
    /// The libc crate does not have it for Linux.
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE` of Linux' C libraries.
pub(crate) const CANCEL_DISABLE: c_int = 1;

/// `pthread_setcancelstate` of the calling thread; the state before.
pub(crate) fn set_cancel_state(state: c_int) -> c_int {
    let mut before = 0;
    // SAFETY: the out-parameter is writable; a state that does not exist is answered with EINVAL,
    // and 0, which is PTHREAD_CANCEL_ENABLE, stays in it.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// `sigaction`, asking only.
pub(crate) fn action(signal: c_int) -> Result<libc::sigaction, Errno> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the out-parameter is writable.
    match unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } {
        // SAFETY: a call that succeeds has written it.
        0 => Ok(unsafe { action.assume_init() }),
        _ => Err(Errno::last()),
    }
}

/// `sigaction`, setting only.
///
/// # Safety
/// The action's handler is a function of the kind its flags say, stays loaded as long as the
/// action stays, and does nothing that a signal handler may not do.
pub(crate) unsafe fn set_action(signal: c_int, action: &libc::sigaction) -> Result<(), Errno> {
    // SAFETY: the caller guarantees the action.
    match unsafe { libc::sigaction(signal, action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}
