//! Shared libraries of `tests/c`, for a JVM to load.

use super::{child, jdk};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// `tests/c/SOURCE.c` as a shared library in `folder`, compiled with these further arguments.
pub(crate) fn shared_library<A: AsRef<OsStr>>(
    source: &str,
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> PathBuf {
    let target = folder.join(format!("lib{source}.so"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g"]);
    gcc.args(["-shared", "-fPIC"]);
    gcc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/c/{source}.c")));
    gcc.arg("-o").arg(&target).args(arguments);
    let compiled = child::run(&mut gcc, Duration::from_secs(60), "gcc (Debian: gcc)");
    assert!(compiled.status.success(), "{gcc:?}\n{}", compiled.output);
    target
}

/// The arguments with which gcc finds `jni.h`.
pub(crate) fn jni_includes() -> Vec<String> {
    let include = jdk::compiler().home.join("include");
    [include.join("linux"), include].map(|folder| format!("-I{}", folder.display())).into()
}
