//! Modules depend in one direction, and the core speaks no face's language.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A room may use itself and what lies in the layers below, not its neighbour.
const LAYERS: [&[&str]; 9] = [
    &["error", "boundary", "own", "sync"],
    &["counter"],
    &["os"],
    &["memory", "bits", "net", "nio"],
    &["ledger"],
    &["direct"],
    &["report"],
    &["capi", "jni"],
    &["agent"],
];

/// The one thing above the layers: the agent binds what the JNI face lists, and uses no other
/// part of a face.
const AGENT_MAY_USE: &str = "crate::jni::natives";

/// The files of the command: a crate of its own, which sees only what the library publishes.
const COMMAND: [&str; 8] = ["main", "install", "demo", "jdk", "run", "ask", "watch", "top"];

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

fn may_use(user: &str, used: &str, path: &str) -> bool {
    match (layer(user), layer(used)) {
        _ if user == used => true,
        _ if user == "agent" && matches!(used, "capi" | "jni") => path.starts_with(AGENT_MAY_USE),
        (Some(upper), Some(lower)) => upper > lower,
        _ => false,
    }
}

/// Words that belong to a face: exporting, and the JVM's own types.
fn is_a_faces_word(word: &str) -> bool {
    let types = ["JNIEnv", "JavaVM", "JNINativeMethod", "jvmtiEnv", "jobject", "jclass", "jarray"];
    matches!(word, "no_mangle" | "export_name" | "jni" | "jni_sys" | "jvmti")
        || types.contains(&word)
        || word.starts_with("Java_")
}

/// All that is wrong with the file of `room` at `depth` modules below the crate's root.
fn faults(room: &str, depth: usize, source: &str) -> Vec<String> {
    let tokens: TokenStream = source.parse().expect("Rust");
    let mut faults = Vec::new();
    for path in rooted_paths(tokens.clone(), depth) {
        let used = path.split("::").nth(1).expect("a rooted path has two parts");
        if !may_use(room, used, &path) {
            faults.push(format!("{room} may not use {path}"));
        }
    }
    let core = layer(room) < layer("capi");
    if core {
        faults.extend(
            words(tokens)
                .into_iter()
                .filter(|word| is_a_faces_word(word))
                .map(|word| format!("{room} is core: `{word}` belongs to a face")),
        );
    }
    faults
}

/// Every identifier outside comments and texts.
fn words(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => words(group.stream()),
            TokenTree::Ident(word) => vec![word.to_string()],
            _ => Vec::new(),
        })
        .collect()
}

/// The paths that begin at the crate's root, `crate::room::...`, with enough `super`s resolved, and
/// `{a, b}` spelt out. `depth` is how many modules lie between the root and these tokens.
fn rooted_paths(tokens: TokenStream, depth: usize) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map(|i| &tokens[i]);
        match &tokens[at] {
            TokenTree::Ident(word) if word == "crate" || word == "super" => {
                let (path, next) = follow(&tokens, at);
                let supers = path.first().map_or(0, |first| {
                    first.split("::").take_while(|part| *part == "super").count()
                });
                if supers == 0 || supers == depth {
                    let root = |path: &String| format!("crate::{}", tail(path, supers.max(1)));
                    found.extend(path.iter().map(root).filter(|path| path != "crate::"));
                } else if supers > depth {
                    found.push(format!("crate::beyond the root: {}", path.join(", ")));
                }
                at = next;
                continue;
            }
            TokenTree::Group(group) => {
                let inline_module = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && matches!(&tokens[at - 2], TokenTree::Ident(word) if word == "mod")
                    && matches!(before, Some(TokenTree::Ident(_)));
                found.extend(rooted_paths(group.stream(), depth + usize::from(inline_module)));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn tail(path: &str, skipped: usize) -> String {
    path.split("::").skip(skipped).collect::<Vec<_>>().join("::")
}

/// The paths that begin at `tokens[at]`, and where they end: several if there is a `{a, b}`.
fn follow(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".to_owned()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let prefix = path.join("::");
                let branches = inner
                    .split(
                        |token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','),
                    )
                    .filter(|branch| !branch.is_empty())
                    .flat_map(|branch| follow(branch, 0).0)
                    .map(|branch| format!("{prefix}::{branch}"))
                    .collect();
                return (branches, at + 1);
            }
            _ => return (vec![path.join("::")], at),
        }
        at += 1;
        let colons = tokens.get(at..at + 2).is_some_and(|pair| {
            pair.iter().all(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ':'))
        });
        if !colons {
            return (vec![path.join("::")], at);
        }
        at += 2;
    }
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { source_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_module_depends_only_on_what_lies_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut rooms = 0;
    for file in source_files(&src) {
        let inside = file.strip_prefix(&src).expect("a file of src").with_extension("");
        let parts: Vec<&str> = inside.iter().map(|part| part.to_str().expect("UTF-8")).collect();
        let room = parts[0];
        if room == "lib" || COMMAND.contains(&room) {
            continue;
        }
        rooms += 1;
        let depth = parts.iter().filter(|part| **part != "mod").count();
        let source = fs::read_to_string(&file).expect("a source file");
        if layer(room).is_none() {
            wrong.push(format!("{room} is in no layer; give it one in tests/layering.rs"));
        }
        let found = faults(room, depth, &source);
        wrong.extend(found.into_iter().map(|fault| format!("{}: {fault}", file.display())));
    }
    assert!(rooms > 4, "only {rooms} files found below {}", src.display());
    assert!(wrong.is_empty(), "DESIGN's direction of dependence is broken:\n{}", wrong.join("\n"));
}

#[test]
fn a_path_upward_or_sideways_is_found_in_every_spelling() {
    for source in [
        "use crate::capi::x;",
        "use crate::{error::Errno, capi};",
        "use crate::{error::Errno, bits::{a, b}};",
        "fn f() { crate::bits::page_size(); }",
        "fn f() { work!(crate::jni::x) }",
        "pub(in crate::capi) fn f() {}",
        "use super::super::direct::free;",
        "mod tests { use super::super::super::direct::free; }",
        "use super::super::super::direct::free;",
        "use crate::*;",
        "use super::super::*;",
        "macro_rules! m { () => { $crate::agent::go() } }",
        "#[unsafe(no_mangle)] extern \"C\" fn f() {}",
        "use ::jni::objects::JObject;",
        "fn f(env: *mut JNIEnv) {}",
    ] {
        let found = faults("memory", 2, source);
        assert!(!found.is_empty(), "nothing found wrong with memory/x.rs: {source}");
    }
}

#[test]
fn a_path_downward_or_within_is_allowed() {
    for source in [
        "use crate::error::Errno;",
        "use crate::{boundary::guard, os::heap};",
        "pub(crate) fn f() { super::g(); self::h(); }",
        "use super::block::x; mod tests { use super::*; use super::super::block::y; }",
        "use super::super::error::Errno;",
        "// use crate::capi;\nconst A: &str = \"crate::capi JNIEnv\";",
        "/// As `crate::jni` says.\nextern \"C\" fn on_signal(_: i32) {}",
    ] {
        assert_eq!(faults("memory", 2, source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn faces_do_not_talk_save_the_agent_to_the_table_of_natives() {
    assert!(faults("capi", 2, "use crate::jni::natives;").len() == 1);
    assert!(faults("jni", 2, "use crate::capi::bits;").len() == 1);
    assert!(faults("agent", 2, "use crate::capi::bits;").len() == 1);
    assert!(faults("agent", 2, "use crate::jni::throw;").len() == 1);
    assert!(faults("agent", 2, "use crate::jni::natives::NATIVES;").is_empty());
    assert!(faults("capi", 2, "use crate::direct; #[unsafe(no_mangle)] fn f() {}").is_empty());
    assert!(faults("bits", 2, "use crate::agent::x;").len() == 1);
}
