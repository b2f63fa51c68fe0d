//! The JVM tool interface, as far as the agent needs it.
//!
//! The interface's table has grown with the JDKs, and the crate's structure has the newest length:
//! functions are read from it one by one, by raw pointer, and all used here are in JDK 8's.

use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use jni::sys::{JNI_OK, jint};
use jvmti_bindings::sys::jni::{JNIEnv, jmethodID, jobject};
use jvmti_bindings::sys::jvmti::{
    JVMTI_ENABLE, JVMTI_VERSION_1_2, jvmtiCapabilities, jvmtiEnv, jvmtiError, jvmtiEvent,
    jvmtiEventCallbacks, jvmtiFrameInfo, jvmtiLineNumberEntry,
};

/// An error of the interface, by its number in the specification.
pub(super) type Error = jvmtiError;

/// The tool interface's environment of this agent, valid as long as the JVM.
#[derive(Clone, Copy)]
pub(super) struct Jvmti(pub(super) *mut jvmtiEnv);

// SAFETY: an environment may be used from any thread of the JVM.
unsafe impl Send for Jvmti {}
// SAFETY: as above, from several at once.
unsafe impl Sync for Jvmti {}

pub(super) use jvmti_bindings::sys::jvmti::{
    JVMTI_ERROR_NONE as NONE, JVMTI_ERROR_NOT_AVAILABLE as NOT_AVAILABLE,
};

/// Calls a function of the table: an error of the interface, or that there is no such function.
macro_rules! call {
    ($jvmti:expr, $name:ident ( $($argument:expr),* )) => {{
        // SAFETY: the JVM's pointer to its table, good as long as the JVM.
        let table = unsafe { (*$jvmti.0).functions };
        // SAFETY: the field lies within the table of JDK 8, the shortest.
        let function = unsafe { &raw const (*table).$name };
        // SAFETY: as above.
        match unsafe { function.read() } {
            // SAFETY: the environment is the JVM's own; the method's text argues the rest.
            Some(function) => match unsafe { function($jvmti.0 $(, $argument)*) } {
                $crate::agent::vm::NONE => Ok(()),
                error => Err(error),
            },
            None => Err($crate::agent::vm::NOT_AVAILABLE),
        }
    }};
}

pub(super) use call;

/// Memory of the JVM's, given back when dropped: text.
pub(super) struct Text<'a> {
    jvmti: &'a Jvmti,
    text: *mut c_char,
}

impl<'a> Text<'a> {
    /// None yet.
    pub(super) fn new(jvmti: &'a Jvmti) -> Self {
        Self { jvmti, text: ptr::null_mut() }
    }

    /// Where the JVM puts it.
    pub(super) fn place(&mut self) -> *mut *mut c_char {
        &raw mut self.text
    }

    pub(super) fn to_owned(&self) -> String {
        if self.text.is_null() {
            return String::new();
        }
        // SAFETY: the JVM's texts end with a NUL, and this one is ours until dropped.
        unsafe { CStr::from_ptr(self.text) }.to_string_lossy().into_owned()
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // An error would leave the memory with the JVM; NULL is allowed.
        let _ = call!(self.jvmti, Deallocate(self.text.cast()));
    }
}

/// Memory of the JVM's, given back when dropped: so many values.
pub(super) struct Table<T> {
    jvmti: Jvmti,
    count: jint,
    values: *mut T,
}

impl<T: Copy> Table<T> {
    /// None yet.
    pub(super) fn new(jvmti: Jvmti) -> Self {
        Self { jvmti, count: 0, values: ptr::null_mut() }
    }

    /// Where the JVM puts their number, and them.
    pub(super) fn places(&mut self) -> (*mut jint, *mut *mut T) {
        (&raw mut self.count, &raw mut self.values)
    }

    /// How many.
    pub(super) fn count(&self) -> jint {
        self.count
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match usize::try_from(self.count) {
            // SAFETY: the JVM has made the table, so long, and it is ours until dropped.
            Ok(count) if !self.values.is_null() => unsafe {
                core::slice::from_raw_parts(self.values, count)
            },
            _ => &[],
        }
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        // An error would leave the memory with the JVM; NULL is allowed.
        let _ = call!(self.jvmti, Deallocate(self.values.cast()));
    }
}

/// An object as the tool interface names it.
pub(super) fn raw(object: &jni::objects::JObject<'_>) -> jobject {
    object.as_raw().cast()
}

/// One call of a stack: method and place in it.
pub(super) type Call = jvmtiFrameInfo;

/// Room for a stack.
pub(super) const NO_CALL: Call = Call { method: ptr::null_mut(), location: 0 };

/// A class as a program knows it.
pub(super) struct Class {
    /// Its binary name, `java.lang.Object`.
    pub(super) name: String,
    /// It is not one that a class loader of the program has made.
    pub(super) is_jvms_own: bool,
}

/// A method as the class file names it.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) signature: String,
}

/// `GetEnv`: the calling thread's environment of that version of JNI, or the tool interface's; NULL
/// if there is none.
///
/// # Safety
/// `vm` is the JVM's own.
pub(super) unsafe fn environment(vm: *mut jni::sys::JavaVM, version: jint) -> *mut c_void {
    let mut env: *mut c_void = ptr::null_mut();
    // SAFETY: the caller guarantees the pointer, which points to its table.
    let table = unsafe { *vm };
    // SAFETY: the table is the JVM's, and good as long as the JVM.
    let table = unsafe { &*table };
    // SAFETY: a table of JNI 1.2, or of a later one, which begins with it.
    let get_env = unsafe { table.v1_2.GetEnv };
    // SAFETY: the out-parameter is writable.
    match unsafe { get_env(vm, &raw mut env, version) } {
        JNI_OK => env,
        _ => ptr::null_mut(),
    }
}

impl Jvmti {
    /// A new environment.
    ///
    /// # Safety
    /// `vm` is the JVM's own and about to start, or the calling thread is one of Java's.
    pub(super) unsafe fn of(vm: *mut jni::sys::JavaVM) -> Option<Self> {
        // SAFETY: the caller guarantees the JVM.
        let env = unsafe { environment(vm, JVMTI_VERSION_1_2) };
        (!env.is_null()).then(|| Self(env.cast()))
    }

    /// As an event's callback gets it.
    ///
    /// # Safety
    /// `env` is the callback's argument.
    pub(super) unsafe fn from_raw(env: *mut jvmtiEnv) -> Self {
        Self(env)
    }

    /// What this JVM could do now.
    pub(super) fn potential_capabilities(self) -> Result<jvmtiCapabilities, Error> {
        let mut capabilities = jvmtiCapabilities::default();
        call!(self, GetPotentialCapabilities(&raw mut capabilities))?;
        Ok(capabilities)
    }

    pub(super) fn add_capabilities(self, capabilities: &jvmtiCapabilities) -> Result<(), Error> {
        call!(self, AddCapabilities(ptr::from_ref(capabilities)))
    }

    pub(super) fn set_callbacks(self, callbacks: &jvmtiEventCallbacks) -> Result<(), Error> {
        let size = jint::try_from(size_of::<jvmtiEventCallbacks>()).unwrap_or(0);
        call!(self, SetEventCallbacks(ptr::from_ref(callbacks), size))
    }

    pub(super) fn enable(self, event: jvmtiEvent) -> Result<(), Error> {
        call!(self, SetEventNotificationMode(JVMTI_ENABLE, event, ptr::null_mut()))
    }

    /// A property that the JVM itself has set.
    pub(super) fn property(self, name: &CStr) -> Option<String> {
        let mut text = Text::new(&self);
        call!(self, GetSystemProperty(name.as_ptr(), text.place())).ok()?;
        Some(text.to_owned())
    }

    /// Gives back an environment of [`Jvmti::of`], with all its tags.
    pub(super) fn dispose(self) {
        // An error would leave it with the JVM.
        let _ = call!(self, DisposeEnvironment());
    }

    /// Marks an object, for this environment.
    pub(super) fn set_tag(self, object: &jni::objects::JObject<'_>, tag: i64) -> Result<(), Error> {
        call!(self, SetTag(raw(object), tag))
    }

    /// A class by its signature, `Ljava/lang/Object;`.
    pub(super) fn signature(self, class: jobject) -> Result<String, Error> {
        let mut signature = Text::new(&self);
        call!(self, GetClassSignature(class, signature.place(), ptr::null_mut()))?;
        Ok(signature.to_owned())
    }

    /// Has the heap collected, whole.
    pub(super) fn collect(self) -> Result<(), Error> {
        call!(self, ForceGarbageCollection())
    }

    /// The calling thread's stack, the innermost call first; as much of it as there is room for.
    pub(super) fn stack(self, room: &mut [Call]) -> Result<&[Call], Error> {
        let most = jint::try_from(room.len()).unwrap_or(jint::MAX);
        let mut count = 0;
        let (to, count_to) = (room.as_mut_ptr(), &raw mut count);
        call!(self, GetStackTrace(ptr::null_mut(), 0, most, to, count_to))?;
        Ok(room.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default())
    }

    /// The line of a call, if the class file tells.
    ///
    /// # Safety
    /// `call` is part of a stack of this thread that has not been left since.
    pub(super) unsafe fn line(self, call: &Call) -> Option<u32> {
        let mut table: Table<jvmtiLineNumberEntry> = Table::new(self);
        let (count_to, table_to) = table.places();
        call!(self, GetLineNumberTable(call.method, count_to, table_to)).ok()?;
        let before = table.as_slice().iter().filter(|entry| entry.start_location <= call.location);
        let line = before.max_by_key(|entry| entry.start_location).map(|entry| entry.line_number);
        line.and_then(|line| u32::try_from(line).ok())
    }

    /// The method's name and signature.
    ///
    /// # Safety
    /// `method` is a method's id, as an event passes it.
    pub(super) unsafe fn method(self, method: jmethodID) -> Result<Method, Error> {
        let (mut name, mut signature) = (Text::new(&self), Text::new(&self));
        let (name_to, signature_to) = (name.place(), signature.place());
        call!(self, GetMethodName(method, name_to, signature_to, ptr::null_mut()))?;
        Ok(Method { name: name.to_owned(), signature: signature.to_owned() })
    }

    /// The method's class.
    ///
    /// # Safety
    /// `method` is a method's id, as an event passes it, and `env` the event's.
    pub(super) unsafe fn class_of(
        self,
        method: jmethodID,
        env: *mut JNIEnv,
    ) -> Result<Class, Error> {
        let (mut class, mut loader) = (ptr::null_mut(), ptr::null_mut());
        call!(self, GetMethodDeclaringClass(method, &raw mut class))?;
        let mut signature = Text::new(&self);
        let named = call!(self, GetClassSignature(class, signature.place(), ptr::null_mut()))
            .and_then(|()| call!(self, GetClassLoader(class, &raw mut loader)));
        for reference in [class, loader] {
            // SAFETY: the caller guarantees the environment; the references are not used again.
            unsafe { delete_local_reference(env, reference) };
        }
        named?;
        let signature = signature.to_owned();
        let name = signature.strip_prefix('L').and_then(|name| name.strip_suffix(';'));
        let name = name.unwrap_or(&signature).replace('/', ".");
        Ok(Class { name, is_jvms_own: loader.is_null() })
    }
}

impl Jvmti {
    /// What `work` says of the method's class, a local reference that is good that long.
    ///
    /// # Safety
    /// As [`Jvmti::class_of`]; `work` may be called with such a class.
    pub(super) unsafe fn with_class_of<R>(
        self,
        method: jmethodID,
        env: *mut JNIEnv,
        work: unsafe fn(*mut jni::sys::JNIEnv, jni::sys::jobject) -> R,
    ) -> Result<R, Error> {
        let mut class = ptr::null_mut();
        call!(self, GetMethodDeclaringClass(method, &raw mut class))?;
        // SAFETY: the caller guarantees environment and method, and so the class.
        let result = unsafe { work(env.cast(), class.cast()) };
        // SAFETY: as above; the reference is not used again.
        unsafe { delete_local_reference(env, class) };
        Ok(result)
    }
}

/// # Safety
/// `env` is the calling thread's, or NULL; `reference` is a local one that is not used again, or NULL.
unsafe fn delete_local_reference(env: *mut JNIEnv, reference: jobject) {
    if env.is_null() || reference.is_null() {
        return;
    }
    // SAFETY: the JVM's pointer to its table, as the caller guarantees.
    let table = unsafe { *env };
    // SAFETY: the function lies within the table of JNI 1.1, the shortest.
    let delete = unsafe { &raw const (*table).DeleteLocalRef };
    // SAFETY: as above.
    let delete = unsafe { delete.read() };
    // SAFETY: the caller guarantees environment and reference.
    unsafe { delete(env, reference) };
}
