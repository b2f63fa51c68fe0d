//! The system calls of one thread of a program, by strace.

use super::{child, jdk};
use std::process::Command;
use std::time::Duration;

/// The system calls of these names (with commas) that the thread `calls` of a program makes on
/// sockets, pipes, and files of its own, without what differs from run to run: the numbers of
/// descriptors, and what was moved.
pub(crate) fn calls(program: &Command, names: &str, limit: Duration) -> Vec<String> {
    let file = std::env::temp_dir().join(format!(
        "offheap-trace-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let mut strace = Command::new("strace");
    jdk::without_cargos_path(&mut strace);
    strace.args(["-f", "-qq", "-y", "-s", "16", "-e", "signal=none", "-e"]);
    strace.arg(format!("trace={names},prctl")).arg("-o").arg(&file);
    strace.arg(program.get_program()).args(program.get_args());
    let run = child::run(&mut strace, limit, "strace (Debian: strace)");
    let trace = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file);
    assert!(run.status.success(), "{strace:?}\n{}", run.output);
    of_thread(&trace.expect("the trace"), "calls")
}

fn of_thread(trace: &str, name: &str) -> Vec<String> {
    let named = format!("prctl(PR_SET_NAME, \"{name}\"");
    let thread = trace
        .lines()
        .find(|line| line.contains(&named))
        .and_then(|line| line.split_whitespace().next())
        .unwrap_or_else(|| panic!("no thread {name} in the trace"));
    let mut unfinished = "";
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some(call) = line.strip_prefix(thread).filter(|rest| rest.starts_with(' ')) else {
            continue;
        };
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            unfinished = start;
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            calls.extend(comparable(&format!("{}{end}", std::mem::take(&mut unfinished))));
        } else {
            calls.extend(comparable(call));
        }
    }
    calls
}

/// `sendto(27<socket:[3241]>, "a"..., 5, 0, NULL, 0) = 5` as `sendto(FD<socket>, "", 5, 0, NULL, 0)
/// = 5`; nothing of a call on a file that is the JVM's or the system's.
fn comparable(call: &str) -> Option<String> {
    let mut out = String::new();
    let mut descriptors = 0;
    let mut rest = call;
    while let Some(at) = rest.find(['<', '"']) {
        let (before, after) = rest.split_at(at);
        let (opening, after) = after.split_at(1);
        if opening == "\"" {
            out.push_str(before);
            out.push_str("\"\"");
            rest = after_text(after).trim_start_matches("...");
        } else {
            let (target, after) = after.split_once('>').unwrap_or((after, ""));
            out.push_str(before.trim_end_matches(|c: char| c.is_ascii_digit()));
            out.push_str(&format!("FD<{}>", kind(target)?));
            descriptors += 1;
            rest = after;
        }
    }
    out.push_str(rest);
    let out = without(without(out, "0x", char::is_ascii_hexdigit), "{fd=", char::is_ascii_digit);
    (descriptors > 0).then(|| out.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Without the number behind each `mark`: where a buffer is that nothing was read into, and which
/// descriptors `poll` found ready.
fn without(call: String, mark: &str, digit: fn(&char) -> bool) -> String {
    let mut parts = call.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(mark);
        out.push_str(part.trim_start_matches(|c| digit(&c)));
    }
    out
}

/// What follows the quote that ends a text.
fn after_text(text: &str) -> &str {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => break,
            _ => {}
        }
    }
    characters.as_str()
}

/// What a descriptor is for, if it is the program's own.
fn kind(target: &str) -> Option<&str> {
    match target.strip_prefix('/') {
        None => target.split(':').next(), // socket:[3241]
        Some("dev/full") => Some(target),
        // Where `same.Scratch` has its files.
        Some(path) => path.contains("/same-").then(|| path.rsplit('/').next())?,
    }
}

#[test]
fn a_trace_is_read_thread_by_thread() {
    let trace = "7 prctl(PR_SET_NAME, \"calls\") = 0\n\
                 8 sendto(3<socket:[1]>, \"\"..., 9, 0, NULL, 0) = 9\n\
                 7 poll([{fd=27<socket:[2]>, events=POLLIN}], 1, 5 <unfinished ...>\n\
                 8 sendto(3<socket:[1]>, \"\"..., 9, 0, NULL, 0) = 9\n\
                 7 <... poll resumed>) = 1 ([{fd=27, revents=POLLIN}])\n\
                 7 read(27<socket:[2]>, 0x7f00ba, 5) = -1 EAGAIN\n\
                 7 read(5</proc/stat>, \"x\", 1) = 1\n\
                 7 close(5</tmp/same-7/2-calls>) = 0\n\
                 7 sendto(27<socket:[2]>, \"<\\\"7\"..., 5, 0, NULL, 0) = 5\n";
    assert_eq!(
        of_thread(trace, "calls"),
        [
            "poll([{fd=FD<socket>, events=POLLIN}], 1, 5) = 1 ([{fd=, revents=POLLIN}])",
            "read(FD<socket>, 0x, 5) = -1 EAGAIN",
            "close(FD<2-calls>) = 0",
            "sendto(FD<socket>, \"\", 5, 0, NULL, 0) = 5"
        ]
    );
}
