//! The socket streams' natives: libnet's `NET_*` functions, `socketWrite0` and `socketRead0`.
//!
//! What they promise, beyond the system calls they are made of:
//!
//! - a signal is never the end of a call: `EINTR` does not come out, and time limits stay what
//!   they were;
//! - a close from another thread, through [`net_socket_close`], [`net_dup2`] or [`interrupt`],
//!   ends every call that is blocked on the descriptor with `EBADF`, and none of them uses the
//!   number after it was given away;
//! - bytes that have moved are reported, also when the close comes at the same moment;
//! - the sequence of `send` and `recv` calls for given lengths is the JDK's, unless
//!   [`WriteMode::Lean`] is asked for.
//!
//! Descriptors are plain numbers of sockets. All functions are for any thread, also several at
//! once on one descriptor. They use the signal `SIGRTMAX - 2`, as the JDK's libnet does: a thread
//! has it unblocked by its first call here, and a handler without `SA_RESTART` is installed when
//! the first blocked thread is to be woken, unless there is one. Where the signal does not help (a
//! thread has blocked it again, the user's queue of signals is full), a close shuts the socket
//! down after a tenth of a second, which other processes that share it will notice. After `fork`,
//! the child of a process with several threads may call nothing here before `exec`: the operations
//! that it inherits lie on the stacks of threads it does not have.

mod buffer;
mod counters;
mod descriptor;
mod entry;
mod stream;
mod wakeup;

#[cfg(test)]
mod tests;

pub use buffer::{MAX_BUFFER_LEN, MAX_HEAP_BUFFER_LEN};
pub use counters::{Counters, counters};
pub use descriptor::{interrupt, net_dup2, net_read, net_send, net_socket_close, net_timeout};
pub use stream::{
    ReadError, ReadOutcome, Sink, Source, WriteError, WriteMode, set_write_mode, socket_read,
    socket_write,
};
