//! The signal that ends a system call in which a thread is blocked.
//!
//! It is the JDK's own, `SIGRTMAX - 2`, so that one process needs one. Its handler does nothing;
//! that it has one, and without `SA_RESTART`, is what makes system calls return `EINTR`.

use crate::os::signal::{self, Thread};
use core::cell::Cell;
use core::ffi::c_int;

fn wake_up_signal() -> c_int {
    libc::SIGRTMAX() - 2
}

/// Lets the calling thread be woken: unblocks the signal, the first time the thread asks.
///
/// A thread that blocks it again afterwards can't be woken.
pub(super) fn accept() {
    thread_local! {
        static ACCEPTED: Cell<bool> = const { Cell::new(false) };
    }
    if !ACCEPTED.replace(true) {
        // Can't fail: the number is a signal's.
        let _ = signal::unblock(wake_up_signal());
    }
}

/// Makes sure that the signal interrupts. Called before each round of signals, not once: other
/// libraries of the process use the same number, and may come later.
///
/// A handler that is there is kept; if it restarts system calls, it loses that flag and no more.
pub(super) fn prepare() {
    extern "C" fn interrupt_only(_: c_int) {}

    let signal = wake_up_signal();
    let Ok(mut action) = signal::action(signal) else { return };
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        let handler: extern "C" fn(c_int) = interrupt_only;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = 0;
    } else if action.sa_flags & libc::SA_RESTART == 0 {
        return;
    } else {
        action.sa_flags &= !libc::SA_RESTART;
    }
    // SAFETY: the handler is either the one that was there or an empty one with the plain
    // signature; this library stays loaded as long as the process may use it.
    // Can't fail: the number is a signal's, and not one of the two that can't be caught.
    let _ = unsafe { signal::set_action(signal, &action) };
}

/// Ends the system call that the thread is in, if it is in one; false if it must be tried again.
///
/// # Safety
/// The thread has not ended.
pub(super) unsafe fn send(thread: Thread) -> bool {
    // SAFETY: the caller guarantees the thread.
    unsafe { signal::kill(thread, wake_up_signal()) }.is_ok()
}
