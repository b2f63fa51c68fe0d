//! `sun.nio.ch`'s dispatchers: `FileDispatcherImpl`, `UnixFileDispatcherImpl`, `SocketDispatcher`,
//! `DatagramDispatcher`.

use super::super::env::RawEnv;
use super::super::exception::Exception;
use super::super::memory::pointer;
use super::super::native;
use super::super::socket::descriptor_number;
use super::Native;
use crate::error::Errno;
use crate::nio::{self, Buffer, Status};
use core::ffi::c_int;
use jni::EnvUnowned;
use jni::objects::{JClass, JObject};
use jni::sys::{jint, jlong};

/// A length as C takes it: a negative one is more than there can be, and the kernel refuses it.
#[expect(clippy::cast_possible_truncation, reason = "sign-extended, as C converts it")]
fn length(len: jint) -> usize {
    i64::from(len).cast_unsigned() as usize
}

/// A count of bytes that an `int`'s worth was asked for.
fn code(status: Status) -> jint {
    jint::try_from(status.code()).unwrap_or(jint::MAX)
}

/// The call on the descriptor, and what the native returns for it.
fn dispatch<'local, const ID: usize>(
    env: &RawEnv<'local>,
    fd: &JObject<'local>,
    failed: impl FnOnce(Errno) -> Exception,
    call: impl FnOnce(c_int) -> Result<Status, Errno>,
) -> Result<Status, Exception> {
    let fd = descriptor_number(env, fd)?;
    Native(ID).answered();
    call(fd).map_err(failed)
}

/// A native on one range of memory.
macro_rules! single {
    ($($(#[$doc:meta])* $native:ident: $call:ident, $failed:ident;)*) => {$(
        $(#[$doc])*
        pub(in super::super) extern "system" fn $native<'local, const ID: usize>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            fd: JObject<'local>,
            address: jlong,
            len: jint,
        ) -> jint {
            native(env, |env| {
                dispatch::<ID>(env, &fd, Exception::$failed, |fd| {
                    // SAFETY: that the range is mapped is the channel's promise.
                    unsafe { nio::$call(fd, pointer(address), length(len)) }
                })
                .map(code)
            })
        }
    )*};
}

/// A native on one range of memory and a position of the file.
macro_rules! positioned {
    ($($(#[$doc:meta])* $native:ident: $call:ident;)*) => {$(
        $(#[$doc])*
        pub(in super::super) extern "system" fn $native<'local, const ID: usize>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            fd: JObject<'local>,
            address: jlong,
            len: jint,
            position: jlong,
        ) -> jint {
            native(env, |env| {
                dispatch::<ID>(env, &fd, Exception::io_failed, |fd| {
                    // SAFETY: that the range is mapped is the channel's promise.
                    unsafe { nio::$call(fd, pointer(address), length(len), position) }
                })
                .map(code)
            })
        }
    )*};
}

/// A native on an array of `iovec` that Java has made.
macro_rules! vectored {
    ($($(#[$doc:meta])* $native:ident: $call:ident, $failed:ident;)*) => {$(
        $(#[$doc])*
        pub(in super::super) extern "system" fn $native<'local, const ID: usize>(
            env: EnvUnowned<'local>,
            _class: JClass<'local>,
            fd: JObject<'local>,
            buffers: jlong,
            count: jint,
        ) -> jlong {
            native(env, |env| {
                dispatch::<ID>(env, &fd, Exception::$failed, |fd| {
                    // SAFETY: that the buffers are mapped is the channel's promise.
                    unsafe { nio::$call(fd, pointer(buffers).cast::<Buffer>(), count) }
                })
                .map(Status::code)
            })
        }
    )*};
}

single! {
    /// `read0(FileDescriptor, long, int)` of a file, or in 8 and 11 of a socket.
    read: read, io_failed;
    /// `write0(FileDescriptor, long, int)`.
    write: write, io_failed;
    /// `SocketDispatcher.read0(FileDescriptor, long, int)`, since 17.
    read_socket: read, socket_read_failed;
    /// `DatagramDispatcher.read0(FileDescriptor, long, int)`.
    receive: receive, datagram_failed;
    /// `DatagramDispatcher.write0(FileDescriptor, long, int)`.
    send: send, datagram_failed;
}

positioned! {
    /// `pread0(FileDescriptor, long, int, long)`.
    pread: pread;
    /// `pwrite0(FileDescriptor, long, int, long)`.
    pwrite: pwrite;
}

vectored! {
    /// `readv0(FileDescriptor, long, int)` of a file, or in 8 and 11 of a socket.
    readv: readv, io_failed;
    /// `writev0(FileDescriptor, long, int)`.
    writev: writev, io_failed;
    /// `SocketDispatcher.readv0(FileDescriptor, long, int)`, since 17.
    readv_socket: readv, socket_read_failed;
    /// `DatagramDispatcher.readv0(FileDescriptor, long, int)`.
    receive_scattered: receive_scattered, datagram_failed;
    /// `DatagramDispatcher.writev0(FileDescriptor, long, int)`.
    send_gathered: send_gathered, datagram_failed;
}
