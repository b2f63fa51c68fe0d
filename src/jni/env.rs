//! The raw JNI functions that the hot natives use: about 5 ns a call where the safe `Env` costs
//! ten times that. Set-up and throwing go through the safe one.

use super::exception::Exception;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use jni::EnvUnowned;
use jni::objects::{JByteArray, JLongArray, JObject};
use jni::refs::Reference as _;
use jni::sys::{JNIEnv, JNINativeInterface_, jbyte, jfieldID, jint, jlong, jobject, jsize};
use std::ffi::c_void;

/// The calling thread's JNI function table, valid for the length of one native call.
pub(super) struct RawEnv<'local> {
    env: *mut JNIEnv,
    frame: PhantomData<EnvUnowned<'local>>,
}

/// Calls a function of the table. Two steps, because the table is a union of JNI versions and the
/// call itself is foreign.
macro_rules! call {
    ($env:expr, $version:ident . $name:ident ( $($argument:expr),* )) => {{
        // SAFETY: every JVM that loads this library has JNI 1.8, which holds this function.
        let function = unsafe { $env.table().$version.$name };
        // SAFETY: `RawEnv` is the calling thread's, the references are live in this native's frame
        // (the types `JObject` and its kin see to that), and the method's own text argues the rest.
        unsafe { function($env.env $(, $argument)*) }
    }};
}

impl<'local> RawEnv<'local> {
    pub(super) fn new(env: &EnvUnowned<'local>) -> Self {
        Self { env: env.as_raw(), frame: PhantomData }
    }

    /// Not looked at before it is needed: many natives never do.
    fn table(&self) -> &'local JNINativeInterface_ {
        // SAFETY: the JVM passes a valid pointer to the calling thread's table pointer.
        let table = unsafe { *self.env };
        // SAFETY: the table is the JVM's, constant while the native runs.
        unsafe { &*table }
    }

    /// An exception if one is pending.
    pub(super) fn check(&self) -> Result<(), Exception> {
        if call!(self, v1_2.ExceptionCheck()) { Err(Exception::Pending) } else { Ok(()) }
    }

    /// The `int` field `field` of `object`.
    ///
    /// # Safety
    /// `object` is not null and `field` is an `int` field of its class.
    pub(super) unsafe fn int_field(&self, object: &JObject<'local>, field: jfieldID) -> jint {
        call!(self, v1_1.GetIntField(object.as_raw(), field))
    }

    /// The object in field `field` of `object`, perhaps null.
    ///
    /// # Safety
    /// `object` is not null and `field` is a reference field of its class.
    pub(super) unsafe fn object_field(
        &self,
        object: &JObject<'local>,
        field: jfieldID,
    ) -> JObject<'local> {
        let reference = call!(self, v1_1.GetObjectField(object.as_raw(), field));
        self.local(reference)
    }

    /// Copies `[offset, offset + destination.len())` of the array out of the heap.
    ///
    /// # Errors
    /// Pending `ArrayIndexOutOfBoundsException`; the destination is untouched then.
    pub(super) fn get_byte_array_region(
        &self,
        array: &JByteArray<'local>,
        offset: jint,
        destination: &mut [MaybeUninit<u8>],
    ) -> Result<(), Exception> {
        let length = length(destination.len())?;
        let bytes = destination.as_mut_ptr().cast::<jbyte>();
        call!(self, v1_1.GetByteArrayRegion(array.as_raw(), offset, length, bytes));
        self.check()
    }

    /// Copies `source` to `[offset, offset + source.len())` of the array.
    ///
    /// # Errors
    /// Pending `ArrayIndexOutOfBoundsException`; the array is untouched then.
    pub(super) fn set_byte_array_region(
        &self,
        array: &JByteArray<'local>,
        offset: jint,
        source: &[u8],
    ) -> Result<(), Exception> {
        let length = length(source.len())?;
        let bytes = source.as_ptr().cast::<jbyte>();
        call!(self, v1_1.SetByteArrayRegion(array.as_raw(), offset, length, bytes));
        self.check()
    }

    /// Copies `source` to the start of the array.
    ///
    /// # Errors
    /// Pending `ArrayIndexOutOfBoundsException`; the array is untouched then.
    pub(super) fn set_long_array(
        &self,
        array: &JLongArray<'local>,
        source: &[jlong],
    ) -> Result<(), Exception> {
        let length = length(source.len())?;
        call!(self, v1_1.SetLongArrayRegion(array.as_raw(), 0, length, source.as_ptr()));
        self.check()
    }

    /// A `java.nio.ByteBuffer` over the memory; the JVM neither owns nor counts it.
    ///
    /// # Errors
    /// Pending `OutOfMemoryError`, or `IllegalArgumentException` for a bad capacity.
    pub(super) fn new_direct_byte_buffer(
        &self,
        address: *mut u8,
        capacity: jint,
    ) -> Result<JObject<'local>, Exception> {
        let address = address.cast::<c_void>();
        let buffer = call!(self, v1_4.NewDirectByteBuffer(address, jlong::from(capacity)));
        self.check()?;
        Ok(self.local(buffer))
    }

    /// The address of a direct buffer, NULL if `buffer` is none.
    pub(super) fn direct_buffer_address(&self, buffer: &JObject<'local>) -> *mut u8 {
        call!(self, v1_4.GetDirectBufferAddress(buffer.as_raw())).cast()
    }

    /// The table pointer, to hand to another native.
    pub(super) fn as_raw(&self) -> *mut JNIEnv {
        self.env
    }

    /// The same environment for the safe `Env`.
    pub(super) fn unowned(&self) -> EnvUnowned<'local> {
        // SAFETY: the pointer is the calling thread's, and valid as long as this is.
        unsafe { EnvUnowned::from_raw(self.env) }
    }

    fn local(&self, reference: jobject) -> JObject<'local> {
        // SAFETY: the JVM has just returned it as a local reference of this frame.
        unsafe { JObject::kind_from_raw(reference) }
    }
}

fn length(length: usize) -> Result<jsize, Exception> {
    jsize::try_from(length).map_err(|_| Exception::illegal_argument())
}
