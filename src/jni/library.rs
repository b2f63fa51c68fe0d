//! `io.offheap.OffHeap` and `NativeLibrary`: what the library says of itself, and how the Java
//! library finds the one that is loaded as an agent.

use super::{native, natives, runtime};
use crate::net;
use crate::os;
use core::ptr;
use jni::EnvUnowned;
use jni::objects::{JClass, JLongArray};
use jni::sys::jstring;

/// `agentLibrary0()`: the file of this library if it is loaded as an agent, else null.
///
/// The JVM finds it by its symbol, for any class loader: it looks through the libraries of its
/// agents last.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_io_offheap_NativeLibrary_agentLibrary0<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jstring {
    let file = if natives::is_agent() { os::library::own_file() } else { None };
    let Some(file) = file else { return ptr::null_mut() };
    match env.with_env(|env| env.new_string(file)).into_outcome() {
        jni::Outcome::Ok(file) => file.into_raw(),
        jni::Outcome::Err(_) | jni::Outcome::Panic(_) => ptr::null_mut(), // what was thrown is pending
    }
}

/// `bind0()`: registers the natives of the Java library that the calling class is part of. The agent
/// may serve several, each of its own class loader.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_io_offheap_NativeLibrary_bind0<'local>(
    mut env: EnvUnowned<'local>,
    class: JClass<'local>,
) {
    let bound = env.with_env(|env| {
        let library = runtime::Library::of(env, &class)?;
        runtime::start(env, Some(&library))?;
        natives::register(env, &library)
    });
    // Of an error, what was thrown is pending.
    drop(bound.into_outcome());
}

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
