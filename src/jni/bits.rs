//! `io.offheap.Bits`: the budget and access in a given byte order, after `java.nio.Bits`.

use super::exception::Exception;
use super::memory::not_null;
use super::native;
use crate::bits::{self, ByteOrder, Policy};
use crate::error::Errno;
use jni::EnvUnowned;
use jni::objects::JClass;
use jni::sys::{jboolean, jchar, jdouble, jfloat, jint, jlong, jshort};

pub(super) extern "system" fn reserve_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    size: jlong,
    capacity: jlong,
) {
    native(env, |_| {
        bits::reserve_memory(size, capacity).map_err(|errno| match errno {
            Errno::ENOMEM => Exception::cannot_reserve(size),
            _ => Exception::illegal_argument(),
        })
    });
}

pub(super) extern "system" fn try_reserve_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    size: jlong,
    capacity: jlong,
) -> jboolean {
    native(env, |_| match bits::budget().try_reserve_memory(size, capacity) {
        Ok(()) => Ok(true),
        Err(Errno::ENOMEM) => Ok(false),
        Err(_) => Err(Exception::illegal_argument()),
    })
}

pub(super) extern "system" fn unreserve_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    size: jlong,
    capacity: jlong,
) {
    native(env, |_| {
        bits::budget()
            .unreserve_memory(size, capacity)
            .map_err(|_| Exception::illegal_argument_because("negative, or more than is reserved"))
    });
}

pub(super) extern "system" fn max_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jlong {
    native(env, |_| Ok(bits::budget().max_memory()))
}

pub(super) extern "system" fn set_max_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    bytes: jlong,
) {
    native(env, |_| {
        bits::budget().set_max_memory(bytes).map_err(|_| Exception::illegal_argument())
    });
}

pub(super) extern "system" fn reserved_memory<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jlong {
    native(env, |_| Ok(bits::budget().snapshot().reserved_memory))
}

pub(super) extern "system" fn total_capacity<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jlong {
    native(env, |_| Ok(bits::budget().snapshot().total_capacity))
}

pub(super) extern "system" fn count<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jlong {
    native(env, |_| Ok(bits::budget().snapshot().count))
}

pub(super) extern "system" fn set_policy<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    policy: jint,
) {
    native(env, |_| {
        let policy = match policy {
            0 => Policy::Backoff,
            1 => Policy::Legacy,
            _ => return Err(Exception::illegal_argument()),
        };
        bits::set_policy(policy);
        Ok(())
    });
}

pub(super) extern "system" fn page_size<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jint {
    native(env, |_| jint::try_from(bits::page_size()).map_err(|_| Exception::illegal_argument()))
}

pub(super) extern "system" fn unaligned<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jboolean {
    native(env, |_| Ok(bits::unaligned()))
}

fn order(big_endian: jboolean) -> ByteOrder {
    if big_endian { ByteOrder::BigEndian } else { ByteOrder::LittleEndian }
}

/// `getX(long, boolean)` and `putX(long, x, boolean)`, through the unsigned integer `$bits` of the
/// same width.
macro_rules! accessors {
    ($($get:ident $put:ident $type:ty, $from:expr, $to:expr, $read:ident $write:ident;)*) => {$(
        pub(super) extern "system" fn $get<'local>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            start: jlong,
            big_endian: jboolean,
        ) -> $type {
            native(env, |_| {
                // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
                let value = unsafe { bits::$read(not_null(start)?, order(big_endian)) };
                Ok($from(value))
            })
        }

        pub(super) extern "system" fn $put<'local>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            start: jlong,
            value: $type,
            big_endian: jboolean,
        ) {
            native(env, |_| {
                // SAFETY: that it is mapped is the Java caller's promise, as with the JDK's.
                unsafe { bits::$write(not_null(start)?, $to(value), order(big_endian)) };
                Ok(())
            });
        }
    )*};
}

accessors! {
    get_short put_short jshort, u16::cast_signed, jshort::cast_unsigned, get_u16 put_u16;
    get_char put_char jchar, core::convert::identity, core::convert::identity, get_u16 put_u16;
    get_int put_int jint, u32::cast_signed, jint::cast_unsigned, get_u32 put_u32;
    get_long put_long jlong, u64::cast_signed, jlong::cast_unsigned, get_u64 put_u64;
    get_float put_float jfloat, jfloat::from_bits, jfloat::to_bits, get_u32 put_u32;
    get_double put_double jdouble, jdouble::from_bits, jdouble::to_bits, get_u64 put_u64;
}
