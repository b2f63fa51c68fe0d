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
    make_interrupting(wake_up_signal());
}

fn make_interrupting(signal: c_int) {
    extern "C" fn interrupt_only(_: c_int) {}

    let Ok(mut action) = signal::action(signal) else { return };
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        let handler: extern "C" fn(c_int) = interrupt_only;
        action.sa_sigaction = handler as libc::sighandler_t;
        // Where a thread has a stack for signals, its own may be too small for any (Go's are).
        action.sa_flags = libc::SA_ONSTACK;
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

#[cfg(test)]
mod tests {
    use super::make_interrupting;
    use crate::os::signal;
    use core::ffi::c_int;

    extern "C" fn somebody_elses(_: c_int) {}

    /// The tests share the process's signals, so each takes a number of its own.
    fn set(number: c_int, handler: libc::sighandler_t, flags: c_int) {
        let mut action = signal::action(number).unwrap();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        // SAFETY: the handlers of these tests are empty functions, or none.
        unsafe { signal::set_action(number, &action) }.unwrap();
    }

    #[test]
    fn a_signal_without_a_handler_gets_one_that_does_not_restart() {
        for (number, before) in
            [(libc::SIGRTMAX() - 8, libc::SIG_DFL), (libc::SIGRTMAX() - 9, libc::SIG_IGN)]
        {
            set(number, before, libc::SA_RESTART);
            make_interrupting(number);
            let after = signal::action(number).unwrap();
            assert!(!matches!(after.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN));
            assert_eq!(after.sa_flags & libc::SA_RESTART, 0);
        }
    }

    #[test]
    fn somebody_elses_handler_stays_and_loses_only_the_restart() {
        let number = libc::SIGRTMAX() - 10;
        let handler: extern "C" fn(c_int) = somebody_elses;
        for flags in [0, libc::SA_RESTART, libc::SA_RESTART | libc::SA_NODEFER] {
            set(number, handler as libc::sighandler_t, flags);
            make_interrupting(number);
            let after = signal::action(number).unwrap();
            assert_eq!(after.sa_sigaction, handler as libc::sighandler_t);
            assert_eq!(
                after.sa_flags & (libc::SA_RESTART | libc::SA_NODEFER),
                flags & libc::SA_NODEFER
            );
        }
    }
}
