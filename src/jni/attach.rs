//! Threads that are none of Java's, and have to ask the JVM something.

use core::ptr;
use jni::errors::Result;
use jni::sys::{JNI_OK, JNI_VERSION_1_8, JNIEnv, JNIInvokeInterface_, JavaVM, JavaVMAttachArgs};
use jni::{Env, EnvUnowned, Outcome};

/// Runs `work` on the calling thread. If it is none of Java's it is one for that long, and a daemon: the
/// JVM does not wait for it at its end. `None` if the JVM refuses, if `work` fails, or if an exception is
/// pending, which stays so; of `work`'s own none is left.
///
/// # Safety
/// `vm` is the JVM's own, in its live phase.
pub(super) unsafe fn attached<R>(
    vm: *mut JavaVM,
    work: impl FnOnce(&mut Env<'_>) -> Result<R>,
) -> Option<R> {
    // SAFETY: the caller guarantees the JVM.
    let thread = unsafe { Attached::to(vm) }?;
    // SAFETY: the calling thread's, and valid as long as it is attached.
    let mut env = unsafe { EnvUnowned::from_raw(thread.env) };
    let result = env.with_env(|env| {
        if env.exception_check() {
            return Ok(None); // the caller's own; nothing may be asked while it is pending
        }
        let result = work(env);
        if env.exception_check() {
            env.exception_clear();
        }
        result.map(Some)
    });
    match result.into_outcome() {
        Outcome::Ok(result) => result,
        Outcome::Err(_) | Outcome::Panic(_) => None,
    }
}

/// The calling thread as one of Java's. If it is none, it is one until this is dropped, and a daemon:
/// the JVM does not wait for it at its end.
struct Attached {
    vm: *mut JavaVM,
    env: *mut JNIEnv,
    was_attached: bool,
}

impl Attached {
    /// # Safety
    /// `vm` is the JVM's own, in its live phase.
    unsafe fn to(vm: *mut JavaVM) -> Option<Self> {
        let mut env = ptr::null_mut();
        // SAFETY: the caller guarantees the JVM.
        let table = unsafe { table(vm) };
        // SAFETY: every JVM that loads this library has JNI 1.8, which holds this function.
        let get = unsafe { table.v1_2.GetEnv };
        // SAFETY: the JVM's function, with the JVM and where it writes.
        let found = unsafe { get(vm, &raw mut env, JNI_VERSION_1_8) };
        if found == JNI_OK {
            return Some(Self { vm, env: env.cast(), was_attached: true });
        }
        // With a name of its own it takes none of the numbers of the program's threads.
        let name = c"offheap".as_ptr().cast_mut();
        let group = ptr::null_mut();
        let mut arguments = JavaVMAttachArgs { version: JNI_VERSION_1_8, name, group };
        // SAFETY: as above.
        let attach = unsafe { table.v1_4.AttachCurrentThreadAsDaemon };
        // SAFETY: as above; the JVM reads the arguments during the call.
        let attached = unsafe { attach(vm, &raw mut env, (&raw mut arguments).cast()) };
        (attached == JNI_OK).then_some(Self { vm, env: env.cast(), was_attached: false })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.was_attached {
            return;
        }
        // SAFETY: `to`'s caller guarantees the JVM.
        let table = unsafe { table(self.vm) };
        // SAFETY: every JVM that loads this library has JNI 1.8, which holds this function.
        let detach = unsafe { table.v1_2.DetachCurrentThread };
        // SAFETY: the JVM's function, on the thread that was attached, which runs no Java.
        unsafe { detach(self.vm) };
    }
}

/// # Safety
/// `vm` is the JVM's own.
unsafe fn table<'a>(vm: *mut JavaVM) -> &'a JNIInvokeInterface_ {
    // SAFETY: the JVM's pointer to its table, as the caller guarantees.
    let table = unsafe { *vm };
    // SAFETY: the table is the JVM's, and constant.
    unsafe { &*table }
}
