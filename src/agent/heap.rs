//! A look at the JVM's heap: every direct buffer in it, whether the program can reach it, and which blocks
//! are whose.
//!
//! Each walk is a stop of the program. The first goes through all objects, those too that only wait for a
//! collection, and notes the direct buffers. The second follows references from the roots and does
//! not pass the `referent` of weak, phantom and final references: what it does not come to, a collection
//! may take. A softly reachable buffer counts as reachable, since a collection leaves it until the heap
//! is full. On its way it tags the lists of arenas: closed ones may lie around for long.

use super::cleanups;
use super::tags::{
    Addressed, BUFFER, CACHE, Classes, KIND, LIST, PHANTOM, PLACE, WEAK, tag_of_place,
};
use super::vm::{self, Jvmti, Table, call, raw};
use crate::boundary::guard;
use crate::jni::natives;
use crate::ledger::{Buffer, Walk};
use core::ffi::c_void;
use core::ptr;
use jni::Env;
use jni::errors::{Error, Result};
use jni::objects::JClass;
use jvmti_bindings::sys::jni::{jint, jlong, jmethodID, jvalue};
use jvmti_bindings::sys::jvmti::{
    JVMTI_ERROR_INTERNAL, JVMTI_HEAP_REFERENCE_ARRAY_ELEMENT, JVMTI_HEAP_REFERENCE_FIELD,
    JVMTI_HEAP_REFERENCE_STACK_LOCAL, JVMTI_VISIT_ABORT, JVMTI_VISIT_OBJECTS, jvmtiHeapCallbacks,
    jvmtiHeapReferenceInfo, jvmtiHeapReferenceKind, jvmtiPrimitiveType,
};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

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
                Ok(Classes::tagged(jvmti, env)?.and_then(|classes| look(jvmti, env, &classes)))
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

/// Tags of buffers begin here.
const FIRST: jlong = 1 << 40;
/// The tag of an array in which a channel keeps buffers.
const ARRAY: jlong = 3;

fn look(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    classes: &Classes<'_>,
) -> core::result::Result<Walk, vm::Error> {
    let walk = Walk::begin();
    let start = Instant::now();
    let found = addresses(jvmti, &classes.buffer)?;
    let mut following = Following::follow(jvmti, &found)?;
    let pause = start.elapsed();
    following.tell_temporary(jvmti, &classes.channels)?;
    let cleanups = cleanups::cleanups(jvmti, env, classes);
    let buffers = following.buffers.into_iter().map(|Noted { buffer, .. }| buffer).collect();
    Ok(walk.end(buffers, cleanups, pause))
}

/// A buffer, and whether something else refers to it than a stack, a cleaner and a channel.
struct Noted {
    buffer: Buffer,
    is_held: bool,
}

/// A buffer in a variable of a call.
struct Local {
    buffer: usize,
    method: jmethodID,
    slot: jint,
}

/// What is found by following references.
struct Following {
    /// In the order of their tags.
    buffers: Vec<Noted>,
    locals: Vec<Local>,
    has_panicked: bool,
}

impl Following {
    fn follow(jvmti: Jvmti, addresses: &[usize]) -> core::result::Result<Self, vm::Error> {
        let callbacks = jvmtiHeapCallbacks {
            heap_reference_callback: Some(on_reference),
            ..jvmtiHeapCallbacks::default()
        };
        let note = |&address: &usize| Noted {
            buffer: Buffer { address, is_reachable: false, is_owner: false, is_temporary: false },
            is_held: false,
        };
        let mut following = Self {
            buffers: addresses.iter().map(note).collect(),
            locals: Vec::new(),
            has_panicked: false,
        };
        let to: *mut c_void = (&raw mut following).cast();
        let none = ptr::null_mut();
        call!(jvmti, FollowReferences(0, none, none, &raw const callbacks, to))?;
        if following.has_panicked { Err(JVMTI_ERROR_INTERNAL) } else { Ok(following) }
    }

    /// What a reference says of what it refers to, whose tag is `tag`, and its class's `class`.
    ///
    /// # Safety
    /// `info` is what the JVM tells of this reference.
    unsafe fn note(
        &mut self,
        class: jlong,
        tag: &mut jlong,
        from: &Referrer,
        info: *const jvmtiHeapReferenceInfo,
    ) {
        match class & KIND {
            BUFFER => {
                let Ok(place) = usize::try_from(*tag - FIRST) else { return };
                // SAFETY: the caller guarantees it.
                unsafe { self.note_buffer(place, from, info) };
            }
            LIST => *tag = class & PLACE,
            _ if from.is_field_of(CACHE) => *tag = ARRAY,
            _ => {}
        }
    }

    /// # Safety
    /// `info` is what the JVM tells of this reference.
    unsafe fn note_buffer(
        &mut self,
        place: usize,
        from: &Referrer,
        info: *const jvmtiHeapReferenceInfo,
    ) {
        let Some(Noted { buffer, is_held }) = self.buffers.get_mut(place) else { return };
        buffer.is_owner |= from.is_field_of(PHANTOM);
        if from.is_referent() {
            return;
        }
        buffer.is_reachable = true;
        if from.kind == JVMTI_HEAP_REFERENCE_STACK_LOCAL {
            // SAFETY: the caller guarantees the pointer.
            let info = unsafe { &*info };
            // SAFETY: and that it tells of a variable.
            let local = unsafe { info.stack_local };
            let (method, slot) = (local.method, local.slot);
            self.locals.push(Local { buffer: place, method, slot });
        } else if from.kind == JVMTI_HEAP_REFERENCE_ARRAY_ELEMENT && from.tag == ARRAY {
            buffer.is_temporary = true;
        } else {
            *is_held = true;
        }
    }

    /// Notes the buffers that a channel's call has in a variable of its own, no argument. A channel that is
    /// given an array works with such a buffer, perhaps for long: as long as nothing comes to read. Its
    /// caller's buffer is an argument, or stands in an array.
    fn tell_temporary(
        &mut self,
        jvmti: Jvmti,
        channels: &[JClass<'_>],
    ) -> core::result::Result<(), vm::Error> {
        let Self { buffers, locals, .. } = self;
        locals.retain(|local| buffers.get(local.buffer).is_some_and(|noted| !noted.is_held));
        // The method of a thread may be unloaded by now. Those of the JDK's channels are not, and others
        // are not asked.
        let channels = if locals.is_empty() { &[] } else { channels };
        for class in channels {
            let mut methods: Table<jmethodID> = Table::new(jvmti);
            let (count_to, methods_to) = methods.places();
            if call!(jvmti, GetClassMethods(raw(class), count_to, methods_to)).is_err() {
                continue; // it is not ready, and so has no calls
            }
            for method in methods.as_slice() {
                let mut of_method =
                    locals.iter().filter(|local| local.method == *method).peekable();
                if of_method.peek().is_none() {
                    continue;
                }
                let (mut arguments, mut all) = (0, 0);
                call!(jvmti, GetArgumentsSize(*method, &raw mut arguments))?;
                call!(jvmti, GetMaxLocals(*method, &raw mut all))?;
                // Beyond all variables stand the values that an expression works with.
                for local in of_method.filter(|local| (arguments..all).contains(&local.slot)) {
                    if let Some(noted) = buffers.get_mut(local.buffer) {
                        noted.buffer.is_temporary = true;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where a reference comes from.
struct Referrer {
    kind: jvmtiHeapReferenceKind,
    /// The tag of the referrer's class.
    class: jlong,
    /// The referrer's tag; 0 of a root.
    tag: jlong,
    /// The field's place, as it stands in a tag; 0 if it is no field.
    place: jlong,
}

impl Referrer {
    fn is_field_of(&self, kind: jlong) -> bool {
        self.class & KIND == kind && self.place != 0 && self.class & PLACE == self.place
    }

    /// It does not keep what it refers to.
    fn is_referent(&self) -> bool {
        self.is_field_of(WEAK) || self.is_field_of(PHANTOM)
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

/// Called in a stop of the program for each reference that can be followed from the roots.
unsafe extern "system" fn on_reference(
    kind: jvmtiHeapReferenceKind,
    info: *const jvmtiHeapReferenceInfo,
    class_tag: jlong,
    referrer_class_tag: jlong,
    _size: jlong,
    tag: *mut jlong,
    referrer_tag: *mut jlong,
    _length: jint,
    following: *mut c_void,
) -> jint {
    if class_tag == 0 && referrer_class_tag == 0 {
        return JVMTI_VISIT_OBJECTS; // nearly all are so
    }
    let place = if kind == JVMTI_HEAP_REFERENCE_FIELD {
        // SAFETY: a reference from a field is announced with where it is.
        tag_of_place(unsafe { field_index(info) })
    } else {
        0
    };
    let from = Referrer {
        kind,
        class: referrer_class_tag,
        // SAFETY: the JVM passes where the referrer's tag is, and NULL if it is a root.
        tag: unsafe { referrer_tag.as_ref() }.map_or(0, |tag| *tag),
        place,
    };
    // SAFETY: `following` is what `Following::follow` has passed. Its thread waits for the walk, and the
    // JVM calls from one thread.
    let following: &mut Following = unsafe { &mut *following.cast() };
    // SAFETY: the JVM passes where the object's tag is read and written.
    let tag = unsafe { &mut *tag };
    let noted = guard(
        || {
            // SAFETY: the JVM's own.
            unsafe { following.note(class_tag, tag, &from, info) };
            true
        },
        |_| false,
    );
    following.has_panicked |= !noted;
    match noted {
        false => JVMTI_VISIT_ABORT,
        true if from.is_referent() => 0,
        true => JVMTI_VISIT_OBJECTS,
    }
}

/// The addresses in all objects of a class. Each gets a tag, in this order.
fn addresses(
    jvmti: Jvmti,
    Addressed { class, address }: &Addressed<'_>,
) -> core::result::Result<Vec<usize>, vm::Error> {
    let callbacks = jvmtiHeapCallbacks {
        primitive_field_callback: Some(on_field),
        ..jvmtiHeapCallbacks::default()
    };
    let mut reading = Reading { address: *address, found: Vec::new(), has_panicked: false };
    let to: *mut c_void = (&raw mut reading).cast();
    call!(jvmti, IterateThroughHeap(0, raw(class), &raw const callbacks, to))?;
    if reading.has_panicked { Err(JVMTI_ERROR_INTERNAL) } else { Ok(reading.found) }
}

struct Reading {
    /// The place of the field.
    address: jint,
    found: Vec<usize>,
    has_panicked: bool,
}

impl Reading {
    fn note(&mut self, index: jint, value: jvalue, tag: &mut jlong) {
        if index != self.address {
            return;
        }
        // SAFETY: an address is a long.
        let address = unsafe { value.j };
        let Ok(address) = usize::try_from(address) else { return };
        if address != 0 {
            *tag = FIRST + jlong::try_from(self.found.len()).unwrap_or(0);
            self.found.push(address);
        }
    }
}

/// Called in a stop of the program for each primitive field of each object of a class.
unsafe extern "system" fn on_field(
    _kind: jvmtiHeapReferenceKind,
    info: *const jvmtiHeapReferenceInfo,
    _class_tag: jlong,
    tag: *mut jlong,
    value: jvalue,
    _type: jvmtiPrimitiveType,
    reading: *mut c_void,
) -> jint {
    // SAFETY: `reading` is what `addresses` has passed. Its thread waits for the walk, and the JVM
    // calls from one thread.
    let reading: &mut Reading = unsafe { &mut *reading.cast() };
    // SAFETY: a primitive field is announced with where it is.
    let index = unsafe { field_index(info) };
    // SAFETY: the JVM passes where the object's tag is read and written.
    let tag = unsafe { &mut *tag };
    let noted = guard(
        || {
            reading.note(index, value, tag);
            true
        },
        |_| false,
    );
    reading.has_panicked |= !noted;
    if noted { 0 } else { JVMTI_VISIT_ABORT }
}
