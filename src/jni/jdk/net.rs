//! The natives of `java.net`'s socket streams, of JDK 8, 11, and of 17's `PlainSocketImpl`.

use super::super::env::RawEnv;
use super::super::exception::Exception;
use super::super::native;
use super::super::runtime;
use super::super::socket;
use super::Native;
use crate::net;
use jni::EnvUnowned;
use jni::objects::{JByteArray, JObject};
use jni::sys::{JNIEnv, jboolean, jint, jobject};

type SocketClose0 = unsafe extern "system" fn(*mut JNIEnv, jobject, jboolean);

/// `java.net.SocketOutputStream.socketWrite0(FileDescriptor, byte[], int, int)`.
pub(in super::super) extern "system" fn socket_write<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
) {
    native(env, |env| {
        Native(ID).answered();
        socket::write_all(env, &fd, &data, offset, len)
    });
}

/// `java.net.SocketInputStream.socketRead0(FileDescriptor, byte[], int, int, int)`.
pub(in super::super) extern "system" fn socket_read<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    _this: JObject<'local>,
    fd: JObject<'local>,
    data: JByteArray<'local>,
    offset: jint,
    len: jint,
    timeout: jint,
) -> jint {
    native(env, |env| {
        Native(ID).answered();
        socket::read_some(env, &fd, &data, (offset, len), timeout)
    })
}

/// `java.net.PlainSocketImpl.socketClose0(boolean)`: the original, which wakes the threads that are
/// in the JDK's own calls, and our wake-up around it.
pub(in super::super) extern "system" fn socket_close<'local, const ID: usize>(
    env: EnvUnowned<'local>,
    this: JObject<'local>,
    use_deferred_close: jboolean,
) {
    native(env, |env| close(Native(ID), env, &this, use_deferred_close));
}

fn close<'local>(
    this_native: Native,
    env: &RawEnv<'local>,
    this: &JObject<'local>,
    use_deferred_close: jboolean,
) -> Result<(), Exception> {
    // SAFETY: the table gives this native this signature.
    let original = unsafe { this_native.original::<SocketClose0>() }?;
    let field = runtime::socket_impl_fd(env)?;
    this_native.answered();
    this_native.passed();
    // SAFETY: `this` is a PlainSocketImpl, and the field its superclass's.
    let fd = unsafe { env.object_field(this, field.into_raw()) };
    // SAFETY: the original gets what this native got from the JVM.
    let close = || unsafe { original(env.as_raw(), this.as_raw(), use_deferred_close) };
    match socket::open_descriptor(env, &fd) {
        // Of a deferred close the JDK keeps the number until the last stream has let go of it.
        Ok(fd) => net::interrupt(fd, close),
        Err(_) => close(),
    }
    env.check()
}
