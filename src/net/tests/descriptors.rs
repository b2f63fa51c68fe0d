//! Numbers that are no descriptors, or unusual ones.

use super::*;
use crate::error::Errno;
use crate::net::descriptor::tests::{has_part_of, place_of};
use crate::net::{
    ReadError, WriteError, net_dup2, net_read, net_send, net_socket_close, net_timeout,
    socket_read, socket_write,
};
use proptest::prelude::*;

fn is_refused_everywhere(fd: c_int) {
    let mut buffer = [0];
    // SAFETY: one byte each.
    assert_eq!(unsafe { net_send(fd, buffer.as_ptr(), 1, 0) }, Err(Errno::EBADF), "{fd}");
    // SAFETY: one byte.
    assert_eq!(unsafe { net_read(fd, buffer.as_mut_ptr(), 1) }, Err(Errno::EBADF), "{fd}");
    for timeout in [-1, 0, 1, i64::MAX, i64::MIN] {
        assert_eq!(net_timeout(fd, timeout), Err(Errno::EBADF), "{fd}");
    }
    assert_eq!(net_socket_close(fd), Err(Errno::EBADF), "{fd}");
    assert_eq!(net_dup2(fd, 0), Err(Errno::EBADF), "{fd}");
    assert_eq!(net_dup2(fd, fd), Err(Errno::EBADF), "{fd}");
    for len in [1, 70_000] {
        let write = socket_write(fd, &mut Recorder::default(), len, 0, true);
        assert_eq!(write, Err(WriteError::Send(Errno::EBADF)), "{fd}");
        let read = socket_read(fd, &mut Collector::default(), len, 0, true);
        assert_eq!(read, Err(ReadError::Receive(Errno::EBADF)), "{fd}");
        let read = socket_read(fd, &mut Collector::default(), len, 5000, true);
        assert!(
            matches!(read, Err(ReadError::Poll(Errno::EBADF) | ReadError::Receive(Errno::EBADF))),
            "{fd}: {read:?}"
        );
    }
}

#[test]
fn a_number_that_is_no_descriptor_is_refused_everywhere() {
    let (fd, other) = stream_pair();
    let closed = at_number(fd, 3001);
    close_plainly([closed, other]);
    for fd in [-1, i32::MIN, i32::MAX, 1 << 30, 1_000_000, closed] {
        is_refused_everywhere(fd);
    }
}

#[test]
fn a_number_that_a_caller_made_up_costs_no_memory() {
    assert_eq!(net_timeout(i32::MAX, 0), Err(Errno::EBADF));
    assert_eq!(net_socket_close(i32::MAX), Err(Errno::EBADF));
    assert!(!has_part_of(i32::MAX));
}

#[test]
fn every_number_has_a_place_of_its_own() {
    assert_eq!(place_of(0), Some((0, 0)));
    assert_eq!(place_of(1023), Some((0, 1023)));
    assert_eq!(place_of(1024), Some((1, 0)));
    assert_eq!(place_of(3071), Some((1, 2047)));
    assert_eq!(place_of(3072), Some((2, 0)));
    assert_eq!(place_of(i32::MAX), Some((21, 1023)));
    assert_eq!(place_of(-1), None);
}

proptest! {
    #[test]
    fn places_follow_each_other_without_a_gap(fd in 0..i32::MAX) {
        let (part, index) = place_of(fd).unwrap();
        let next = place_of(fd + 1).unwrap();
        prop_assert!(next == (part, index + 1) || next == (part + 1, 0));
        prop_assert!(index < 1024 << part);
    }
}

#[test]
fn the_highest_descriptor_that_the_process_may_have_works() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the out-parameter is writable.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the parameter is readable.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let highest = i32::try_from(limit.rlim_max.min(100_001) - 1).unwrap();
    let (fd, peer) = stream_pair();
    let fd = at_number(fd, highest);
    send_plainly(peer, b"x");
    assert_eq!(net_timeout(fd, -1), Ok(true));
    let mut byte = 0;
    // SAFETY: one byte.
    assert_eq!(unsafe { net_read(fd, &raw mut byte, 1) }, Ok(1));
    assert_eq!(net_socket_close(fd), Ok(()));
    assert_eq!(receive_plainly(peer, 1), b"", "the peer sees the end");
    close_plainly([peer]);
}

#[test]
fn a_file_is_closed_and_polled_but_is_no_stream() {
    let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    assert_eq!(net_timeout(file, -1), Ok(true));
    let read = socket_read(file, &mut Collector::default(), 1, 0, true);
    assert_eq!(read, Err(ReadError::Receive(Errno::new(libc::ENOTSOCK))));
    assert_eq!(net_socket_close(file), Ok(()));
}

#[test]
fn lengths_beyond_all_memory_are_the_kernels_affair() {
    let (fd, peer) = stream_pair();
    send_plainly(peer, b"x");
    let mut byte = 0;
    // SAFETY: one byte comes, so one is written, whatever the length says.
    let read = unsafe { net_read(fd, &raw mut byte, usize::MAX) };
    assert!(matches!(read, Ok(1) | Err(_)), "{read:?}");
    // SAFETY: nothing is read or written.
    assert_eq!(unsafe { net_send(fd, core::ptr::null(), 0, 0) }, Ok(0));
    // SAFETY: the kernel finds that NULL is not readable, and says so.
    let null = unsafe { net_send(fd, core::ptr::null(), 1, 0) };
    assert_eq!(null, Err(Errno::new(libc::EFAULT)));
    close_plainly([fd, peer]);
}
