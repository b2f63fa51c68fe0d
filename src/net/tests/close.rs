//! Close from another thread.

use super::*;
use crate::error::Errno;
use crate::net::counters::Totals;
use crate::net::descriptor::blocking;
use crate::net::descriptor::tests::operations_on;
use crate::net::{
    MAX_HEAP_BUFFER_LEN, ReadError, WriteError, interrupt, net_dup2, net_read, net_socket_close,
    net_timeout, socket_read, socket_write,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);

/// Every way to be blocked on a descriptor, by name; the answer is the error it ended with.
type Blocked = (&'static str, fn(c_int) -> Option<Errno>);
const WAYS_TO_BLOCK: [Blocked; 9] = [
    ("net_read", |fd| {
        let mut byte = 0;
        // SAFETY: one byte.
        unsafe { net_read(fd, &raw mut byte, 1) }.err()
    }),
    ("net_timeout", |fd| net_timeout(fd, -1).err()),
    ("net_timeout with a limit", |fd| net_timeout(fd, 60_000).err()),
    ("socket_read", |fd| read_error(fd, 0)),
    ("socket_read with a timeout", |fd| read_error(fd, 60_000)),
    ("socket_write", |fd| write_error(fd, WriteMode::Jdk)),
    ("socket_write that waits", |fd| {
        set_nonblocking(fd);
        write_error(fd, WriteMode::Jdk)
    }),
    ("lean socket_write", |fd| write_error(fd, WriteMode::Lean)),
    ("lean socket_write that waits", |fd| {
        set_nonblocking(fd);
        write_error(fd, WriteMode::Lean)
    }),
];

fn read_error(fd: c_int, timeout: i32) -> Option<Errno> {
    match socket_read(fd, &mut Collector::default(), 70_000, timeout, true) {
        Err(ReadError::Poll(errno) | ReadError::Receive(errno)) => Some(errno),
        _ => None,
    }
}

fn write_error(fd: c_int, mode: WriteMode) -> Option<Errno> {
    let (source, flags) = (&mut Recorder::default(), libc::MSG_NOSIGNAL);
    match socket_write_in(mode, fd, source, usize::MAX, flags, true) {
        Err(WriteError::Send(errno)) => Some(errno),
        _ => None,
    }
}

#[test]
fn a_close_ends_every_kind_of_call_that_is_blocked() {
    for (at, (name, block)) in WAYS_TO_BLOCK.into_iter().enumerate() {
        let (fd, peer) = if at % 2 == 0 { stream_pair() } else { tcp_pair() };
        let fd = at_number(fd, 3100 + i32::try_from(at).unwrap());
        let blocked: Vec<_> = (0..3).map(|_| thread::spawn(move || block(fd))).collect();
        until(|| operations_on(fd) == 3);
        let_others_block();
        within(LIMIT, move || {
            assert_eq!(net_socket_close(fd), Ok(()), "{name}");
            for thread in blocked {
                assert_eq!(thread.join().unwrap(), Some(Errno::EBADF), "{name}");
            }
        });
        // Hangs, and the watchdog with it, if the peer does not see the end.
        within(LIMIT, move || receive_all(peer));
        close_plainly([peer]);
    }
}

#[test]
fn a_dup2_onto_the_number_ends_them_too_and_puts_the_other_file_there() {
    for (at, (name, block)) in WAYS_TO_BLOCK.into_iter().enumerate() {
        let (fd, peer) = stream_pair();
        let (other, other_peer) = stream_pair();
        let fd = at_number(fd, 3200 + i32::try_from(at).unwrap());
        let blocked = thread::spawn(move || block(fd));
        until(|| operations_on(fd) == 1);
        let_others_block();
        within(LIMIT, move || {
            assert_eq!(net_dup2(other, fd), Ok(fd), "{name}");
            assert_eq!(blocked.join().unwrap(), Some(Errno::EBADF), "{name}");
        });
        send_plainly(other_peer, b"other");
        assert_eq!(receive_plainly(fd, 10), b"other");
        close_plainly([fd, peer, other, other_peer]);
    }
}

#[test]
fn a_dup2_that_fails_leaves_the_number_as_it_was() {
    let (fd, peer) = stream_pair();
    assert_eq!(net_dup2(-1, fd), Err(Errno::EBADF));
    assert_eq!(net_dup2(fd, -1), Err(Errno::EBADF));
    assert_eq!(net_dup2(fd, i32::MAX), Err(Errno::EBADF));
    assert_eq!(net_dup2(fd, fd), Ok(fd));
    send_plainly(peer, b"x");
    assert_eq!(receive_plainly(fd, 1), b"x");
    close_plainly([fd, peer]);
}

#[test]
fn somebody_elses_close_under_interrupt_ends_what_is_blocked() {
    for (at, (name, block)) in WAYS_TO_BLOCK.into_iter().enumerate() {
        let (fd, peer) = stream_pair();
        let (marker, gone) = stream_pair();
        close_plainly([gone]);
        let fd = at_number(fd, 3300 + i32::try_from(at).unwrap());
        let blocked = thread::spawn(move || block(fd));
        until(|| operations_on(fd) == 1);
        let_others_block();
        let answer = within(LIMIT, move || {
            let answer = interrupt(fd, || os::net::dup2(marker, fd));
            assert_eq!(blocked.join().unwrap(), Some(Errno::EBADF), "{name}");
            answer
        });
        assert_eq!(answer, Ok(fd));
        close_plainly([fd, peer, marker]);
    }
    assert_eq!(interrupt(-1, || 7), 7, "no descriptor, no operation, but the work is done");
}

#[test]
fn a_thread_that_has_blocked_the_signal_is_woken_all_the_same() {
    let (fd, peer) = stream_pair();
    let blocked = thread::spawn(move || {
        blocking(fd, Totals::mine(), |operation| {
            let mut all = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: sigfillset writes the whole set.
            unsafe { libc::sigfillset(all.as_mut_ptr()) };
            // SAFETY: the set is initialised; no old mask is asked for.
            let status = unsafe {
                libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), core::ptr::null_mut())
            };
            assert_eq!(status, 0);
            let mut byte = 0;
            // SAFETY: one byte.
            unsafe { operation.recv(&raw mut byte, 1, 0) }
        })
    });
    until(|| operations_on(fd) == 1);
    let_others_block();
    within(LIMIT, move || {
        assert_eq!(net_socket_close(fd), Ok(()));
        assert_eq!(blocked.join().unwrap(), Ok(Err(Errno::EBADF)));
    });
    close_plainly([peer]);
}

/// A source that holds its write inside the operation until it is let go.
struct Gate {
    inside: Arc<AtomicBool>,
    open: Arc<AtomicBool>,
}

// SAFETY: each byte is written.
unsafe impl Source for Gate {
    type Error = Refused;

    fn copy_to(&mut self, _: usize, to: &mut [MaybeUninit<u8>]) -> Result<(), Refused> {
        self.inside.store(true, Ordering::Release);
        until(|| self.open.load(Ordering::Acquire));
        to.fill(MaybeUninit::new(0));
        Ok(())
    }
}

#[test]
fn a_close_gives_the_number_away_only_when_the_last_operation_has_left() {
    let (fd, peer) = stream_pair();
    let fd = at_number(fd, 3002);
    let inside = Arc::new(AtomicBool::new(false));
    let open = Arc::new(AtomicBool::new(false));
    let mut gate = Gate { inside: Arc::clone(&inside), open: Arc::clone(&open) };
    let writer = thread::spawn(move || socket_write(fd, &mut gate, 10, libc::MSG_NOSIGNAL, true));
    until(|| inside.load(Ordering::Acquire));

    let closer = thread::spawn(move || net_socket_close(fd));
    // Until the close has begun, reads find nothing; from then on nobody gets in.
    within(LIMIT, move || until(|| net_timeout(fd, 0) == Err(Errno::EBADF)));
    assert_eq!(net_socket_close(fd), Err(Errno::EBADF), "a second close");
    assert_eq!(net_dup2(peer, fd), Err(Errno::EBADF), "a dup2 during the close");
    let_others_block();
    assert!(!closer.is_finished());
    assert_eq!(os::net::check_open(fd), Ok(()), "given away too early");

    open.store(true, Ordering::Release);
    within(LIMIT, move || {
        assert_eq!(writer.join().unwrap(), Err(WriteError::Send(Errno::EBADF)));
        assert_eq!(closer.join().unwrap(), Ok(()));
    });
    assert_eq!(os::net::check_open(fd), Err(Errno::EBADF));
    assert_eq!(receive_plainly(peer, 10), b"", "nothing was sent after the close began");
    close_plainly([peer]);
}

#[test]
fn a_close_that_lingers_is_not_in_the_way_of_the_numbers_next_owner() {
    let (fd, peer) = narrow_tcp_pair();
    let fd = at_number(fd, 3003);
    set_option(fd, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 2 });
    set_nonblocking(fd);
    // More than both sides' buffers take: unsent data to linger for.
    let sent = socket_write(fd, &mut Recorder::default(), 1 << 24, libc::MSG_NOSIGNAL, false);
    assert!(sent.unwrap() < 1 << 24);
    // SAFETY: no pointer goes in; blocking again, else the kernel does not wait.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFL, 0) }, 0);
    let closer = thread::spawn(move || net_socket_close(fd));
    within(LIMIT, move || until(|| os::net::check_open(fd).is_err()));
    let (next, next_peer) = stream_pair();
    let next = at_number(next, fd);
    send_plainly(next_peer, b"x");
    assert_eq!(net_timeout(next, 0), Ok(true));
    assert!(!closer.is_finished(), "the close did not linger: nothing was tested");
    close_plainly([peer]);
    assert_eq!(closer.join().unwrap(), Ok(()));
    assert_eq!(net_timeout(next, 0), Ok(true), "the next owner has his number still");
    close_plainly([next, next_peer]);
}

/// What one connection of the storm carries: its number, over and over.
fn identity(round: u64, len: usize) -> Vec<u8> {
    let mut bytes = (round | 1 << 63).to_ne_bytes().repeat(len / 8 + 1);
    bytes.truncate(len);
    bytes
}

struct Stamp {
    bytes: Vec<u8>,
    asked: Arc<AtomicBool>,
}

// SAFETY: each byte is written.
unsafe impl Source for Stamp {
    type Error = Refused;

    fn copy_to(&mut self, _: usize, to: &mut [MaybeUninit<u8>]) -> Result<(), Refused> {
        self.asked.store(true, Ordering::Release);
        let bytes = &self.bytes[..to.len()];
        // SAFETY: both have the length, and no byte in common.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(to.as_mut_ptr().cast(), bytes.len()) };
        Ok(())
    }
}

/// One connection: an operation on `fd`, a close of it, and a peer that checks every byte.
fn one_round(round: u64) {
    let writes = round.is_multiple_of(2);
    let (fd, peer) = stream_pair();
    let inside = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&inside);
    // One operation per connection: what comes after the close is the owner's affair.
    let operation = thread::spawn(move || {
        if writes {
            // Chunks are of a multiple of eight bytes, so each begins like the first.
            let mut source = Stamp { bytes: identity(round, MAX_HEAP_BUFFER_LEN), asked: seen };
            match socket_write(fd, &mut source, usize::MAX, libc::MSG_NOSIGNAL, true) {
                Err(WriteError::Send(errno)) => errno,
                other => panic!("{other:?}"),
            }
        } else {
            blocking(fd, Totals::mine(), |operation| {
                seen.store(true, Ordering::Release);
                let mut received = Vec::new();
                let mut buffer = [0; 800];
                loop {
                    // SAFETY: the buffer is writable.
                    match unsafe { operation.recv(buffer.as_mut_ptr(), buffer.len(), 0) } {
                        Ok(0) => panic!("the end of the stream, though the peer has not closed"),
                        Ok(count) => {
                            received.extend_from_slice(&buffer[..count]);
                            assert!(received == identity(round, received.len()), "round {round}");
                        }
                        Err(errno) => return errno,
                    }
                }
            })
            .unwrap()
        }
    });
    until(|| inside.load(Ordering::Acquire));
    if !writes {
        let data = identity(round, 800);
        for _ in 0..round % 5 {
            send_plainly(peer, &data);
        }
    }
    for _ in 0..round * 7919 % 400 {
        core::hint::spin_loop();
    }
    assert_eq!(net_socket_close(fd), Ok(()), "round {round}");
    assert_eq!(operation.join().unwrap(), Errno::EBADF, "round {round}");
    if writes {
        let received = receive_all(peer);
        assert!(received == identity(round, received.len()), "round {round}");
    }
    close_plainly([peer]);
}

#[test]
fn in_a_storm_of_closes_every_byte_stays_on_its_connection() {
    let rounds = within(Duration::from_secs(60), || {
        let next = Arc::new(AtomicU64::new(0));
        let end = Instant::now() + Duration::from_secs(3);
        // Several at once, so that a number that is given away is taken at once.
        let slots: Vec<_> = (0..4)
            .map(|_| {
                let next = Arc::clone(&next);
                thread::spawn(move || {
                    while Instant::now() < end {
                        one_round(next.fetch_add(1, Ordering::Relaxed));
                    }
                })
            })
            .collect();
        for slot in slots {
            slot.join().unwrap();
        }
        next.load(Ordering::Relaxed)
    });
    assert!(rounds > 100, "{rounds} rounds prove nothing");
    println!("{rounds} rounds");
}

#[test]
fn what_has_moved_is_reported_even_if_the_close_came_meanwhile() {
    let (fd, peer) = stream_pair();
    let answers = blocking(fd, Totals::mine(), |operation| {
        thread::spawn(move || interrupt(fd, || ())).join().unwrap();
        [Ok(5), Ok(0), Err(Errno::EPIPE)].map(|result| operation.transferred(result))
    });
    assert_eq!(answers, Ok([Ok(5), Err(Errno::EBADF), Err(Errno::EBADF)]));
    close_plainly([fd, peer]);
}
