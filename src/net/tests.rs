//! The room as a whole, on real sockets.

mod close;
mod descriptors;
mod lean;
mod signals;
mod streams;

use super::stream::socket_write_in;
use super::{Sink, Source, WriteMode};
use crate::os;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A pair of connected sockets of the local kind.
fn pair(kind: c_int) -> (c_int, c_int) {
    let mut fds = [-1; 2];
    // SAFETY: the out-parameter has room for both.
    let status =
        unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) };
    assert_eq!(status, 0);
    (fds[0], fds[1])
}

fn stream_pair() -> (c_int, c_int) {
    pair(libc::SOCK_STREAM)
}

/// Both ends of a TCP connection over loopback.
fn tcp_pair() -> (c_int, c_int) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client.into_raw_fd(), server.into_raw_fd())
}

/// [`tcp_pair`] with the smallest buffers: little fits, and slowly.
fn narrow_tcp_pair() -> (c_int, c_int) {
    let (client, server) = tcp_pair();
    for fd in [client, server] {
        set_option(fd, libc::SO_SNDBUF, &4096);
        set_option(fd, libc::SO_RCVBUF, &4096);
    }
    (client, server)
}

fn set_option<T>(fd: c_int, option: c_int, value: &T) {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    let value: *const T = value;
    // SAFETY: the value is readable for its size.
    let status = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value.cast(), size) };
    assert_eq!(status, 0);
}

fn set_nonblocking(fd: c_int) {
    // SAFETY: no pointer goes in.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }, 0);
}

/// A number for `fd`'s file that no other test of this process gets: those take the lowest.
fn at_number(fd: c_int, number: c_int) -> c_int {
    // SAFETY: no pointer goes in.
    let high = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, number) };
    assert_eq!(high, number, "the number is taken");
    os::net::close(fd).unwrap();
    high
}

/// Closes without asking the room.
fn close_plainly(fds: impl IntoIterator<Item = c_int>) {
    for fd in fds {
        // SAFETY: the tests own their descriptors.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

fn send_plainly(fd: c_int, bytes: &[u8]) -> usize {
    // SAFETY: a slice is readable.
    unsafe { os::net::send(fd, bytes.as_ptr(), bytes.len(), libc::MSG_NOSIGNAL) }.unwrap()
}

fn receive_plainly(fd: c_int, room: usize) -> Vec<u8> {
    let mut buffer = vec![0; room];
    loop {
        // SAFETY: a vector is writable.
        match unsafe { os::net::recv(fd, buffer.as_mut_ptr(), room, 0) } {
            Err(crate::error::Errno::EINTR) => {}
            result => {
                buffer.truncate(result.unwrap());
                return buffer;
            }
        }
    }
}

/// Until the end of the stream.
fn receive_all(fd: c_int) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match receive_plainly(fd, 1 << 16) {
            end if end.is_empty() => return all,
            data => all.extend(data),
        }
    }
}

/// Byte `at` of the data that the tests send.
fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(0x9E37_79B9) >> 13).to_le_bytes()[0]
}

fn pattern_of(len: usize) -> Vec<u8> {
    (0..len).map(pattern).collect()
}

/// The pattern without end; keeps a record, fails if told to.
#[derive(Default)]
struct Recorder {
    copies: Vec<(usize, usize)>,
    fails_at: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused;

// SAFETY: each byte is written.
unsafe impl Source for Recorder {
    type Error = Refused;

    fn copy_to(&mut self, offset: usize, to: &mut [MaybeUninit<u8>]) -> Result<(), Refused> {
        if self.fails_at.is_some_and(|at| offset >= at) {
            return Err(Refused);
        }
        self.copies.push((offset, to.len()));
        for (at, byte) in to.iter_mut().enumerate() {
            byte.write(pattern(offset + at));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Collector {
    bytes: Vec<u8>,
    calls: usize,
    fails: bool,
}

impl Sink for Collector {
    type Error = Refused;

    fn copy_from(&mut self, data: &[u8]) -> Result<(), Refused> {
        self.calls += 1;
        if self.fails {
            return Err(Refused);
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// A hang is a failure too: runs `work` in a thread and gives it so much time.
fn within<R: Send + 'static>(limit: Duration, work: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || done.send(work()));
    match result.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end after {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("the worker sends before it ends"),
        },
    }
}

/// Until `condition`; used where a thread must have got as far as a system call.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Long enough for a thread that is about to block, or bytes under way, to be there, mostly. Tests
/// that use it pass also when it was too short; they then test the moment before.
fn let_others_block() {
    thread::sleep(Duration::from_millis(20));
}

/// A descriptor that does not block takes a part of a long write, then nothing, and its peer gets that part.
/// Closes both.
fn takes_what_there_is_room_for(mode: WriteMode, fd: c_int, peer: c_int) {
    let write = || {
        let (source, flags) = (&mut Recorder::default(), libc::MSG_NOSIGNAL);
        socket_write_in(mode, fd, source, 1 << 24, flags, false)
    };
    let sent = write().unwrap();
    assert!(0 < sent && sent < 1 << 24, "{sent}");
    assert_eq!(write(), Ok(0));
    close_plainly([fd]);
    let all = receive_all(peer);
    assert!(all == pattern_of(sent), "{} of {sent} bytes", all.len());
    close_plainly([peer]);
}
