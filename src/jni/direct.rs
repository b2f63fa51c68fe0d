//! `io.offheap.DirectByteBuffer`: the native half of the constructor and of the deallocator.

use super::exception::Exception;
use super::memory::{address, pointer};
use super::{Reference, native};
use crate::direct;
use crate::ledger::Family;
use jni::EnvUnowned;
use jni::objects::{JClass, JObject};
use jni::sys::{jboolean, jint, jlong};

/// `allocate0(int, boolean)`: reserves, allocates and zeroes; the (aligned) address.
pub(super) extern "system" fn allocate<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    capacity: jint,
    page_aligned: jboolean,
) -> jlong {
    native(env, |_| {
        let capacity = usize::try_from(capacity).map_err(|_| Exception::illegal_argument())?;
        direct::allocate(capacity, page_aligned, Family::Library)
            .map(address)
            .map_err(Exception::allocate_direct)
    })
}

/// `wrap0(long, int)`: the buffer object over the memory.
pub(super) extern "system" fn wrap<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    start: jlong,
    capacity: jint,
) -> jni::sys::jobject {
    native(env, |env| {
        env.new_direct_byte_buffer(pointer(start), capacity)
            .map(|buffer| Reference(buffer.into_raw()))
    })
    .0
}

/// `address0(ByteBuffer)`: where a direct buffer's memory starts, 0 if it is none.
pub(super) extern "system" fn buffer_address<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    buffer: JObject<'local>,
) -> jlong {
    native(env, |env| Ok(address(env.direct_buffer_address(&buffer))))
}

/// `free0(long)`: frees and unreserves; false if no live direct buffer starts there.
pub(super) extern "system" fn free<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    start: jlong,
) -> jboolean {
    native(env, |_| {
        // SAFETY: that no one uses the buffer any more is the Java caller's promise.
        Ok(unsafe { direct::free(pointer(start)) }.is_ok())
    })
}
