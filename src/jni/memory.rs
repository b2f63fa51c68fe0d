//! `io.offheap.Unsafe`: static natives with the contract of `jdk.internal.misc.Unsafe`.
//!
//! Where the JDK would crash on NULL, these throw `IllegalArgumentException`; an address that is
//! not mapped is the caller's error here as there.

use super::exception::Exception;
use super::native;
use super::runtime::{Jdk, jdk};
use crate::error::Errno;
use crate::ledger::{self, Family};
use crate::memory::{self, ElementSize, HEAP_WORD_SIZE};
use core::ptr;
use jni::EnvUnowned;
use jni::objects::JClass;
use jni::sys::{jbyte, jchar, jdouble, jfloat, jint, jlong, jshort};

/// The pointer that a Java `long` stands for.
#[expect(clippy::cast_possible_truncation, reason = "32-bit addresses are zero- or sign-extended")]
pub(super) fn pointer(address: jlong) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address.cast_unsigned() as usize)
}

/// The Java `long` that stands for a pointer.
pub(super) fn address(pointer: *mut u8) -> jlong {
    pointer.expose_provenance().cast_signed() as jlong
}

/// A size that Java passes: negative is an illegal argument.
fn size(bytes: jlong) -> Result<usize, Exception> {
    usize::try_from(bytes).map_err(|_| Exception::illegal_argument())
}

/// The size of a block that Java asks for. From 17 on, Java rounds it up before anyone looks, and
/// a size that overflows doing so counts as negative.
fn block_size(bytes: jlong) -> Result<usize, Exception> {
    let bytes = size(bytes)?;
    let rounds = bytes.checked_next_multiple_of(HEAP_WORD_SIZE);
    let overflows = rounds.is_none_or(|rounded| jlong::try_from(rounded).is_err());
    if overflows && jdk() >= Jdk::Seventeen {
        return Err(Exception::illegal_argument());
    }
    Ok(bytes)
}

fn unable_to_allocate(bytes: usize) -> Exception {
    Exception::unable_to_allocate(bytes as u64)
}

pub(super) extern "system" fn allocate_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    bytes: jlong,
) -> jlong {
    native(env, |_| {
        let bytes = block_size(bytes)?;
        ledger::allocate_memory(bytes, Family::Library)
            .map(address)
            .map_err(|_| unable_to_allocate(bytes))
    })
}

pub(super) extern "system" fn reallocate_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    block: jlong,
    bytes: jlong,
) -> jlong {
    native(env, |_| {
        let bytes = block_size(bytes)?;
        // SAFETY: that the block is live, or 0, is the Java caller's promise, as with the JDK's.
        let moved = unsafe { ledger::reallocate_memory(pointer(block), bytes, Family::Library) };
        moved.map(address).map_err(|errno| match errno {
            Errno::EINVAL => Exception::illegal_argument(), // not this door's block
            _ => unable_to_allocate(bytes),
        })
    })
}

pub(super) extern "system" fn free_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    block: jlong,
) {
    native(env, |_| {
        // SAFETY: that the block is live, or 0, is the Java caller's promise, as with the JDK's.
        unsafe { ledger::free_memory(pointer(block)) }.map_err(|_| Exception::illegal_argument())
    });
}

pub(super) extern "system" fn set_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    start: jlong,
    bytes: jlong,
    value: jbyte,
) {
    native(env, |_| {
        // SAFETY: that the range is writable is the Java caller's promise, as with the JDK's.
        unsafe { memory::set_memory(pointer(start), size(bytes)?, value.cast_unsigned()) }
            .map_err(|_| Exception::illegal_argument())
    });
}

pub(super) extern "system" fn copy_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    source: jlong,
    destination: jlong,
    bytes: jlong,
) {
    native(env, |_| {
        let bytes = size(bytes)?;
        // SAFETY: that the ranges are mapped is the Java caller's promise, as with the JDK's.
        unsafe { memory::copy_memory(pointer(source), pointer(destination), bytes) }
            .map_err(|_| Exception::illegal_argument())
    });
}

pub(super) extern "system" fn copy_swap_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    source: jlong,
    destination: jlong,
    bytes: jlong,
    element_size: jlong,
) {
    native(env, |_| {
        let bytes = size(bytes)?;
        let element = ElementSize::try_from(size(element_size)?)
            .map_err(|_| Exception::illegal_argument())?;
        let (source, destination) = (pointer(source), pointer(destination));
        // SAFETY: that the ranges are mapped is the Java caller's promise, as with the JDK's.
        unsafe { memory::copy_swap_memory(source, destination, bytes, element) }
            .map_err(|_| Exception::illegal_argument())
    });
}

/// Refuses NULL, where an access can only crash.
pub(super) fn not_null(start: jlong) -> Result<*mut u8, Exception> {
    if start == 0 { Err(Exception::illegal_argument()) } else { Ok(pointer(start)) }
}

/// `getX(long)` and `putX(long, x)` in the byte order of the machine, at any alignment.
macro_rules! accessors {
    ($($get:ident $put:ident $type:ty;)*) => {$(
        pub(super) extern "system" fn $get<'local>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            start: jlong,
        ) -> $type {
            native(env, |_| {
                let start = not_null(start)?.cast::<$type>();
                // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
                Ok(unsafe { start.read_unaligned() })
            })
        }

        pub(super) extern "system" fn $put<'local>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            start: jlong,
            value: $type,
        ) {
            native(env, |_| {
                let start = not_null(start)?.cast::<$type>();
                // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
                unsafe { start.write_unaligned(value) };
                Ok(())
            });
        }
    )*};
}

accessors! {
    get_byte put_byte jbyte;
    get_short put_short jshort;
    get_char put_char jchar;
    get_int put_int jint;
    get_long put_long jlong;
    get_float put_float jfloat;
    get_double put_double jdouble;
}

/// `getAddress(long)`: the pointer stored there.
pub(super) extern "system" fn get_address<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    start: jlong,
) -> jlong {
    native(env, |_| {
        let start = not_null(start)?.cast::<*mut u8>();
        // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
        Ok(address(unsafe { start.read_unaligned() }))
    })
}

/// `putAddress(long, long)`: stores a pointer there.
pub(super) extern "system" fn put_address<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    start: jlong,
    value: jlong,
) {
    native(env, |_| {
        let start = not_null(start)?.cast::<*mut u8>();
        // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
        unsafe { start.write_unaligned(pointer(value)) };
        Ok(())
    });
}
