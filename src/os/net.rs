//! Sockets and descriptors.

use super::{checked, counted};
use crate::error::Errno;
use core::ffi::{c_int, c_short};
use core::mem::MaybeUninit;

/// `send`: how many bytes the socket took.
///
/// # Safety
/// `buffer` is a readable range of `len` bytes.
pub(crate) unsafe fn send(
    fd: c_int,
    buffer: *const u8,
    len: usize,
    flags: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::send(fd, buffer.cast(), len, flags) })
}

/// `recv`: how many bytes came, 0 at the end of the stream.
///
/// # Safety
/// `buffer` is a writable range of `len` bytes.
pub(crate) unsafe fn recv(
    fd: c_int,
    buffer: *mut u8,
    len: usize,
    flags: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::recv(fd, buffer.cast(), len, flags) })
}

/// `recvmsg` into buffers: how many bytes came.
///
/// # Safety
/// `buffers` are `count` readable iovec structures, each of a writable range.
pub(crate) unsafe fn recvmsg(
    fd: c_int,
    buffers: *const libc::iovec,
    count: usize,
) -> Result<usize, Errno> {
    let mut message = message(buffers, count);
    // SAFETY: the caller guarantees the buffers; the kernel checks the rest.
    counted(unsafe { libc::recvmsg(fd, &raw mut message, 0) })
}

/// `sendmsg` out of buffers: how many bytes went.
///
/// # Safety
/// `buffers` are `count` readable iovec structures, each of a readable range.
pub(crate) unsafe fn sendmsg(
    fd: c_int,
    buffers: *const libc::iovec,
    count: usize,
) -> Result<usize, Errno> {
    let message = message(buffers, count);
    // SAFETY: the caller guarantees the buffers; the kernel checks the rest.
    counted(unsafe { libc::sendmsg(fd, &raw const message, 0) })
}

/// A message of buffers alone: no address, no control data.
fn message(buffers: *const libc::iovec, count: usize) -> libc::msghdr {
    // SAFETY: integers and pointers, for all of which zero is a value.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = buffers.cast_mut();
    // usize in glibc, int in others; the kernel refuses beyond 1024.
    message.msg_iovlen = count as _;
    message
}

/// `poll` on one descriptor: the events that came, 0 if the time passed. Negative is no limit.
pub(crate) fn poll(fd: c_int, events: c_short, milliseconds: c_int) -> Result<c_short, Errno> {
    let mut request = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one pollfd, live for the whole call.
    checked(unsafe { libc::poll(&raw mut request, 1, milliseconds) })?;
    Ok(request.revents)
}

/// `close`. On Linux the number is free afterwards whatever the answer, also after `EINTR`.
pub(crate) fn close(fd: c_int) -> Result<(), Errno> {
    // SAFETY: no precondition for memory; whose descriptor it is, is the caller's affair.
    checked(unsafe { libc::close(fd) }).map(drop)
}

/// `shutdown`, both directions: ends all calls that are blocked on the socket, in all processes.
pub(crate) fn shutdown(fd: c_int) -> Result<(), Errno> {
    // SAFETY: no pointer goes in.
    checked(unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }).map(drop)
}

/// `dup2`: `new` becomes another number of `old`'s file; what it was before is closed.
pub(crate) fn dup2(old: c_int, new: c_int) -> Result<c_int, Errno> {
    // SAFETY: as for close.
    checked(unsafe { libc::dup2(old, new) })
}

/// `poll` on several descriptors, which are told what has come of them.
pub(crate) fn poll_all(requests: &mut [libc::pollfd], milliseconds: c_int) -> Result<(), Errno> {
    let count = libc::nfds_t::try_from(requests.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: so many pollfds, live for the whole call.
    checked(unsafe { libc::poll(requests.as_mut_ptr(), count, milliseconds) }).map(drop)
}

/// A further number for the file of `fd`, not inherited by programs that are started.
pub(crate) fn duplicate(fd: c_int) -> Result<c_int, Errno> {
    // SAFETY: no pointer goes in.
    checked(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

/// `SO_PEERCRED`: the user who was at the other end of a Unix socket when it was connected.
pub(crate) fn peer_user(fd: c_int) -> Result<libc::uid_t, Errno> {
    let mut peer = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    let to = (&raw mut peer).cast();
    // SAFETY: the out-parameter has the size that is passed along.
    checked(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, to, &raw mut size)
    })?;
    Ok(peer.uid)
}

/// `EBADF` if the number is not an open descriptor.
pub(crate) fn check_open(fd: c_int) -> Result<(), Errno> {
    // SAFETY: no pointer goes in.
    checked(unsafe { libc::fcntl(fd, libc::F_GETFD) }).map(drop)
}

/// `SO_LINGER`: the seconds that a close may wait for unsent data, `None` if it does not.
pub(crate) fn linger(fd: c_int) -> Result<Option<c_int>, Errno> {
    let mut linger = MaybeUninit::<libc::linger>::zeroed();
    let mut size = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap_or(0);
    // SAFETY: the out-parameter has the size that is passed along.
    checked(unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            linger.as_mut_ptr().cast(),
            &raw mut size,
        )
    })?;
    // SAFETY: two integers; zero, and now perhaps the kernel's, is a value of both.
    let linger = unsafe { linger.assume_init() };
    Ok((linger.l_onoff != 0).then_some(linger.l_linger))
}
