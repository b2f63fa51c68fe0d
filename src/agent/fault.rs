//! The crash line of guarded blocks: a fault on one of them is told in words before the JVM's own
//! handler has it, which writes its report and ends the process.

use crate::boundary::guard;
use crate::error::Errno;
use crate::ledger;
use crate::os::signal;
use core::ffi::{c_int, c_void};
use once_cell::sync::OnceCell;
use std::io::Write;

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Who has the signal after us.
static NEXT: OnceCell<libc::sigaction> = OnceCell::new();

/// From now on faults on guarded blocks are told.
///
/// # Errors
/// The system's: the signal's handler stays as it is.
pub(super) fn watch() -> Result<(), Errno> {
    let before = NEXT.get_or_try_init(|| signal::action(libc::SIGSEGV))?;
    let mut ours = *before;
    ours.sa_sigaction = on_fault as *const () as usize;
    ours.sa_flags |= libc::SA_SIGINFO;
    // SAFETY: a handler of the kind that the flag says, which stays loaded with its library. It waits for
    // no lock of ours for long, since its thread may hold it; and it takes memory only for a fault on a
    // guarded block, when its thread was in code that touches blocks, and not in the allocator.
    unsafe { signal::set_action(libc::SIGSEGV, &ours) }
}

unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the information of a fault.
    let info_of = unsafe { &*info };
    // SAFETY: a fault has an address.
    let address = unsafe { info_of.si_addr() }.addr();
    if ledger::may_explain(address) {
        let errno = Errno::last();
        guard(
            || {
                if let Some(text) = ledger::explain(address) {
                    // A closed stderr has no readers.
                    let _ = std::io::stderr().write_all(text.as_bytes());
                }
            },
            |_| (),
        );
        errno.set();
    }
    // SAFETY: as the kernel passed them.
    unsafe { pass_on(signal, info, context) };
}

/// # Safety
/// The arguments are a signal handler's.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let next = NEXT.get().filter(|next| next.sa_flags & libc::SA_SIGINFO != 0);
    let Some(next) = next else {
        // Nobody, or one who can't be told: the fault comes again, and ends the process.
        if let Some(next) = NEXT.get() {
            // SAFETY: it was there before.
            let _ = unsafe { signal::set_action(signal, next) };
        }
        return;
    };
    // SAFETY: the flag says that it is a function of this kind.
    let handler = unsafe { core::mem::transmute::<usize, Handler>(next.sa_sigaction) };
    // SAFETY: the caller guarantees the arguments.
    unsafe { handler(signal, info, context) };
}
