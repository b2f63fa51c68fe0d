//! `include/offheap.h` is what cbindgen makes of `src/capi`.
//!
//! `OFFHEAP_BLESS=1 cargo test --test header` writes it.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

use std::fs;
use std::path::Path;

/// The order of the header's chapters.
const CHAPTERS: [&str; 5] = ["memory", "bits", "direct", "net", "report"];

fn generate(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for chapter in CHAPTERS {
        builder = builder.with_src(root.join(format!("src/capi/{chapter}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen reads src/capi").write(&mut header);
    String::from_utf8(header).expect("UTF-8")
}

/// The first line that differs, for a message that fits a screen.
fn first_difference(expected: &str, found: &str) -> Option<String> {
    let mut expected = expected.lines();
    let mut found = found.lines();
    (1..).find_map(|line| match (expected.next(), found.next()) {
        (None, None) => Some(None),
        (e, f) if e == f => None,
        (e, f) => Some(Some(format!(
            "line {line}:\n  src/capi gives: {}\n  the file has:   {}",
            e.unwrap_or("(end)"),
            f.unwrap_or("(end)")
        ))),
    })?
}

#[test]
fn the_committed_header_is_the_one_src_capi_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/offheap.h");
    let generated = generate(root);
    if std::env::var_os("OFFHEAP_BLESS").is_some() {
        fs::write(&path, &generated).expect("include/ is writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if let Some(difference) = first_difference(&generated, &committed) {
        panic!(
            "include/offheap.h is out of date, {difference}\n\
             To write it: OFFHEAP_BLESS=1 cargo test --test header"
        );
    }
}

#[test]
fn every_file_of_the_c_face_is_a_chapter_of_the_header() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("src/capi")
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|file| file != "mod")
        .collect();
    files.sort();
    let mut chapters = CHAPTERS;
    chapters.sort();
    assert_eq!(files, chapters, "CHAPTERS in tests/header.rs names the files of src/capi");
}

#[test]
fn a_changed_added_or_missing_line_is_a_difference() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert!(first_difference("a\nb\n", "a\nc\n").unwrap().starts_with("line 2"));
    assert!(first_difference("a\nb\n", "a\n").unwrap().contains("(end)"));
    assert!(first_difference("a\n", "a\nb\n").unwrap().contains("(end)"));
}
