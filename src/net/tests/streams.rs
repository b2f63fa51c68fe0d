//! Chunks, outcomes and errors of the two streams.

use super::*;
use crate::error::Errno;
use crate::net::{
    MAX_BUFFER_LEN, ReadError, ReadOutcome, WriteError, counters, socket_read, socket_write,
};
use crate::os::heap::failing;
use std::time::Instant;

const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;

/// Each message of this kind of socket is one `send`.
fn sends_of(len: usize, no_memory: bool) -> (Vec<usize>, Recorder) {
    let (writer, reader) = pair(libc::SOCK_SEQPACKET);
    let peer = thread::spawn(move || {
        let (mut lengths, mut all) = (Vec::new(), Vec::new());
        loop {
            let message = receive_plainly(reader, 1 << 18);
            if message.is_empty() {
                break;
            }
            lengths.push(message.len());
            all.extend(message);
        }
        close_plainly([reader]);
        (lengths, all)
    });
    let mut source = Recorder::default();
    let mut write = || socket_write(writer, &mut source, len, NO_SIGNAL, false);
    let result = if no_memory { failing::after(0, write) } else { write() };
    assert_eq!(result, Ok(len));
    close_plainly([writer]);
    let (lengths, all) = peer.join().unwrap();
    assert!(all == pattern_of(len), "{len} bytes came changed");
    (lengths, source)
}

#[test]
fn the_sends_are_the_jdks() {
    for (len, expected) in [
        (0, vec![]),
        (1, vec![1]),
        (4096, vec![4096]),
        (4097, vec![4097]),
        (65536, vec![65536]),
        (65537, vec![65537]),
        (131_072, vec![131_072]),
        (131_073, vec![131_072, 1]),
        (300_000, vec![131_072, 131_072, 37_856]),
    ] {
        let (sends, source) = sends_of(len, false);
        assert_eq!(sends, expected, "{len} bytes");
        let copied: Vec<_> = source.copies.iter().map(|(_, size)| *size).collect();
        assert_eq!(copied, expected, "{len} bytes: a chunk is copied once");
    }
}

#[test]
fn without_memory_the_chunks_are_those_of_the_stack() {
    for (len, expected) in [
        (65536, vec![65536]),
        (65537, vec![65536, 1]),
        (131_072, vec![65536, 65536]),
        (200_000, vec![65536, 65536, 65536, 3392]),
    ] {
        assert_eq!(sends_of(len, true).0, expected, "{len} bytes");
    }
}

#[test]
fn a_source_that_fails_ends_the_write_after_what_was_sent() {
    for (fails_at, sent) in [(0, 0), (1, 131_072), (131_073, 262_144)] {
        let (writer, reader) = stream_pair();
        let peer = thread::spawn(move || {
            let all = receive_all(reader);
            close_plainly([reader]);
            all
        });
        let mut source = Recorder { fails_at: Some(fails_at), ..Recorder::default() };
        let result = socket_write(writer, &mut source, 300_000, NO_SIGNAL, false);
        assert_eq!(result, Err(WriteError::Source(Refused)));
        close_plainly([writer]);
        assert!(peer.join().unwrap() == pattern_of(sent), "{sent} bytes before the failure");
    }
}

#[test]
fn a_write_to_an_end_that_is_gone_is_a_broken_pipe() {
    let (writer, reader) = stream_pair();
    close_plainly([reader]);
    for len in [1, 100_000, 300_000] {
        let result = socket_write(writer, &mut Recorder::default(), len, NO_SIGNAL, true);
        assert_eq!(result, Err(WriteError::Send(Errno::EPIPE)), "{len} bytes");
    }
    close_plainly([writer]);
}

#[test]
fn a_connection_that_the_peer_reset_says_so_to_reader_and_writer() {
    for timeout in [0, 5000] {
        let (fd, peer) = tcp_pair();
        send_plainly(fd, b"never read");
        let_others_block();
        close_plainly([peer]);
        let read = socket_read(fd, &mut Collector::default(), 10, timeout, false);
        assert_eq!(read, Err(ReadError::Receive(Errno::ECONNRESET)), "timeout {timeout}");
        let write = socket_write(fd, &mut Recorder::default(), 10, NO_SIGNAL, false);
        assert_eq!(write, Err(WriteError::Send(Errno::EPIPE)));
        close_plainly([fd]);
    }
    let (fd, peer) = tcp_pair();
    send_plainly(fd, b"never read");
    let_others_block();
    close_plainly([peer]);
    let write = socket_write(fd, &mut Recorder::default(), 10, NO_SIGNAL, false);
    assert_eq!(write, Err(WriteError::Send(Errno::ECONNRESET)));
    close_plainly([fd]);
}

#[test]
fn a_peer_that_half_closes_is_the_end_for_reads_and_nothing_for_writes() {
    let (fd, peer) = tcp_pair();
    send_plainly(peer, b"last");
    // SAFETY: no pointer goes in.
    assert_eq!(unsafe { libc::shutdown(peer, libc::SHUT_WR) }, 0);
    let mut sink = Collector::default();
    for (timeout, expected) in
        [(0, ReadOutcome::Data(4)), (0, ReadOutcome::End), (1000, ReadOutcome::End)]
    {
        assert_eq!(socket_read(fd, &mut sink, 100, timeout, true), Ok(expected));
    }
    assert_eq!((sink.bytes.as_slice(), sink.calls), (&b"last"[..], 1));
    assert_eq!(socket_write(fd, &mut Recorder::default(), 3, NO_SIGNAL, false), Ok(3));
    assert_eq!(receive_plainly(peer, 100), pattern_of(3));
    close_plainly([fd, peer]);
}

#[test]
fn a_read_is_never_longer_than_the_buffer() {
    let (fd, peer) = pair(libc::SOCK_SEQPACKET);
    for (room, no_memory, expected) in [
        (1, false, 1),
        (65537, false, 65537),
        (usize::MAX, false, 131_072),
        (usize::MAX, true, MAX_BUFFER_LEN),
    ] {
        send_plainly(peer, &pattern_of(140_000));
        let mut sink = Collector::default();
        let mut read = || socket_read(fd, &mut sink, room, 0, false);
        let outcome = if no_memory { failing::after(0, read) } else { read() };
        assert_eq!(outcome, Ok(ReadOutcome::Data(expected)), "room for {room}");
        assert!(sink.bytes == pattern_of(expected), "room for {room}: bytes came changed");
    }
    close_plainly([fd, peer]);
}

#[test]
fn a_read_without_room_takes_nothing() {
    let (fd, peer) = stream_pair();
    assert_eq!(socket_read(fd, &mut Collector::default(), 0, 0, true), Ok(ReadOutcome::Data(0)));
    close_plainly([fd, peer]);
}

#[test]
fn a_sink_that_fails_is_the_reads_error() {
    let (fd, peer) = stream_pair();
    send_plainly(peer, b"x");
    let mut sink = Collector { fails: true, ..Collector::default() };
    assert_eq!(socket_read(fd, &mut sink, 10, 0, true), Err(ReadError::Sink(Refused)));
    close_plainly([fd, peer]);
}

#[test]
fn a_timeout_passes_in_full_and_leaves_the_stream_usable() {
    let (fd, peer) = stream_pair();
    let mut sink = Collector::default();
    let start = Instant::now();
    assert_eq!(socket_read(fd, &mut sink, 10, 60, true), Ok(ReadOutcome::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(socket_read(fd, &mut sink, 10, 1, true), Ok(ReadOutcome::TimedOut));
    send_plainly(peer, b"x");
    assert_eq!(socket_read(fd, &mut sink, 10, 60_000, true), Ok(ReadOutcome::Data(1)));
    let negative = socket_read(fd, &mut sink, 10, -1, true);
    assert_eq!(negative, Err(ReadError::Receive(Errno::EAGAIN)));
    close_plainly([fd, peer]);
}

#[test]
fn readers_with_a_timeout_that_race_for_one_byte_never_block_on_it() {
    let (fd, peer) = stream_pair();
    let readers: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || socket_read(fd, &mut Collector::default(), 1, 300, true)))
        .collect();
    let_others_block();
    send_plainly(peer, b"x");
    let outcomes: Vec<_> = within(Duration::from_secs(20), || {
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let count = |what| outcomes.iter().filter(|outcome| **outcome == what).count();
    assert_eq!(count(Ok(ReadOutcome::Data(1))), 1, "{outcomes:?}");
    let late = count(Ok(ReadOutcome::TimedOut)) + count(Err(ReadError::Receive(Errno::EAGAIN)));
    assert_eq!(late, 3, "{outcomes:?}");
    close_plainly([fd, peer]);
}

#[test]
fn a_nonblocking_descriptor_without_wait_does_what_it_can() {
    let (fd, peer) = narrow_tcp_pair();
    set_nonblocking(fd);
    let mut sink = Collector::default();
    assert_eq!(socket_read(fd, &mut sink, 10, 0, false), Ok(ReadOutcome::WouldBlock));
    assert_eq!(socket_read(fd, &mut sink, 10, 20, false), Ok(ReadOutcome::TimedOut));
    takes_what_there_is_room_for(WriteMode::Jdk, fd, peer);
}

#[test]
fn with_wait_a_nonblocking_descriptor_is_like_a_blocking_one() {
    const LEN: usize = 150_000;
    let (fd, peer) = narrow_tcp_pair();
    for end in [fd, peer] {
        set_nonblocking(end);
    }
    let all = within(Duration::from_secs(30), move || {
        let writer = thread::spawn(move || {
            let_others_block();
            let result = socket_write(fd, &mut Recorder::default(), LEN, NO_SIGNAL, true);
            close_plainly([fd]);
            result
        });
        let mut sink = Collector::default();
        let mut reads = 0;
        while socket_read(peer, &mut sink, 5000, 0, true) != Ok(ReadOutcome::End) {
            reads += 1;
            if reads % 32 == 0 {
                // A slow reader: the writer has to wait, and sends less than it has.
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(writer.join().unwrap(), Ok(LEN));
        sink.bytes
    });
    assert!(all == pattern_of(LEN), "{} bytes", all.len());
    close_plainly([peer]);
}

#[test]
fn the_counters_count() {
    let (fd, peer) = stream_pair();
    let before = counters();
    assert_eq!(socket_write(fd, &mut Recorder::default(), 10, NO_SIGNAL, true), Ok(10));
    let outcome = socket_read(peer, &mut Collector::default(), 10, 0, true);
    assert_eq!(outcome, Ok(ReadOutcome::Data(10)));
    let after = counters();
    // Other tests count too.
    assert!(after.writes > before.writes && after.sends > before.sends);
    assert!(after.bytes_sent >= before.bytes_sent + 10);
    assert!(after.reads > before.reads && after.receives > before.receives);
    assert!(after.bytes_received >= before.bytes_received + 10);
    close_plainly([fd, peer]);
}
