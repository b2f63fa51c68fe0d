//! A look at the JVM's heap: every direct buffer in it, and whether the program can reach it.
//!
//! Two walks, each a stop of the program. The first goes through all objects, those too that only
//! wait for a collection, and notes the direct buffers. The second follows references from the roots
//! and does not pass the `referent` of weak, phantom and final references: what it does not come to, a
//! collection may take. A softly reachable buffer counts as reachable, since a collection leaves it
//! until the heap is full.

use super::fields::{loaded_subclasses, of_interfaces, own_index};
use super::vm::{self, Jvmti, call, raw};
use crate::boundary::guard;
use crate::jni::natives;
use crate::ledger::{Buffer, Walk};
use core::ffi::c_void;
use core::ptr;
use core::time::Duration;
use jni::errors::{Error, Result};
use jni::objects::JClass;
use jni::{Env, jni_str};
use jvmti_bindings::sys::jni::{jint, jlong, jvalue};
use jvmti_bindings::sys::jvmti::{
    JVMTI_ERROR_INTERNAL, JVMTI_HEAP_REFERENCE_FIELD, JVMTI_VISIT_ABORT, JVMTI_VISIT_OBJECTS,
    jvmtiCapabilities, jvmtiHeapCallbacks, jvmtiHeapReferenceInfo, jvmtiHeapReferenceKind,
    jvmtiPrimitiveType,
};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Tags of buffers begin here; below are those of classes of references: one more than the place of the
/// referent among the fields.
const FIRST: jlong = 1 << 32;
/// Added to the tag of a class of phantom references: cleaners are such, and who has one owns its memory.
const PHANTOM: jlong = 1 << 31;
/// Room for local references: to all classes, and what more is needed. The JVM sets nothing aside for
/// it, and 65,536 is the most it may be asked for.
const REFERENCES: usize = 65_000;

/// Looks at the heap; on a thread that is none of Java's too. The error is for people.
///
/// # Safety
/// `vm` is the JVM's own, in its live phase, and the calling thread, if it is one of Java's, is in native
/// code.
pub(super) unsafe fn walk(vm: *mut jni::sys::JavaVM) -> core::result::Result<Walk, String> {
    /// Tags are the environment's, but the stops would add up.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    // SAFETY: the caller guarantees JVM and thread.
    let looked = unsafe {
        attached(vm, |jvmti, env| {
            env.with_local_frame(REFERENCES, |env| -> Result<_> {
                Ok(Look::prepare(jvmti, env)?.and_then(|look| look.look(jvmti)))
            })
        })
    };
    let looked = looked.ok_or("the heap can't be looked at: the JVM can't be asked")?;
    looked.map_err(|error| format!("the heap can't be looked at: JVMTI error {error:?}"))
}

/// [`natives::attached`] with an environment of the tool interface that has no other use.
///
/// # Safety
/// As [`natives::attached`].
pub(super) unsafe fn attached<R>(
    vm: *mut jni::sys::JavaVM,
    work: impl FnOnce(Jvmti, &mut Env<'_>) -> Result<R>,
) -> Option<R> {
    let with_environment = |env: &mut Env<'_>| {
        // Only here: on a thread that is none of Java's the JVM would crash.
        // SAFETY: the caller guarantees the JVM, and the thread is one of Java's.
        let jvmti = unsafe { Jvmti::of(vm) }.ok_or(Error::UnsupportedVersion)?;
        let result = work(jvmti, env);
        jvmti.dispose();
        result
    };
    // SAFETY: the caller guarantees the JVM.
    unsafe { natives::attached(vm, with_environment) }
}

/// What the callbacks of a look know and note.
struct Look<'local> {
    direct_buffer: JClass<'local>,
    /// The place of `address` among the fields of a direct buffer.
    address: jint,
    buffers: Vec<Buffer>,
    has_panicked: bool,
}

impl<'local> Look<'local> {
    /// Tags the classes of references, so that the second walk knows them.
    fn prepare(
        jvmti: Jvmti,
        env: &mut Env<'local>,
    ) -> Result<core::result::Result<Self, vm::Error>> {
        let reference = env.find_class(jni_str!("java/lang/ref/Reference"))?;
        let soft = env.find_class(jni_str!("java/lang/ref/SoftReference"))?;
        let phantom = env.find_class(jni_str!("java/lang/ref/PhantomReference"))?;
        let buffer = env.find_class(jni_str!("java/nio/Buffer"))?;
        let direct_buffer = env.find_class(jni_str!("java/nio/DirectByteBuffer"))?;
        let tag_all = |env: &mut Env<'local>| {
            let mut capabilities = jvmtiCapabilities::default();
            capabilities.set_can_tag_objects(true);
            jvmti.add_capabilities(&capabilities)?;
            let referent = own_index(jvmti, &reference, "referent")?;
            for class in loaded_subclasses(jvmti, env, &reference, &soft)? {
                let index = of_interfaces(jvmti, env, &class)? + referent;
                let is_phantom = env.is_assignable_from(&class, &phantom).unwrap_or(false);
                let kind = if is_phantom { PHANTOM } else { 0 };
                jvmti.set_tag(&class, jlong::from(index) + 1 + kind)?;
            }
            let before = of_interfaces(jvmti, env, &direct_buffer)?;
            Ok(before + own_index(jvmti, &buffer, "address")?)
        };
        let address = tag_all(env);
        Ok(address.map(|address| Self {
            direct_buffer,
            address,
            buffers: Vec::new(),
            has_panicked: false,
        }))
    }

    fn look(mut self, jvmti: Jvmti) -> core::result::Result<Walk, vm::Error> {
        let walk = Walk::begin();
        let all = jvmtiHeapCallbacks {
            primitive_field_callback: Some(on_field),
            ..jvmtiHeapCallbacks::default()
        };
        let reachable = jvmtiHeapCallbacks {
            heap_reference_callback: Some(on_reference),
            ..jvmtiHeapCallbacks::default()
        };
        let class = raw(&self.direct_buffer);
        let look: *mut c_void = (&raw mut self).cast();
        let start = Instant::now();
        call!(jvmti, IterateThroughHeap(0, class, &raw const all, look))?;
        call!(
            jvmti,
            FollowReferences(0, ptr::null_mut(), ptr::null_mut(), &raw const reachable, look)
        )?;
        let pause: Duration = start.elapsed();
        if self.has_panicked {
            return Err(JVMTI_ERROR_INTERNAL);
        }
        Ok(walk.end(self.buffers, pause))
    }

    fn note(&mut self, index: jint, value: jvalue, tag: &mut jlong) {
        if index != self.address {
            return;
        }
        // SAFETY: `address` is a long.
        let address = unsafe { value.j };
        let Ok(address) = usize::try_from(address) else { return };
        if address != 0 {
            *tag = FIRST + jlong::try_from(self.buffers.len()).unwrap_or(0);
            self.buffers.push(Buffer { address, is_reachable: false, is_owner: false });
        }
    }

    fn buffer(&mut self, tag: jlong) -> Option<&mut Buffer> {
        usize::try_from(tag - FIRST).ok().and_then(|i| self.buffers.get_mut(i))
    }
}

/// # Safety
/// `info` is what the JVM tells of a field.
unsafe fn field_index(info: *const jvmtiHeapReferenceInfo) -> jint {
    // SAFETY: the caller guarantees the pointer.
    let info = unsafe { &*info };
    // SAFETY: and that it tells of a field.
    unsafe { info.field.index }
}

/// Called in a stop of the program for each primitive field of each direct buffer.
unsafe extern "system" fn on_field(
    _kind: jvmtiHeapReferenceKind,
    info: *const jvmtiHeapReferenceInfo,
    _class_tag: jlong,
    tag: *mut jlong,
    value: jvalue,
    _type: jvmtiPrimitiveType,
    look: *mut c_void,
) -> jint {
    // SAFETY: `look` is what `Look::look` has passed. Its thread waits for the walk, and the JVM calls
    // from one thread.
    let look: &mut Look<'_> = unsafe { &mut *look.cast() };
    // SAFETY: a primitive field is announced with where it is.
    let index = unsafe { field_index(info) };
    // SAFETY: the JVM passes where the object's tag is read and written.
    let tag = unsafe { &mut *tag };
    let noted = guard(
        || {
            look.note(index, value, tag);
            true
        },
        |_| false,
    );
    look.has_panicked |= !noted;
    if noted { 0 } else { JVMTI_VISIT_ABORT }
}

/// Called in a stop of the program for each reference that can be followed from the roots.
unsafe extern "system" fn on_reference(
    kind: jvmtiHeapReferenceKind,
    info: *const jvmtiHeapReferenceInfo,
    _class_tag: jlong,
    referrer_class_tag: jlong,
    _size: jlong,
    tag: *mut jlong,
    _referrer_tag: *mut jlong,
    _length: jint,
    look: *mut c_void,
) -> jint {
    // SAFETY: the JVM passes where the object's tag is read.
    let tag = unsafe { tag.read() };
    let is_referent = kind == JVMTI_HEAP_REFERENCE_FIELD && referrer_class_tag > 0 && {
        // SAFETY: a reference from a field is announced with where it is.
        let index = unsafe { field_index(info) };
        jlong::from(index) + 1 == referrer_class_tag & !PHANTOM
    };
    if tag >= FIRST {
        // SAFETY: `look` is what `Look::look` has passed. Its thread waits for the walk, and the JVM calls
        // from one thread.
        let look: &mut Look<'_> = unsafe { &mut *look.cast() };
        if let Some(buffer) = look.buffer(tag) {
            buffer.is_reachable |= !is_referent;
            buffer.is_owner |= is_referent && referrer_class_tag & PHANTOM != 0;
        }
    }
    if is_referent { 0 } else { JVMTI_VISIT_OBJECTS }
}
