//! What a native throws: class and text as the JDK that runs has them, in one place.
//!
//! Text of system errors is `strerror`'s, in the locale of the process, as the JDK's is. The
//! tables follow `socketWrite0` and `socketRead0` of libnet, `Unsafe` and `Bits` of the JDK.

use super::runtime::{Jdk, jdk};
use crate::bits;
use crate::direct::AllocateError;
use crate::error::Errno;
use crate::memory::HEAP_WORD_SIZE;
use crate::net::{ReadError, WriteError};
use jni::strings::{JNIStr, JNIString};
use jni::{EnvUnowned, jni_str};

/// The exception with which a native ends.
pub(super) enum Exception {
    /// One that a JNI call has left pending.
    Pending,
    /// One to be thrown.
    New {
        /// The class, in JNI's form (`java/lang/Error`).
        class: &'static JNIStr,
        /// The detail message, if it has one.
        message: Option<String>,
    },
}

impl Exception {
    fn new(class: &'static JNIStr, message: impl Into<String>) -> Self {
        Self::New { class, message: Some(message.into()) }
    }

    pub(super) fn internal_error(message: String) -> Self {
        Self::new(jni_str!("java/lang/InternalError"), message)
    }

    pub(super) fn null_pointer(message: &str) -> Self {
        Self::new(jni_str!("java/lang/NullPointerException"), message)
    }

    /// `Unsafe`'s and `Bits`' answer to an argument out of range: no message, as the JDK's.
    pub(super) fn illegal_argument() -> Self {
        Self::New { class: jni_str!("java/lang/IllegalArgumentException"), message: None }
    }

    pub(super) fn illegal_argument_because(message: &str) -> Self {
        Self::new(jni_str!("java/lang/IllegalArgumentException"), message)
    }

    fn out_of_memory(message: Option<String>) -> Self {
        Self::New { class: jni_str!("java/lang/OutOfMemoryError"), message }
    }

    /// There is no block of `bytes` bytes to be had. The JDK names the size of the block, rounded.
    pub(super) fn unable_to_allocate(bytes: u64) -> Self {
        let message = match jdk() {
            Jdk::Eight | Jdk::Eleven => None,
            Jdk::Seventeen => {
                let rounded = bytes.next_multiple_of(HEAP_WORD_SIZE as u64);
                Some(format!("Unable to allocate {rounded} bytes"))
            }
        };
        Self::out_of_memory(message)
    }

    /// `Bits.reserveMemory` found no room for `size` bytes.
    pub(super) fn cannot_reserve(size: i64) -> Self {
        let message = match jdk() {
            Jdk::Eight | Jdk::Eleven => "Direct buffer memory".to_owned(),
            Jdk::Seventeen => {
                let budget = bits::budget().snapshot();
                format!(
                    "Cannot reserve {size} bytes of direct buffer memory (allocated: {}, limit: {})",
                    budget.reserved_memory, budget.max_memory
                )
            }
        };
        Self::out_of_memory(Some(message))
    }

    /// `DirectByteBuffer`'s constructor failed.
    pub(super) fn allocate_direct(error: AllocateError) -> Self {
        match error {
            AllocateError::Size => Self::illegal_argument(),
            AllocateError::Reserve { size } => Self::cannot_reserve(size),
            AllocateError::Allocate { size } => Self::unable_to_allocate(size.cast_unsigned()),
        }
    }

    fn socket(message: impl Into<String>) -> Self {
        Self::new(jni_str!("java/net/SocketException"), message)
    }

    pub(super) fn socket_closed() -> Self {
        Self::socket("Socket closed")
    }

    fn connection_reset() -> Self {
        Self::new(jni_str!("sun/net/ConnectionResetException"), "Connection reset")
    }

    /// `socketWrite0` failed with `errno`.
    pub(super) fn write_failed(errno: Errno) -> Self {
        match (jdk(), errno) {
            (Jdk::Eight, Errno::ECONNRESET) => Self::connection_reset(),
            _ => Self::socket(format!("{errno} (Write failed)")),
        }
    }

    /// `recv` in `socketRead0` failed with `errno`.
    pub(super) fn read_failed(errno: Errno) -> Self {
        match errno {
            Errno::ECONNRESET | Errno::EPIPE => Self::connection_reset(),
            Errno::EBADF => Self::socket_closed(),
            _ => Self::socket(format!("{errno} (Read failed)")),
        }
    }

    /// `poll` in `socketRead0` failed with `errno`.
    fn poll_failed(errno: Errno) -> Self {
        match errno {
            Errno::EBADF => Self::socket_closed(),
            Errno::ENOMEM => {
                Self::out_of_memory(Some("NET_Timeout native heap allocation failed".to_owned()))
            }
            _ => Self::socket(format!("{errno} (select/poll failed)")),
        }
    }

    /// A dispatcher's system call failed with `errno`. No more than the system's text: the names of
    /// the calls, which libnet adds, are unknown to `sun.nio.ch`.
    pub(super) fn io_failed(errno: Errno) -> Self {
        Self::new(jni_str!("java/io/IOException"), errno.text())
    }

    /// A read of `SocketDispatcher` failed with `errno`.
    pub(super) fn socket_read_failed(errno: Errno) -> Self {
        match errno {
            Errno::ECONNRESET | Errno::EPIPE => Self::connection_reset(),
            _ => Self::io_failed(errno),
        }
    }

    /// A call of `DatagramDispatcher` failed with `errno`.
    pub(super) fn datagram_failed(errno: Errno) -> Self {
        match errno {
            Errno::ECONNREFUSED => {
                Self::New { class: jni_str!("java/net/PortUnreachableException"), message: None }
            }
            _ => Self::io_failed(errno),
        }
    }

    pub(super) fn read_timed_out() -> Self {
        Self::new(jni_str!("java/net/SocketTimeoutException"), "Read timed out")
    }

    /// Makes it the pending exception. If the JVM has no memory for it, the JVM's own
    /// `OutOfMemoryError` is pending instead.
    pub(super) fn throw(self, env: &mut EnvUnowned<'_>) {
        let Self::New { class, message } = self else { return };
        let thrown = env.with_env(|env| match message {
            Some(message) => env.throw_new(class, JNIString::from(message)),
            None => env.throw_new_void(class),
        });
        // An Err is what both calls return when the exception is pending, as it now is.
        drop(thrown.into_outcome());
    }
}

impl From<WriteError<Exception>> for Exception {
    fn from(error: WriteError<Exception>) -> Self {
        match error {
            WriteError::Source(exception) => exception,
            WriteError::Send(errno) => Self::write_failed(errno),
        }
    }
}

impl From<ReadError<Exception>> for Exception {
    fn from(error: ReadError<Exception>) -> Self {
        match error {
            ReadError::Sink(exception) => exception,
            ReadError::Poll(errno) => Self::poll_failed(errno),
            ReadError::Receive(errno) => Self::read_failed(errno),
        }
    }
}
