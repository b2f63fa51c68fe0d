//! The classes that a look at the heap knows, each by a tag: what its objects are, and in which of their
//! fields the reference stands that says more.
//!
//! The names are the JDK's own, of private classes: they were read from the class files of 8, 11, 17, 21
//! and 25. One that a JDK has not got is not looked for; without those that free direct buffers a look does
//! not tell families.

use super::fields::{index, is_ready, loaded, of_interfaces, own_index};
use super::vm::{self, Jvmti, raw};
use jni::errors::Result;
use jni::objects::JClass;
use jni::{Env, jni_str};
use jvmti_bindings::sys::jni::{jint, jlong};
use jvmti_bindings::sys::jvmti::{JVMTI_ERROR_NOT_FOUND, jvmtiCapabilities};

/// What the objects of a class are: the upper half of its tag.
pub(super) const KIND: jlong = 0xFF << 32;
/// The lower half: one more than the place of a field among an object's; 0 if none matters.
pub(super) const PLACE: jlong = 0xFFFF_FFFF;

/// Weak or final references: the field is the referent.
pub(super) const WEAK: jlong = 1 << 32;
/// Phantom ones. Cleaners are such, and who has one owns its memory.
pub(super) const PHANTOM: jlong = 2 << 32;
/// Direct buffers.
pub(super) const BUFFER: jlong = 3 << 32;
/// Keepers of channels' buffers: the field is an array of those.
pub(super) const CACHE: jlong = 4 << 32;
/// Lists of what an arena has to free. The lower half is the tag that such an object gets.
pub(super) const LIST: jlong = 5 << 32;

/// The tag of an arena's list.
pub(super) const LISTED: jlong = 1;
/// The tag of one that has a place of its own for its first entry, as those of confined arenas from 25 on.
pub(super) const REMEMBERING: jlong = 2;

const LISTS: [&str; 4] = [
    "Ljdk/internal/foreign/ConfinedScope$ConfinedResourceList;",
    "Ljdk/internal/foreign/SharedScope$SharedResourceList;",
    "Ljdk/internal/foreign/ConfinedSession$ConfinedResourceList;",
    "Ljdk/internal/foreign/SharedSession$SharedResourceList;",
];
const OF_17: &str = "Scope$";

const ENTRIES: [&str; 2] = [
    "Ljdk/internal/foreign/NativeMemorySegmentImpl$1;",
    "Ljdk/internal/foreign/SegmentFactories$1;",
];

/// The class of the end that a list has when all in it is done.
const END: &str = "Ljdk/internal/foreign/MemorySessionImpl$ResourceList$ResourceCleanup$1;";

const CLEANERS: [&str; 2] = ["Lsun/misc/Cleaner;", "Ljdk/internal/ref/Cleaner;"];

const CACHES: [(&str, &str); 2] =
    [("Lsun/nio/ch/Util$BufferCache;", "buffers"), ("Lsun/nio/ch/IOVecWrapper;", "shadow")];

const CHANNELS: &str = "Lsun/nio/ch/";

/// A class with the place of the field in which its objects have an address.
pub(super) struct Addressed<'local> {
    pub(super) class: JClass<'local>,
    pub(super) address: jint,
}

/// The JDK's cleaners, and the action of a direct buffer's.
pub(super) struct Cleaners<'local> {
    pub(super) class: JClass<'local>,
    pub(super) deallocator: JClass<'local>,
    /// The class has the name that it has in 8.
    pub(super) is_of_8: bool,
}

/// What arenas have to free, as far as such classes are loaded.
#[derive(Default)]
pub(super) struct Arenas<'local> {
    /// One of the lists'; what they have in common is in one above it.
    pub(super) list: Option<JClass<'local>>,
    /// That of those which remember their first entry.
    pub(super) remembering: Option<JClass<'local>>,
    /// Of the entries that free a block.
    pub(super) entry: Option<JClass<'local>>,
    /// Of the end that a list has when all in it is done.
    pub(super) end: Option<JClass<'local>>,
    /// The classes have the names that they have in 17.
    pub(super) is_of_17: bool,
}

/// The classes of one look.
pub(super) struct Classes<'local> {
    pub(super) buffer: Addressed<'local>,
    /// `None` if this JDK frees direct buffers another way.
    pub(super) cleaners: Option<Cleaners<'local>>,
    pub(super) arenas: Arenas<'local>,
    /// The JDK's own for channels.
    pub(super) channels: Vec<JClass<'local>>,
}

impl<'local> Classes<'local> {
    /// Finds them, and tags them for this environment of the tool interface.
    pub(super) fn tagged(
        jvmti: Jvmti,
        env: &mut Env<'local>,
    ) -> Result<core::result::Result<Self, vm::Error>> {
        let roots = Roots {
            reference: env.find_class(jni_str!("java/lang/ref/Reference"))?,
            soft: env.find_class(jni_str!("java/lang/ref/SoftReference"))?,
            phantom: env.find_class(jni_str!("java/lang/ref/PhantomReference"))?,
        };
        let buffer = env.find_class(jni_str!("java/nio/DirectByteBuffer"))?;
        // By its name, since it may not have been loaded yet: its absence is to mean that there is none.
        let deallocator = env.find_class(jni_str!("java/nio/DirectByteBuffer$Deallocator"));
        if deallocator.is_err() {
            env.exception_clear();
        }
        Ok(Self::of_loaded(jvmti, env, &roots, buffer, deallocator.ok()))
    }

    fn of_loaded(
        jvmti: Jvmti,
        env: &mut Env<'local>,
        roots: &Roots<'local>,
        buffer: JClass<'local>,
        mut deallocator: Option<JClass<'local>>,
    ) -> core::result::Result<Self, vm::Error> {
        let mut capabilities = jvmtiCapabilities::default();
        capabilities.set_can_tag_objects(true);
        jvmti.add_capabilities(&capabilities)?;
        jvmti.set_tag(&buffer, BUFFER)?;
        let address = index(jvmti, env, &buffer, "address")?;
        let buffer = Addressed { class: buffer, address };
        let (arenas, channels) = (Arenas::default(), Vec::new());
        let mut classes = Self { buffer, cleaners: None, arenas, channels };
        let referent = own_index(jvmti, &roots.reference, "referent")?;
        for class in loaded(jvmti, env)? {
            let signature = jvmti.signature(raw(&class))?;
            if roots.is_cut(env, &class) {
                if is_ready(jvmti, &class)? {
                    let kind = if roots.is_phantom(env, &class) { PHANTOM } else { WEAK };
                    let place = of_interfaces(jvmti, env, &class)? + referent;
                    jvmti.set_tag(&class, kind | tag_of_place(place))?;
                    if CLEANERS.contains(&signature.as_str()) {
                        let is_of_8 = signature == CLEANERS[0];
                        classes.cleaners = deallocator.take().map(|deallocator| Cleaners {
                            class,
                            deallocator,
                            is_of_8,
                        });
                    }
                }
            } else {
                classes.add(jvmti, env, class, &signature)?;
            }
        }
        Ok(classes)
    }

    /// Tags the class, if it is one of those that are known.
    fn add(
        &mut self,
        jvmti: Jvmti,
        env: &mut Env<'local>,
        class: JClass<'local>,
        signature: &str,
    ) -> core::result::Result<(), vm::Error> {
        if signature.starts_with(CHANNELS) {
            let cache = CACHES.iter().find(|(name, _)| *name == signature);
            if let Some((_, field)) = cache
                && is_ready(jvmti, &class)?
                && let Some(place) = place_of(jvmti, env, &class, field)?
            {
                jvmti.set_tag(&class, CACHE | place)?;
            }
            self.channels.push(class);
        } else if LISTS.contains(&signature) && is_ready(jvmti, &class)? {
            let is_remembering = place_of(jvmti, env, &class, "cache")?.is_some();
            jvmti.set_tag(&class, LIST | if is_remembering { REMEMBERING } else { LISTED })?;
            self.arenas.is_of_17 = signature.contains(OF_17);
            let place =
                if is_remembering { &mut self.arenas.remembering } else { &mut self.arenas.list };
            *place = Some(class);
        } else if ENTRIES.contains(&signature) && is_ready(jvmti, &class)? {
            self.arenas.entry = Some(class);
        } else if signature == END {
            self.arenas.end = Some(class);
        }
        Ok(())
    }
}

/// The place of a field that there may not be, as it stands in a tag.
fn place_of(
    jvmti: Jvmti,
    env: &mut Env<'_>,
    class: &JClass<'_>,
    field: &str,
) -> core::result::Result<Option<jlong>, vm::Error> {
    match index(jvmti, env, class, field) {
        Err(JVMTI_ERROR_NOT_FOUND) => Ok(None),
        index => index.map(|index| Some(tag_of_place(index))),
    }
}

/// A place as it stands in a tag.
pub(super) fn tag_of_place(place: jint) -> jlong {
    jlong::from(place) + 1
}

/// The classes of references.
struct Roots<'local> {
    reference: JClass<'local>,
    soft: JClass<'local>,
    phantom: JClass<'local>,
}

impl Roots<'_> {
    /// Whether the referents of such references are not followed.
    fn is_cut(&self, env: &mut Env<'_>, class: &JClass<'_>) -> bool {
        let mut extends =
            |other: &JClass<'_>| env.is_assignable_from(class, other).unwrap_or(false);
        extends(&self.reference) && !extends(&self.soft)
    }

    fn is_phantom(&self, env: &mut Env<'_>, class: &JClass<'_>) -> bool {
        env.is_assignable_from(class, &self.phantom).unwrap_or(false)
    }
}
