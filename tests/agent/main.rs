//! The agent under real JVMs. Every test runs on all JDKs at hand, unless it says why not.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

#[path = "../common"]
mod common {
    pub(crate) mod apart;
    pub(crate) mod c;
    pub(crate) mod child;
    pub(crate) mod jdk;
    pub(crate) mod library;
    pub(crate) mod trace;
}

mod aot;
mod binding;
mod calls;
mod exits;
mod exposition;
mod families;
mod formats;
mod icebergs;
mod lean;
mod limit;
mod metrics;
mod misuse;
mod one_budget;
mod options;
mod pair;
mod pools;
mod program;
mod real;
mod same;
mod sites;
mod storm;
mod zeros;

use common::library;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// Longer than most of these runs take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The flag that has a JVM load the library under test as its agent.
fn agentpath(options: &str) -> String {
    format!("-agentpath:{}={options}", library::folder().join("liboffheap.so").display())
}

/// A folder for what these tests make.
fn scratch() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    &FOLDER
}
