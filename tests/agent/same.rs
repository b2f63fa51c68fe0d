//! Unmodified programs print on our natives what they print on a stock JVM; and the report proves that
//! our natives answered.
//!
//! One mode of running alone: `cargo test --test agent interpreted`. One case alone, by hand, with
//! and without the agent: `java -cp target/tmp/jvm/programs same.Main "streams: ranges"`.

use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{
    assert_same, java, natives_where, number, read_report, report_file, run, text,
};
use crate::zeros::sets_memory_by_itself;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

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
            let compiled = flags.contains(&COMPILED);
            let has_to_answer = |(_, name): &(&str, &str)| {
                !(compiled && sets_memory_by_itself(jdk) && *name == "setMemory0")
            };
            assert_answered(&what, &read_report(&file), jdk, plain, passes_blocks, has_to_answer);
        });
    }
}

/// Has Java 13 to 17 use the sockets of the versions before.
const PLAIN: &str = "-Djdk.net.usePlainSocketImpl";

/// For the versions that know the flag.
pub(crate) fn plain(jdk: &Jdk) -> Option<&'static str> {
    (13..=17).contains(&jdk.version).then_some(PLAIN)
}

/// `java` has the serial collector already.
const NOT_SERIAL: &str = "-XX:-UseSerialGC";
const COMPILED: &str = "-Xcomp";
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
    let flags = |_: &Jdk| vec![COMPILED, NOT_SERIAL, "-XX:+UseParallelGC"];
    Mode { name: "compiled", flags, options: "" }.test();
}

#[test]
fn programs_run_as_on_a_stock_jvm_with_jni_checks_and_pages() {
    let flags = |jdk: &Jdk| {
        let mut flags = vec!["-Xcheck:jni", "-Dsun.nio.PageAlignDirectMemory=true"];
        flags.extend(plain(jdk));
        if jdk.version >= 11 {
            flags.extend([NOT_SERIAL, "-XX:+UnlockExperimentalVMOptions", "-XX:+UseZGC"]);
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
            add(unsafe_, "allocateMemory0 reallocateMemory0 freeMemory0 setMemory0");
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

/// Proves from the report that the natives of this version were ours, and that those which have to answered;
/// or, if `passes_blocks`, that those which take and free blocks did so by the JVM's own.
fn assert_answered(
    what: &str,
    report: &Value,
    jdk: &Jdk,
    plain_sockets: bool,
    passes_blocks: bool,
    has_to_answer: impl Fn(&(&str, &str)) -> bool,
) {
    let mut expected = expected_natives(jdk, plain_sockets);
    let bound = natives_where(report, |native| native["bound"] == true);
    assert_eq!(bound, expected, "{what}: the natives that are bound");
    let took_part = |native: &Value| {
        let of_blocks = ["allocateMemory", "reallocateMemory", "freeMemory"];
        let name = text(native, "name").trim_end_matches('0');
        let passed = passes_blocks && of_blocks.contains(&name);
        number(native, if passed { "/passed" } else { "/answered" }) > 0
    };
    let mut answered = natives_where(report, took_part);
    // Of the others it is chance whether they were called.
    answered.retain(&has_to_answer);
    expected.retain(&has_to_answer);
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
