//! The natives of `java.net`'s socket streams, under the JDK's own symbols and as static natives of
//! `io.offheap`.
//!
//! Both kinds use flags 0 for `send`: the JVM's own handler swallows `SIGPIPE`.

use super::env::RawEnv;
use super::exception::Exception;
use super::native;
use super::natives;
use super::runtime;
use crate::error::Errno;
use crate::net::{self, ReadOutcome, Sink, Source};
use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr;
use jni::objects::{JByteArray, JClass, JObject};
use jni::sys::{jboolean, jint, jobject};
use jni::{EnvUnowned, jni_sig, jni_str};
use std::ffi::c_void;

/// A byte array, from `offset` on, as what is written or where is read to.
struct Region<'a, 'local> {
    env: &'a RawEnv<'local>,
    array: &'a JByteArray<'local>,
    offset: jint,
}

impl<'a, 'local> Region<'a, 'local> {
    fn new(
        env: &'a RawEnv<'local>,
        array: &'a JByteArray<'local>,
        offset: jint,
    ) -> Result<Self, Exception> {
        if array.is_null() {
            return Err(Exception::null_pointer("the byte array is null"));
        }
        Ok(Self { env, array, offset })
    }
}

// SAFETY: GetByteArrayRegion writes all of its buffer unless it throws, which is the Err.
unsafe impl Source for Region<'_, '_> {
    type Error = Exception;

    fn copy_to(
        &mut self,
        offset: usize,
        destination: &mut [MaybeUninit<u8>],
    ) -> Result<(), Exception> {
        // Java's ints wrap around; the JVM then finds the negative offset out of bounds.
        let offset = jint::try_from(offset).map_err(|_| Exception::illegal_argument())?;
        self.env.get_byte_array_region(self.array, self.offset.wrapping_add(offset), destination)
    }
}

impl Sink for Region<'_, '_> {
    type Error = Exception;

    fn copy_from(&mut self, data: &[u8]) -> Result<(), Exception> {
        self.env.set_byte_array_region(self.array, self.offset, data)
    }
}

/// The descriptor number in a `java.io.FileDescriptor`; null has -1, as one that is closed.
pub(super) fn descriptor_number<'local>(
    env: &RawEnv<'local>,
    object: &JObject<'local>,
) -> Result<c_int, Exception> {
    if object.is_null() {
        return Ok(-1);
    }
    let field = runtime::file_descriptor_fd(env)?;
    // SAFETY: not null, by its signature a FileDescriptor, and the field is its int.
    Ok(unsafe { env.int_field(object, field.into_raw()) })
}

/// [`descriptor_number`], where -1 is a closed socket.
pub(super) fn open_descriptor<'local>(
    env: &RawEnv<'local>,
    object: &JObject<'local>,
) -> Result<c_int, Exception> {
    match descriptor_number(env, object)? {
        -1 => Err(Exception::socket_closed()),
        fd => Ok(fd),
    }
}

/// A length that Java passes; nothing is to be done for a negative one.
fn length(len: jint) -> usize {
    usize::try_from(len).unwrap_or(0)
}

#[inline(always)]
fn socket_write<'local>(
    env: &RawEnv<'local>,
    fd: &JObject<'local>,
    data: &JByteArray<'local>,
    range: (jint, jint),
    wait: bool,
) -> Result<usize, Exception> {
    let fd = open_descriptor(env, fd)?;
    let (offset, len) = range;
    let mut source = Region::new(env, data, offset)?;
    Ok(net::socket_write(fd, &mut source, length(len), 0, wait)?)
}

#[inline(always)]
fn socket_read<'local>(
    env: &RawEnv<'local>,
    fd: &JObject<'local>,
    data: &JByteArray<'local>,
    range: (jint, jint),
    timeout: jint,
    wait: bool,
) -> Result<ReadOutcome, Exception> {
    let fd = open_descriptor(env, fd)?;
    let (offset, len) = range;
    let mut sink = Region::new(env, data, offset)?;
    Ok(net::socket_read(fd, &mut sink, length(len), timeout, wait)?)
}

/// What a read returns to Java: how many bytes came, 0 at the end.
fn received(
    outcome: ReadOutcome,
    would_block: impl FnOnce() -> Result<jint, Exception>,
) -> Result<jint, Exception> {
    match outcome {
        ReadOutcome::Data(bytes) => Ok(count(bytes)),
        ReadOutcome::End => Ok(0),
        ReadOutcome::TimedOut => Err(Exception::read_timed_out()),
        ReadOutcome::WouldBlock => would_block(),
    }
}

/// A count of bytes for Java; one call moves at most an `int` of them.
fn count(bytes: usize) -> jint {
    jint::try_from(bytes).unwrap_or(jint::MAX)
}

/// The JDK's `socketWrite0`.
#[inline(always)]
pub(super) fn write_all<'local>(
    env: &RawEnv<'local>,
    fd: &JObject<'local>,
    data: &JByteArray<'local>,
    offset: jint,
    len: jint,
) -> Result<(), Exception> {
    // A descriptor of these streams is blocking; the JDK makes an error of one that is not.
    if socket_write(env, fd, data, (offset, len), false)? < length(len) {
        return Err(Exception::write_failed(Errno::EAGAIN));
    }
    Ok(())
}

/// The JDK's `socketRead0`.
#[inline(always)]
pub(super) fn read_some<'local>(
    env: &RawEnv<'local>,
    fd: &JObject<'local>,
    data: &JByteArray<'local>,
    range: (jint, jint),
    timeout: jint,
) -> Result<jint, Exception> {
    let outcome = socket_read(env, fd, data, range, timeout, false)?;
    received(outcome, || Err(Exception::read_failed(Errno::EAGAIN)))
}

// Under the JDK's symbols: the natives of JDK 8, 11, and of 17's PlainSocketImpl.

/// `java.net.SocketOutputStream.init()`.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_java_net_SocketOutputStream_init<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) {
    native(env, |env| runtime::file_descriptor_fd(env).map(drop));
}

/// `java.net.SocketInputStream.init()`.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_java_net_SocketInputStream_init<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
) {
    native(env, |env| runtime::file_descriptor_fd(env).map(drop));
}

/// `java.net.SocketOutputStream.socketWrite0(FileDescriptor, byte[], int, int)`.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_java_net_SocketOutputStream_socketWrite0<'local>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
) {
    native(env, |env| write_all(env, &fd, &data, offset, len));
}

/// `java.net.SocketInputStream.socketRead0(FileDescriptor, byte[], int, int, int)`.
#[unsafe(no_mangle)]
pub(super) extern "system" fn Java_java_net_SocketInputStream_socketRead0<'local>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
    timeout: jint,
) -> jint {
    native(env, |env| read_some(env, &fd, &data, (offset, len), timeout))
}

// For io.offheap's streams.

/// What [`read`] returns if it would have to wait: `sun.nio.ch.IOStatus.UNAVAILABLE`.
const UNAVAILABLE: jint = -2;

/// `io.offheap.SocketOutputStream.socketWrite0(FileDescriptor, byte[], int, int, boolean wait)`:
/// how many bytes went out; less than asked for only if it may not wait.
pub(super) extern "system" fn write<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
    wait: jboolean,
) -> jint {
    native(env, |env| socket_write(env, &fd, &data, (offset, len), wait).map(count))
}

/// `io.offheap.SocketInputStream.socketRead0(FileDescriptor, byte[], int, int, int, boolean wait)`:
/// how many bytes came, 0 at the end, -2 if it would have to wait and may not.
pub(super) extern "system" fn read<'local>(
    env: EnvUnowned<'local>,
    _class: JClass<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
    timeout: jint,
    wait: jboolean,
) -> jint {
    native(env, |env| {
        let outcome = socket_read(env, &fd, &data, (offset, len), timeout, wait)?;
        received(outcome, || Ok(UNAVAILABLE))
    })
}

/// `io.offheap.SocketAccess.trustedLookup0()`: `MethodHandles.Lookup.IMPL_LOOKUP`, with which the
/// streams take part in the JDK's own protocol for the use of a descriptor.
pub(super) extern "system" fn trusted_lookup<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jobject {
    let lookup = env.with_env(|env| {
        env.get_static_field(
            jni_str!("java/lang/invoke/MethodHandles$Lookup"),
            jni_str!("IMPL_LOOKUP"),
            jni_sig!("Ljava/lang/invoke/MethodHandles$Lookup;"),
        )?
        .l()
    });
    match lookup.into_outcome() {
        jni::Outcome::Ok(lookup) => lookup.into_raw(),
        jni::Outcome::Err(_) | jni::Outcome::Panic(_) => ptr::null_mut(), // what was thrown is pending
    }
}

/// `io.offheap.SocketAccess.bindSocketClose0(Class)`: from now on the close of a `PlainSocketImpl`
/// wakes the threads that are blocked in our streams too. The JDK's original still does the close,
/// and wakes those that are blocked in the JDK's. Nothing to do where the agent has bound it.
pub(super) extern "system" fn bind_socket_close<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    plain_socket_impl: JClass<'local>,
) {
    let Some(close) = natives::socket_close().filter(|close| !close.is_bound()) else { return };
    let bound = env.with_env(|env| -> jni::errors::Result<bool> {
        let original = original_socket_close().ok_or(jni::errors::Error::NullPtr("libnet"))?;
        natives::register_jdk(env, &plain_socket_impl, close, original)?;
        Ok(true)
    });
    if !matches!(bound.into_outcome(), jni::Outcome::Ok(true)) {
        native(env, |env| {
            env.check()?; // what the JVM threw says more
            Err::<(), _>(Exception::internal_error(
                "PlainSocketImpl.socketClose0 of this JDK was not found".to_owned(),
            ))
        });
    }
}

/// The JDK's own function, from the libnet that the JVM has loaded.
fn original_socket_close() -> Option<ptr::NonNull<c_void>> {
    const LIBNET: &CStr = c"libnet.so";
    const SYMBOL: &CStr = c"Java_java_net_PlainSocketImpl_socketClose0";
    crate::os::library::symbol_of_loaded(LIBNET, SYMBOL)
}
