//! Reading and writing by descriptor, whatever it is one of.

use super::counted;
use crate::error::Errno;
use core::ffi::c_int;

/// `read`: how many bytes came, 0 at the end.
///
/// # Safety
/// `buffer` is a writable range of `len` bytes.
pub(crate) unsafe fn read(fd: c_int, buffer: *mut u8, len: usize) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::read(fd, buffer.cast(), len) })
}

/// `write`: how many bytes were taken.
///
/// # Safety
/// `buffer` is a readable range of `len` bytes.
pub(crate) unsafe fn write(fd: c_int, buffer: *const u8, len: usize) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::write(fd, buffer.cast(), len) })
}

/// `pread`: [`read`] at a position of its own.
///
/// # Safety
/// `buffer` is a writable range of `len` bytes.
pub(crate) unsafe fn pread(
    fd: c_int,
    buffer: *mut u8,
    len: usize,
    position: i64,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::pread64(fd, buffer.cast(), len, position) })
}

/// `pwrite`: [`write()`] at a position of its own.
///
/// # Safety
/// `buffer` is a readable range of `len` bytes.
pub(crate) unsafe fn pwrite(
    fd: c_int,
    buffer: *const u8,
    len: usize,
    position: i64,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the range; the kernel checks the rest.
    counted(unsafe { libc::pwrite64(fd, buffer.cast(), len, position) })
}

/// `readv`: [`read`] into several buffers.
///
/// # Safety
/// `buffers` are `count` readable iovec structures, each of a writable range.
pub(crate) unsafe fn readv(
    fd: c_int,
    buffers: *const libc::iovec,
    count: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the buffers; the kernel checks the rest.
    counted(unsafe { libc::readv(fd, buffers, count) })
}

/// `writev`: [`write()`] out of several buffers.
///
/// # Safety
/// `buffers` are `count` readable iovec structures, each of a readable range.
pub(crate) unsafe fn writev(
    fd: c_int,
    buffers: *const libc::iovec,
    count: c_int,
) -> Result<usize, Errno> {
    // SAFETY: the caller guarantees the buffers; the kernel checks the rest.
    counted(unsafe { libc::writev(fd, buffers, count) })
}
