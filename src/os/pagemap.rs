//! What the kernel has put behind pages: `/proc/self/pagemap`, proc(5).

use super::file::pread;
use crate::error::Errno;
use core::ffi::c_int;
use core::ops::Range;

/// Bytes of an entry.
const ENTRY: usize = 8;
/// Present in memory, or swapped out: the page has a content. One of private anonymous memory that
/// has none reads as zero.
const HAS_CONTENT: u64 = 1 << 63 | 1 << 62;

/// Pages side by side: `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    start: u64,
    end: u64,
    categories: u64,
}

impl Run {
    /// Their addresses.
    pub(crate) fn range(&self) -> Range<usize> {
        let address = |address| usize::try_from(address).unwrap_or(0);
        address(self.start)..address(self.end)
    }
}

/// `struct pm_scan_arg`.
#[repr(C)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    runs: u64,
    runs_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_any_of_mask: u64,
    return_mask: u64,
}

/// `PAGEMAP_SCAN`, ioctl_pagemap_scan(2).
const SCAN: libc::Ioctl = libc::_IOWR::<ScanArgument>(b'f' as u32, 16);
/// `PAGE_IS_PRESENT` and `PAGE_IS_SWAPPED`.
const CATEGORIES: u64 = 1 << 3 | 1 << 4;

/// The open file.
pub(crate) struct Pagemap(c_int);

impl Pagemap {
    /// `open`.
    pub(crate) fn open() -> Result<Self, Errno> {
        // SAFETY: a text that ends with a NUL.
        let fd =
            unsafe { libc::open(c"/proc/self/pagemap".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        super::checked(fd).map(Self)
    }

    /// The pages in the range that have a content, as far as there is room for them in `runs`, and up to
    /// which address that is all of them. The addresses are pages'. Since Linux 6.7.
    pub(crate) fn scan<'r>(
        &self,
        range: Range<usize>,
        runs: &'r mut [Run],
    ) -> Result<(&'r [Run], usize), Errno> {
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            flags: 0,
            start: range.start as u64,
            end: range.end as u64,
            walk_end: 0,
            runs: runs.as_mut_ptr().expose_provenance() as u64,
            runs_len: runs.len() as u64,
            max_pages: 0,
            category_inverted: 0,
            category_mask: 0,
            category_any_of_mask: CATEGORIES,
            return_mask: CATEGORIES,
        };
        // SAFETY: the argument is of the call's kind, and names runs that can be written, so many.
        let count = unsafe { libc::ioctl(self.0, SCAN, &raw mut argument) };
        let count = usize::try_from(super::checked(count)?).map_err(|_| Errno::EINVAL)?;
        let until = usize::try_from(argument.walk_end).map_err(|_| Errno::EINVAL)?;
        Ok((runs.get(..count).ok_or(Errno::EINVAL)?, until))
    }

    /// Whether each of the pages from the address on has a content, for as many as there is room for in
    /// `entries`. The address is a page's.
    pub(crate) fn have_content<'e>(
        &self,
        address: usize,
        entries: &'e mut [u64],
    ) -> Result<impl Iterator<Item = bool> + use<'e>, Errno> {
        let position = address / super::page_size() * ENTRY;
        let position = i64::try_from(position).map_err(|_| Errno::EINVAL)?;
        let len = size_of_val(entries);
        // SAFETY: the entries are writable, so many bytes.
        let read = unsafe { pread(self.0, entries.as_mut_ptr().cast(), len, position) }?;
        // Less is the end of the address space: no page of anyone's.
        if read < len {
            return Err(Errno::EINVAL);
        }
        Ok(entries.iter().map(|entry| entry & HAS_CONTENT != 0))
    }
}

impl Drop for Pagemap {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again. An error leaves nothing to do.
        let _ = unsafe { libc::close(self.0) };
    }
}
