//! errno as a type: the one error of the core.
//!
//! The faces turn it into what their caller expects: the C face into `errno` or a returned value,
//! the JNI face into an exception. Its text is the C library's own, in the locale of the process,
//! as the JDK's messages are.

use core::ffi::{CStr, c_char, c_int};
use core::fmt;

/// An `errno` value of the C library.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(c_int);

impl Errno {
    /// No memory, or no room in the budget.
    pub const ENOMEM: Self = Self(libc::ENOMEM);
    /// An argument outside its range.
    pub const EINVAL: Self = Self(libc::EINVAL);
    /// The descriptor is closed, or was closed by another thread during the call.
    pub const EBADF: Self = Self(libc::EBADF);
    /// A signal came before the call could do anything.
    pub const EINTR: Self = Self(libc::EINTR);
    /// The call would have to wait (`EWOULDBLOCK` is the same value on Linux).
    pub const EAGAIN: Self = Self(libc::EAGAIN);
    /// The peer reset the connection.
    pub const ECONNRESET: Self = Self(libc::ECONNRESET);
    /// Nobody is at the port.
    pub const ECONNREFUSED: Self = Self(libc::ECONNREFUSED);
    /// The other end takes no more data.
    pub const EPIPE: Self = Self(libc::EPIPE);
    /// The time given has passed.
    pub const ETIMEDOUT: Self = Self(libc::ETIMEDOUT);
    /// offheap itself failed (a panic was caught at the boundary); its state is still sound.
    pub const ENOTRECOVERABLE: Self = Self(libc::ENOTRECOVERABLE);

    /// Wraps a value that a system call has left in `errno`.
    #[must_use]
    pub const fn new(code: c_int) -> Self {
        Self(code)
    }

    /// The calling thread's `errno`.
    #[must_use]
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// Makes this the calling thread's `errno`, for a C caller to read.
    pub fn set(self) {
        // SAFETY: no precondition.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: the C library's pointer to the thread's own errno is valid while the thread runs.
        unsafe { *errno = self.0 }
    }

    /// The number itself.
    #[must_use]
    pub const fn code(self) -> c_int {
        self.0
    }

    /// `strerror`'s text, in the locale of the process.
    #[must_use]
    pub fn text(self) -> String {
        let mut buffer: [c_char; 256] = [0; 256];
        // SAFETY: the buffer is writable for its whole length, which is passed along.
        let status = unsafe { libc::strerror_r(self.0, buffer.as_mut_ptr(), buffer.len()) };
        if status != 0 {
            return format!("Unknown error {}", self.0);
        }
        // SAFETY: strerror_r has left a NUL-terminated text in the buffer.
        let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
        text.to_string_lossy().into_owned()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {})", self.0, self.text())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn the_text_is_the_c_librarys() {
        assert_eq!(Errno::EPIPE.text(), "Broken pipe");
        assert_eq!(Errno::ECONNRESET.text(), "Connection reset by peer");
        assert_eq!(Errno::new(99_999).text(), "Unknown error 99999");
    }

    #[test]
    fn errno_of_the_thread_is_set_and_read() {
        Errno::ENOMEM.set();
        assert_eq!(Errno::last(), Errno::ENOMEM);
    }
}
