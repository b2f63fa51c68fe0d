//! The agent under unmodified programs: what they print, how they end and which system calls they
//! make is what it is on a stock JVM; and the report proves that our natives answered.
//!
//! One mode of running alone: `cargo test --test agent interpreted`. One case alone, by hand:
//! `java -cp target/tmp/jvm/programs same.Main "streams: ranges"`, with and without the agent.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

mod common {
    pub(crate) mod apart;
    pub(crate) mod child;
    #[expect(dead_code, reason = "the tests of the Java library use the rest")]
    pub(crate) mod jdk;
    pub(crate) mod library;
    pub(crate) mod trace;
}

use common::apart::{self, Apart};
use common::{jdk, library, trace};
use jdk::{Jdk, on_each, programs};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longer than all cases take on a busy machine, all code compiled before its first call.
const LIMIT: Duration = Duration::from_secs(240);

/// The limit of direct memory, in MiB: small, so that it is soon reached.
const DIRECT: u32 = 32;

/// `-agentpath` for the library under test.
fn agent(options: &str) -> String {
    format!("-agentpath:{}={options}", library::folder().join("liboffheap.so").display())
}

/// Where a report of this name goes, without an old one.
fn report_file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{name}.json"));
    let _ = std::fs::remove_file(&file);
    file
}

fn read_report(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", file.display()))
}

/// A `java` for the programs, with the agent if there are options for it.
fn java(jdk: &Jdk, agent_options: Option<&str>) -> Command {
    let mut java = jdk.java();
    java.env_remove("JAVA_TOOL_OPTIONS").env_remove("JDK_JAVA_OPTIONS");
    java.args(agent_options.map(agent)).arg(format!("-XX:MaxDirectMemorySize={DIRECT}m"));
    java.arg(format!("-Dsame.direct={DIRECT}"));
    // Messages of exceptions must not depend on when a method is compiled.
    java.arg("-XX:-OmitStackTraceInFastThrow");
    // Should a JVM crash, it says why where Cargo cleans up.
    java.arg(format!("-XX:ErrorFile={}/hs_err_%p.log", env!("CARGO_TARGET_TMPDIR")));
    if jdk.version >= 9 {
        // For the cases that call the JVM's own class.
        java.args(["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"]);
    }
    java.arg("-cp").arg(programs());
    java
}

fn run(java: &mut Command) -> Apart {
    apart::start(java).finish(LIMIT)
}

/// Fails unless both runs printed and ended the same; says where they part.
fn assert_same(what: &str, stock: &Apart, ours: &Apart) {
    if let Some(difference) = difference(stock, ours) {
        panic!("{what}: the agent makes a difference:\n{difference}");
    }
}

fn difference(stock: &Apart, ours: &Apart) -> Option<String> {
    let outputs =
        [("stdout", &stock.stdout, &ours.stdout), ("stderr", &stock.stderr, &ours.stderr)];
    let mut said = String::new();
    for (name, stock, ours) in outputs {
        let (stock, ours): (Vec<_>, Vec<_>) = (stock.lines().collect(), ours.lines().collect());
        let longer = stock.len().max(ours.len());
        let parted = (0..longer).filter(|&i| stock.get(i) != ours.get(i)).take(10);
        for line in parted {
            let shown = |lines: &[&str]| lines.get(line).map_or("nothing", |l| *l).to_owned();
            let (stock, ours) = (shown(&stock), shown(&ours));
            said += &format!("  {name}, line {line}\n    stock: {stock}\n    ours:  {ours}\n");
        }
    }
    if said.is_empty() && (&stock.stdout, &stock.stderr) != (&ours.stdout, &ours.stderr) {
        said += "  the ends of lines\n";
    }
    if stock.status != ours.status {
        said += &format!("  status\n    stock: {}\n    ours:  {}\n", stock.status, ours.status);
    }
    (!said.is_empty()).then_some(said)
}

/// A way to run all cases.
struct Mode {
    name: &'static str,
    flags: fn(&Jdk) -> Vec<&'static str>,
    /// More options for the agent.
    options: &'static str,
}

/// Only one mode runs at a time, with two JVMs: more would be slower, not faster.
static ONE_MODE: Mutex<()> = Mutex::new(());

impl Mode {
    fn test(&self) {
        let _one = ONE_MODE.lock().unwrap_or_else(PoisonError::into_inner);
        on_each(jdk::all(), |jdk| {
            let flags = (self.flags)(jdk);
            let what = format!("JDK {}, {}, {flags:?}", jdk.version, self.name);
            let mut main = vec!["same.Main"];
            if jdk.version == 17 && flags.contains(&MEMORY_TRACKING) {
                // Its memory tracking marks a block as freed whose reallocation fails, and the next
                // call that is given the block ends the stock JVM.
                main.push("-memory: a failed reallocation leaves the block");
            }
            let stock = run(java(jdk, None).args(&flags).args(&main));
            let last = stock.stdout.lines().last().unwrap_or_default();
            let lines = stock.stdout.lines().count();
            // Should the program break, both runs would still agree.
            assert!(stock.status.success() && last.starts_with("same: "), "{what}: {stock:?}");
            assert!(lines > 1500, "{what}: only {lines} lines");

            let file = report_file(&format!("{}-{}", self.name, jdk.version));
            let options = format!("report={},format=json{}", file.display(), self.options);
            let ours = run(java(jdk, Some(&options)).args(&flags).args(&main));
            assert_same(&what, &stock, &ours);
            let plain = flags.contains(&PLAIN) || jdk.version <= 12;
            let passes_blocks = self.options.contains("allocator=jdk");
            assert_answered(&what, &read_report(&file), jdk, plain, passes_blocks);
        });
    }
}

/// Has Java 13 to 17 use the sockets of the versions before.
const PLAIN: &str = "-Djdk.net.usePlainSocketImpl";

/// For the versions that know the flag.
fn plain(jdk: &Jdk) -> Option<&'static str> {
    (13..=17).contains(&jdk.version).then_some(PLAIN)
}

/// `java` has the serial collector already.
const NOT_SERIAL: &str = "-XX:-UseSerialGC";
const MEMORY_TRACKING: &str = "-XX:NativeMemoryTracking=detail";

#[test]
fn programs_run_as_on_a_stock_jvm() {
    let flags = |_: &Jdk| vec![NOT_SERIAL, "-XX:+UseG1GC"];
    Mode { name: "g1", flags, options: "" }.test();
}

#[test]
fn programs_run_as_on_a_stock_jvm_interpreted_and_with_memory_tracking() {
    let flags = |jdk: &Jdk| {
        let mut flags = vec!["-Xint", MEMORY_TRACKING];
        flags.extend(plain(jdk));
        flags
    };
    Mode { name: "interpreted", flags, options: "" }.test();
}

#[test]
fn programs_run_as_on_a_stock_jvm_compiled_before_their_first_call() {
    let flags = |_: &Jdk| vec!["-Xcomp", NOT_SERIAL, "-XX:+UseParallelGC"];
    Mode { name: "compiled", flags, options: "" }.test();
}

#[test]
fn programs_run_as_on_a_stock_jvm_with_jni_checks_and_pages() {
    let flags = |jdk: &Jdk| {
        let mut flags = vec!["-Xcheck:jni", "-Dsun.nio.PageAlignDirectMemory=true"];
        if jdk.version >= 17 {
            flags.extend([NOT_SERIAL, "-XX:+UseZGC"]);
        }
        flags
    };
    Mode { name: "checked", flags, options: "" }.test();
}

#[test]
fn programs_run_as_on_a_stock_jvm_with_its_own_allocator_below() {
    let flags = |jdk: &Jdk| {
        let mut flags = vec![MEMORY_TRACKING];
        flags.extend(plain(jdk));
        flags
    };
    Mode { name: "allocator", flags, options: ",allocator=jdk" }.test();
}

/// The natives that answer in this version, as class and name, from what the versions have.
fn expected_natives(jdk: &Jdk, plain_sockets: bool) -> BTreeSet<(&'static str, &'static str)> {
    let mut expected = BTreeSet::new();
    let mut add = |class: &'static str, names: &'static str| {
        expected.extend(names.split(' ').map(|name| (class, name)));
    };
    match jdk.version {
        8 => {
            let names = "allocateMemory reallocateMemory freeMemory setMemory copyMemory";
            add("sun.misc.Unsafe", names);
            add("java.nio.Bits", "copySwapMemory0");
        }
        _ => {
            let unsafe_ = "jdk.internal.misc.Unsafe";
            add(unsafe_, "allocateMemory0 reallocateMemory0 freeMemory0");
            if jdk.version <= 21 {
                add(unsafe_, "setMemory0");
            }
            if jdk.version <= 16 {
                add(unsafe_, "copyMemory0 copySwapMemory0");
            }
        }
    }
    if plain_sockets {
        add("java.net.SocketOutputStream", "socketWrite0");
        add("java.net.SocketInputStream", "socketRead0");
        add("java.net.PlainSocketImpl", "socketClose0");
    }
    let files = "read0 write0 readv0 writev0 pread0 pwrite0";
    match jdk.version {
        ..=20 => add("sun.nio.ch.FileDispatcherImpl", files),
        _ => add("sun.nio.ch.UnixFileDispatcherImpl", files),
    }
    match jdk.version {
        ..=16 => {}
        17..=20 => add("sun.nio.ch.SocketDispatcher", "read0 readv0"),
        _ => add("sun.nio.ch.SocketDispatcher", "read0 readv0 write0 writev0"),
    }
    add("sun.nio.ch.DatagramDispatcher", "read0 readv0 write0 writev0");
    expected
}

/// A number of the report.
fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no number {pointer} in {report:#}"))
}

/// The natives of a report that `holds` is true of.
fn natives_where(report: &Value, holds: impl Fn(&Value) -> bool) -> BTreeSet<(&str, &str)> {
    let natives = report["natives"].as_array().expect("natives");
    let named = |native| (text(native, "class"), text(native, "name"));
    natives.iter().filter(|native| holds(native)).map(named).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value:#}"))
}

/// Proves from the report that the natives of this version were ours, and that they answered; or, if
/// `passes_blocks`, that those which take and free blocks did so by the JVM's own.
fn assert_answered(
    what: &str,
    report: &Value,
    jdk: &Jdk,
    plain_sockets: bool,
    passes_blocks: bool,
) {
    let expected = expected_natives(jdk, plain_sockets);
    let bound = natives_where(report, |native| native["bound"] == true);
    assert_eq!(bound, expected, "{what}: the natives that are bound");
    let took_part = |native: &Value| {
        let of_blocks = ["reallocateMemory", "freeMemory", "reallocateMemory0", "freeMemory0"];
        let passed = passes_blocks && of_blocks.contains(&text(native, "name"));
        number(native, if passed { "/passed" } else { "/answered" }) > 0
    };
    let answered = natives_where(report, took_part);
    assert_eq!(answered, expected, "{what}: the natives that answered");
    assert_eq!(number(report, "/jdk/feature"), u64::from(jdk.version), "{what}");
    assert!(number(report, "/memory/allocated_blocks") > 10_000, "{what}: {report:#}");
    assert!(number(report, "/channels/bytes_written") > 10_000_000, "{what}: {report:#}");
    assert!(number(report, "/channels/bytes_read") > 10_000_000, "{what}: {report:#}");
    let streams = number(report, "/sockets/bytes_sent");
    assert_eq!(streams > 10_000_000, plain_sockets, "{what}: {report:#}");
}

/// What a block that the JVM could not have leaves in the figures: nothing.
#[test]
fn a_block_that_was_refused_counts_nowhere() {
    on_each(jdk::all(), |jdk| {
        for allocator in ["offheap", "jdk"] {
            let file = report_file(&format!("refused-{allocator}-{}", jdk.version));
            let options = format!("report={},allocator={allocator}", file.display());
            let case = "memory: a failed reallocation leaves the block";
            let run = run(java(jdk, Some(&options)).args(["same.Main", case]));
            assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
            let report = read_report(&file);
            for figure in ["live_bytes", "peak_bytes", "allocated_bytes"] {
                let bytes = number(&report, &format!("/memory/{figure}"));
                assert!(bytes < 256 << 20, "JDK {}: {figure}: {bytes}", jdk.version);
            }
        }
    });
}

#[test]
fn only_the_natives_asked_for_are_bound() {
    let groups = [
        ("memory", &["sun.misc.", "jdk.internal.misc.", "java.nio.Bits"][..]),
        ("net", &["java.net."]),
        ("nio", &["sun.nio.ch."]),
    ];
    let cases = ["memory: get", "streams: write 1", "files: read"];
    on_each(jdk::all(), |jdk| {
        for (group, classes) in groups {
            let file = report_file(&format!("only-{group}-{}", jdk.version));
            let options = format!("natives={group},report={}", file.display());
            let mut java = java(jdk, Some(&options));
            let run = run(java.args(plain(jdk)).arg("same.Main").args(cases));
            assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
            let report = read_report(&file);
            let bound = natives_where(&report, |native| native["bound"] == true);
            let of_the_group = |class: &str| classes.iter().any(|start| class.starts_with(start));
            assert!(bound.iter().all(|(class, _)| of_the_group(class)), "{group}: {bound:?}");
            // Java 21 has no `java.net` natives left for it.
            assert_eq!(bound.is_empty(), group == "net" && jdk.version > 17, "{group}: {bound:?}");
        }
    });
}

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
        let killed = ended_by(java(jdk, Some(&options)), "KILL", |_| ());
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

#[test]
fn an_agent_given_twice_is_one_agent_and_says_so() {
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).args(["same.Exits", "exit"]));
        let file = report_file(&format!("twice-{}", jdk.version));
        let options = format!("report={}", file.display());
        let mut java = java(jdk, Some(&options));
        let twice = run(java.arg(agent("limit=1k")).args(["same.Exits", "exit"]));
        let what = format!("JDK {}: {twice:?}", jdk.version);
        let lines: Vec<&str> = twice.stderr.lines().collect();
        let said = lines.iter().filter(|line| line.starts_with("offheap: ")).count();
        assert_eq!(said, 1, "{what}");
        assert!(lines.iter().any(|line| line.contains("limit=1k")), "{what}");
        assert_eq!(lines.len(), stock.stderr.lines().count() + 1, "{what}");
        assert_eq!((&twice.stdout, twice.status), (&stock.stdout, stock.status), "{what}");
        assert_eq!(read_report(&file)["memory"]["limit"], Value::Null, "{what}");
    });
}

#[test]
fn an_agent_from_the_environment_is_an_agent() {
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).args(["same.Exits", "exit"]));
        let file = report_file(&format!("environment-{}", jdk.version));
        let option = agent(&format!("report={}", file.display()));
        let mut java = java(jdk, None);
        java.env("JAVA_TOOL_OPTIONS", &option);
        let mut ours = run(java.args(["same.Exits", "exit"]));
        let picked_up = format!("Picked up JAVA_TOOL_OPTIONS: {option}\n");
        // The JVM's own word, and the only one.
        assert!(ours.stderr.starts_with(&picked_up), "JDK {}: {ours:?}", jdk.version);
        ours.stderr = ours.stderr.split_off(picked_up.len());
        assert_same(&format!("JDK {}", jdk.version), &stock, &ours);
        assert!(number(&read_report(&file), "/memory/peak_bytes") >= 1_000_000);
    });
}

#[test]
fn options_that_are_not_understood_end_the_jvm_with_one_line_before_it_starts() {
    let wrong = [
        ("limti=3", "limit="),
        ("limit=", "limit="),
        ("limit=-1", "limit="),
        ("limit=10x", "limit="),
        ("natives=foo", "memory,net,nio"),
        ("allocator=tcmalloc", "offheap"),
        ("format=xml", "json"),
        ("report=%q", "%p"),
        ("strict=yes", "strict"),
    ];
    on_each(jdk::all(), |jdk| {
        for (option, allowed) in wrong {
            let run = run(java(jdk, Some(option)).args(["same.Exits", "return"]));
            let what = format!("JDK {}, {option}: {run:?}", jdk.version);
            assert_eq!(run.status.code(), Some(64), "{what}");
            assert_eq!(run.stdout, "", "{what}");
            assert_eq!(run.stderr.lines().count(), 1, "{what}");
            let (named, rest) = run.stderr.split_once("; allowed: ").expect("what is allowed");
            assert!(named.contains(&format!("'{option}'")), "{what}");
            assert!(rest.contains(allowed), "{what}");
        }
    });
}

#[test]
fn a_report_that_can_not_be_written_is_one_line_and_the_program_ends_as_it_would() {
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).args(["same.Exits", "exit"]));
        let ours = run(java(jdk, Some("report=/absent/report")).args(["same.Exits", "exit"]));
        let what = format!("JDK {}: {ours:?}", jdk.version);
        assert_eq!((&ours.stdout, ours.status), (&stock.stdout, stock.status), "{what}");
        let said: Vec<&str> = ours.stderr.lines().filter(|l| l.contains("offheap")).collect();
        assert!(matches!(said[..], [line] if line.contains("/absent/report")), "{what}");
    });
}

/// The reads and writes of a program's thread `calls`, and what ends a descriptor's life.
fn system_calls(mut java: Command, program: &[&str]) -> Vec<String> {
    let names = "read,write,readv,writev,pread64,pwrite64,sendto,recvfrom,sendmsg,recvmsg,poll,\
                 close,dup2,dup3,shutdown";
    trace::calls(java.args(program), names, LIMIT)
}

fn assert_same_calls(jdk: &Jdk, flag: Option<&'static str>, program: &[&str]) {
    let calls = |agent_options| {
        let mut java = java(jdk, agent_options);
        java.args(flag);
        let mut calls = system_calls(java, program);
        if jdk.version >= 13 && flag.is_none() {
            // There what is left of a time out is counted from before the first attempt.
            calls.iter_mut().for_each(|call| *call = without_time_out(call));
        }
        calls
    };
    let (stock, ours) = (calls(None), calls(Some("")));
    assert!(stock.len() > 20, "{stock:#?}");
    let parted = stock.iter().zip(&ours).position(|(stock, ours)| stock != ours);
    let at = parted.unwrap_or(stock.len().min(ours.len()));
    assert!(
        stock == ours,
        "JDK {}, {program:?}: {} calls on a stock JVM, {} with the agent; call {at}:\n  stock: \
         {:?}\n  ours:  {:?}",
        jdk.version,
        stock.len(),
        ours.len(),
        stock.get(at),
        ours.get(at)
    );
}

/// `poll([...], 1, 99) = 1` without the 99.
fn without_time_out(call: &str) -> String {
    match (call.starts_with("poll("), call.rsplit_once(") = ")) {
        (true, Some((start, end))) => match start.rsplit_once(", ") {
            Some((start, time_out)) if !time_out.starts_with('-') => {
                format!("{start}, SOME) = {end}")
            }
            _ => call.to_owned(),
        },
        _ => call.to_owned(),
    }
}

#[test]
fn the_system_calls_of_streams_are_those_of_a_stock_jvm() {
    on_each(jdk::all(), |jdk| {
        assert_same_calls(jdk, None, &["StreamCalls", "stock"]);
        if let Some(plain) = plain(jdk) {
            assert_same_calls(jdk, Some(plain), &["StreamCalls", "stock"]);
        }
    });
}

#[test]
fn the_system_calls_of_channels_are_those_of_a_stock_jvm() {
    on_each(jdk::all(), |jdk| assert_same_calls(jdk, None, &["same.ChannelCalls"]));
}

#[test]
fn a_difference_is_seen() {
    let of = |stdout: &str, stderr: &str, status| Apart {
        status: std::process::ExitStatus::from_raw(status),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    let stock = of("a\nb\n", "e\n", 0);
    assert_eq!(difference(&stock, &of("a\nb\n", "e\n", 0)), None);
    for (other, said) in [
        (of("a\nB\n", "e\n", 0), "stdout, line 1"),
        (of("a\nb\nc\n", "e\n", 0), "stdout, line 2"),
        (of("a\nb", "e\n", 0), "the ends of lines"),
        (of("a\nb\n", "", 0), "stderr, line 0"),
        (of("a\nb\n", "e\n", 256), "status"),
    ] {
        let seen = difference(&stock, &other).unwrap_or_default();
        assert!(seen.contains(said), "{said}: {seen}");
    }
    assert_eq!(without_time_out("poll([{fd=FD}], 1, 99) = 1"), "poll([{fd=FD}], 1, SOME) = 1");
    assert_eq!(without_time_out("poll([{fd=FD}], 1, -1) = 1"), "poll([{fd=FD}], 1, -1) = 1");
}
