//! `DirectByteBuffer`'s memory for C.

use super::{pointer, status};
use crate::direct;
use crate::ledger::Family;
use core::ffi::{c_int, c_void};

/// Allocates the memory of a direct buffer: zeroed, and counted against the budget.
///
/// `capacity` is in bytes and may be 0. The block has max(1, capacity + slack) bytes, where the
/// slack is pageSize() if `page_aligned` is true, and then the address is a multiple of it; else
/// it is 16-aligned. If the budget has no room, this waits as reserveMemory does.
///
/// Returns the address, never NULL on success, which the caller owns until offheap_direct_free;
/// else NULL with errno, and nothing is reserved:
/// - ENOMEM: no room in the budget, or no memory.
///
/// Any thread. JDK: DirectByteBuffer(int).
#[unsafe(no_mangle)]
extern "C" fn offheap_direct_allocate(capacity: usize, page_aligned: bool) -> *mut c_void {
    pointer(|| Ok(direct::allocate(capacity, page_aligned, Family::C)?)).cast()
}

/// Frees the memory of a direct buffer and gives its share of the budget back.
///
/// `address` is what offheap_direct_allocate returned; no thread may use the block any more.
/// Returns 0, or, nothing being done:
/// - EINVAL: not the address of a direct buffer of this library, or freed already, or NULL.
///
/// Any thread; of several threads that free one buffer, one succeeds. JDK: DirectByteBuffer's
/// Deallocator.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_direct_free(address: *mut c_void) -> c_int {
    // SAFETY: the C caller guarantees that no one uses the block any more.
    status(|| unsafe { direct::free(address.cast()) })
}
