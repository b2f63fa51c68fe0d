//! `io.offheap.OffHeap`: what the library says of itself.

use super::native;
use crate::net;
use core::ptr;
use jni::EnvUnowned;
use jni::objects::{JClass, JLongArray};
use jni::sys::jstring;

/// `version0()`: the library's version, which must be the jar's.
pub(super) extern "system" fn version<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jstring {
    let version = env.with_env(|env| env.new_string(env!("CARGO_PKG_VERSION")));
    match version.into_outcome() {
        jni::Outcome::Ok(version) => version.into_raw(),
        jni::Outcome::Err(_) | jni::Outcome::Panic(_) => ptr::null_mut(), // what was thrown is pending
    }
}

/// `counters0(long[6])`: writes, sends, bytes sent, reads, receives, bytes received.
pub(super) extern "system" fn counters<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    result: JLongArray<'local>,
) {
    native(env, |env| {
        let counters = net::counters();
        let values = [
            counters.writes,
            counters.sends,
            counters.bytes_sent,
            counters.reads,
            counters.receives,
            counters.bytes_received,
        ];
        env.set_long_array(&result, &values.map(u64::cast_signed))
    });
}
