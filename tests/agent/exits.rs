//! A JVM with the agent ends as it would without, whatever ends it, and leaves its report.

use crate::common::apart::{self, Apart};
use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{LIMIT, assert_same, java, number, read_report, report_file, run};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A program that ends in the way `how`, stock and with the agent.
fn assert_ends_the_same(jdk: &Jdk, how: &str, flags: &[&str]) {
    let what = format!("JDK {}, same.Exits {how}", jdk.version);
    let stock = run(java(jdk, None).args(flags).args(["same.Exits", how]));
    assert!(stock.stdout.starts_with("1000 0\n"), "{what}: {stock:?}");
    let file = report_file(&format!("exit-{how}-{}", jdk.version));
    let options = format!("report={},format=json", file.display());
    let ours = run(java(jdk, Some(&options)).args(flags).args(["same.Exits", how]));
    assert_same(&what, &stock, &ours);
    let report = read_report(&file);
    assert!(number(&report, "/memory/peak_bytes") >= 1_000_000, "{what}: {report:#}");
}

#[test]
fn a_jvm_ends_as_it_would_and_leaves_a_report() {
    let ways = [
        ("return", Some(0)),
        ("exit", Some(3)),
        ("halt", Some(4)),
        ("uncaught", Some(1)),
        ("oom", Some(1)),
        ("blocked", Some(5)),
        ("fork", Some(0)),
    ];
    on_each(jdk::all(), |jdk| {
        for (how, code) in ways {
            assert_ends_the_same(jdk, how, &["-Xmx64m"]);
            let stock = run(java(jdk, None).args(["-Xmx64m", "same.Exits", how]));
            assert_eq!(stock.status.code(), code, "JDK {}, {how}", jdk.version);
        }
    });
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", r#"kill -"$1" "$2""#, "sh", name, &pid]).status();
    assert!(sent.expect("sh").success(), "no process {pid} to send {name}");
}

/// Runs `same.Exits wait` until it waits, then does `then`, then ends it by a signal.
fn ended_by(mut java: Command, name: &str, then: impl FnOnce(&Child)) -> Apart {
    let mut running = apart::start(java.args(["same.Exits", "wait"]));
    running.wait_for_output(LIMIT, |stdout| stdout.contains("ready\n"));
    then(&running.child);
    signal(&running.child, name);
    running.finish(LIMIT)
}

#[test]
fn a_jvm_that_a_signal_ends_runs_its_hooks_and_leaves_a_report() {
    on_each(jdk::all(), |jdk| {
        for name in ["TERM", "INT", "HUP"] {
            let stock = ended_by(java(jdk, None), name, |_| ());
            assert!(stock.stdout.ends_with("ready\nhook\n"), "JDK {}: {stock:?}", jdk.version);
            let file = report_file(&format!("signal-{name}-{}", jdk.version));
            let options = format!("report={}", file.display());
            let ours = ended_by(java(jdk, Some(&options)), name, |_| ());
            assert_same(&format!("JDK {}, SIG{name}", jdk.version), &stock, &ours);
            assert!(number(&read_report(&file), "/memory/live_bytes") >= 1_000_000);
        }
    });
}

#[test]
fn a_jvm_that_is_killed_leaves_no_half_report() {
    on_each(jdk::all(), |jdk| {
        let file = report_file(&format!("killed-{}", jdk.version));
        let options = format!("report={}", file.display());
        let mut socket = None;
        let killed = ended_by(java(jdk, Some(&options)), "KILL", |child| {
            socket = Some(offheap::report::socket(child.id()));
        });
        // This stays, until another process gets the number.
        let _ = std::fs::remove_file(socket.expect("its place"));
        assert_eq!(killed.status.signal(), Some(9));
        assert!(!file.exists(), "JDK {}: {}", jdk.version, file.display());
    });
}

#[test]
fn a_report_is_written_while_the_program_runs_when_asked_by_signal() {
    on_each(jdk::all(), |jdk| {
        let file = report_file(&format!("quit-{}", jdk.version));
        let options = format!("report={},format=json", file.display());
        let ours = ended_by(java(jdk, Some(&options)), "TERM", |child| {
            signal(child, "QUIT");
            let deadline = Instant::now() + LIMIT;
            while !file.exists() {
                assert!(Instant::now() < deadline, "JDK {}: no report", jdk.version);
                std::thread::sleep(Duration::from_millis(5));
            }
            let report = read_report(&file);
            assert_eq!(number(&report, "/pid"), u64::from(child.id()), "JDK {}", jdk.version);
            assert!(number(&report, "/memory/live_bytes") >= 1_000_000, "{report:#}");
        });
        // The JVM prints its own dump of the threads.
        assert!(ours.stdout.contains("Full thread dump"), "JDK {}: {ours:?}", jdk.version);
        assert!(!ours.stdout.contains("offheap: "), "JDK {}: {ours:?}", jdk.version);
        assert_eq!(ours.stderr, "", "JDK {}", jdk.version);
    });
}
