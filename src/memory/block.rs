//! Blocks: allocate, reallocate, free.

use crate::error::Errno;
use crate::os::heap;
use core::ptr;

/// Sizes of blocks are multiples of this many bytes (HotSpot's `HeapWordSize` on 64-bit).
pub const HEAP_WORD_SIZE: usize = 8;

/// Rounds a size up as the JDK does; no room for the result is no memory.
fn align_to_heap_word_size(bytes: usize) -> Result<usize, Errno> {
    bytes
        .checked_next_multiple_of(HEAP_WORD_SIZE)
        .filter(|rounded| isize::try_from(*rounded).is_ok())
        .ok_or(Errno::ENOMEM)
}

/// `Unsafe.allocateMemory`: a block of at least `bytes` bytes, 16-aligned, its content unknown.
///
/// 0 bytes is NULL. The block is the caller's until [`free_memory`] or [`reallocate_memory`].
///
/// # Errors
/// `ENOMEM` if there is no such block to be had.
pub fn allocate_memory(bytes: usize) -> Result<*mut u8, Errno> {
    if bytes == 0 {
        return Ok(ptr::null_mut());
    }
    let block = heap::malloc(align_to_heap_word_size(bytes)?)?;
    Ok(block.as_ptr().cast())
}

/// [`allocate_memory`], the block filled with zeros. Large blocks cost no writing: fresh pages
/// from the kernel are zero.
///
/// # Errors
/// `ENOMEM` if there is no such block to be had.
pub fn allocate_zeroed(bytes: usize) -> Result<*mut u8, Errno> {
    if bytes == 0 {
        return Ok(ptr::null_mut());
    }
    let block = heap::calloc(align_to_heap_word_size(bytes)?)?;
    Ok(block.as_ptr().cast())
}

/// `Unsafe.reallocateMemory`: the block grown or shrunk, moved if need be; the content of the
/// common length stays.
///
/// NULL is [`allocate_memory`]; 0 bytes frees the block and returns NULL.
///
/// # Errors
/// `ENOMEM`: the old block is untouched and still the caller's.
///
/// # Safety
/// `address` is NULL or a live block, which no other thread uses during the call.
pub unsafe fn reallocate_memory(address: *mut u8, bytes: usize) -> Result<*mut u8, Errno> {
    if bytes == 0 {
        // SAFETY: the caller guarantees the block.
        unsafe { free_memory(address) };
        return Ok(ptr::null_mut());
    }
    let bytes = align_to_heap_word_size(bytes)?;
    // SAFETY: the caller guarantees the block.
    let block = unsafe { heap::realloc(address.cast(), bytes) }?;
    Ok(block.as_ptr().cast())
}

/// `Unsafe.freeMemory`: gives the block back. NULL does nothing.
///
/// # Safety
/// `address` is NULL or a live block, which no one uses from here on.
pub unsafe fn free_memory(address: *mut u8) {
    // SAFETY: the caller guarantees the block.
    unsafe { heap::free(address.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::heap::failing;

    #[test]
    fn zero_bytes_is_null_and_null_can_be_freed() {
        assert!(allocate_memory(0).unwrap().is_null());
        assert!(allocate_zeroed(0).unwrap().is_null());
        // SAFETY: NULL is allowed.
        unsafe { free_memory(ptr::null_mut()) };
        // SAFETY: NULL is allowed.
        assert!(unsafe { reallocate_memory(ptr::null_mut(), 0) }.unwrap().is_null());
    }

    #[test]
    fn blocks_are_16_aligned_and_usable_up_to_the_rounded_size() {
        for bytes in [1, 7, 8, 9, 15, 16, 17, 4095, 4096, 1 << 20] {
            let block = allocate_memory(bytes).unwrap();
            assert_eq!(block.addr() % 16, 0, "{bytes} bytes at {block:p}");
            // SAFETY: a live block is writable up to its rounded size.
            unsafe { block.write_bytes(0x5A, bytes.next_multiple_of(8)) };
            // SAFETY: live, and not used again.
            unsafe { free_memory(block) };
        }
    }

    #[test]
    fn sizes_beyond_the_address_space_are_no_memory() {
        for bytes in [usize::MAX, usize::MAX - 6, usize::MAX - 7, isize::MAX as usize, 1 << 62] {
            assert_eq!(allocate_memory(bytes), Err(Errno::ENOMEM), "{bytes}");
            assert_eq!(allocate_zeroed(bytes), Err(Errno::ENOMEM), "{bytes}");
        }
    }

    #[test]
    fn a_failed_reallocation_leaves_the_old_block() {
        let block = allocate_memory(64).unwrap();
        // SAFETY: 64 bytes are live.
        unsafe { block.write_bytes(7, 64) };
        for bytes in [usize::MAX, 1 << 62] {
            // SAFETY: live, used by this thread only.
            assert_eq!(unsafe { reallocate_memory(block, bytes) }, Err(Errno::ENOMEM));
        }
        // SAFETY: live, used by this thread only.
        let failed = failing::after(0, || unsafe { reallocate_memory(block, 128) });
        assert_eq!(failed, Err(Errno::ENOMEM));
        // SAFETY: the block is still live after the failures.
        let content = unsafe { core::slice::from_raw_parts(block, 64) };
        assert!(content.iter().all(|b| *b == 7));
        // SAFETY: live, and not used again.
        unsafe { free_memory(block) };
    }

    #[test]
    fn reallocation_keeps_the_common_length_and_zero_frees() {
        // SAFETY: NULL is allowed.
        let block = unsafe { reallocate_memory(ptr::null_mut(), 16) }.unwrap();
        // SAFETY: 16 bytes are live.
        unsafe { block.write_bytes(9, 16) };
        // SAFETY: live, used by this thread only.
        let block = unsafe { reallocate_memory(block, 1 << 20) }.unwrap();
        // SAFETY: the first 16 bytes were written before.
        let content = unsafe { core::slice::from_raw_parts(block, 16) };
        assert!(content.iter().all(|b| *b == 9));
        // SAFETY: live, and not used again.
        assert!(unsafe { reallocate_memory(block, 0) }.unwrap().is_null());
    }

    #[test]
    fn a_zeroed_block_is_zero_even_where_a_freed_one_was() {
        for bytes in [24, 4096, 3 << 20] {
            let dirty = allocate_memory(bytes).unwrap();
            // SAFETY: a live block of that size.
            unsafe { dirty.write_bytes(0xFF, bytes) };
            // SAFETY: live, and not used again.
            unsafe { free_memory(dirty) };
            let block = allocate_zeroed(bytes).unwrap();
            // SAFETY: a live block of that size.
            let content = unsafe { core::slice::from_raw_parts(block, bytes) };
            assert!(content.iter().all(|b| *b == 0), "{bytes}");
            // SAFETY: live, and not used again.
            unsafe { free_memory(block) };
        }
    }

    #[test]
    fn an_allocation_that_fails_is_an_error_and_nothing_else() {
        assert_eq!(failing::after(0, || allocate_memory(8)), Err(Errno::ENOMEM));
        assert_eq!(failing::after(0, || allocate_zeroed(8)), Err(Errno::ENOMEM));
    }
}
