//! The descriptor table: blocking system calls on a number, and its close from another thread.

use super::counters::{Counter, Totals};
use super::entry::{Entry, Operation};
use super::wakeup;
use crate::error::Errno;
use crate::os;
use crate::os::signal::{Thread, current_thread};
use core::ffi::{c_int, c_short};
use once_cell::sync::OnceCell;
use std::time::{Duration, Instant};

/// The entries of all descriptor numbers, made as they are needed.
///
/// Part 0 has the first 1024 numbers and each next one twice as many, as the kernel's own table
/// grows. Parts never move, so a look-up is two loads and takes no lock.
struct Table {
    parts: [OnceCell<Box<[Entry<Thread>]>>; PARTS],
}

const FIRST_PART: u32 = 1024;
/// Enough for every number that is not negative.
const PARTS: usize = 22;

static TABLE: Table = Table { parts: [const { OnceCell::new() }; PARTS] };

/// Part, and place in it. `None` for negative numbers.
fn place(fd: c_int) -> Option<(u32, u32)> {
    let shifted = u32::try_from(fd).ok()? + FIRST_PART;
    let power = shifted.ilog2();
    Some((power - FIRST_PART.ilog2(), shifted - (1 << power)))
}

impl Table {
    /// # Errors
    /// `EBADF` if the number can't be a descriptor, `ENOMEM` if there is no memory for its part.
    fn entry(&self, fd: c_int) -> Result<&Entry<Thread>, Errno> {
        let (part, index) = place(fd).ok_or(Errno::EBADF)?;
        let cell = usize::try_from(part).ok().and_then(|part| self.parts.get(part));
        let cell = cell.ok_or(Errno::EBADF)?;
        let entries = match cell.get() {
            Some(entries) => entries,
            None => cell.get_or_try_init(|| {
                // No memory for a number that some caller made up.
                os::net::check_open(fd)?;
                entries(usize::try_from(FIRST_PART << part).map_err(|_| Errno::ENOMEM)?)
            })?,
        };
        usize::try_from(index).ok().and_then(|index| entries.get(index)).ok_or(Errno::EBADF)
    }
}

#[cold]
fn entries(count: usize) -> Result<Box<[Entry<Thread>]>, Errno> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    entries.resize_with(count, Entry::new);
    Ok(entries.into_boxed_slice())
}

/// An operation on a descriptor: one or more system calls that a close of the number interrupts,
/// and that the close waits for.
pub(super) struct Blocking<'a> {
    fd: c_int,
    operation: &'a Operation<Thread>,
    totals: Totals,
}

/// Runs `work` as an operation on the descriptor; what it transfers is added to the totals.
///
/// # Errors
/// `EBADF` if the number can't be a descriptor, or is being closed; `work` has not run then.
#[inline]
pub(super) fn blocking<R>(
    fd: c_int,
    totals: Totals,
    work: impl FnOnce(&Blocking<'_>) -> R,
) -> Result<R, Errno> {
    let entry = TABLE.entry(fd)?;
    wakeup::accept();
    entry.enter(current_thread(), |operation| work(&Blocking { fd, operation, totals }))
}

impl Blocking<'_> {
    /// Repeats a system call for as long as signals end it, until the operation is interrupted.
    fn repeat<R>(&self, mut call: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
        loop {
            if self.operation.is_interrupted() {
                return Err(Errno::EBADF);
            }
            match call() {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// What a transfer answers after an interruption: bytes that have moved are delivered;
    /// the end of the stream, or an error, may be the close's own doing.
    pub(super) fn transferred(&self, result: Result<usize, Errno>) -> Result<usize, Errno> {
        match result {
            Ok(bytes) if bytes > 0 => Ok(bytes),
            _ if self.operation.is_interrupted() => Err(Errno::EBADF),
            other => other,
        }
    }

    /// One `send`.
    ///
    /// # Safety
    /// `buffer` is a readable range of `len` bytes.
    #[inline]
    pub(super) unsafe fn send(
        &self,
        buffer: *const u8,
        len: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let result = self.repeat(|| {
            // SAFETY: the caller guarantees the range.
            unsafe { os::net::send(self.fd, buffer, len, flags) }
        });
        let bytes = self.transferred(result)?;
        self.totals.add_transfer(Counter::Sends, Counter::BytesSent, bytes);
        Ok(bytes)
    }

    /// One `recv`.
    ///
    /// # Safety
    /// `buffer` is a writable range of `len` bytes.
    #[inline]
    pub(super) unsafe fn recv(
        &self,
        buffer: *mut u8,
        len: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let result = self.repeat(|| {
            // SAFETY: the caller guarantees the range.
            unsafe { os::net::recv(self.fd, buffer, len, flags) }
        });
        let bytes = self.transferred(result)?;
        self.totals.add_transfer(Counter::Receives, Counter::BytesReceived, bytes);
        Ok(bytes)
    }

    /// Waits for one of the events, at most until the deadline; false if that has passed.
    pub(super) fn wait_for(&self, events: c_short, deadline: Deadline) -> Result<bool, Errno> {
        loop {
            // Each round asks the clock anew: signals neither prolong nor shorten the wait.
            let ready = self.repeat(|| os::net::poll(self.fd, events, deadline.poll_argument()))?;
            if self.operation.is_interrupted() || ready & libc::POLLNVAL != 0 {
                return Err(Errno::EBADF);
            }
            if ready != 0 || deadline.has_passed() {
                return Ok(ready != 0);
            }
        }
    }
}

/// A point in time up to which to wait, on the monotonic clock; or none.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) const NEVER: Self = Self(None);

    /// Negative is [`Self::NEVER`], and so is what the clock can't express.
    pub(super) fn after(milliseconds: i64) -> Self {
        let timeout = u64::try_from(milliseconds).ok().map(Duration::from_millis);
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What is left; `None` is for ever.
    pub(super) fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn has_passed(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    /// Rounded up, so that `poll` never ends before the deadline; long waits in several pieces.
    fn poll_argument(self) -> c_int {
        match self.remaining() {
            None => -1,
            Some(remaining) => {
                c_int::try_from(remaining.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
            }
        }
    }
}

/// `NET_Send`: one `send` that a close of the descriptor interrupts; signals do not.
///
/// Returns how many bytes the socket took, which may be less than `len`.
///
/// # Errors
/// `EBADF`: not a descriptor, or closed through this library before or during the call and
/// nothing sent. `ENOMEM`: no memory for the table entry of a descriptor seen for the first time.
/// Otherwise `send`'s own; `SIGPIPE` comes too unless `flags` has `MSG_NOSIGNAL`.
///
/// # Safety
/// `buffer` is a readable range of `len` bytes.
pub unsafe fn net_send(
    fd: c_int,
    buffer: *const u8,
    len: usize,
    flags: c_int,
) -> Result<usize, Errno> {
    blocking(fd, Totals::mine(), |operation| {
        // SAFETY: the caller guarantees the range.
        unsafe { operation.send(buffer, len, flags) }
    })?
}

/// `NET_Read`: one `recv` that a close of the descriptor interrupts; signals do not.
///
/// Returns how many bytes came, 0 at the end of the stream.
///
/// # Errors
/// `EBADF`: not a descriptor, or closed through this library before or during the call and
/// nothing received. `ENOMEM` as for [`net_send`]. Otherwise `recv`'s own.
///
/// # Safety
/// `buffer` is a writable range of `len` bytes.
pub unsafe fn net_read(fd: c_int, buffer: *mut u8, len: usize) -> Result<usize, Errno> {
    blocking(fd, Totals::mine(), |operation| {
        // SAFETY: the caller guarantees the range.
        unsafe { operation.recv(buffer, len, 0) }
    })?
}

/// `NET_Timeout`: waits until there is something to read, or the end, or an error to fetch.
///
/// `timeout` is in milliseconds, 0 asks only, negative waits without limit. Returns false if the
/// time has passed. Signals change neither the time nor the answer.
///
/// # Errors
/// `EBADF`: not a descriptor, or closed through this library before or during the call. (The
/// JDK's function answers 1 for a number that is not open; the read after it then fails.)
/// `ENOMEM` as for [`net_send`], or `poll`'s own.
pub fn net_timeout(fd: c_int, timeout: i64) -> Result<bool, Errno> {
    blocking(fd, Totals::mine(), |operation| {
        operation.wait_for(libc::POLLIN | libc::POLLERR, Deadline::after(timeout))
    })?
}

/// `NET_SocketClose`: closes the descriptor. Operations of this library on it, in other threads,
/// end with `EBADF`, unless they have moved bytes; when this returns they no longer use the
/// number.
///
/// Not for a thread that is in an operation on the same descriptor: it would wait for itself.
///
/// # Errors
/// `EBADF`: not a descriptor, or another close of it is under way. Otherwise `close`'s own; the
/// number is free all the same.
pub fn net_socket_close(fd: c_int) -> Result<(), Errno> {
    let entry = match TABLE.entry(fd) {
        // Nobody is in an operation on it: there was never an entry to be in.
        Err(Errno::ENOMEM) => return close(fd),
        entry => entry?,
    };
    let (result, _linger) = entry.detach(
        signal,
        || insist(fd),
        || {
            let linger = Linger::take_over(fd);
            (close(fd), linger)
        },
    )?;
    result
}

/// `NET_Dup2`: makes `new` another number of `old`'s file, closing what `new` was before as
/// [`net_socket_close`] does. Returns `new`. If both are the same, nothing happens.
///
/// # Errors
/// As for [`net_socket_close`] about `new`, which need not be open; `EBADF` if `old` is not, or
/// if `new` is beyond the process's limit. `new` stays what it was, though the operations on it
/// may have been interrupted.
pub fn net_dup2(old: c_int, new: c_int) -> Result<c_int, Errno> {
    os::net::check_open(old)?;
    if old == new {
        return Ok(new);
    }
    let Ok(entry) = TABLE.entry(new) else {
        // Nobody is in an operation on it: there was never an entry to be in.
        return dup2(old, new);
    };
    let (result, _linger) = entry.detach(
        signal,
        || insist(new),
        || {
            let linger = Linger::take_over(new);
            (dup2(old, new), linger)
        },
    )?;
    result
}

/// Runs `take_away`, somebody else's close of the descriptor (or dup2 onto it), while no
/// operation of this library can enter or leave the number; then interrupts those that were
/// inside. They end with `EBADF`, unless they have moved bytes. Does not wait for them.
///
/// `take_away` must not use the same descriptor through this library: it would wait for itself.
/// It should leave the number taken (by something on which no call blocks) while operations may
/// still be using it; that is its author's part.
pub fn interrupt<R>(fd: c_int, take_away: impl FnOnce() -> R) -> R {
    match TABLE.entry(fd) {
        Ok(entry) => entry.interrupt(signal, take_away),
        Err(_) => take_away(),
    }
}

/// A close that a signal ends has freed the number all the same, and must not be repeated.
fn close(fd: c_int) -> Result<(), Errno> {
    match os::net::close(fd) {
        Err(Errno::EINTR) => Ok(()),
        result => result,
    }
}

/// A dup2 that a signal ends has done nothing.
fn dup2(old: c_int, new: c_int) -> Result<c_int, Errno> {
    loop {
        match os::net::dup2(old, new) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

fn signal(thread: Thread) -> bool {
    wakeup::prepare();
    // SAFETY: the entry signals only operations that are inside, so in a frame of a live thread.
    unsafe { wakeup::send(thread) }
}

/// Ends what is blocked on a socket that is to be closed, when signals do not. It fails where
/// there is no connection; then the signals are all there is.
fn insist(fd: c_int) {
    let _ = os::net::shutdown(fd);
}

/// A second number of a socket whose close would wait (`SO_LINGER`), to be closed last: the wait
/// then happens after the entry is free, and not in the way of the number's next owner.
struct Linger(c_int);

impl Linger {
    fn take_over(fd: c_int) -> Option<Self> {
        let waits = matches!(os::net::linger(fd), Ok(Some(seconds)) if seconds > 0);
        // Without a number to spare the close itself waits.
        if waits { os::net::duplicate(fd).ok().map(Self) } else { None }
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        // Its result is that of a wait that has ended; the descriptor itself was closed before.
        let _ = os::net::close(self.0);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{TABLE, place};
    use core::ffi::c_int;

    // A hundred thousand descriptors are three megabytes, and only when there are so many.
    #[cfg(not(loom))]
    const _: () = assert!(size_of::<super::Entry<super::Thread>>() <= 32);

    pub(in crate::net) fn place_of(fd: c_int) -> Option<(u32, u32)> {
        place(fd)
    }

    pub(in crate::net) fn operations_on(fd: c_int) -> usize {
        TABLE.entry(fd).unwrap().operations()
    }

    pub(in crate::net) fn has_part_of(fd: c_int) -> bool {
        let (part, _) = place(fd).unwrap();
        TABLE.parts[usize::try_from(part).unwrap()].get().is_some()
    }
}
