//! `Bits` for C: page size, the budget and its reclaimer, byte order.

use super::{run, status, uncancelled, value};
use crate::bits::{self, ByteOrder, Policy, Reclaimer, Slot};
use crate::error::Errno;
use core::cell::Cell;
use core::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Which way reserveMemory waits when the budget has no room.
#[repr(C)]
#[expect(non_camel_case_types, reason = "the name in the header")]
pub(crate) enum offheap_policy {
    /// Today's JDKs: reclaim, then wait up to about 0.5 s for room.
    OFFHEAP_POLICY_BACKOFF = 0,
    /// Early JDK 8: reclaim, wait up to 100 ms, one more try.
    OFFHEAP_POLICY_LEGACY = 1,
}

/// The budget at one moment. Figures are in bytes, save `count`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct offheap_budget_t {
    /// The limit, on `total_capacity`.
    max_memory: i64,
    /// Reserved, with slack for alignment.
    reserved_memory: i64,
    /// Reserved, as the users asked for it.
    total_capacity: i64,
    /// How many reservations.
    count: i64,
}

const _: () = assert!(size_of::<offheap_budget_t>() == 32 && align_of::<offheap_budget_t>() == 8);

/// Frees memory, of which `shortfall` bytes are missing in the budget: whatever the program can
/// spare, by unreserveMemory or offheap_direct_free, now or soon.
///
/// It runs on the thread that needs the room, on several at once if several do. It must return
/// normally (no longjmp, no C++ exception). It may reserve; it is not called for that reservation.
#[expect(non_camel_case_types, reason = "the name in the header")]
pub(crate) type offheap_reclaimer =
    Option<unsafe extern "C" fn(context: *mut c_void, shortfall: i64)>;

/// The version of the library that runs, as "0.1.0". The text is static: never freed, any thread.
#[unsafe(no_mangle)]
extern "C" fn offheap_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The bytes in a page of memory, a power of two. Never fails. Any thread. JDK: Bits.pageSize.
#[unsafe(no_mangle)]
extern "C" fn pageSize() -> usize {
    run(|| Ok(bits::page_size())).unwrap_or(4096)
}

/// Reserves room in the budget for memory the caller is about to take by means of its own: malloc,
/// mmap, a device's. (Under the agent allocateMemory reserves for its blocks itself.)
///
/// `capacity` is what its user asked for and what the limit is on; `size` is what it takes, with
/// slack, and is counted. If there is no room, the reclaimers are called (offheap_set_reclaimer,
/// and the collector of a JVM in this process), then this waits until other threads have given
/// back enough, as long as the policy says: 0.5 s, or 100 ms.
///
/// Returns 0, the caller owing one unreserveMemory with the same figures; or, nothing being
/// reserved:
/// - EINVAL: a figure is negative, or the sum of sizes would exceed INT64_MAX;
/// - ENOMEM: no room.
///
/// Any thread. JDK: Bits.reserveMemory.
#[unsafe(no_mangle)]
extern "C" fn reserveMemory(size: i64, capacity: i64) -> c_int {
    status(|| bits::reserve_memory(size, capacity))
}

/// Reserves as reserveMemory does, if there is room now: calls nobody, waits for nothing.
///
/// Returns 0, EINVAL or ENOMEM as reserveMemory does. Any thread. JDK: Bits.tryReserveMemory.
#[unsafe(no_mangle)]
extern "C" fn tryReserveMemory(size: i64, capacity: i64) -> c_int {
    status(|| bits::budget().try_reserve_memory(size, capacity))
}

/// Gives a reservation back, and wakes the waiting threads it makes room for.
///
/// Returns 0, or, nothing being given back:
/// - EINVAL: a figure is negative, or more than is reserved.
///
/// A call that matches no reservation, but takes no more than is reserved, passes, and leaves `count` one
/// too low.
///
/// Any thread, not only the one that reserved. JDK: Bits.unreserveMemory.
#[unsafe(no_mangle)]
extern "C" fn unreserveMemory(size: i64, capacity: i64) -> c_int {
    status(|| bits::budget().unreserve_memory(size, capacity))
}

/// Sets the limit of the budget, in bytes of capacity. 0 allows only reservations of capacity 0. A
/// limit below what is reserved takes nothing away. Waiting threads that now fit are woken. Until
/// it is set there is no limit (INT64_MAX), or in a process with a JVM that of the JVM.
///
/// Returns 0, or, nothing being changed:
/// - EINVAL: `max` is negative.
///
/// Any thread. JDK: -XX:MaxDirectMemorySize.
#[unsafe(no_mangle)]
extern "C" fn offheap_set_max_memory(max: i64) -> c_int {
    status(|| bits::budget().set_max_memory(max))
}

/// The limit of the budget, in bytes; -1 and errno only if offheap has failed (ENOTRECOVERABLE).
/// Any thread. JDK: VM.maxDirectMemory.
#[unsafe(no_mangle)]
extern "C" fn offheap_max_memory() -> i64 {
    value(|| Ok(bits::budget().max_memory()), -1)
}

/// Writes the figures of the budget to `out`, which the caller owns. Each figure is exact; between
/// two of them other threads may have reserved.
///
/// Returns 0, or, nothing being written:
/// - EINVAL: `out` is NULL.
///
/// Any thread. JDK: BufferPoolMXBean "direct".
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_budget(out: *mut offheap_budget_t) -> c_int {
    status(|| {
        let now = bits::budget().snapshot();
        let figures = offheap_budget_t {
            max_memory: now.max_memory,
            reserved_memory: now.reserved_memory,
            total_capacity: now.total_capacity,
            count: now.count,
        };
        check_pointer(out)?;
        // SAFETY: the C caller guarantees that what is not NULL is a budget to write.
        unsafe { out.write_unaligned(figures) };
        Ok(())
    })
}

/// Sets how reserveMemory waits, in the whole process: a value of offheap_policy. Reservations
/// under way keep the policy they began with. OFFHEAP_POLICY_BACKOFF is set at first.
///
/// Returns 0, or, nothing being changed:
/// - EINVAL: no such policy.
///
/// Any thread.
#[unsafe(no_mangle)]
extern "C" fn offheap_set_policy(policy: c_int) -> c_int {
    const BACKOFF: c_int = offheap_policy::OFFHEAP_POLICY_BACKOFF as c_int;
    const LEGACY: c_int = offheap_policy::OFFHEAP_POLICY_LEGACY as c_int;
    status(|| {
        bits::set_policy(match policy {
            BACKOFF => Policy::Backoff,
            LEGACY => Policy::Legacy,
            _ => return Err(Errno::EINVAL),
        });
        Ok(())
    })
}

/// Sets the function that frees memory when the budget has no room; NULL for none. There is one in
/// the process, beside the JVM's collector; it replaces the one before.
///
/// `context` is handed to each call; it must be valid for any thread until it is replaced. When
/// this returns, the function before is not running in any thread and will not be called again,
/// so its context may be freed. It is waited for: the caller must hold no lock that it takes.
///
/// Returns 0, or, nothing being changed:
/// - EDEADLK: called from inside the reclaimer, which can't be waited for.
///
/// Any thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_set_reclaimer(
    callback: offheap_reclaimer,
    context: *mut c_void,
) -> c_int {
    status(|| {
        if INSIDE_CALLBACK.get() {
            return Err(Errno::new(libc::EDEADLK));
        }
        let new = callback.map(|function| Arc::new(Callback::new(function, context)));
        // Held until the old one has ended: who comes second waits for the first one's callback.
        let mut current = lock(&CURRENT);
        bits::set_reclaimer(Slot::Callback, new.clone().map(|new| new as _));
        if let Some(old) = std::mem::replace(&mut *current, new) {
            old.retire();
        }
        Ok(())
    })
}

/// The callback in the budget's slot; kept here to wait for its end when it is replaced.
static CURRENT: Mutex<Option<Arc<Callback>>> = Mutex::new(None);

thread_local! {
    static INSIDE_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// A C function as a reclaimer. It is called only until it is retired.
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, i64),
    context: *mut c_void,
    calls: Mutex<Calls>,
    ended: Condvar,
}

#[derive(Default)]
struct Calls {
    running: usize,
    retired: bool,
}

// SAFETY: the context is only handed to the C function, for which offheap_set_reclaimer's caller
// has guaranteed that it is valid in any thread; the rest is Send.
unsafe impl Send for Callback {}
// SAFETY: as above; the rest is Sync.
unsafe impl Sync for Callback {}

impl Callback {
    fn new(function: unsafe extern "C" fn(*mut c_void, i64), context: *mut c_void) -> Self {
        Self { function, context, calls: Mutex::default(), ended: Condvar::new() }
    }

    /// No call begins from here on; returns when those under way have ended.
    fn retire(&self) {
        let mut calls = lock(&self.calls);
        calls.retired = true;
        while calls.running > 0 {
            calls = self.ended.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Reclaimer for Callback {
    fn collect(&self, shortfall: i64) {
        {
            let mut calls = lock(&self.calls);
            if calls.retired {
                return;
            }
            calls.running += 1;
        }
        INSIDE_CALLBACK.set(true);
        // SAFETY: not retired, so the C caller's guarantee for function and context holds; a
        // C++ exception can't pass an extern "C" function, it ends the process.
        uncancelled(|| unsafe { (self.function)(self.context, shortfall) });
        INSIDE_CALLBACK.set(false);
        lock(&self.calls).running -= 1;
        self.ended.notify_all();
    }
}

/// No code panics while it holds one of these locks, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads 2 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getShort.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u16be(address: *const c_void) -> u16 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u16(from, ByteOrder::BigEndian) })
}

/// Reads 2 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getShort.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u16le(address: *const c_void) -> u16 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u16(from, ByteOrder::LittleEndian) })
}

/// Reads 4 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getInt.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u32be(address: *const c_void) -> u32 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u32(from, ByteOrder::BigEndian) })
}

/// Reads 4 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getInt.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u32le(address: *const c_void) -> u32 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u32(from, ByteOrder::LittleEndian) })
}

/// Reads 8 bytes at any alignment, most significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getLong.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u64be(address: *const c_void) -> u64 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u64(from, ByteOrder::BigEndian) })
}

/// Reads 8 bytes at any alignment, least significant first. Returns the value; 0 with errno EINVAL
/// if `address` is NULL. Any thread. JDK: Bits.getLong.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_get_u64le(address: *const c_void) -> u64 {
    // SAFETY: the C caller guarantees the range.
    get(address, |from| unsafe { bits::get_u64(from, ByteOrder::LittleEndian) })
}

/// Writes 2 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putShort.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u16be(address: *mut c_void, value: u16) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u16(to, value, ByteOrder::BigEndian) })
}

/// Writes 2 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putShort.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u16le(address: *mut c_void, value: u16) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u16(to, value, ByteOrder::LittleEndian) })
}

/// Writes 4 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putInt.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u32be(address: *mut c_void, value: u32) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u32(to, value, ByteOrder::BigEndian) })
}

/// Writes 4 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putInt.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u32le(address: *mut c_void, value: u32) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u32(to, value, ByteOrder::LittleEndian) })
}

/// Writes 8 bytes at any alignment, most significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putLong.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u64be(address: *mut c_void, value: u64) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u64(to, value, ByteOrder::BigEndian) })
}

/// Writes 8 bytes at any alignment, least significant first. Returns 0; EINVAL if `address` is
/// NULL. Any thread. JDK: Bits.putLong.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_put_u64le(address: *mut c_void, value: u64) -> c_int {
    // SAFETY: the C caller guarantees the range.
    put(address, |to| unsafe { bits::put_u64(to, value, ByteOrder::LittleEndian) })
}

fn get<T: Default>(address: *const c_void, read: impl FnOnce(*const u8) -> T) -> T {
    let checked = || check_pointer(address).map(|()| read(address.cast()));
    value(checked, T::default())
}

fn put(address: *mut c_void, write: impl FnOnce(*mut u8)) -> c_int {
    status(|| check_pointer(address).map(|()| write(address.cast())))
}

fn check_pointer<T>(address: *const T) -> Result<(), Errno> {
    if address.is_null() { Err(Errno::EINVAL) } else { Ok(()) }
}
