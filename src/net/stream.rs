//! `socketWrite0` and `socketRead0`: streams in chunks, through a buffer outside the heap.
//!
//! Both are one operation on the descriptor, from the first system call to the last: a close by
//! another thread ends them, waits for them, and no later chunk goes to the number's next owner.
//!
//! Behind a system call the processor has forgotten where calls return to, and each return costs as much
//! as a dozen instructions: what lies between a native and its system call is inlined.

use super::buffer::{
    MAX_BUFFER_LEN, MAX_HEAP_BUFFER_LEN, SHARED_BUFFER_LEN, SMALL_BUFFER_LEN, on_stack,
    with_buffer, with_shared_buffer,
};
use super::counters::{Call, Counter};
use super::descriptor::{Blocking, Deadline, blocking};
use crate::error::Errno;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

/// Where a write takes its bytes from.
///
/// # Safety
/// When `copy_to` returns `Ok` it has written every byte of `destination`.
pub unsafe trait Source {
    /// Why bytes could not be had.
    type Error;

    /// Copies the bytes from `offset` on, as many as `destination` has. Offsets begin at 0 and
    /// grow; with [`WriteMode::Jdk`] each byte is asked for once, with [`WriteMode::Lean`] those
    /// that were not sent are asked for again. Runs during the operation: it must not close the
    /// descriptor.
    ///
    /// # Errors
    /// The source's own; the write ends, what was sent before stays sent.
    fn copy_to(
        &mut self,
        offset: usize,
        destination: &mut [MaybeUninit<u8>],
    ) -> Result<(), Self::Error>;
}

/// Where a read puts its bytes.
pub trait Sink {
    /// Why bytes could not be put.
    type Error;

    /// Takes all of `data`, which is not empty. Called at most once per read.
    ///
    /// # Errors
    /// The sink's own; the bytes have left the socket.
    fn copy_from(&mut self, data: &[u8]) -> Result<(), Self::Error>;
}

/// Why a write ended before its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError<E> {
    /// The source failed.
    Source(E),
    /// `send` failed, or `poll` for it. `EBADF`: also closed by another thread. Number 0: `send`
    /// took nothing and gave no reason.
    Send(Errno),
}

/// What a read has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The sink has so many bytes.
    Data(usize),
    /// The peer sends no more.
    End,
    /// Nothing came in time.
    TimedOut,
    /// The descriptor is non-blocking (or has its own time limit), nothing is there, and the
    /// caller does not want to wait.
    WouldBlock,
}

/// Why a read brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError<E> {
    /// The sink failed.
    Sink(E),
    /// Waiting for data failed. `EBADF`: also closed by another thread.
    Poll(Errno),
    /// Receiving failed. `EBADF`: also closed by another thread. `EAGAIN`: the time went by while
    /// others took the data that was announced.
    Receive(Errno),
}

/// How a write uses memory and system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// As the JDK: in chunks of [`MAX_HEAP_BUFFER_LEN`], or of
    /// [`MAX_BUFFER_LEN`] if there is no memory for the buffer. Each chunk is
    /// copied once and sent until it is gone, so a thread that is blocked holds its chunk.
    #[default]
    Jdk,
    /// A thread that is blocked holds no more than a kilobyte of a write of more than 4 KiB, and all threads together
    /// as many buffers of up to 512 KiB as there are processors. What the socket did not take at once is copied
    /// again when it takes more: should the source change meanwhile, that goes out which it was at
    /// the last copy. Writes of up to 4 KiB are as in the JDK.
    Lean,
}

static LEAN: AtomicBool = AtomicBool::new(false);

/// Sets the mode of all writes that begin from now on. It is [`WriteMode::Jdk`] until set.
pub fn set_write_mode(mode: WriteMode) {
    LEAN.store(mode == WriteMode::Lean, Ordering::Relaxed);
}

fn write_mode() -> WriteMode {
    if LEAN.load(Ordering::Relaxed) { WriteMode::Lean } else { WriteMode::Jdk }
}

/// `socketWrite0`: sends `len` bytes of the source, in order, as [`set_write_mode`] has said.
///
/// `flags` are `send`'s. Returns `len`; or what went out so far, if the descriptor would block
/// and `wait` is false. With `wait` such a descriptor is waited for without limit.
///
/// # Errors
/// See [`WriteError`]. The bytes sent before the error stay sent, and are not reported.
/// Signals are no error.
pub fn socket_write<S: Source>(
    fd: c_int,
    source: &mut S,
    len: usize,
    flags: c_int,
    wait: bool,
) -> Result<usize, WriteError<S::Error>> {
    socket_write_in(write_mode(), fd, source, len, flags, wait)
}

/// [`socket_write`] in a mode of the caller's.
#[inline(always)]
pub(super) fn socket_write_in<S: Source>(
    mode: WriteMode,
    fd: c_int,
    source: &mut S,
    len: usize,
    flags: c_int,
    wait: bool,
) -> Result<usize, WriteError<S::Error>> {
    let call = Call::begin(Counter::Writes);
    blocking(fd, call.totals(), |operation| {
        let mut write = Write { operation, source, len, flags, wait, sent: 0 };
        match mode {
            WriteMode::Lean if len > SMALL_BUFFER_LEN => write.lean(),
            _ => with_buffer(len, |buffer| write.up_to(len, Pace::Patient, buffer)).map(drop),
        }
        .map(|()| write.sent)
    })
    .unwrap_or_else(|errno| Err(WriteError::Send(errno)))
}

/// What a full socket is to a chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Something to wait for, if the descriptor or the caller says so.
    Patient,
    /// The end for now.
    Eager,
}

/// In [`WriteMode::Lean`] so many bytes are the ones that wait until the socket takes more.
const WAITING_LEN: usize = 1024;

/// A write under way.
struct Write<'a, S> {
    operation: &'a Blocking<'a>,
    source: &'a mut S,
    len: usize,
    flags: c_int,
    wait: bool,
    /// So many bytes are gone.
    sent: usize,
}

impl<S: Source> Write<'_, S> {
    fn lean(&mut self) -> Result<(), WriteError<S::Error>> {
        let mut most = SHARED_BUFFER_LEN;
        loop {
            let before = self.sent;
            let end = self.len.min(before.saturating_add(2 * most));
            let size = most.min(end - before);
            let is_full = !with_shared_buffer(size, |buffer| self.up_to(end, Pace::Eager, buffer))?;
            if self.sent == self.len {
                return Ok(());
            }
            // What it takes the next time is about as much; what is copied beyond that is copied in vain.
            most = (2 * (self.sent - before)).clamp(MAX_BUFFER_LEN, SHARED_BUFFER_LEN);
            if !is_full {
                continue;
            }
            // Full. The next few bytes wait as the JDK's do, or do not, whatever the descriptor is
            // set to; they are so few that a frame of the stack that is there anyway holds them.
            let end = self.len.min(self.sent + WAITING_LEN);
            let waiting = |buffer: &mut [_]| self.up_to(end, Pace::Patient, buffer);
            if !on_stack::<WAITING_LEN, _>(WAITING_LEN, waiting)? {
                return Ok(());
            }
        }
    }

    /// Sends chunk by chunk until `end` bytes are gone; false if the descriptor would block before,
    /// and is not waited for.
    #[inline(always)]
    fn up_to(
        &mut self,
        end: usize,
        pace: Pace,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<bool, WriteError<S::Error>> {
        while self.sent < end {
            let size = buffer.len().min(end - self.sent);
            let (chunk, _) = buffer.split_at_mut(size);
            self.source.copy_to(self.sent, chunk).map_err(WriteError::Source)?;
            // SAFETY: the source has written all of the chunk.
            let chunk = unsafe { slice::from_raw_parts(chunk.as_ptr().cast::<u8>(), size) };
            let flags = match pace {
                Pace::Patient => 0,
                // The last packet of a chunk is filled from the next one, which saves a tenth of the
                // time over loopback if several follow, and costs if one does. Not of a small chunk:
                // all of it might be held back, and with it the room that the next one needs.
                Pace::Eager if size == SHARED_BUFFER_LEN && self.len - self.sent > 2 * size => {
                    libc::MSG_DONTWAIT | libc::MSG_MORE
                }
                Pace::Eager => libc::MSG_DONTWAIT,
            };
            let wait = self.wait && pace == Pace::Patient;
            let sent = send_chunk(self.operation, chunk, self.flags | flags, wait)
                .map_err(WriteError::Send)?;
            self.sent += sent;
            if sent < size {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns less than the chunk's length only if the descriptor would block and `wait` is false.
#[inline(always)]
fn send_chunk(
    operation: &Blocking<'_>,
    chunk: &[u8],
    flags: c_int,
    wait: bool,
) -> Result<usize, Errno> {
    let mut left = chunk;
    while !left.is_empty() {
        // SAFETY: a slice is readable.
        match unsafe { operation.send(left.as_ptr(), left.len(), flags) } {
            Ok(0) => return Err(Errno::new(0)),
            Ok(sent) => left = left.get(sent..).unwrap_or_default(),
            Err(Errno::EAGAIN) if wait => {
                operation.wait_for(libc::POLLOUT, Deadline::NEVER)?;
            }
            Err(Errno::EAGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(chunk.len() - left.len())
}

/// `socketRead0`: receives once, at most `len` bytes, at most [`MAX_HEAP_BUFFER_LEN`] (or
/// [`MAX_BUFFER_LEN`] if there is no memory for the buffer).
///
/// `timeout` is in milliseconds and 0 is none. A non-blocking descriptor on which nothing is
/// there is waited for without limit if `wait`, else the outcome is
/// [`WouldBlock`](ReadOutcome::WouldBlock); with a timeout, `wait` is without meaning.
/// A `len` of 0 is no data at once.
///
/// # Errors
/// See [`ReadError`]. A negative timeout has always passed: `Receive(EAGAIN)`, as in the JDK.
/// Signals are no error.
pub fn socket_read<S: Sink>(
    fd: c_int,
    sink: &mut S,
    len: usize,
    timeout: i32,
    wait: bool,
) -> Result<ReadOutcome, ReadError<S::Error>> {
    let call = Call::begin(Counter::Reads);
    if len == 0 {
        return Ok(ReadOutcome::Data(0));
    }
    with_buffer(len, |buffer| {
        let outcome = blocking(fd, call.totals(), |operation| match timeout {
            0 => receive(operation, buffer, wait),
            _ => receive_in_time(operation, buffer, timeout),
        });
        let outcome = outcome.unwrap_or_else(|errno| Err(ReadError::Receive(errno)))?;
        if let ReadOutcome::Data(count) = outcome {
            let (data, _) = buffer.split_at(count.min(MAX_HEAP_BUFFER_LEN).min(buffer.len()));
            // SAFETY: recv has written so many bytes.
            let data = unsafe { slice::from_raw_parts(data.as_ptr().cast::<u8>(), data.len()) };
            sink.copy_from(data).map_err(ReadError::Sink)?;
        }
        Ok(outcome)
    })
}

/// One `recv` into the buffer.
fn receive_once(
    operation: &Blocking<'_>,
    buffer: &mut [MaybeUninit<u8>],
    flags: c_int,
) -> Result<ReadOutcome, Errno> {
    // SAFETY: a mutable slice is writable.
    match unsafe { operation.recv(buffer.as_mut_ptr().cast(), buffer.len(), flags) }? {
        0 => Ok(ReadOutcome::End),
        count => Ok(ReadOutcome::Data(count)),
    }
}

fn receive<E>(
    operation: &Blocking<'_>,
    buffer: &mut [MaybeUninit<u8>],
    wait: bool,
) -> Result<ReadOutcome, ReadError<E>> {
    loop {
        match receive_once(operation, buffer, 0) {
            Err(Errno::EAGAIN) if wait => {
                let events = libc::POLLIN | libc::POLLERR;
                operation.wait_for(events, Deadline::NEVER).map_err(ReadError::Poll)?;
            }
            Err(Errno::EAGAIN) => return Ok(ReadOutcome::WouldBlock),
            result => return result.map_err(ReadError::Receive),
        }
    }
}

fn receive_in_time<E>(
    operation: &Blocking<'_>,
    buffer: &mut [MaybeUninit<u8>],
    timeout: i32,
) -> Result<ReadOutcome, ReadError<E>> {
    if timeout < 0 {
        return Err(ReadError::Receive(Errno::EAGAIN));
    }
    let deadline = Deadline::after(i64::from(timeout));
    loop {
        let events = libc::POLLIN | libc::POLLERR;
        if !operation.wait_for(events, deadline).map_err(ReadError::Poll)? {
            return Ok(ReadOutcome::TimedOut);
        }
        match receive_once(operation, buffer, libc::MSG_DONTWAIT) {
            // Another reader was faster. With less than a millisecond left this is the answer,
            // as it is the JDK's.
            Err(Errno::EAGAIN) if deadline.remaining() >= Some(Duration::from_millis(1)) => {}
            result => return result.map_err(ReadError::Receive),
        }
    }
}
