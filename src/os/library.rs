//! Shared libraries that the process has loaded.

use core::ffi::{CStr, c_void};
use core::ptr::NonNull;

/// The address of `symbol` in the library of that name, if it is loaded and has one. Nothing is
/// loaded for it.
pub(crate) fn symbol_of_loaded(library: &CStr, symbol: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: RTLD_NOLOAD runs no code; the name is a C string.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    let handle = NonNull::new(handle)?;
    // SAFETY: the handle is open; the symbol is a C string. It stays counted as open: the address
    // must stay valid.
    NonNull::new(unsafe { libc::dlsym(handle.as_ptr(), symbol.as_ptr()) })
}
