//! The built library shows and needs what `tests/exports.txt` says, no less and no more.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

mod common {
    pub(crate) mod child;
    pub(crate) mod library;
}

use common::{child, library};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

type Names = BTreeSet<String>;

/// The words after `kind` at the beginning of a line of the committed list.
fn listed(list: &str, kind: &str) -> Names {
    list.lines()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix(kind)?.strip_prefix(' '))
        .map(|name| name.trim().to_owned())
        .collect()
}

fn committed(kind: &str) -> Names {
    listed(include_str!("exports.txt"), kind)
}

/// One line for each name that is only on one side; `None` if there is none.
fn difference(listed: &Names, built: &Names) -> Option<String> {
    let added = built.difference(listed).map(|name| format!("  not in the list: {name}\n"));
    let missing = listed.difference(built).map(|name| format!("  not in the library: {name}\n"));
    let lines: String = added.chain(missing).collect();
    (!lines.is_empty()).then_some(lines)
}

fn assert_same(kind: &str, built: &Names) {
    assert!(!built.is_empty(), "no `{kind}` found in the library");
    if let Some(lines) = difference(&committed(kind), built) {
        panic!("tests/exports.txt and liboffheap.so differ in `{kind}`:\n{lines}");
    }
}

/// What a tool of binutils prints of the built library.
fn inspect(tool: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool);
    command.env("LC_ALL", "C").args(arguments).arg(library::folder().join("liboffheap.so"));
    let finished = child::run(&mut command, Duration::from_secs(60), "binutils");
    assert!(finished.status.success(), "{command:?}\n{}", finished.output);
    finished.output
}

#[test]
fn the_exported_names_are_the_committed_ones() {
    let symbols = inspect("nm", &["-D", "--defined-only", "--format=posix"]);
    let names = symbols.lines().filter_map(|line| line.split_whitespace().next());
    assert_same("export", &names.map(str::to_owned).collect());
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the list is x86_64's")]
fn the_needed_libraries_are_the_committed_ones() {
    let dynamic = inspect("readelf", &["--dynamic", "--wide"]);
    let needed = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()));
    assert_same("needs", &needed.collect());
}

/// Older is well: the version depends on the C library of the machine that built.
#[test]
fn it_runs_on_the_committed_c_library() {
    let symbols = inspect("nm", &["-D", "--undefined-only", "--format=posix"]);
    let newest = symbols
        .split_whitespace()
        .filter_map(|word| Some(version(word.split_once("@GLIBC_")?.1)))
        .max()
        .expect("a symbol of the C library");
    let committed = committed("glibc").first().map(|text| version(text)).expect("a glibc line");
    assert!(newest <= committed, "needs C library {newest:?}, the list says {committed:?}");
}

fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|number| number.parse().expect("a version of numbers")).collect()
}

#[test]
fn the_soname_has_the_major_version_and_the_library_stays_mapped() {
    let dynamic = inspect("readelf", &["--dynamic", "--wide"]);
    let soname = concat!("Library soname: [liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR"), "]");
    assert!(dynamic.contains(soname), "no {soname} in\n{dynamic}");
    assert!(dynamic.contains("NODELETE"), "no NODELETE in\n{dynamic}");
}

#[test]
fn every_exported_c_name_is_declared_in_the_header_and_none_else_is() {
    let header = include_str!("../include/offheap.h");
    let declared = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .map(str::to_owned);
    let exported = committed("export").into_iter().filter(|name| !is_the_jvms(name));
    assert_eq!(difference(&exported.collect(), &declared.collect()), None);
}

/// Names that a JVM looks up, and C does not call.
fn is_the_jvms(name: &str) -> bool {
    ["Java_", "JNI_", "Agent_"].iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn a_name_on_one_side_only_is_a_difference() {
    let list = "export a # why\n# export c\nexport b\nexported d\n";
    assert_eq!(listed(list, "export"), Names::from(["a".to_owned(), "b".to_owned()]));
    let built = Names::from(["b".to_owned(), "x".to_owned()]);
    let lines = difference(&listed(list, "export"), &built).unwrap();
    assert_eq!(lines, "  not in the list: x\n  not in the library: a\n");
    assert_eq!(difference(&built, &built), None);
}
