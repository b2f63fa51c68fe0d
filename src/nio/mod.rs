//! The channels' natives: `sun.nio.ch`'s dispatchers.
//!
//! One system call each, on the caller's own memory: nothing is copied, repeated or capped. A signal
//! ends a call, since that is how a channel's close wakes the thread that is blocked in it; the
//! channel then decides whether to call again.
//!
//! An asynchronous close is the channel's affair, not ours: it puts a descriptor in the number's
//! place on which nothing blocks, signals the thread it knows to be inside, and gives the number away
//! only when that has left.
//!
//! All functions are for any thread.

use crate::counter;
use crate::error::Errno;
use crate::os;
use core::ffi::c_int;
use core::ptr;

/// Buffers for `readv` and its kin, as the kernel knows them: address and length.
pub use libc::iovec as Buffer;

/// No datagram is gathered from, or scattered to, more buffers than this.
pub const IOV_MAX: c_int = 1024;

/// What a call came to that is no failure: `sun.nio.ch.IOStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// So many bytes have moved.
    Bytes(usize),
    /// There is nothing more to read.
    End,
    /// It would have to wait, and the descriptor is non-blocking.
    Unavailable,
    /// A signal came first.
    Interrupted,
}

/// What [`Totals`] are kept of.
#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl Status {
    /// The number that stands for it in Java: the bytes, or `EOF`, `UNAVAILABLE`, `INTERRUPTED`.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
            Self::End => -1,
            Self::Unavailable => -2,
            Self::Interrupted => -3,
        }
    }
}

/// Totals of the process, see [`totals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Calls that read, so far.
    pub reads: u64,
    /// Bytes they brought.
    pub bytes_read: u64,
    /// Calls that write, so far.
    pub writes: u64,
    /// Bytes they took.
    pub bytes_written: u64,
    /// Calls that have begun and not ended.
    pub inside: u64,
}

/// For each [`Direction`]: calls begun, calls ended, bytes.
static TOTALS: counter::Counters<6> = counter::Counters::new();

const BEGUN: usize = 0;
const ENDED: usize = 1;
const BYTES: usize = 2;

/// What has gone through the channels' natives of this process. Each figure is exact; they are read
/// one after the other.
#[must_use]
pub fn totals() -> Totals {
    let total = |direction: Direction, figure| TOTALS.sum(3 * direction as usize + figure);
    // The ended first: a call that begins and ends meanwhile must not count as less than none.
    let ended = total(Direction::Read, ENDED) + total(Direction::Write, ENDED);
    let (reads, writes) = (total(Direction::Read, BEGUN), total(Direction::Write, BEGUN));
    Totals {
        reads,
        bytes_read: total(Direction::Read, BYTES),
        writes,
        bytes_written: total(Direction::Write, BYTES),
        inside: (reads + writes).saturating_sub(ended),
    }
}

/// Makes the call, counted.
#[inline]
fn counted(
    direction: Direction,
    call: impl FnOnce() -> Result<usize, Errno>,
) -> Result<Status, Errno> {
    let totals = TOTALS.mine();
    let add = |figure: usize, amount: usize| {
        totals.add(3 * direction as usize + figure, amount as u64);
    };
    add(BEGUN, 1);
    let result = call();
    add(ENDED, 1);
    match (result, direction) {
        (Ok(0), Direction::Read) => Ok(Status::End),
        (Ok(bytes), _) => {
            add(BYTES, bytes);
            Ok(Status::Bytes(bytes))
        }
        (Err(Errno::EAGAIN), _) => Ok(Status::Unavailable),
        (Err(Errno::EINTR), _) => Ok(Status::Interrupted),
        (Err(errno), _) => Err(errno),
    }
}

/// `read0`: one `read` of at most `len` bytes.
///
/// # Errors
/// `read`'s own.
///
/// # Safety
/// `address` is a writable range of `len` bytes, or one that the kernel refuses.
#[inline]
pub unsafe fn read(fd: c_int, address: *mut u8, len: usize) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Read, || unsafe { os::file::read(fd, address, len) })
}

/// `write0`: one `write` of at most `len` bytes.
///
/// # Errors
/// `write`'s own; `SIGPIPE` comes too if nobody reads at the other end.
///
/// # Safety
/// `address` is a readable range of `len` bytes, or one that the kernel refuses.
#[inline]
pub unsafe fn write(fd: c_int, address: *const u8, len: usize) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Write, || unsafe { os::file::write(fd, address, len) })
}

/// `pread0`: one `pread`.
///
/// # Errors
/// `pread`'s own.
///
/// # Safety
/// As [`read`].
pub unsafe fn pread(
    fd: c_int,
    address: *mut u8,
    len: usize,
    position: i64,
) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Read, || unsafe { os::file::pread(fd, address, len, position) })
}

/// `pwrite0`: one `pwrite`.
///
/// # Errors
/// `pwrite`'s own.
///
/// # Safety
/// As [`write()`].
pub unsafe fn pwrite(
    fd: c_int,
    address: *const u8,
    len: usize,
    position: i64,
) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Write, || unsafe { os::file::pwrite(fd, address, len, position) })
}

/// `readv0`: one `readv` into `count` buffers.
///
/// # Errors
/// `readv`'s own; `EINVAL` for a count that is negative or beyond the kernel's limit.
///
/// # Safety
/// `buffers` are `count` readable structures, each of a writable range, or such as the kernel refuses.
#[inline]
pub unsafe fn readv(fd: c_int, buffers: *const Buffer, count: c_int) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the buffers.
    counted(Direction::Read, || unsafe { os::file::readv(fd, buffers, count) })
}

/// `writev0`: one `writev` of `count` buffers.
///
/// # Errors
/// `writev`'s own; `EINVAL` for a count that is negative or beyond the kernel's limit.
///
/// # Safety
/// `buffers` are `count` readable structures, each of a readable range, or such as the kernel refuses.
#[inline]
pub unsafe fn writev(fd: c_int, buffers: *const Buffer, count: c_int) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the buffers.
    counted(Direction::Write, || unsafe { os::file::writev(fd, buffers, count) })
}

/// `DatagramDispatcher.read0`: one `recv`. An empty datagram is [`Status::End`], as in the JDK.
///
/// # Errors
/// `recv`'s own. `ECONNREFUSED`: nobody was at the port that an earlier datagram went to.
///
/// # Safety
/// As [`read`].
#[inline]
pub unsafe fn receive(fd: c_int, address: *mut u8, len: usize) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Read, || unsafe { os::net::recv(fd, address, len, 0) })
}

/// `DatagramDispatcher.write0`: one `send`.
///
/// # Errors
/// `send`'s own. `ECONNREFUSED` as for [`receive`].
///
/// # Safety
/// As [`write()`].
#[inline]
pub unsafe fn send(fd: c_int, address: *const u8, len: usize) -> Result<Status, Errno> {
    // SAFETY: the caller guarantees the range.
    counted(Direction::Write, || unsafe { os::net::send(fd, address, len, 0) })
}

/// `DatagramDispatcher.readv0`: one `recvmsg` into the first [`IOV_MAX`] buffers.
///
/// # Errors
/// As [`receive`].
///
/// # Safety
/// As [`readv`].
pub unsafe fn receive_scattered(
    fd: c_int,
    buffers: *const Buffer,
    count: c_int,
) -> Result<Status, Errno> {
    let (buffers, count) = capped(buffers, count);
    // SAFETY: the caller guarantees the buffers.
    counted(Direction::Read, || unsafe { os::net::recvmsg(fd, buffers, count) })
}

/// `DatagramDispatcher.writev0`: one `sendmsg` of the first [`IOV_MAX`] buffers.
///
/// # Errors
/// As [`send`].
///
/// # Safety
/// As [`writev`].
pub unsafe fn send_gathered(
    fd: c_int,
    buffers: *const Buffer,
    count: c_int,
) -> Result<Status, Errno> {
    let (buffers, count) = capped(buffers, count);
    // SAFETY: the caller guarantees the buffers.
    counted(Direction::Write, || unsafe { os::net::sendmsg(fd, buffers, count) })
}

/// A negative count is more than the kernel takes.
fn capped(buffers: *const Buffer, count: c_int) -> (*const Buffer, usize) {
    match usize::try_from(count.min(IOV_MAX)) {
        Ok(count) => (buffers, count),
        Err(_) => (ptr::null(), usize::MAX),
    }
}

#[cfg(test)]
mod tests;
