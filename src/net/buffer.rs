//! The buffer between a caller's bytes and the socket: on the stack, or beyond
//! [`MAX_BUFFER_LEN`] on the heap.

use crate::os::heap;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

/// Up to this many bytes the buffer is on the stack.
pub const MAX_BUFFER_LEN: usize = if cfg!(target_pointer_width = "64") { 65536 } else { 8192 };

/// No buffer is larger than this many bytes.
pub const MAX_HEAP_BUFFER_LEN: usize =
    if cfg!(target_pointer_width = "64") { 131_072 } else { 65536 };

/// A frame of [`MAX_BUFFER_LEN`] touches that many pages of the stack; short transfers get a
/// small one.
const SMALL_BUFFER_LEN: usize = 4096;

/// Runs `work` with a buffer of `len` bytes, or [`MAX_HEAP_BUFFER_LEN`] if that is less, or
/// [`MAX_BUFFER_LEN`] if there is no memory for it. Its content is unknown.
pub(super) fn with_buffer<R>(len: usize, work: impl FnOnce(&mut [MaybeUninit<u8>]) -> R) -> R {
    if len <= SMALL_BUFFER_LEN {
        return on_stack::<SMALL_BUFFER_LEN, R>(len, work);
    }
    if len > MAX_BUFFER_LEN
        && let Ok(mut buffer) = HeapBuffer::new(len.min(MAX_HEAP_BUFFER_LEN))
    {
        return work(buffer.as_mut());
    }
    on_stack::<MAX_BUFFER_LEN, R>(len, work)
}

/// Not inlined: only who needs the buffer has it in his frame.
#[inline(never)]
fn on_stack<const N: usize, R>(len: usize, work: impl FnOnce(&mut [MaybeUninit<u8>]) -> R) -> R {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; N];
    let (buffer, _) = buffer.split_at_mut(len.min(N));
    work(buffer)
}

/// A block of the C library's heap, freed also when `work` panics.
struct HeapBuffer {
    block: NonNull<MaybeUninit<u8>>,
    len: usize,
}

impl HeapBuffer {
    fn new(len: usize) -> Result<Self, crate::error::Errno> {
        Ok(Self { block: heap::malloc(len)?.cast(), len })
    }

    fn as_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the block has `len` bytes, is this value's alone, and any content is valid.
        unsafe { slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }
    }
}

impl Drop for HeapBuffer {
    fn drop(&mut self) {
        // SAFETY: malloc's block, not freed before, and not used after.
        unsafe { heap::free(self.block.as_ptr().cast()) }
    }
}
