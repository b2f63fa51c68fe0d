//! The one list of all natives: class, name, signature, function.
//!
//! [`register`] binds those of the Java library from it. Those of the JDK are exported under the
//! symbols the JDK looks for; a test compares this list with the exported names.

use super::{bits, direct, library, memory, runtime, socket};
use jni::errors::Result;
use jni::strings::JNIStr;
use jni::{Env, NativeMethod, jni_str};
use std::ffi::c_void;

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
    "io.offheap.OffHeap" {
        "version0" "()Ljava/lang/String;" library::version,
        "counters0" "([J)V" library::counters,
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
static JDK: &[NativeClass] = natives! {
    "java.net.SocketOutputStream" {
        "init" "()V" socket::Java_java_net_SocketOutputStream_init,
        "socketWrite0" "(Ljava/io/FileDescriptor;[BII)V" socket::Java_java_net_SocketOutputStream_socketWrite0,
    }
    "java.net.SocketInputStream" {
        "init" "()V" socket::Java_java_net_SocketInputStream_init,
        "socketRead0" "(Ljava/io/FileDescriptor;[BIII)I" socket::Java_java_net_SocketInputStream_socketRead0,
    }
};

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
        let mut listed: Vec<String> = JDK
            .iter()
            .flat_map(|class| class.methods.iter().map(move |method| symbol(class, method)))
            .collect();
        exported.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, exported);
    }

    #[test]
    fn no_native_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for class in LIBRARY.iter().chain(JDK) {
            for method in class.methods {
                let key = (class.name, method.name.to_str(), method.signature.to_str());
                assert!(seen.insert(key.clone()), "{key:?}");
            }
        }
    }
}
