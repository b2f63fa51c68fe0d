//! Shared libraries that the process has loaded.

use core::ffi::{CStr, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::ffi::CString;

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

/// The path of the file that this library was loaded from.
pub(crate) fn own_file() -> Option<String> {
    file_of(own_file as *const c_void)
}

/// The path of the file that what is at `address` was loaded from.
pub(crate) fn file_of(address: *const c_void) -> Option<String> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the out-parameter is writable; the address is compared, not followed.
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: pointers, which the call has written; zero is a value of them too.
    let info = unsafe { info.assume_init() };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the name is the linker's own, and stays as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(name.to_string_lossy().into_owned())
}

/// The path of a loaded library, other than this one, that has both symbols.
pub(crate) fn another_with(first: &CStr, second: &CStr) -> Option<String> {
    let own = own_file()?;
    let mut paths: Vec<CString> = Vec::new();
    let into: *mut Vec<CString> = &raw mut paths;
    // SAFETY: the callback gets what it was written for, and is called only before this returns.
    unsafe { libc::dl_iterate_phdr(Some(collect_path), into.cast()) };
    // A library answers for those it is linked to as well, and one of them may be this one.
    let file_with = |path: &CString| {
        symbol_of_loaded(path, first)?;
        file_of(symbol_of_loaded(path, second)?.as_ptr())
    };
    paths.iter().filter_map(file_with).find(|file| *file != own)
}

/// Adds the path of a loaded object to the `Vec<CString>` behind `into`; the program itself has none.
unsafe extern "C" fn collect_path(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    into: *mut c_void,
) -> c_int {
    // SAFETY: the linker passes a valid structure.
    let name = unsafe { (*info).dlpi_name };
    if !name.is_null() {
        // SAFETY: the name is a C string, live during the call.
        let path = unsafe { CStr::from_ptr(name) };
        if path.to_bytes().starts_with(b"/") {
            // SAFETY: `another_with` passes its own vector, which nobody else uses meanwhile.
            unsafe { (*into.cast::<Vec<CString>>()).push(path.to_owned()) };
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_its_own_librarys_and_not_that_of_those_linked_to_it() {
        // What unwinds panics is loaded before the C library, and linked to it.
        let file = another_with(c"malloc", c"strerror").unwrap();
        assert!(file.ends_with("/libc.so.6"), "{file}");
    }

    #[test]
    fn no_library_has_a_symbol_that_there_is_not() {
        assert_eq!(another_with(c"malloc", c"offheap_no_such_symbol"), None);
    }
}
