//! What the kernel has put behind pages: `/proc/self/pagemap`, proc(5).

use super::file::pread;
use crate::error::Errno;
use core::ffi::c_int;

/// Bytes of an entry.
const ENTRY: usize = 8;
/// Present in memory, or swapped out: the page has a content. One of private anonymous memory that
/// has none reads as zero.
const HAS_CONTENT: u64 = 1 << 63 | 1 << 62;

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
