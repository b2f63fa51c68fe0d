//! The shared library's soname and link flags; nothing else.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let flags = [
        // A program records this name, not the file's: a later major version can stand beside it.
        concat!("-soname,liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR")),
        // A symbol that no library defines is an error here, not when a JVM loads us.
        "-z,defs",
        // A JVM, a signal disposition and other threads keep our addresses: never unmap them.
        "-z,nodelete",
    ];
    for flag in flags {
        println!("cargo::rustc-cdylib-link-arg=-Wl,{flag}");
    }
}
