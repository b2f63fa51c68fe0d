//! `Unsafe` for C.

use super::{pointer, status};
use crate::ledger::{self, Family};
use crate::memory::{self, ElementSize};
use core::ffi::{c_int, c_void};

/// Allocates a block of at least `bytes` bytes, 16-aligned, its content unknown.
///
/// Returns the block, which the caller owns until freeMemory or reallocateMemory; NULL without
/// an error if `bytes` is 0; else NULL with errno:
/// - ENOMEM: no such block to be had, or, under the agent, no room in the budget for it.
///
/// Sizes are rounded up to 8 bytes. In a JVM that runs with the agent every block counts in the
/// budget, as the JVM's own do, and at the limit the call reclaims and waits as reserveMemory does;
/// do not reserve for it besides. Any thread. JDK: Unsafe.allocateMemory.
#[unsafe(no_mangle)]
extern "C" fn allocateMemory(bytes: usize) -> *mut c_void {
    pointer(|| ledger::allocate_memory(bytes, Family::C)).cast()
}

/// Makes a block larger or smaller; it may move. The content of the common length stays.
///
/// `address` is a block of allocateMemory or reallocateMemory, or NULL for a new block; the
/// caller must not use it again after success. Returns the block, which the caller owns; NULL
/// without an error if `bytes` is 0, the old block being freed; else NULL with errno, the old
/// block untouched and still the caller's:
/// - ENOMEM: no such block to be had, or, under the agent, no room in the budget for it;
/// - EINVAL: under the agent, a block that the JVM took from its own allocator.
///
/// Any thread; no other may use the block meanwhile. JDK: Unsafe.reallocateMemory.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocateMemory(address: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the C caller guarantees the block.
    pointer(|| unsafe { ledger::reallocate_memory(address.cast(), bytes, Family::C) }).cast()
}

/// Frees a block of allocateMemory or reallocateMemory. NULL does nothing.
///
/// Returns 0, or:
/// - EINVAL: under the agent, a block that the JVM took from its own allocator; it stays as it is.
///
/// A block freed twice, or never allocated here, corrupts the heap as in free().
/// A direct buffer is not such a block: see offheap_direct_free.
///
/// Any thread. JDK: Unsafe.freeMemory.
#[unsafe(no_mangle)]
unsafe extern "C" fn freeMemory(address: *mut c_void) -> c_int {
    status(|| {
        // SAFETY: the C caller guarantees the block.
        unsafe { ledger::free_memory(address.cast()) }
    })
}

/// Sets `bytes` bytes from `address` on to `value`.
///
/// Stores are at least 8, 4, 2 or 1 bytes wide, the widest that address and size are both multiples of:
/// a reader on another thread never sees part of a store. 0 bytes may be anywhere.
///
/// Returns 0, or, nothing being written:
/// - EINVAL: `address` is NULL, or the range goes beyond the last address.
///
/// Any thread. JDK: Unsafe.setMemory.
#[unsafe(no_mangle)]
unsafe extern "C" fn setMemory(address: *mut c_void, bytes: usize, value: u8) -> c_int {
    // SAFETY: the C caller guarantees the range.
    status(|| unsafe { memory::set_memory(address.cast(), bytes, value) })
}

/// Copies `bytes` bytes; the ranges may overlap.
///
/// The width of loads and stores is setMemory's, by both addresses and the size. 0 bytes may be
/// anywhere.
///
/// Returns 0, or, nothing being copied:
/// - EINVAL: a range starts at NULL or goes beyond the last address.
///
/// Any thread. JDK: Unsafe.copyMemory.
#[unsafe(no_mangle)]
unsafe extern "C" fn copyMemory(
    source: *const c_void,
    destination: *mut c_void,
    bytes: usize,
) -> c_int {
    // SAFETY: the C caller guarantees the ranges.
    status(|| unsafe { memory::copy_memory(source.cast(), destination.cast(), bytes) })
}

/// Copies `bytes` bytes and reverses the bytes of each element of `element_size` bytes; the
/// ranges may overlap and need no alignment.
///
/// Returns 0, or, nothing being copied:
/// - EINVAL: `element_size` is not 2, 4 or 8, `bytes` is no multiple of it, or a range starts
///   at NULL or goes beyond the last address.
///
/// Any thread; no other may write the source or use the destination meanwhile.
/// JDK: Unsafe.copySwapMemory.
#[unsafe(no_mangle)]
unsafe extern "C" fn copySwapMemory(
    source: *const c_void,
    destination: *mut c_void,
    bytes: usize,
    element_size: usize,
) -> c_int {
    status(|| {
        let element = ElementSize::try_from(element_size)?;
        // SAFETY: the C caller guarantees the ranges.
        unsafe { memory::copy_swap_memory(source.cast(), destination.cast(), bytes, element) }
    })
}
