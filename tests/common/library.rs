//! The library under test: the one Cargo built together with the running test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder that holds `liboffheap.so` and `liboffheap.a`: the running test's own.
///
/// Cargo makes them by the same compiler run as the `rlib` the test is linked to, so they are as
/// new as the test. A copy one folder up is from the last `cargo build` and may be old. That they
/// are not older than any source file the compiler has read is checked all the same.
pub(crate) fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().expect("its folder").to_owned();
    for name in ["liboffheap.so", "liboffheap.a"] {
        let library = folder.join(name);
        let built = modified(&library);
        if let Some(source) = sources(&folder).iter().find(|path| modified(path) > built) {
            panic!(
                "{} is older than {}; build again: cargo test",
                library.display(),
                source.display()
            );
        }
    }
    folder
}

/// The files the compiler has read, from the list it leaves for Cargo: `target: source source`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let list =
        fs::read_to_string(folder.join("offheap.d")).expect("the compiler's list of sources");
    let (_, sources) =
        list.lines().find_map(|rule| rule.split_once("liboffheap.so: ")).expect("a rule");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources.split_whitespace().map(|source| root.join(source)).collect()
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|file| file.modified()).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo test` builds the library anew", path.display())
    })
}
