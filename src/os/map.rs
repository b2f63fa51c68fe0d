//! Pages straight from the kernel.

use super::checked;
use crate::error::Errno;
use core::ptr;

/// `mmap` of pages that nobody may touch, which cost nothing but addresses. `bytes` is a multiple of
/// the page size, and not 0.
pub(crate) fn reserve(bytes: usize) -> Result<*mut u8, Errno> {
    #[cfg(test)]
    super::heap::failing::check()?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new pages, wherever the kernel likes: nobody has any of them.
    let pages = unsafe { libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if pages == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(pages.cast()) }
}

/// `mprotect`: from now on the pages may be read and written.
///
/// # Safety
/// The pages are the caller's, whole.
pub(crate) unsafe fn open(pages: *mut u8, bytes: usize) -> Result<(), Errno> {
    #[cfg(test)]
    super::heap::failing::check()?;
    // SAFETY: the caller guarantees the pages.
    let opened = unsafe { libc::mprotect(pages.cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) };
    checked(opened).map(drop)
}

/// `mmap` over the pages: their content is gone, and nobody may touch them.
///
/// # Safety
/// The pages are the caller's, whole, and no one uses them from here on.
pub(crate) unsafe fn close(pages: *mut u8, bytes: usize) -> Result<(), Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // SAFETY: the caller guarantees the pages, which are replaced in place.
    let closed = unsafe { libc::mmap(pages.cast(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if closed == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) }
}

/// `munmap`.
///
/// # Safety
/// The pages are the caller's, whole, and no one uses them from here on.
pub(crate) unsafe fn give_back(pages: *mut u8, bytes: usize) -> Result<(), Errno> {
    // SAFETY: the caller guarantees the pages.
    checked(unsafe { libc::munmap(pages.cast(), bytes) }).map(drop)
}

/// `madvise(MADV_DONTNEED)`, or `MADV_DONTNEED_LOCKED` where pages are locked: their content goes back to
/// the kernel, and they read as zero.
///
/// # Errors
/// They may be as they were.
///
/// # Safety
/// The pages are the caller's, whole, private and anonymous, and nobody relies on their content.
pub(crate) unsafe fn forget(pages: *mut u8, bytes: usize) -> Result<(), Errno> {
    let advise = |advice| {
        // SAFETY: the caller guarantees the pages.
        checked(unsafe { libc::madvise(pages.cast(), bytes, advice) })
    };
    advise(libc::MADV_DONTNEED).or_else(|_| advise(libc::MADV_DONTNEED_LOCKED)).map(drop)
}

/// `madvise(MADV_NOHUGEPAGE)`: one byte of the pages that is written to takes one page.
///
/// # Safety
/// The pages are the caller's, whole.
pub(crate) unsafe fn keep_small(pages: *mut u8, bytes: usize) {
    // SAFETY: the caller guarantees the pages. It fails on a kernel that has no huge ones.
    let _ = unsafe { libc::madvise(pages.cast(), bytes, libc::MADV_NOHUGEPAGE) };
}

/// `getrlimit(RLIMIT_AS)`: whether the process may have as many addresses as it likes.
pub(crate) fn is_unlimited() -> bool {
    let mut limit = core::mem::MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the out-parameter is writable.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_AS, limit.as_mut_ptr()) };
    // SAFETY: two integers, for which zero is a value too.
    let limit = unsafe { limit.assume_init() };
    asked == 0 && limit.rlim_cur == libc::RLIM_INFINITY
}
