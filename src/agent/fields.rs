//! Where a field stands in the order in which the tool interface counts an object's fields: first
//! those of all its interfaces, then those of its classes, the uppermost first.

use super::vm::{Error, Jvmti, Table, Text, call, raw};
use core::ptr;
use jni::Env;
use jni::objects::JClass;
use jvmti_bindings::sys::jni::{jclass, jfieldID, jint};
use jvmti_bindings::sys::jvmti::{JVMTI_ERROR_CLASS_NOT_PREPARED, JVMTI_ERROR_NOT_FOUND};

/// How many fields the class itself declares.
fn count(jvmti: Jvmti, class: &JClass<'_>) -> Result<jint, Error> {
    fields(jvmti, class).map(|fields| fields.count())
}

fn fields(jvmti: Jvmti, class: &JClass<'_>) -> Result<Table<jfieldID>, Error> {
    let mut fields = Table::new(jvmti);
    let (count_to, fields_to) = fields.places();
    call!(jvmti, GetClassFields(raw(class), count_to, fields_to))?;
    Ok(fields)
}

/// The place of a field among those that the class itself declares.
pub(super) fn own_index(jvmti: Jvmti, class: &JClass<'_>, name: &str) -> Result<jint, Error> {
    for (index, field) in (0..).zip(fields(jvmti, class)?.as_slice()) {
        let mut text = Text::new(&jvmti);
        let (text_to, none) = (text.place(), ptr::null_mut());
        call!(jvmti, GetFieldName(raw(class), *field, text_to, none, ptr::null_mut()))?;
        if text.to_owned() == name {
            return Ok(index);
        }
    }
    Err(JVMTI_ERROR_NOT_FOUND)
}

/// The place of a field among all that an object of the class has, as the tool interface counts them: of
/// that name, the one of the uppermost class.
pub(super) fn index(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    class: &JClass<'_>,
    name: &str,
) -> Result<jint, Error> {
    let mut before = of_interfaces(jvmti, env, class)?;
    let mut above: Vec<JClass<'_>> = Vec::new();
    while let Some(superclass) = env.get_superclass(above.last().unwrap_or(class)).ok().flatten() {
        above.push(superclass);
    }
    for class in above.iter().rev().chain([class]) {
        match own_index(jvmti, class, name) {
            Err(JVMTI_ERROR_NOT_FOUND) => before += count(jvmti, class)?,
            found => return found.map(|own| before + own),
        }
    }
    Err(JVMTI_ERROR_NOT_FOUND)
}

/// How many fields all interfaces of the class have, its superclasses' and its interfaces' own too.
pub(super) fn of_interfaces(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    class: &JClass<'_>,
) -> Result<jint, Error> {
    let mut above = env.get_superclass(class).ok().flatten();
    // Whose interfaces are to be asked for yet.
    let mut pending = vec![raw(class)];
    while let Some(class) = above {
        pending.push(raw(&class));
        above = env.get_superclass(&class).ok().flatten();
    }
    let mut found: Vec<JClass<'_>> = Vec::new();
    let mut all = 0;
    while let Some(class) = pending.pop() {
        let mut named: Table<jclass> = Table::new(jvmti);
        let (count_to, classes_to) = named.places();
        call!(jvmti, GetImplementedInterfaces(class, count_to, classes_to))?;
        for interface in named.as_slice() {
            // SAFETY: a local reference to a class, made for us by the call.
            let interface = unsafe { JClass::from_raw(env, interface.cast()) };
            let known = |other: &JClass<'_>| env.is_same_object(other, &interface).unwrap_or(true);
            if !found.iter().any(known) {
                all += count(jvmti, &interface)?;
                pending.push(raw(&interface));
                found.push(interface);
            }
        }
    }
    Ok(all)
}

/// All classes: a reference to each.
pub(super) fn loaded<'local>(
    jvmti: Jvmti,
    env: &Env<'local>,
) -> Result<Vec<JClass<'local>>, Error> {
    let mut loaded: Table<jclass> = Table::new(jvmti);
    let (count_to, classes_to) = loaded.places();
    call!(jvmti, GetLoadedClasses(count_to, classes_to))?;
    // SAFETY: a local reference to a class, made for us by the call.
    let of = |class: &jclass| unsafe { JClass::from_raw(env, class.cast()) };
    Ok(loaded.as_slice().iter().map(of).collect())
}

/// Whether the class has been prepared: before that it has no objects, and does not tell its fields.
pub(super) fn is_ready(jvmti: Jvmti, class: &JClass<'_>) -> Result<bool, Error> {
    match count(jvmti, class) {
        Err(JVMTI_ERROR_CLASS_NOT_PREPARED) => Ok(false),
        counted => counted.map(|_| true),
    }
}
