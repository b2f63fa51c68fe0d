//! The JVM tool interface, as far as the agent needs it.
//!
//! The interface's table has grown with the JDKs, and the crate's structure has the newest length:
//! functions are read from it one by one, by raw pointer, and all used here are in JDK 8's.

use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use jni::sys::{JNI_OK, jint};
use jvmti_bindings::sys::jni::{JNIEnv, jmethodID};
use jvmti_bindings::sys::jvmti::{
    JVMTI_ENABLE, JVMTI_ERROR_NONE, JVMTI_ERROR_NOT_AVAILABLE, JVMTI_VERSION_1_2,
    jvmtiCapabilities, jvmtiEnv, jvmtiError, jvmtiEvent, jvmtiEventCallbacks,
};

/// An error of the interface, by its number in the specification.
pub(super) type Error = jvmtiError;

/// The tool interface's environment of this agent, valid as long as the JVM.
#[derive(Clone, Copy)]
pub(super) struct Jvmti(*mut jvmtiEnv);

// SAFETY: an environment may be used from any thread of the JVM.
unsafe impl Send for Jvmti {}
// SAFETY: as above, from several at once.
unsafe impl Sync for Jvmti {}

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
                JVMTI_ERROR_NONE => Ok(()),
                error => Err(error),
            },
            None => Err(JVMTI_ERROR_NOT_AVAILABLE),
        }
    }};
}

/// Memory of the JVM's, given back when dropped: text.
struct Text<'a> {
    jvmti: &'a Jvmti,
    text: *mut c_char,
}

impl Text<'_> {
    fn to_owned(&self) -> String {
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

/// A method as the class file names it.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) signature: String,
}

impl Jvmti {
    /// The environment of a JVM that is about to start.
    ///
    /// # Safety
    /// `vm` is the JVM's own.
    pub(super) unsafe fn of(vm: *mut jni::sys::JavaVM) -> Option<Self> {
        let mut env: *mut c_void = ptr::null_mut();
        // SAFETY: the caller guarantees the pointer, which points to its table.
        let table = unsafe { *vm };
        // SAFETY: the table is the JVM's, and good as long as the JVM.
        let table = unsafe { &*table };
        // SAFETY: a table of JNI 1.2, or of a later one, which begins with it.
        let get_env = unsafe { table.v1_2.GetEnv };
        // SAFETY: the out-parameter is writable.
        let result: jint = unsafe { get_env(vm, &raw mut env, JVMTI_VERSION_1_2) };
        (result == JNI_OK && !env.is_null()).then(|| Self(env.cast()))
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
        let mut text = Text { jvmti: &self, text: ptr::null_mut() };
        call!(self, GetSystemProperty(name.as_ptr(), &raw mut text.text)).ok()?;
        Some(text.to_owned())
    }

    /// The method's name and signature.
    ///
    /// # Safety
    /// `method` is a method's id, as an event passes it.
    pub(super) unsafe fn method(self, method: jmethodID) -> Result<Method, Error> {
        let mut name = Text { jvmti: &self, text: ptr::null_mut() };
        let mut signature = Text { jvmti: &self, text: ptr::null_mut() };
        let (name_to, signature_to) = (&raw mut name.text, &raw mut signature.text);
        call!(self, GetMethodName(method, name_to, signature_to, ptr::null_mut()))?;
        Ok(Method { name: name.to_owned(), signature: signature.to_owned() })
    }

    /// The binary name of the method's class, `java.lang.Object`.
    ///
    /// # Safety
    /// `method` is a method's id, as an event passes it, and `env` the event's.
    pub(super) unsafe fn class_of(
        self,
        method: jmethodID,
        env: *mut JNIEnv,
    ) -> Result<String, Error> {
        let mut class = ptr::null_mut();
        call!(self, GetMethodDeclaringClass(method, &raw mut class))?;
        let mut signature = Text { jvmti: &self, text: ptr::null_mut() };
        let named = call!(self, GetClassSignature(class, &raw mut signature.text, ptr::null_mut()));
        if !env.is_null() {
            // SAFETY: the JVM's pointer to its table, as the caller guarantees.
            let table = unsafe { *env };
            // SAFETY: the function lies within the table of JNI 1.1, the shortest.
            let delete = unsafe { &raw const (*table).DeleteLocalRef };
            // SAFETY: as above.
            let delete = unsafe { delete.read() };
            // SAFETY: the environment is this thread's; the reference is not used again.
            unsafe { delete(env, class) };
        }
        named?;
        let signature = signature.to_owned();
        let name = signature.strip_prefix('L').and_then(|name| name.strip_suffix(';'));
        Ok(name.unwrap_or(&signature).replace('/', "."))
    }
}
