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
