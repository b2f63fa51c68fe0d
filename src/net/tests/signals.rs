//! Signals in the middle of everything.

use super::*;
use crate::net::{ReadOutcome, net_timeout, socket_read, wakeup};
use crate::os::signal::{Thread, current_thread};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Runs `work`, in a thread of its own, under a hail of the wake-up signal. Returns its result
/// and how many signals were sent.
fn under_signals<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> (R, usize) {
    wakeup::prepare();
    let (tell, told) = mpsc::channel::<Thread>();
    let done = Arc::new(AtomicBool::new(false));
    let may_end = Arc::new(AtomicBool::new(false));
    let worker = thread::spawn({
        let (done, may_end) = (Arc::clone(&done), Arc::clone(&may_end));
        move || {
            tell.send(current_thread()).unwrap();
            let result = work();
            done.store(true, Ordering::Release);
            until(|| may_end.load(Ordering::Acquire));
            result
        }
    });
    let thread = told.recv().unwrap();
    let mut sent = 0;
    while !done.load(Ordering::Acquire) && !worker.is_finished() {
        // SAFETY: the thread stays until `may_end`; if `work` panics, join has not been called.
        unsafe { wakeup::send(thread) };
        sent += 1;
        thread::sleep(Duration::from_micros(20));
    }
    may_end.store(true, Ordering::Release);
    (worker.join().unwrap(), sent)
}

#[test]
fn a_storm_of_signals_loses_no_byte_and_doubles_none() {
    for mode in [WriteMode::Jdk, WriteMode::Lean] {
        storm(mode);
    }
}

fn storm(mode: WriteMode) {
    const LEN: usize = 8_000_000;
    let (fd, peer) = tcp_pair();
    let received = Arc::new(AtomicUsize::new(0));
    let reader = thread::spawn({
        let received = Arc::clone(&received);
        move || {
            under_signals(move || {
                let mut sink = Collector::default();
                for timeout in [0, 30_000].into_iter().cycle() {
                    match socket_read(peer, &mut sink, 10_000, timeout, true).unwrap() {
                        ReadOutcome::Data(count) => received.fetch_add(count, Ordering::Relaxed),
                        ReadOutcome::End => break,
                        other => panic!("{other:?}"),
                    };
                }
                sink.bytes
            })
        }
    });
    let (bytes, signals) = within(Duration::from_secs(60), move || {
        let (result, signals) = under_signals(move || {
            let (source, flags) = (&mut Recorder::default(), libc::MSG_NOSIGNAL);
            socket_write_in(mode, fd, source, LEN, flags, true)
        });
        assert_eq!(result, Ok(LEN));
        close_plainly([fd]);
        let (bytes, more) = reader.join().unwrap();
        (bytes, signals.min(more))
    });
    assert!(bytes == pattern_of(LEN), "{mode:?}: {} of {LEN} bytes", bytes.len());
    assert_eq!(received.load(Ordering::Relaxed), LEN);
    assert!(signals > 0);
    close_plainly([peer]);
}

#[test]
fn signals_neither_shorten_nor_prolong_a_timeout() {
    let (fd, peer) = stream_pair();
    let limit = Duration::from_millis(150);
    for read in [false, true] {
        let ((in_time, took), signals) = under_signals(move || {
            let start = Instant::now();
            let late = if read {
                socket_read(fd, &mut Collector::default(), 1, 150, true)
                    == Ok(ReadOutcome::TimedOut)
            } else {
                net_timeout(fd, 150) == Ok(false)
            };
            (late, start.elapsed())
        });
        assert!(in_time);
        assert!(took >= limit && took < limit * 10, "{took:?}");
        assert!(signals > 10, "{signals} signals prove nothing");
    }
    close_plainly([fd, peer]);
}

#[test]
fn a_wait_without_limit_is_not_ended_by_a_signal() {
    let (fd, peer) = stream_pair();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        send_plainly(peer, b"x")
    });
    let ((answer, took), signals) = under_signals(move || {
        let start = Instant::now();
        (net_timeout(fd, -1), start.elapsed())
    });
    assert_eq!(answer, Ok(true));
    assert!(took >= Duration::from_millis(90), "{took:?}");
    assert!(signals > 10, "{signals} signals prove nothing");
    late.join().unwrap();
    close_plainly([fd, peer]);
}
