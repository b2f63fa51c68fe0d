//! What the JVM itself counts of its direct buffers: the figures of `java.nio.Bits`, which its
//! `BufferPoolMXBean` "direct" tells.

use super::attach::attached;
use super::runtime::LOCAL_REFERENCES;
use crate::report::BufferPool;
use jni::errors::{Error, Result};
use jni::strings::JNIStr;
use jni::sys::JavaVM;
use jni::{Env, jni_sig, jni_str};

/// The figures now. `None` if the JVM can't be asked, or has no such fields.
///
/// # Safety
/// `vm` is the JVM's own, in its live phase.
pub(super) unsafe fn direct_buffers(vm: *mut JavaVM) -> Option<BufferPool> {
    // SAFETY: the caller guarantees the JVM.
    unsafe { attached(vm, |env| env.with_local_frame(LOCAL_REFERENCES, figures)) }
}

fn figures(env: &mut Env<'_>) -> Result<BufferPool> {
    Ok(BufferPool {
        used_bytes: figure(env, jni_str!("RESERVED_MEMORY"), jni_str!("reservedMemory"))?,
        capacity_bytes: figure(env, jni_str!("TOTAL_CAPACITY"), jni_str!("totalCapacity"))?,
        buffers: figure(env, jni_str!("COUNT"), jni_str!("count"))?,
    })
}

/// The value of an `AtomicLong` of `Bits`, by its name, or that of 8. No Java runs for it.
fn figure(env: &mut Env<'_>, name: &JNIStr, name_in_8: &JNIStr) -> Result<i64> {
    let bits = env.find_class(jni_str!("java/nio/Bits"))?;
    let atomic = jni_sig!("Ljava/util/concurrent/atomic/AtomicLong;");
    let figure = match env.get_static_field(&bits, name, &atomic) {
        Err(Error::FieldNotFound { .. } | Error::JavaException) => {
            env.exception_clear();
            env.get_static_field(&bits, name_in_8, &atomic)
        }
        found => found,
    };
    env.get_field(figure?.l()?, jni_str!("value"), jni_sig!("J"))?.j()
}
