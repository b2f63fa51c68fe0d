//! The JNI face: what a JVM calls.
//!
//! Every native is a few lines: check, call the core, convert. [`natives`] lists them all, [`mod@env`]
//! is the function table of the calling thread, [`exception`] the one place that throws, and
//! [`runtime`] what is known of the JVM around us.
//!
//! Errors are those of the JDK that runs: class, message, and what is left behind.

mod attach;
mod bits;
mod direct;
mod env;
mod exception;
mod jdk;
mod library;
mod memory;
pub(crate) mod natives;
mod pool;
mod runtime;
mod socket;

use crate::boundary;
use core::ptr;
use env::RawEnv;
use exception::Exception;
use jni::objects::JString;
use jni::strings::JNIString;
use jni::sys::{JNI_ERR, JNI_VERSION_1_8, jint, jobject};
use jni::vm::{AttachConfig, AttachmentExceptionPolicy};
use jni::{Env, EnvUnowned, JavaVM, jni_sig, jni_str};
use std::ffi::c_void;

/// Runs a native: its error, or its panic, becomes the pending exception, and the result the
/// type's zero, which the JVM ignores then.
fn native<'local, R: Default>(
    mut env: EnvUnowned<'local>,
    work: impl FnOnce(&RawEnv<'local>) -> Result<R, Exception>,
) -> R {
    let thrown = boundary::guard(
        || work(&RawEnv::new(&env)),
        |panic| Err(Exception::internal_error(format!("offheap: {panic}"))),
    );
    thrown.unwrap_or_else(|exception| {
        throw(&mut env, exception);
        R::default()
    })
}

/// [`native`] with a `plain` case: most calls are of it, and it can't fail. (To sample a block it may call the
/// JVM, and that our natives.) `None` is any other case, and nothing was done.
#[inline]
fn native_with_plain<'local, R: Default>(
    env: EnvUnowned<'local>,
    plain: impl FnOnce() -> Option<R>,
    work: impl FnOnce(&RawEnv<'local>) -> Result<R, Exception>,
) -> R {
    // Apart, so that the plain case does not make room for it; but not `cold`: others come often too.
    #[inline(never)]
    fn other<'local, R: Default>(
        env: EnvUnowned<'local>,
        work: impl FnOnce(&RawEnv<'local>) -> Result<R, Exception>,
    ) -> R {
        native(env, work)
    }
    match boundary::guard(|| Ok(plain()), |panic| Err(panic.to_owned())) {
        Ok(Some(answer)) => answer,
        Ok(None) => other(env, work),
        Err(panic) => other(env, |_| Err(Exception::internal_error(format!("offheap: {panic}")))),
    }
}

#[cold]
fn throw(env: &mut EnvUnowned<'_>, exception: Exception) {
    boundary::guard(|| exception.throw(env), |_| ());
}

/// A reference that a native returns; nothing is null.
struct Reference(jobject);

impl Default for Reference {
    fn default() -> Self {
        Self(ptr::null_mut())
    }
}

fn load_in(env: &mut Env<'_>) -> jni::errors::Result<()> {
    let library = runtime::Library::find(env)?;
    runtime::start(env, library.as_ref())?;
    match &library {
        Some(library) if !library.is_bound(env)? => natives::register(env, library),
        _ => Ok(()),
    }
}

/// Why loading failed: what was thrown, which says more than the error that says that something
/// was. Nothing is pending afterwards. (The crate's own way to catch takes a local reference for
/// every frame of the stack trace.)
fn cause(env: &mut Env<'_>, error: &jni::errors::Error) -> String {
    let Some(thrown) = env.exception_occurred() else { return error.to_string() };
    env.exception_clear();
    let mut text = || -> jni::errors::Result<String> {
        let signature = jni_sig!("()Ljava/lang/String;");
        let text = env.call_method(&thrown, jni_str!("toString"), signature, &[])?.l()?;
        env.cast_local::<JString>(text)?.try_to_string(env)
    };
    let text = text();
    env.exception_clear();
    text.unwrap_or_else(|_| error.to_string())
}

/// Called by `System.load` and `System.loadLibrary`: learns what it needs of the JVM, gives the
/// budget the JVM's limit, and registers the natives of the Java library. All of it or nothing:
/// what fails is the cause of the `UnsatisfiedLinkError` that the caller gets.
///
/// The JVM also finds it through a library that is linked to this one and has no `JNI_OnLoad` of
/// its own. Then the Java library may be absent, which is no failure, or be bound to another copy
/// of this library already, which it stays.
#[unsafe(no_mangle)]
extern "system" fn JNI_OnLoad(vm: *mut jni::sys::JavaVM, _reserved: *mut c_void) -> jint {
    let load = || {
        if vm.is_null() {
            return JNI_ERR;
        }
        // SAFETY: the JVM passes its own, and it lives as long as the process.
        let vm = unsafe { JavaVM::from_raw(vm) };
        // The thread is attached, and what is thrown here must stay pending.
        let config = || AttachConfig::new().exceptions_policy(AttachmentExceptionPolicy::Ignore);
        let loaded =
            vm.attach_current_thread_with_config(config, Some(runtime::LOCAL_REFERENCES), |env| {
                let loaded = load_in(env);
                if let Err(error) = &loaded {
                    let cause = JNIString::from(format!("offheap: {}", cause(env, error)));
                    // Its Err is that the exception is pending, as it now is.
                    let _ = env.throw_new(jni_str!("java/lang/UnsatisfiedLinkError"), cause);
                }
                loaded
            });
        match loaded {
            Ok(()) => JNI_VERSION_1_8,
            Err(_) => JNI_ERR,
        }
    };
    boundary::guard(load, |_| JNI_ERR)
}
