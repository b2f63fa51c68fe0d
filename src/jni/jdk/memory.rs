//! `Unsafe`'s memory, for `sun.misc.Unsafe` of JDK 8 and `jdk.internal.misc.Unsafe` since 9.
//!
//! Blocks are in the ledger, and so in the process' budget, from the JVM's first allocation on. A
//! block that is not, is the original's to give back: the C library's, taken by other native code.
//! From 9 on Java checks arguments and throws; in 8 the native does. Whatever is not plainly a
//! piece of work for us is passed on, so that the JVM finds its own words for it.

use super::super::env::RawEnv;
use super::super::exception::Exception;
use super::super::memory::{address, pointer};
use super::super::natives::Id;
use super::super::{native, native_with_plain};
use super::Native;
use crate::error::Errno;
use crate::ledger::{self, Allocator, Owner};
use crate::memory::{self, ElementSize};
use crate::own;
use core::cell::Cell;
use jni::EnvUnowned;
use jni::objects::JObject;
use jni::sys::{JNIEnv, jbyte, jlong, jobject};

type AllocateMemory = unsafe extern "system" fn(*mut JNIEnv, jobject, jlong) -> jlong;
type ReallocateMemory = unsafe extern "system" fn(*mut JNIEnv, jobject, jlong, jlong) -> jlong;
type FreeMemory = unsafe extern "system" fn(*mut JNIEnv, jobject, jlong);
type SetMemory = unsafe extern "system" fn(*mut JNIEnv, jobject, jobject, jlong, jlong, jbyte);
type CopyMemory =
    unsafe extern "system" fn(*mut JNIEnv, jobject, jobject, jlong, jobject, jlong, jlong);
type CopySwapMemory =
    unsafe extern "system" fn(*mut JNIEnv, jobject, jobject, jlong, jobject, jlong, jlong, jlong);

/// Why there is no block.
enum Refused {
    /// No memory, or no room in the budget.
    NoMemory,
    /// The original threw, or is not known.
    Thrown(Exception),
}

impl From<Errno> for Refused {
    fn from(_: Errno) -> Self {
        Self::NoMemory
    }
}

/// The three natives of one JDK that take and give blocks.
struct Originals {
    allocate: Native,
    reallocate: Native,
    free: Native,
}

const JDK_8: Originals = Originals {
    allocate: Native(Id::AllocateMemory8 as usize),
    reallocate: Native(Id::ReallocateMemory8 as usize),
    free: Native(Id::FreeMemory8 as usize),
};

const JDK_9: Originals = Originals {
    allocate: Native(Id::AllocateMemory as usize),
    reallocate: Native(Id::ReallocateMemory as usize),
    free: Native(Id::FreeMemory as usize),
};

/// One call's way to both allocators.
struct Blocks<'a, 'local> {
    env: &'a RawEnv<'local>,
    /// The `Unsafe` whose native was called.
    this: &'a JObject<'local>,
    originals: &'static Originals,
    /// Whether an original was called.
    passed: Cell<bool>,
}

impl<'a, 'local> Blocks<'a, 'local> {
    fn new(
        env: &'a RawEnv<'local>,
        this: &'a JObject<'local>,
        originals: &'static Originals,
    ) -> Self {
        Self { env, this, originals, passed: Cell::new(false) }
    }

    fn count(&self, native: Native) {
        if self.passed.get() { native.passed() } else { native.answered() }
    }

    /// What an original answered: NULL is no block, with or without an exception.
    fn answer(&self, block: jlong) -> Result<*mut u8, Refused> {
        self.passed.set(true);
        self.env.check().map_err(Refused::Thrown)?;
        if block == 0 { Err(Refused::NoMemory) } else { Ok(pointer(block)) }
    }

    /// Passes a reallocation on as it came.
    ///
    /// # Safety
    /// `block` is live, or 0.
    unsafe fn reallocate_by_original(
        &self,
        block: jlong,
        bytes: jlong,
    ) -> Result<jlong, Exception> {
        self.passed.set(true);
        // SAFETY: the table gives this native this signature.
        let original = unsafe { self.originals.reallocate.original::<ReallocateMemory>() }?;
        // SAFETY: environment and object are this call's own; the caller guarantees the block.
        let moved = unsafe { original(self.env.as_raw(), self.this.as_raw(), block, bytes) };
        self.env.check()?;
        Ok(moved)
    }

    /// Passes a release on as it came.
    ///
    /// # Safety
    /// `block` is live, and no one uses it from here on.
    unsafe fn free_by_original(&self, block: jlong) -> Result<(), Exception> {
        self.passed.set(true);
        // SAFETY: the table gives this native this signature.
        let original = unsafe { self.originals.free.original::<FreeMemory>() }?;
        // SAFETY: environment and object are this call's own; the caller guarantees the block.
        unsafe { original(self.env.as_raw(), self.this.as_raw(), block) };
        self.env.check()
    }
}

/// A size for an original, which takes what Java has.
fn java_size(bytes: usize) -> Result<jlong, Refused> {
    jlong::try_from(bytes).map_err(|_| Refused::NoMemory)
}

impl Allocator for Blocks<'_, '_> {
    type Error = Refused;

    fn allocate(&self, owner: Owner, bytes: usize) -> Result<*mut u8, Refused> {
        if owner == Owner::Library {
            return Ok(memory::allocate_memory(bytes)?);
        }
        let bytes = java_size(bytes)?;
        // SAFETY: the table gives this native this signature.
        let original = unsafe { self.originals.allocate.original::<AllocateMemory>() };
        let original = original.map_err(Refused::Thrown)?;
        // SAFETY: environment and object are this call's own.
        self.answer(unsafe { original(self.env.as_raw(), self.this.as_raw(), bytes) })
    }

    unsafe fn reallocate(
        &self,
        owner: Owner,
        block: *mut u8,
        bytes: usize,
    ) -> Result<*mut u8, Refused> {
        match owner {
            // SAFETY: the caller guarantees the block.
            Owner::Library => return Ok(unsafe { memory::reallocate_memory(block, bytes) }?),
            Owner::Runtime => {}
            Owner::Other => return Err(Refused::Thrown(Exception::illegal_argument())),
        }
        let bytes = java_size(bytes)?;
        // SAFETY: the caller guarantees the block.
        let moved = unsafe { self.reallocate_by_original(address(block), bytes) };
        self.answer(moved.map_err(Refused::Thrown)?)
    }

    fn reaches(&self, owner: Owner) -> bool {
        owner != Owner::Other
    }

    unsafe fn free(&self, owner: Owner, block: *mut u8) {
        match owner {
            // SAFETY: the caller guarantees the block.
            Owner::Library => unsafe { memory::free_memory(block) },
            Owner::Runtime => {
                // Without its original no block would have come from it.
                // SAFETY: the caller guarantees the block.
                let _ = unsafe { self.free_by_original(address(block)) };
            }
            Owner::Other => {} // not reached
        }
    }
}

/// Allocates for any JDK; `Ok(None)` is no memory.
fn allocate<'local>(
    env: &RawEnv<'local>,
    this: &JObject<'local>,
    originals: &'static Originals,
    native: Native,
    bytes: usize,
) -> Result<Option<jlong>, Exception> {
    let blocks = Blocks::new(env, this, originals);
    let block = taken(ledger::allocate(&blocks, ledger::owner(), bytes, None));
    blocks.count(native);
    block
}

/// Reallocates for any JDK; `Ok(None)` is no memory.
///
/// # Safety
/// `block` is live, or 0.
unsafe fn reallocate(
    blocks: &Blocks<'_, '_>,
    block: jlong,
    bytes: usize,
) -> Result<Option<jlong>, Exception> {
    // SAFETY: the caller guarantees the block.
    match unsafe { ledger::reallocate(blocks, ledger::owner(), pointer(block), bytes, None) } {
        Ok(None) => {
            let bytes = jlong::try_from(bytes).map_err(|_| Exception::illegal_argument())?;
            // SAFETY: the caller guarantees the block, and that it is not ours.
            let moved = unsafe { blocks.reallocate_by_original(block, bytes) }?;
            Ok(Some(moved).filter(|moved| *moved != 0 || bytes == 0))
        }
        Ok(Some(moved)) => taken(Ok(moved)),
        Err(refused) => taken(Err(refused)),
    }
}

fn taken(block: Result<*mut u8, Refused>) -> Result<Option<jlong>, Exception> {
    match block {
        Ok(block) => Ok(Some(address(block))),
        Err(Refused::NoMemory) => Ok(None),
        Err(Refused::Thrown(exception)) => Err(exception),
    }
}

/// Frees for any JDK.
///
/// # Safety
/// `block` is live, or 0; no one uses it from here on.
unsafe fn free<'local>(
    env: &RawEnv<'local>,
    this: &JObject<'local>,
    originals: &'static Originals,
    native: Native,
    block: jlong,
) -> Result<(), Exception> {
    let blocks = Blocks::new(env, this, originals);
    // SAFETY: the caller guarantees the block.
    // An error is that it is a direct block of the library, which has its own way back.
    let freed = match unsafe { ledger::free(&blocks, pointer(block)) } {
        Ok(true) => Ok(()),
        // SAFETY: the caller guarantees the block.
        Ok(false) => unsafe { blocks.free_by_original(block) },
        Err(_) => Err(Exception::illegal_argument()),
    };
    blocks.count(native);
    freed
}

/// Allocates for any JDK in the plain and common case; `None`: it is another, and nothing was done.
#[inline(always)]
fn allocate_plain(native: Native, bytes: jlong) -> Option<jlong> {
    let bytes = usize::try_from(bytes).ok()?;
    let own = own::get();
    let block = ledger::allocate_plain(own, bytes)?;
    native.answered_by(own);
    Some(address(block))
}

/// Frees for any JDK in the plain and common case; `None`: it is another, and nothing was done.
///
/// # Safety
/// As [`free`].
#[inline(always)]
unsafe fn free_plain(native: Native, block: jlong) -> Option<()> {
    let own = own::get();
    // SAFETY: the caller guarantees the block.
    unsafe { ledger::free_plain(own, pointer(block)) }?;
    native.answered_by(own);
    Some(())
}

/// `sun.misc.Unsafe.allocateMemory(long)` of 8.
pub(in super::super) extern "system" fn allocate_memory_8<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    bytes: jlong,
) -> jlong {
    native_with_plain(
        env,
        || allocate_plain(Native(ID), bytes),
        |env| {
            let Ok(size) = usize::try_from(bytes) else {
                return Err(Exception::illegal_argument());
            };
            let block = allocate(env, &this, &JDK_8, Native(ID), size)?;
            block.ok_or_else(|| Exception::unable_to_allocate(bytes.cast_unsigned()))
        },
    )
}

/// `sun.misc.Unsafe.reallocateMemory(long, long)` of 8.
pub(in super::super) extern "system" fn reallocate_memory_8<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    block: jlong,
    bytes: jlong,
) -> jlong {
    native(env, |env| {
        let blocks = Blocks::new(env, &this, &JDK_8);
        let Ok(size) = usize::try_from(bytes) else { return Err(Exception::illegal_argument()) };
        // SAFETY: that the block is live, or 0, is the Java caller's promise.
        let moved = unsafe { reallocate(&blocks, block, size) };
        blocks.count(Native(ID));
        moved?.ok_or_else(|| Exception::unable_to_allocate(bytes.cast_unsigned()))
    })
}

/// `sun.misc.Unsafe.freeMemory(long)` of 8.
pub(in super::super) extern "system" fn free_memory_8<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    block: jlong,
) {
    // SAFETY: that the block is live, or 0, is the Java caller's promise.
    let plain = || unsafe { free_plain(Native(ID), block) };
    native_with_plain(env, plain, |env| {
        // SAFETY: as above, and it is not freed yet.
        unsafe { free(env, &this, &JDK_8, Native(ID), block) }
    });
}

/// `jdk.internal.misc.Unsafe.allocateMemory0(long)`: 0 is no memory, and Java throws.
pub(in super::super) extern "system" fn allocate_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    bytes: jlong,
) -> jlong {
    native_with_plain(
        env,
        || allocate_plain(Native(ID), bytes),
        |env| {
            let Ok(bytes) = usize::try_from(bytes) else { return Ok(0) };
            Ok(allocate(env, &this, &JDK_9, Native(ID), bytes)?.unwrap_or(0))
        },
    )
}

/// `jdk.internal.misc.Unsafe.reallocateMemory0(long, long)`: 0 is no memory, and Java throws.
pub(in super::super) extern "system" fn reallocate_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    block: jlong,
    bytes: jlong,
) -> jlong {
    native(env, |env| {
        let blocks = Blocks::new(env, &this, &JDK_9);
        let Ok(bytes) = usize::try_from(bytes) else { return Ok(0) };
        // SAFETY: that the block is live, or 0, is the Java caller's promise.
        let moved = unsafe { reallocate(&blocks, block, bytes) };
        blocks.count(Native(ID));
        Ok(moved?.unwrap_or(0))
    })
}

/// `jdk.internal.misc.Unsafe.freeMemory0(long)`.
pub(in super::super) extern "system" fn free_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    block: jlong,
) {
    // SAFETY: that the block is live, or 0, is the Java caller's promise.
    let plain = || unsafe { free_plain(Native(ID), block) };
    native_with_plain(env, plain, |env| {
        // SAFETY: as above, and it is not freed yet.
        unsafe { free(env, &this, &JDK_9, Native(ID), block) }
    });
}

/// The size of a fill or copy that is ours to do: outside the heap, and something to do.
fn off_heap_size(bases: &[&JObject<'_>], bytes: jlong) -> Option<usize> {
    let off_heap = bases.iter().all(|base| base.is_null());
    usize::try_from(bytes).ok().filter(|bytes| off_heap && *bytes > 0)
}

/// Has the original of a `setMemory` set the range, or a part of it; `[this, base]` as the native got them.
///
/// # Safety
/// The native is a `setMemory`, and the range lies in the one that it was called with.
unsafe fn set_by_original(
    native: Native,
    env: &RawEnv<'_>,
    [this, base]: [&JObject<'_>; 2],
    offset: jlong,
    bytes: jlong,
    value: jbyte,
) -> Result<(), Exception> {
    // SAFETY: the table gives every `setMemory` this signature.
    let original = unsafe { native.original::<SetMemory>() }?;
    // SAFETY: the original gets what the native got from the JVM, or, by the caller's promise, a part of it.
    unsafe { original(env.as_raw(), this.as_raw(), base.as_raw(), offset, bytes, value) };
    env.check()
}

/// `Unsafe.setMemory(Object, long, long, byte)`, `setMemory0` from 9 to 21.
pub(in super::super) extern "system" fn set_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    base: JObject<'local>,
    offset: jlong,
    bytes: jlong,
    value: jbyte,
) {
    native(env, |env| {
        if let Some(size) = off_heap_size(&[&base], bytes) {
            // SAFETY: that the range is writable is the Java caller's promise.
            let set = unsafe { ledger::set_memory(pointer(offset), size, value.cast_unsigned()) };
            if set.is_ok() {
                Native(ID).answered();
                return Ok(());
            }
        }
        Native(ID).passed();
        // SAFETY: this native, and the range that it was called with.
        unsafe { set_by_original(Native(ID), env, [&this, &base], offset, bytes, value) }
    });
}

/// `jdk.internal.misc.Unsafe.setMemory0(Object, long, long, byte)` since 22, where only the original may
/// write: to close a shared `Arena` takes a thread in native code for one that touches no memory, and the
/// original looks for that when it begins. It is not called for pages that are zero already.
pub(in super::super) extern "system" fn set_memory_by_original<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    base: JObject<'local>,
    offset: jlong,
    bytes: jlong,
    value: jbyte,
) {
    native(env, |env| {
        let fill = |offset, bytes| {
            // SAFETY: this native, and the range that it was called with, or a part of it.
            unsafe { set_by_original(Native(ID), env, [&this, &base], offset, bytes, value) }
        };
        let Some(size) = off_heap_size(&[&base], bytes).filter(|_| value == 0) else {
            Native(ID).passed();
            return fill(offset, bytes);
        };
        let (mut outcome, mut filled) = (Ok(()), 0);
        ledger::zero_memory_by(pointer(offset), size, |at, len| {
            filled += len;
            // What it does not return from normally is over.
            if outcome.is_ok() {
                outcome = fill(address(at), len.cast_signed() as jlong);
            }
        });
        if filled < size {
            Native(ID).answered()
        } else {
            Native(ID).passed()
        }
        outcome
    });
}

/// `Unsafe.copyMemory(Object, long, Object, long, long)`, `copyMemory0` since 9.
pub(in super::super) extern "system" fn copy_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    from: JObject<'local>,
    from_offset: jlong,
    to: JObject<'local>,
    to_offset: jlong,
    bytes: jlong,
) {
    native(env, |env| {
        if let Some(size) = off_heap_size(&[&from, &to], bytes) {
            // SAFETY: that the ranges are mapped is the Java caller's promise.
            let copied =
                unsafe { memory::copy_memory(pointer(from_offset), pointer(to_offset), size) };
            if copied.is_ok() {
                Native(ID).answered();
                return Ok(());
            }
        }
        Native(ID).passed();
        let (this, from, to) = (this.as_raw(), from.as_raw(), to.as_raw());
        // SAFETY: the table gives this native this signature.
        let original = unsafe { Native(ID).original::<CopyMemory>() }?;
        // SAFETY: the original gets what this native got from the JVM.
        unsafe { original(env.as_raw(), this, from, from_offset, to, to_offset, bytes) };
        env.check()
    });
}

/// `jdk.internal.misc.Unsafe.copySwapMemory0(Object, long, Object, long, long, long)`, and the same
/// of `java.nio.Bits` in 8, where `this` is the class.
pub(in super::super) extern "system" fn copy_swap_memory<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    from: JObject<'local>,
    from_offset: jlong,
    to: JObject<'local>,
    to_offset: jlong,
    bytes: jlong,
    element_size: jlong,
) {
    native(env, |env| {
        let element = usize::try_from(element_size).ok().map(ElementSize::try_from);
        if let (Some(size), Some(Ok(element))) = (off_heap_size(&[&from, &to], bytes), element) {
            let (source, target) = (pointer(from_offset), pointer(to_offset));
            // SAFETY: that the ranges are mapped is the Java caller's promise.
            if unsafe { memory::copy_swap_memory(source, target, size, element) }.is_ok() {
                Native(ID).answered();
                return Ok(());
            }
        }
        Native(ID).passed();
        let (this, from, to) = (this.as_raw(), from.as_raw(), to.as_raw());
        // SAFETY: the table gives this native this signature.
        let original = unsafe { Native(ID).original::<CopySwapMemory>() }?;
        // SAFETY: the original gets what this native got from the JVM.
        unsafe {
            original(env.as_raw(), this, from, from_offset, to, to_offset, bytes, element_size);
        }
        env.check()
    });
}
