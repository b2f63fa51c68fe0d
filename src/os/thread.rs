//! Threads of the library's own.

use super::signal;
use crate::error::Errno;
use std::io;
use std::thread::Builder;

/// Ample for what these threads do: to look, to write, to wait.
const STACK: usize = 512 << 10;

/// Starts a thread that ends with the process at the latest. It takes no signals
/// from outside: they are meant for the program's threads. `work` must not panic.
///
/// # Errors
/// The system's: there can be no further thread.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let before = signal::block_foreign();
    let spawned = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work);
    signal::restore(&before);
    spawned.map(drop)
}

/// From now on `work` is done in each process that this one forks, by its only thread, before `fork` returns there.
/// It may do what a signal handler may.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn at_fork_in_child(work: extern "C" fn()) -> Result<(), Errno> {
    // SAFETY: the C library forgets a library's function when that is unloaded.
    match unsafe { libc::pthread_atfork(None, None, Some(work)) } {
        0 => Ok(()),
        error => Err(Errno::new(error)),
    }
}

/// The number of the processor that the calling thread was on a moment ago (`sched_getcpu`); 0 if the
/// kernel does not say.
pub(crate) fn processor() -> usize {
    // SAFETY: no precondition.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_takes_no_signals_and_its_parent_takes_them_as_before() {
        let (send, receive) = channel();
        let before = signal::is_blocked(libc::SIGTERM);
        spawn("offheap test", move || send.send(signal::is_blocked(libc::SIGTERM)).unwrap())
            .unwrap();
        assert!(receive.recv().unwrap());
        assert_eq!(signal::is_blocked(libc::SIGTERM), before);
    }
}
