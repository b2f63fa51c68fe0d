//! The one list of all natives: class, name, signature, function.
//!
//! [`register`] binds those of the Java library from it, the agent those of [`JDK`]. Some of the
//! JDK's are exported under the symbols that the JDK looks for, for whoever binds them himself; a
//! test compares this list with the exported names.

use super::{attach, bits, direct, jdk, library, memory, pool, runtime, socket};
use crate::report::BufferPool;
use core::ffi::c_void;
use core::ops::RangeInclusive;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use jni::errors::Result;
use jni::strings::{JNIStr, JNIString};
use jni::sys::JNIEnv;
use jni::{Env, EnvUnowned, NativeMethod, jni_str};

/// The natives of one class.
struct NativeClass {
    /// The class's binary name.
    name: &'static str,
    methods: &'static [Native],
}

struct Native {
    name: &'static JNIStr,
    signature: &'static JNIStr,
    function: *const (),
}

// SAFETY: the pointer is a function of this library, and functions may be shared.
unsafe impl Sync for Native {}

macro_rules! natives {
    ($($class:literal { $($name:literal $signature:literal $function:path,)* })*) => {
        &[$(NativeClass {
            name: $class,
            methods: {
                static METHODS: &[Native] = &[$(Native {
                    name: jni_str!($name),
                    signature: jni_str!($signature),
                    function: $function as *const (),
                },)*];
                METHODS
            },
        },)*]
    };
}

/// The natives of the Java library, all of them static.
static LIBRARY: &[NativeClass] = natives! {
    "io.offheap.NativeLibrary" {
        "agentLibrary0" "()Ljava/lang/String;" library::Java_io_offheap_NativeLibrary_agentLibrary0,
        "bind0" "()V" library::Java_io_offheap_NativeLibrary_bind0,
    }
    "io.offheap.OffHeap" {
        "version0" "()Ljava/lang/String;" library::version,
        "counters0" "([J)V" library::counters,
        "budget0" "([J)V" library::budget,
        "report0" "(Ljava/lang/String;)Ljava/lang/String;" library::report,
    }
    "io.offheap.Unsafe" {
        "allocateMemory" "(J)J" memory::allocate_memory,
        "reallocateMemory" "(JJ)J" memory::reallocate_memory,
        "freeMemory" "(J)V" memory::free_memory,
        "setMemory" "(JJB)V" memory::set_memory,
        "copyMemory" "(JJJ)V" memory::copy_memory,
        "copySwapMemory" "(JJJJ)V" memory::copy_swap_memory,
        "getByte" "(J)B" memory::get_byte,
        "getShort" "(J)S" memory::get_short,
        "getChar" "(J)C" memory::get_char,
        "getInt" "(J)I" memory::get_int,
        "getLong" "(J)J" memory::get_long,
        "getFloat" "(J)F" memory::get_float,
        "getDouble" "(J)D" memory::get_double,
        "getAddress" "(J)J" memory::get_address,
        "putByte" "(JB)V" memory::put_byte,
        "putShort" "(JS)V" memory::put_short,
        "putChar" "(JC)V" memory::put_char,
        "putInt" "(JI)V" memory::put_int,
        "putLong" "(JJ)V" memory::put_long,
        "putFloat" "(JF)V" memory::put_float,
        "putDouble" "(JD)V" memory::put_double,
        "putAddress" "(JJ)V" memory::put_address,
    }
    "io.offheap.Bits" {
        "reserveMemory" "(JJ)V" bits::reserve_memory,
        "tryReserveMemory" "(JJ)Z" bits::try_reserve_memory,
        "unreserveMemory" "(JJ)V" bits::unreserve_memory,
        "maxMemory" "()J" bits::max_memory,
        "setMaxMemory" "(J)V" bits::set_max_memory,
        "reservedMemory" "()J" bits::reserved_memory,
        "totalCapacity" "()J" bits::total_capacity,
        "count" "()J" bits::count,
        "setPolicy0" "(I)V" bits::set_policy,
        "pageSize" "()I" bits::page_size,
        "unaligned" "()Z" bits::unaligned,
        "getShort" "(JZ)S" bits::get_short,
        "getChar" "(JZ)C" bits::get_char,
        "getInt" "(JZ)I" bits::get_int,
        "getLong" "(JZ)J" bits::get_long,
        "getFloat" "(JZ)F" bits::get_float,
        "getDouble" "(JZ)D" bits::get_double,
        "putShort" "(JSZ)V" bits::put_short,
        "putChar" "(JCZ)V" bits::put_char,
        "putInt" "(JIZ)V" bits::put_int,
        "putLong" "(JJZ)V" bits::put_long,
        "putFloat" "(JFZ)V" bits::put_float,
        "putDouble" "(JDZ)V" bits::put_double,
    }
    "io.offheap.DirectByteBuffer" {
        "allocate0" "(IZ)J" direct::allocate,
        "wrap0" "(JI)Ljava/nio/ByteBuffer;" direct::wrap,
        "address0" "(Ljava/nio/ByteBuffer;)J" direct::buffer_address,
        "free0" "(J)Z" direct::free,
    }
    "io.offheap.SocketOutputStream" {
        "socketWrite0" "(Ljava/io/FileDescriptor;[BIIZ)I" socket::write,
    }
    "io.offheap.SocketInputStream" {
        "socketRead0" "(Ljava/io/FileDescriptor;[BIIIZ)I" socket::read,
    }
    "io.offheap.SocketAccess" {
        "trustedLookup0" "()Ljava/lang/invoke/MethodHandles$Lookup;" socket::trusted_lookup,
        "bindSocketClose0" "(Ljava/lang/Class;)V" socket::bind_socket_close,
    }
};

/// The JDK's natives that are exported under the JDK's own symbols
/// (`Java_java_net_SocketOutputStream_init` and so on).
#[cfg(test)]
static EXPORTED: &[NativeClass] = natives! {
    "java.net.SocketOutputStream" {
        "init" "()V" socket::Java_java_net_SocketOutputStream_init,
        "socketWrite0" "(Ljava/io/FileDescriptor;[BII)V" socket::Java_java_net_SocketOutputStream_socketWrite0,
    }
    "java.net.SocketInputStream" {
        "init" "()V" socket::Java_java_net_SocketInputStream_init,
        "socketRead0" "(Ljava/io/FileDescriptor;[BIII)I" socket::Java_java_net_SocketInputStream_socketRead0,
    }
};

/// What a native of the JDK is part of; the values of the agent's option `natives`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// `Unsafe`'s memory.
    Memory,
    /// `java.net`'s socket streams.
    Net,
    /// `sun.nio.ch`'s dispatchers.
    Nio,
}

/// A native of the JDK that ours can take the place of.
pub(crate) struct JdkNative {
    /// The class's binary name.
    pub(crate) class: &'static str,
    pub(crate) name: &'static JNIStr,
    pub(crate) signature: &'static JNIStr,
    pub(crate) group: Group,
    /// The feature versions on which ours may answer. Elsewhere, if there is such a native, only the
    /// JVM's own can keep its promises.
    pub(crate) jdks: RangeInclusive<u32>,
    function: *const (),
    link: jdk::Native,
}

// SAFETY: the pointer is a function of this library, and functions may be shared.
unsafe impl Sync for JdkNative {}

macro_rules! jdk_natives {
    ($($id:ident $group:ident $jdks:expr, $class:literal $name:literal $signature:literal
        $module:ident::$function:ident;)*) => {
        /// The natives of the JDK by their place in [`JDK`].
        #[derive(Clone, Copy)]
        pub(super) enum Id { $($id,)* }

        /// The natives of the JDK that the agent binds to ours.
        pub(crate) static JDK: &[JdkNative] = &[$(JdkNative {
            class: $class,
            name: jni_str!($name),
            signature: jni_str!($signature),
            group: Group::$group,
            jdks: $jdks,
            function: jdk::$module::$function::<{ Id::$id as usize }> as *const (),
            link: jdk::Native(Id::$id as usize),
        },)*];
    };
}

/// The newest there can be: what these do has not changed since they came.
const NEWEST: u32 = u32::MAX;

// `copyMemory0` and its kin only up to 11: the VM's own survives a mapped file that was truncated,
// from 14 on. `setMemory0` from 22 on leaves all writing to the VM's own: a shared `Arena.close()` takes a
// thread in native code for one that touches no memory.
//
// The first are called most: their counters lie side by side.
jdk_natives! {
    AllocateMemory Memory 9..=NEWEST, "jdk.internal.misc.Unsafe" "allocateMemory0" "(J)J" memory::allocate_memory;
    ReallocateMemory Memory 9..=NEWEST, "jdk.internal.misc.Unsafe" "reallocateMemory0" "(JJ)J" memory::reallocate_memory;
    FreeMemory Memory 9..=NEWEST, "jdk.internal.misc.Unsafe" "freeMemory0" "(J)V" memory::free_memory;
    SetMemory Memory 9..=21, "jdk.internal.misc.Unsafe" "setMemory0" "(Ljava/lang/Object;JJB)V" memory::set_memory;
    SetMemoryByOriginal Memory 22..=NEWEST, "jdk.internal.misc.Unsafe" "setMemory0" "(Ljava/lang/Object;JJB)V" memory::set_memory_by_original;
    CopyMemory Memory 9..=11, "jdk.internal.misc.Unsafe" "copyMemory0" "(Ljava/lang/Object;JLjava/lang/Object;JJ)V" memory::copy_memory;
    CopySwapMemory Memory 9..=11, "jdk.internal.misc.Unsafe" "copySwapMemory0" "(Ljava/lang/Object;JLjava/lang/Object;JJJ)V" memory::copy_swap_memory;
    AllocateMemory8 Memory 8..=8, "sun.misc.Unsafe" "allocateMemory" "(J)J" memory::allocate_memory_8;
    ReallocateMemory8 Memory 8..=8, "sun.misc.Unsafe" "reallocateMemory" "(JJ)J" memory::reallocate_memory_8;
    FreeMemory8 Memory 8..=8, "sun.misc.Unsafe" "freeMemory" "(J)V" memory::free_memory_8;
    SetMemory8 Memory 8..=8, "sun.misc.Unsafe" "setMemory" "(Ljava/lang/Object;JJB)V" memory::set_memory;
    CopyMemory8 Memory 8..=8, "sun.misc.Unsafe" "copyMemory" "(Ljava/lang/Object;JLjava/lang/Object;JJ)V" memory::copy_memory;
    CopySwapMemory8 Memory 8..=8, "java.nio.Bits" "copySwapMemory0" "(Ljava/lang/Object;JLjava/lang/Object;JJJ)V" memory::copy_swap_memory;

    SocketWrite Net 8..=NEWEST, "java.net.SocketOutputStream" "socketWrite0" "(Ljava/io/FileDescriptor;[BII)V" net::socket_write;
    SocketRead Net 8..=NEWEST, "java.net.SocketInputStream" "socketRead0" "(Ljava/io/FileDescriptor;[BIII)I" net::socket_read;
    SocketClose Net 8..=NEWEST, "java.net.PlainSocketImpl" "socketClose0" "(Z)V" net::socket_close;

    FileRead Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "read0" "(Ljava/io/FileDescriptor;JI)I" nio::read;
    FileReadv Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "readv0" "(Ljava/io/FileDescriptor;JI)J" nio::readv;
    FileWrite Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "write0" "(Ljava/io/FileDescriptor;JI)I" nio::write;
    FileWritev Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "writev0" "(Ljava/io/FileDescriptor;JI)J" nio::writev;
    FilePread Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "pread0" "(Ljava/io/FileDescriptor;JIJ)I" nio::pread;
    FilePwrite Nio 8..=NEWEST, "sun.nio.ch.FileDispatcherImpl" "pwrite0" "(Ljava/io/FileDescriptor;JIJ)I" nio::pwrite;
    UnixFileRead Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "read0" "(Ljava/io/FileDescriptor;JI)I" nio::read;
    UnixFileReadv Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "readv0" "(Ljava/io/FileDescriptor;JI)J" nio::readv;
    UnixFileWrite Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "write0" "(Ljava/io/FileDescriptor;JI)I" nio::write;
    UnixFileWritev Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "writev0" "(Ljava/io/FileDescriptor;JI)J" nio::writev;
    UnixFilePread Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "pread0" "(Ljava/io/FileDescriptor;JIJ)I" nio::pread;
    UnixFilePwrite Nio 8..=NEWEST, "sun.nio.ch.UnixFileDispatcherImpl" "pwrite0" "(Ljava/io/FileDescriptor;JIJ)I" nio::pwrite;
    SocketDispatcherRead Nio 8..=NEWEST, "sun.nio.ch.SocketDispatcher" "read0" "(Ljava/io/FileDescriptor;JI)I" nio::read_socket;
    SocketDispatcherReadv Nio 8..=NEWEST, "sun.nio.ch.SocketDispatcher" "readv0" "(Ljava/io/FileDescriptor;JI)J" nio::readv_socket;
    SocketDispatcherWrite Nio 8..=NEWEST, "sun.nio.ch.SocketDispatcher" "write0" "(Ljava/io/FileDescriptor;JI)I" nio::write;
    SocketDispatcherWritev Nio 8..=NEWEST, "sun.nio.ch.SocketDispatcher" "writev0" "(Ljava/io/FileDescriptor;JI)J" nio::writev;
    DatagramRead Nio 8..=NEWEST, "sun.nio.ch.DatagramDispatcher" "read0" "(Ljava/io/FileDescriptor;JI)I" nio::receive;
    DatagramReadv Nio 8..=NEWEST, "sun.nio.ch.DatagramDispatcher" "readv0" "(Ljava/io/FileDescriptor;JI)J" nio::receive_scattered;
    DatagramWrite Nio 8..=NEWEST, "sun.nio.ch.DatagramDispatcher" "write0" "(Ljava/io/FileDescriptor;JI)I" nio::send;
    DatagramWritev Nio 8..=NEWEST, "sun.nio.ch.DatagramDispatcher" "writev0" "(Ljava/io/FileDescriptor;JI)J" nio::send_gathered;
}

impl JdkNative {
    /// Whether a JVM that runs has bound it to ours.
    pub(crate) fn is_bound(&self) -> bool {
        self.link.is_linked()
    }

    /// The function to bind instead of `original`, which it will pass calls on to; the same when the
    /// JVM binds it again, as 8 does. `None`: `original` is ours, or another one than at first, and
    /// so not the JVM's own but the program's, which means to have it.
    pub(crate) fn bind(&self, original: NonNull<c_void>) -> Option<NonNull<c_void>> {
        let ours = NonNull::new(self.function.cast_mut().cast::<c_void>())?;
        (original != ours && self.link.link(original.as_ptr())).then_some(ours)
    }

    /// Calls answered by ours, and calls passed on to the original. A close counts as both; a `setMemory0` of which
    /// the original had but a part to do, as answered.
    pub(crate) fn calls(&self) -> (u64, u64) {
        self.link.calls()
    }
}

/// The one native of [`JDK`] that the Java library binds too.
pub(super) fn socket_close() -> Option<&'static JdkNative> {
    JDK.get(Id::SocketClose as usize)
}

/// Binds a native of the JDK by `RegisterNatives`, where there is no agent.
///
/// # Errors
/// What the JVM threw is pending: the class has no such native.
pub(super) fn register_jdk(
    env: &mut Env<'_>,
    class: &jni::objects::JClass<'_>,
    native: &JdkNative,
    original: NonNull<c_void>,
) -> Result<()> {
    match native.bind(original) {
        Some(function) => register_one(env, class, native, function),
        None => Ok(()),
    }
}

// For the agent, which may use this module and no other of this face.

static AGENT: AtomicBool = AtomicBool::new(false);

/// This library is loaded as an agent, in a JDK of that feature version (8, 11, 17, ...).
pub(crate) fn set_agent(feature: u32) {
    runtime::set_jdk(runtime::Jdk::of(feature));
    AGENT.store(true, Ordering::Relaxed);
}

/// Whether this library is loaded as an agent.
pub(super) fn is_agent() -> bool {
    AGENT.load(Ordering::Relaxed)
}

/// Binds a native, which has its original, by `RegisterNatives`: for one that was bound before the
/// agent could answer. False if the JVM refuses; then the native has no original again.
///
/// Called on a thread on which a class of the JDK is running: of anybody else's the JVM says on
/// stdout that he binds natives of the platform.
///
/// # Safety
/// `env` is the calling thread's, with no exception pending.
pub(crate) unsafe fn register_first(
    env: *mut JNIEnv,
    native: &JdkNative,
    function: NonNull<c_void>,
) -> bool {
    // SAFETY: the caller guarantees the environment.
    let mut unowned = unsafe { EnvUnowned::from_raw(env) };
    let registered = unowned.with_env(|env| -> Result<()> {
        let class = env.find_class(JNIString::from(native.class.replace('.', "/")))?;
        let registered = register_one(env, &class, native, function);
        if env.exception_check() {
            env.exception_clear();
        }
        registered
    });
    matches!(registered.into_outcome(), jni::Outcome::Ok(()))
}

/// `RegisterNatives` of a native that has its original; if that fails it has none again.
fn register_one(
    env: &mut Env<'_>,
    class: &jni::objects::JClass<'_>,
    native: &JdkNative,
    function: NonNull<c_void>,
) -> Result<()> {
    // SAFETY: the table names function and signature side by side.
    let method =
        unsafe { NativeMethod::from_raw_parts(native.name, native.signature, function.as_ptr()) };
    // SAFETY: as above; an instance native, as those are that are bound this way.
    let registered = unsafe { env.register_native_methods(class, &[method]) };
    registered.inspect_err(|_| native.link.unlink())
}

/// From now on the JVM can run Java: the budget may ask it to reclaim. Returns `java.version`; `None`
/// if the JVM is not to be had for that.
///
/// # Safety
/// `env` is the calling thread's, of a JVM in its live phase, with no exception pending.
pub(crate) unsafe fn start(env: *mut JNIEnv) -> Option<String> {
    // SAFETY: the caller guarantees the environment.
    let mut env = unsafe { EnvUnowned::from_raw(env) };
    let started = env.with_env(|env| {
        let started =
            runtime::start(env, None).and_then(|()| runtime::property(env, "java.version"));
        if env.exception_check() {
            env.exception_clear();
        }
        started
    });
    match started.into_outcome() {
        jni::Outcome::Ok(version) => Some(version),
        jni::Outcome::Err(_) | jni::Outcome::Panic(_) => None,
    }
}

/// Runs `work` on the calling thread, which is one of Java's for that long if it was not: a daemon. `None`
/// if it can't be done. No exception of `work`'s is left pending.
///
/// # Safety
/// `vm` is the JVM's own, in its live phase.
pub(crate) unsafe fn attached<R>(
    vm: *mut jni::sys::JavaVM,
    work: impl FnOnce(&mut Env<'_>) -> Result<R>,
) -> Option<R> {
    // SAFETY: the caller guarantees the JVM.
    unsafe { attach::attached(vm, work) }
}

/// What the JVM itself counts of its direct buffers. Any thread, as [`attached`].
///
/// # Safety
/// `vm` is the JVM's own, in its live phase.
pub(crate) unsafe fn direct_buffers(vm: *mut jni::sys::JavaVM) -> Option<BufferPool> {
    // SAFETY: the caller guarantees the JVM.
    unsafe { pool::direct_buffers(vm) }
}

/// Registers the natives of the Java library.
///
/// # Errors
/// What the JVM threw is pending: a class is not there, or lacks one of the methods.
pub(super) fn register(env: &mut Env<'_>, library: &runtime::Library<'_>) -> Result<()> {
    for class in LIBRARY {
        let methods: Vec<NativeMethod<'_>> = class.methods.iter().map(native_method).collect();
        let class = library.class(env, class.name)?;
        // SAFETY: `native_method` pairs each function with the signature it was written for, and
        // all are static natives.
        unsafe { env.register_native_methods(&class, &methods) }?;
    }
    Ok(())
}

fn native_method(native: &Native) -> NativeMethod<'static> {
    let function = native.function.cast_mut().cast::<c_void>();
    // SAFETY: the table names function and signature side by side; every JUnit test that calls the
    // native checks the pair.
    unsafe { NativeMethod::from_raw_parts(native.name, native.signature, function) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JNI's symbol of a native whose name needs no escape.
    fn symbol(class: &NativeClass, method: &Native) -> String {
        format!("Java_{}_{}", class.name.replace('.', "_"), method.name.to_str())
    }

    #[test]
    fn the_jdks_natives_are_exported_under_the_jdks_symbols_and_no_others_are() {
        let exported = include_str!("../../tests/exports.txt");
        let exported = exported.lines().filter_map(|line| line.strip_prefix("export "));
        let mut exported: Vec<&str> = exported.filter(|name| name.starts_with("Java_")).collect();
        let of_the_library = |class: &&NativeClass| class.name == "io.offheap.NativeLibrary";
        let mut listed: Vec<String> = EXPORTED
            .iter()
            .chain(LIBRARY.iter().filter(of_the_library))
            .flat_map(|class| class.methods.iter().map(move |method| symbol(class, method)))
            .collect();
        exported.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, exported);
    }

    #[test]
    fn no_native_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for class in LIBRARY.iter().chain(EXPORTED) {
            for method in class.methods {
                let key = (class.name, method.name.to_str(), method.signature.to_str());
                assert!(seen.insert(key.clone()), "{key:?}");
            }
        }
        // One may be answered in two ways, each on versions of its own.
        for jdk in 8..=30 {
            let mut seen = std::collections::HashSet::new();
            for native in JDK.iter().filter(|native| native.jdks.contains(&jdk)) {
                let key = (native.class, native.name.to_str(), native.signature.to_str());
                assert!(seen.insert(key.clone()), "{jdk}: {key:?}");
            }
        }
    }

    #[test]
    fn a_native_that_is_bound_keeps_its_first_original_and_never_becomes_its_own() {
        let native = &JDK[Id::DatagramWritev as usize];
        let ours = NonNull::new(native.function.cast_mut().cast::<c_void>()).unwrap();
        assert_eq!(native.bind(ours), None);
        assert!(!native.is_bound());
        assert_eq!(native.bind(NonNull::dangling()), Some(ours));
        assert!(native.is_bound());
        assert_eq!(native.bind(NonNull::dangling()), Some(ours));
        let another = NonNull::new(core::ptr::without_provenance_mut(64)).unwrap();
        assert_eq!(native.bind(another), None);
        native.link.unlink();
        assert!(!native.is_bound());
    }
}
