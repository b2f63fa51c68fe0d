//! `socket=lean`: programs do what they do otherwise, and no thread holds much while it is blocked.

use crate::agentpath;
use crate::common::jdk::{self, Jdk, on_each, programs};
use crate::common::trace;
use crate::program::{LIMIT, assert_same, java, number, read_report, report_file, run};
use crate::same::plain;
use std::process::Command;

#[test]
fn streams_do_what_the_jdks_do() {
    on_each(&jdk::with_socket_write0(), |jdk| {
        // The others close and share sockets in all the ways that threads can.
        let cases = ["streams: ", "threads: "];
        let stock = run(java(jdk, None).args(plain(jdk)).arg("same.Main").args(cases));
        let file = report_file(&format!("lean-{}", jdk.version));
        let options = format!("socket=lean,report={}", file.display());
        let lean = run(java(jdk, Some(&options)).args(plain(jdk)).arg("same.Main").args(cases));
        let what = format!("JDK {}, lean", jdk.version);
        assert!(stock.stdout.lines().count() > 300, "{what}: {stock:?}");
        assert_same(&what, &stock, &lean);
        let sent = number(&read_report(&file), "/sockets/bytes_sent");
        assert!(sent > 10_000_000, "{what}: {sent} bytes sent by ours");
    });
}

/// Of a `sendto`: how many bytes it was given, and its flags.
fn send(call: &str) -> Option<(usize, &str)> {
    let (_, arguments) = call.strip_prefix("sendto(")?.split_once(", \"\", ")?;
    let (len, rest) = arguments.split_once(", ")?;
    Some((len.parse().ok()?, rest.split(", ").next()?))
}

fn sends(jdk: &Jdk, options: &str) -> Vec<String> {
    let mut java: Command = jdk.java();
    java.arg(agentpath(options)).args(jdk.socket_write0_flags()).arg("-cp").arg(programs());
    let calls = trace::calls(java.args(["StreamCalls", "stock"]), "sendto", LIMIT);
    assert!(calls.iter().all(|call| send(call).is_some()), "{calls:#?}");
    calls
}

fn waits_for_more(call: &str) -> bool {
    call.contains("MSG_MORE")
}

/// Of the sends those with which a write of the program ends.
fn ends_of_writes(calls: &[String]) -> Vec<&str> {
    const WRITES: [usize; 9] = [1, 65536, 65537, 131_072, 131_073, 300_000, 4 << 20, 180_000, 5];
    let mut calls = calls.iter();
    let end_of_one = |mut left: usize| loop {
        let call = calls.next().expect("as many bytes as were written");
        // One that is refused sends nothing.
        let sent = call.rsplit_once(" = ").and_then(|(_, sent)| sent.parse().ok()).unwrap_or(0);
        left = left.checked_sub(sent).expect("no bytes of two writes at once");
        if left == 0 {
            break call.as_str();
        }
    };
    let ends = WRITES.map(end_of_one).to_vec();
    assert_eq!(calls.next(), None, "more bytes than were written");
    ends
}

#[test]
fn a_send_that_may_block_is_short() {
    on_each(&jdk::with_socket_write0(), |jdk| {
        let may_block = |calls: &[String]| -> Vec<usize> {
            let sends = calls.iter().filter_map(|call| send(call));
            sends.filter(|(_, flags)| !flags.contains("MSG_DONTWAIT")).map(|(len, _)| len).collect()
        };
        let calls = sends(jdk, "socket=lean");
        // A write of one byte is the JDK's; others wait with a kilobyte, if at all.
        assert!(
            may_block(&calls).iter().all(|len| *len <= 1024),
            "JDK {}: {calls:#?}",
            jdk.version
        );
        assert!(calls.len() > may_block(&calls).len(), "JDK {}: {calls:#?}", jdk.version);
        assert!(calls.iter().any(|call| waits_for_more(call)), "JDK {}: {calls:#?}", jdk.version);
        let ends = ends_of_writes(&calls);
        assert!(!ends.iter().any(|call| waits_for_more(call)), "JDK {}: {ends:#?}", jdk.version);
        let default = may_block(&sends(jdk, ""));
        assert!(default.contains(&131_072), "JDK {}: {default:?}", jdk.version);
    });
}
