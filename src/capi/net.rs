//! libnet for C, as in JDK 8: socket calls that a close from another thread ends.

use super::{uncancelled, value};
use crate::error::Errno;
use crate::net;
use core::ffi::{c_int, c_long, c_uint, c_void};

/// Sends up to `len` bytes on the socket `s`, as send() does. A signal does not end the call; a
/// NET_SocketClose or NET_Dup2 of another thread does.
///
/// `flags` are send()'s; MSG_NOSIGNAL is always added, so there is no SIGPIPE.
/// Returns how many bytes the socket took, which may be fewer; else -1 with errno, among others:
/// - EBADF: `s` is no open descriptor, or was closed during the call;
/// - EINVAL: `len` is negative;
/// - EFAULT: `msg` is NULL and `len` is not 0;
/// - EAGAIN: `s` is non-blocking and full;
/// - EPIPE: the other end takes no more data.
///
/// Any thread, several at once on one socket too. JDK 8: libnet's NET_Send.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_Send(s: c_int, msg: *const c_void, len: c_int, flags: c_uint) -> c_int {
    transferred(|| {
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        check_buffer(msg, len)?;
        // Flags are bits: the sign has no meaning.
        let flags = flags.cast_signed() | libc::MSG_NOSIGNAL;
        // SAFETY: the C caller guarantees the range.
        unsafe { net::net_send(s, msg.cast(), len, flags) }
    })
}

/// Receives up to `len` bytes from the socket `s`, as recv() does without flags. A signal does not
/// end the call; a NET_SocketClose or NET_Dup2 of another thread does.
///
/// Returns how many bytes came, at most INT_MAX, 0 at the end of the stream; else -1 with errno,
/// among others:
/// - EBADF: `s` is no open descriptor, or was closed during the call and no byte had come;
/// - EFAULT: `buf` is NULL and `len` is not 0;
/// - EAGAIN: `s` is non-blocking and empty;
/// - ECONNRESET: the peer has reset the connection.
///
/// Any thread, several at once on one socket too. JDK 8: libnet's NET_Read.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_Read(s: c_int, buf: *mut c_void, len: usize) -> c_int {
    transferred(|| {
        check_buffer(buf, len)?;
        // What came must be countable in the return value.
        let len = len.min(MOST);
        // SAFETY: the C caller guarantees the range.
        unsafe { net::net_read(s, buf.cast(), len) }
    })
}

/// Waits until the socket `s` has something to read, is at its end or has an error to fetch.
///
/// `timeout_ms` is in milliseconds: 0 only asks, negative waits without limit. Signals neither end
/// nor prolong the wait. Returns 1 if there is, 0 if the time has passed; else -1 with errno:
/// - EBADF: `s` is no open descriptor, or was closed during the call;
/// - ENOMEM: no memory for the table of descriptors.
///
/// Any thread. JDK 8: libnet's NET_Timeout.
#[unsafe(no_mangle)]
extern "C" fn NET_Timeout(s: c_int, timeout_ms: c_long) -> c_int {
    answer(|| net::net_timeout(s, timeout_ms).map(c_int::from))
}

/// Closes the descriptor `fd`. Every other thread inside a NET_ function on it returns, with -1 and
/// EBADF if it had moved no bytes; after this call none of them uses the number any more.
///
/// Returns 0; else -1 with errno:
/// - EBADF: `fd` is no open descriptor, or another thread is closing it;
/// - or close()'s own, the number being free all the same.
///
/// Any thread. JDK 8: libnet's NET_SocketClose.
#[unsafe(no_mangle)]
extern "C" fn NET_SocketClose(fd: c_int) -> c_int {
    answer(|| net::net_socket_close(fd).map(|()| 0))
}

/// Makes `newfd` another number of the file `oldfd`, as dup2() does; what `newfd` was is closed as
/// NET_SocketClose does. If both are the same, nothing happens.
///
/// Returns `newfd`; else -1 with errno, `newfd` staying what it was though calls on it may have
/// been ended:
/// - EBADF: `oldfd` is no open descriptor, `newfd` is negative or beyond the limit of the process,
///   or another thread is closing `newfd`;
/// - ENOMEM: no memory for the table of descriptors.
///
/// Any thread. JDK 8: libnet's NET_Dup2.
#[unsafe(no_mangle)]
extern "C" fn NET_Dup2(oldfd: c_int, newfd: c_int) -> c_int {
    answer(|| net::net_dup2(oldfd, newfd))
}

/// The largest count an `int` holds, as a size.
const MOST: usize = c_int::MAX.cast_unsigned() as usize;

/// The count of bytes, or -1 and `errno`.
fn transferred(work: impl FnOnce() -> Result<usize, Errno>) -> c_int {
    answer(|| c_int::try_from(work()?).map_err(|_| Errno::ENOTRECOVERABLE))
}

/// The result, or -1 and `errno`. Nearly all system calls of sockets are points of cancellation.
fn answer(work: impl FnOnce() -> Result<c_int, Errno>) -> c_int {
    uncancelled(|| value(work, -1))
}

/// What the kernel says of a NULL buffer, said before the core takes it for a range.
fn check_buffer(buffer: *const c_void, len: usize) -> Result<(), Errno> {
    if buffer.is_null() && len != 0 { Err(Errno::new(libc::EFAULT)) } else { Ok(()) }
}
