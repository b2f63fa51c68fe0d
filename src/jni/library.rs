//! `io.offheap.OffHeap` and `NativeLibrary`: what the library says of itself, and how the Java
//! library finds the one that is loaded as an agent.

use super::exception::Exception;
use super::{Reference, native, natives, runtime};
use crate::bits;
use crate::net;
use crate::os;
use crate::report::{self, Ask, FORMATS, Format};
use core::ptr;
use jni::objects::{JClass, JLongArray, JString};
use jni::sys::{jobject, jstring};
use jni::{EnvUnowned, Outcome};

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

/// `budget0(long[9])`: limit, live bytes, capacity, live blocks, their peaks (bytes, blocks), what was
/// ever taken (bytes, blocks), refusals.
pub(super) extern "system" fn budget<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    result: JLongArray<'local>,
) {
    native(env, |env| {
        let budget = bits::budget().snapshot();
        let values = [
            budget.max_memory,
            budget.reserved_memory,
            budget.total_capacity,
            budget.count,
            budget.peak_reserved_memory,
            budget.peak_count,
            budget.ever_reserved_memory.cast_signed(),
            budget.ever_count.cast_signed(),
            budget.refusals.cast_signed(),
        ];
        env.set_long_array(&result, &values)
    });
}

/// `report0(String)`: a report of this moment in the format of that name.
pub(super) extern "system" fn report<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    format: JString<'local>,
) -> jobject {
    native(env, |env| {
        let name = env.unowned().with_env(|env| format.try_to_string(env)).into_outcome();
        let Outcome::Ok(name) = name else { return Err(Exception::Pending) };
        let format = Format::named(&name).ok_or_else(|| {
            Exception::illegal_argument_because(&format!("format {name:?}; there are {FORMATS}"))
        })?;
        let report = report::report(format, Ask::default());
        match env.unowned().with_env(|env| env.new_string(report)).into_outcome() {
            Outcome::Ok(text) => Ok(Reference(text.into_raw())),
            Outcome::Err(_) | Outcome::Panic(_) => Err(Exception::Pending),
        }
    })
    .0
}
