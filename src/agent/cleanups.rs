//! What will give blocks back, from the JDK's own lists: cleaners have those of direct buffers, arenas their
//! segments'. There it is from when the block is taken, or just after, until just before it is freed, and
//! has the block's address. So it tells also of a buffer that has been collected and of a segment that is
//! forgotten, and not of one whose memory was freed by hand.
//!
//! A walk of the heap could find the same, but would have to tag each object, while the program stands
//! still: with as many tags again it took twice as long. The program goes on while the lists are read, and
//! what has just been read may be freed. Its block is then no more, or one that is younger than the walk.

use super::tags::{Arenas, Classes, Cleaners, LISTED, REMEMBERING};
use super::vm::{Jvmti, Table, call};
use crate::ledger::{Cleanup, Family};
use core::ptr;
use jni::objects::{JFieldID, JObject};
use jni::signature::{JavaType, Primitive};
use jni::strings::JNIStr;
use jni::{Env, jni_sig, jni_str};
use jvmti_bindings::sys::jni::{jlong, jobject};

/// The fields of arenas' entries that have the block's address, by the names that they have had.
const ADDRESSES: [&JNIStr; 2] = [jni_str!("val$buf"), jni_str!("val$allocationBase")];

/// All of them, of arenas those whose lists have been tagged. `None` if they can't be told: this JDK does
/// it another way.
pub(super) fn cleanups(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    classes: &Classes<'_>,
) -> Option<Vec<Cleanup>> {
    let mut found = Vec::new();
    let told = of_buffers(env, classes.cleaners.as_ref()?, &mut found)
        .and_then(|()| of_arenas(jvmti, env, &classes.arenas, &mut found));
    if env.exception_check() {
        env.exception_clear();
    }
    told.map(|()| found)
}

/// The list is read under its lock, as the JDK does: it changes in its middle, too.
fn of_buffers(
    env: &mut Env<'_>,
    Cleaners { class, deallocator, is_of_8 }: &Cleaners<'_>,
    found: &mut Vec<Cleanup>,
) -> Option<()> {
    let of_8 = jni_sig!("Lsun/misc/Cleaner;");
    let later = jni_sig!("Ljdk/internal/ref/Cleaner;");
    let signature = || if *is_of_8 { &of_8 } else { &later };
    let first = env.get_static_field_id(class, jni_str!("first"), signature()).ok()?;
    let next = env.get_field_id(class, jni_str!("next"), signature()).ok()?;
    let thunk = jni_sig!("Ljava/lang/Runnable;");
    let thunk = env.get_field_id(class, jni_str!("thunk"), thunk).ok()?;
    let address = env.get_field_id(deallocator, jni_str!("address"), jni_sig!("J")).ok()?;

    let _locked = env.lock_obj(class).ok()?;
    // SAFETY: the field is this class's, and an object.
    let first = unsafe { env.get_static_field_unchecked(class, first, JavaType::Object) };
    let mut cleaner = first.and_then(|first| first.l()).ok()?;
    while !cleaner.is_null() {
        // SAFETY: in the list are cleaners; the field is theirs, and an object.
        let action = unsafe { object(env, &cleaner, thunk) }?;
        // Others have cleaners too, for memory of their own.
        if !action.is_null() && env.is_instance_of(&action, deallocator).ok()? {
            // SAFETY: the field is this class's, and a long.
            found.extend(unsafe { cleanup(env, &action, address, Family::DirectBuffer) }?);
        }
        env.delete_local_ref(action);
        // SAFETY: as above.
        let after = unsafe { object(env, &cleaner, next) }?;
        // There is room for few references.
        env.delete_local_ref(core::mem::replace(&mut cleaner, after));
    }
    Some(())
}

/// Lists of arenas are not locked: entries are only ever added, at the head, and all go at once.
fn of_arenas(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    Arenas { list, remembering, entry, end, is_of_17 }: &Arenas<'_>,
    found: &mut Vec<Cleanup>,
) -> Option<()> {
    // As long as there are none their classes are not loaded.
    let any = list.as_ref().or(remembering.as_ref());
    let (Some(list), Some(entry)) = (any, entry) else { return Some(()) };
    let of_17 = jni_sig!("Ljdk/internal/foreign/ResourceScopeImpl$ResourceList$ResourceCleanup;");
    let later = jni_sig!("Ljdk/internal/foreign/MemorySessionImpl$ResourceList$ResourceCleanup;");
    let signature = || if *is_of_17 { &of_17 } else { &later };
    let first = env.get_field_id(list, jni_str!("fst"), signature()).ok()?;
    let next = env.get_field_id(entry, jni_str!("next"), signature()).ok()?;
    let address = |name| env.get_field_id(entry, name, jni_sig!("J")).ok();
    let address = ADDRESSES.into_iter().find_map(address)?;
    let remembered = match remembering {
        Some(list) => Some(env.get_field_id(list, jni_str!("cache"), signature()).ok()?),
        None => None,
    };

    for (tag, remembered) in [(LISTED, None), (REMEMBERING, remembered)] {
        let mut lists: Table<jobject> = Table::new(jvmti);
        let (count_to, lists_to) = lists.places();
        let none = ptr::null_mut();
        call!(jvmti, GetObjectsWithTags(1, &raw const tag, count_to, lists_to, none)).ok()?;
        for list in lists.as_slice() {
            // SAFETY: a local reference to an object, made for us by the call.
            let list = unsafe { JObject::from_raw(env, list.cast()) };
            // SAFETY: so tagged are lists; the field is theirs, and an object.
            let mut entries = vec![unsafe { object(env, &list, first) }?];
            let is_done = match (end, entries.first()) {
                (Some(end), Some(first)) if !first.is_null() => {
                    env.is_instance_of(first, end).ok()?
                }
                _ => false,
            };
            // One whose entries are done remembers the first as before.
            if let Some(remembered) = remembered.filter(|_| !is_done) {
                // SAFETY: so tagged are those that have the field, and it is an object.
                entries.push(unsafe { object(env, &list, remembered) }?);
            }
            env.delete_local_ref(list);
            while let Some(one) = entries.pop() {
                if one.is_null() {
                    continue;
                }
                if env.is_instance_of(&one, entry).ok()? {
                    // SAFETY: the field is this class's, and a long.
                    found.extend(unsafe { cleanup(env, &one, address, Family::Arena) }?);
                }
                // SAFETY: in the list are entries; the field is theirs, and an object.
                entries.push(unsafe { object(env, &one, next) }?);
                env.delete_local_ref(one);
            }
        }
    }
    Some(())
}

/// # Safety
/// The object has this field, and it is an object.
unsafe fn object<'local>(
    env: &mut Env<'local>,
    of: &JObject<'_>,
    field: JFieldID,
) -> Option<JObject<'local>> {
    // SAFETY: the caller guarantees it.
    unsafe { env.get_field_unchecked(of, field, JavaType::Object) }.and_then(|value| value.l()).ok()
}

/// What frees the block whose address the field has; none once it is done, on JDKs that say so.
///
/// # Safety
/// The object has this field, and it is a long.
unsafe fn cleanup(
    env: &mut Env<'_>,
    of: &JObject<'_>,
    address: JFieldID,
    family: Family,
) -> Option<Option<Cleanup>> {
    let long = JavaType::Primitive(Primitive::Long);
    // SAFETY: the caller guarantees it.
    let address = unsafe { env.get_field_unchecked(of, address, long) };
    let address: jlong = address.and_then(|value| value.j()).ok()?;
    let address = usize::try_from(address).ok().filter(|address| *address != 0);
    Some(address.map(|address| Cleanup { address, family }))
}
