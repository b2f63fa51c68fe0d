//! Writes that hold no buffer while they wait.

use super::*;
use crate::error::Errno;
use crate::net::buffer::tests::all_shared_buffers_are_free;
use crate::net::descriptor::tests::operations_on;
use crate::net::{WriteError, net_socket_close};

const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;

fn write(
    fd: c_int,
    source: &mut Recorder,
    len: usize,
    wait: bool,
) -> Result<usize, WriteError<Refused>> {
    socket_write_in(WriteMode::Lean, fd, source, len, NO_SIGNAL, wait)
}

#[test]
fn a_slow_reader_gets_every_byte_once_and_in_order() {
    const LEN: usize = 200_000;
    for is_blocking in [true, false] {
        let (fd, peer) = narrow_tcp_pair();
        if !is_blocking {
            set_nonblocking(fd);
        }
        let writer = thread::spawn(move || {
            let mut source = Recorder::default();
            let result = write(fd, &mut source, LEN, !is_blocking);
            close_plainly([fd]);
            (result, source)
        });
        let all = within(Duration::from_secs(30), move || {
            let_others_block();
            receive_all(peer)
        });
        let (result, source) = writer.join().unwrap();
        assert_eq!(result, Ok(LEN));
        assert!(all == pattern_of(LEN), "{} of {LEN} bytes", all.len());
        let copied: usize = source.copies.iter().map(|(_, len)| len).sum();
        assert!(copied > LEN, "what did not go out is copied again: {:?}", source.copies);
        assert_copies_no_more_than_goes_out(&source.copies);
        close_plainly([peer]);
    }
}

/// Of what was copied after a wait: no more than twice what had gone out between the wait before and that one, or
/// 64 KiB.
fn assert_copies_no_more_than_goes_out(copies: &[(usize, usize)]) {
    assert!(copies.iter().all(|(_, len)| *len <= 524_288), "{copies:?}");
    let mut most = 524_288;
    // Of up to a kilobyte those that wait, between them one or more that do not.
    for turn in copies.split_inclusive(|(_, len)| *len <= 1024) {
        let [(start, len), .., (waiting, _)] = turn else { continue };
        assert!(*len <= most, "{len} bytes, not {most}: {copies:?}");
        most = 65536.max(2 * (waiting - start));
    }
}

/// Has the peer take what there is before bytes are copied; in the beginning only so much that a few can wait.
struct Draining {
    peer: c_int,
    slow_until: usize,
    copies: Vec<(usize, usize)>,
}

// SAFETY: each byte is written.
unsafe impl Source for Draining {
    type Error = Refused;

    fn copy_to(&mut self, offset: usize, to: &mut [MaybeUninit<u8>]) -> Result<(), Refused> {
        let mut buffer = [0_u8; 65536];
        let mut receive = || {
            // SAFETY: an array is writable.
            unsafe { os::net::recv(self.peer, buffer.as_mut_ptr(), 65536, libc::MSG_DONTWAIT) }
        };
        if offset >= self.slow_until {
            while receive().is_ok() {}
        } else if to.len() <= 1024 {
            receive().unwrap();
        }
        self.copies.push((offset, to.len()));
        to.fill(MaybeUninit::new(0));
        Ok(())
    }
}

#[test]
fn a_reader_that_keeps_up_again_gets_more_at_a_time_again() {
    let (fd, peer) = stream_pair();
    set_option(fd, libc::SO_SNDBUF, &131_072);
    let (slow_until, len) = (1 << 20, 8 << 20);
    let mut source = Draining { peer, slow_until, copies: Vec::new() };
    let sent = socket_write_in(WriteMode::Lean, fd, &mut source, len, NO_SIGNAL, false);
    assert_eq!(sent, Ok(len));
    let copies = source.copies;
    let few = copies.iter().any(|(at, len)| *at < slow_until && (1025..=131_072).contains(len));
    let many = copies.iter().any(|(at, len)| *at > 2 * slow_until && *len >= 262_144);
    assert!(few && many, "{copies:?}");
    close_plainly([fd, peer]);
}

#[test]
fn what_is_copied_in_vain_is_little() {
    const LEN: usize = 8 << 20;
    let (fd, peer) = tcp_pair();
    for (fd, option) in [(fd, libc::SO_SNDBUF), (peer, libc::SO_RCVBUF)] {
        set_option(fd, option, &131_072);
    }
    let writer = thread::spawn(move || {
        let mut source = Recorder::default();
        assert_eq!(write(fd, &mut source, LEN, false), Ok(LEN));
        close_plainly([fd]);
        source.copies
    });
    let all = within(Duration::from_secs(30), move || receive_all(peer));
    assert!(all == pattern_of(LEN), "{} of {LEN} bytes", all.len());
    let copies = writer.join().unwrap();
    assert!(copies.iter().any(|(_, len)| *len <= 1024), "it was never full: {copies:?}");
    assert_copies_no_more_than_goes_out(&copies);
    let copied: usize = copies.iter().map(|(_, len)| len).sum();
    assert!(copied < 4 * LEN, "{copied} bytes: {copies:?}");
    close_plainly([peer]);
}

#[test]
fn a_short_write_is_the_jdks() {
    let (fd, peer) = pair(libc::SOCK_SEQPACKET);
    for len in [1, 4096] {
        let mut source = Recorder::default();
        assert_eq!(write(fd, &mut source, len, false), Ok(len));
        assert_eq!(source.copies, [(0, len)]);
        assert!(receive_plainly(peer, 1 << 17) == pattern_of(len), "one send of {len} bytes");
    }
    close_plainly([fd, peer]);
}

#[test]
fn a_nonblocking_descriptor_is_given_what_it_takes() {
    let (fd, peer) = narrow_tcp_pair();
    set_nonblocking(fd);
    takes_what_there_is_room_for(WriteMode::Lean, fd, peer);
}

#[test]
fn a_time_limit_of_the_socket_ends_the_wait() {
    let (fd, peer) = narrow_tcp_pair();
    set_option(fd, libc::SO_SNDTIMEO, &libc::timeval { tv_sec: 0, tv_usec: 50_000 });
    let sent = within(Duration::from_secs(30), move || {
        write(fd, &mut Recorder::default(), 1 << 24, false).unwrap()
    });
    assert!(0 < sent && sent < 1 << 24, "{sent}");
    close_plainly([fd, peer]);
}

#[test]
fn errors_are_those_of_the_other_mode() {
    let (fd, peer) = stream_pair();
    let mut source = Recorder { fails_at: Some(1), ..Recorder::default() };
    assert_eq!(write(fd, &mut source, 1 << 23, true), Err(WriteError::Source(Refused)));
    let sent = receive_plainly(peer, 1 << 17);
    assert!(!sent.is_empty() && sent == pattern_of(sent.len()), "what was sent before stays sent");
    close_plainly([peer]);
    for len in [5000, 100_000] {
        let result = write(fd, &mut Recorder::default(), len, true);
        assert_eq!(result, Err(WriteError::Send(Errno::EPIPE)), "{len} bytes");
    }
    close_plainly([fd]);
}

#[test]
fn an_end_that_goes_while_a_write_waits_is_its_error() {
    let (fd, peer) = narrow_tcp_pair();
    let fd = at_number(fd, 3600);
    let writer = thread::spawn(move || write(fd, &mut Recorder::default(), usize::MAX, false));
    until(|| operations_on(fd) == 1);
    let_others_block();
    // With bytes unread: a reset.
    close_plainly([peer]);
    let result = within(Duration::from_secs(20), move || writer.join().unwrap());
    let reset = [Errno::ECONNRESET, Errno::EPIPE].map(|errno| Err(WriteError::Send(errno)));
    assert!(reset.contains(&result), "{result:?}");
    close_plainly([fd]);
}

#[test]
fn threads_that_are_blocked_hold_no_buffer() {
    let threads = 3 * thread::available_parallelism().unwrap().get();
    let sockets: Vec<_> = (0..threads)
        .map(|at| {
            let (fd, peer) = stream_pair();
            (at_number(fd, 3700 + c_int::try_from(at).unwrap()), peer)
        })
        .collect();
    let fds: Vec<_> = sockets.iter().map(|(fd, _)| *fd).collect();
    let writers: Vec<_> = fds
        .iter()
        .map(|&fd| thread::spawn(move || write(fd, &mut Recorder::default(), usize::MAX, false)))
        .collect();
    within(Duration::from_secs(20), move || {
        for &fd in &fds {
            until(|| operations_on(fd) == 1);
        }
        let_others_block();
        // Others' tests have one now and then; these would have them for ever.
        until(all_shared_buffers_are_free);
        for fd in fds {
            assert_eq!(operations_on(fd), 1, "blocked all the while");
            assert_eq!(net_socket_close(fd), Ok(()));
        }
        for writer in writers {
            assert_eq!(writer.join().unwrap(), Err(WriteError::Send(Errno::EBADF)));
        }
    });
    close_plainly(sockets.iter().map(|(_, peer)| *peer));
}
