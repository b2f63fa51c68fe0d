//! What kind of memory each block is, after a look at the heap: a program whose truth is known, with
//! nearly all of its blocks too small to be sampled.

use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{java, number, read_report, report_file, run};
use crate::sites::owned_by;
use serde_json::Value;

/// What `Families` holds, from which JDK on: the method that takes it, its family, bytes and blocks.
fn truth(jdk: &Jdk) -> Vec<(&'static str, &'static str, u64, u64)> {
    let mut truth = vec![
        ("direct", DIRECT, 300 * 1000, 300),
        ("view", DIRECT, 50 * 2000, 50),
        ("readOnly", DIRECT, 50 * 2200, 50),
        ("dropped", DIRECT, 100 * 5000, 100),
        ("writer", TEMPORARY, 8 * 40_000, 8),
        ("gatherer", TEMPORARY, 30_000 + 31_000, 2),
        ("reader", TEMPORARY, 5 * 50_000, 5),
        ("scatterer", TEMPORARY, 60_000 + 61_000, 2),
    ];
    // Plain ones, those that are wrapped, and those that lie where something else has been or between.
    let between = if jdk.version >= 21 { 100 } else { 50 };
    let raw = 200 * 704 + 40 * 3304 + 10 * 3400 + 50 * (3000 + 2600) + between * 1104;
    truth.push(("raw", UNSAFE, raw, 200 + 40 + 10 + 100 + between));
    if jdk.version >= 13 {
        truth.push(("receiver", TEMPORARY, 2 * 70_000, 2));
    }
    if jdk.version >= 17 {
        // To be aligned to 64 bytes it takes 63 more, or, of what is aligned to 16 anyway, 48.
        let aligned = if jdk.version >= 25 { 1256 } else { 1272 };
        let method = if jdk.version >= 21 { "allocate" } else { "arenas" };
        truth.push((method, ARENA, 50 * (1200 + aligned + 1400), 150));
    }
    truth
}

const DIRECT: &str = "direct buffer";
const TEMPORARY: &str = "temporary buffer";
const ARENA: &str = "arena";
const UNSAFE: &str = "Unsafe";

/// A report of `Families` in JSON.
fn report(jdk: &Jdk, name: &str, flags: &[&str], agent: &str) -> Value {
    let file = report_file(&format!("families-{name}-{}", jdk.version));
    families(jdk, flags, &format!("report={},format=json,{agent}", file.display()));
    read_report(&file)
}

fn families(jdk: &Jdk, flags: &[&str], agent: &str) {
    let mut java = java(jdk, Some(agent));
    java.arg("-Xcheck:jni").args(flags);
    if jdk.version >= 9 {
        // For what only the JDK and those do that reach into it.
        for package in ["java.nio", "jdk.internal.ref"] {
            java.args(["--add-opens", &format!("java.base/{package}=ALL-UNNAMED")]);
        }
    }
    if jdk.version == 17 {
        java.args(["--add-modules", "jdk.incubator.foreign"]);
    }
    let run = run(java.arg("Families"));
    assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    assert!(!run.stdout.contains("WARNING"), "JDK {}: {run:?}", jdk.version);
    assert!(!run.stderr.contains("offheap:"), "JDK {}: {run:?}", jdk.version);
}

/// Bytes and blocks of a family; both 0 if it has none.
fn of_family(report: &Value, family: &str) -> (u64, u64) {
    let families = report["families"].as_array().expect("families");
    let sum = families.iter().find(|sum| sum["family"] == family);
    sum.map_or((0, 0), |sum| (number(sum, "/live_bytes"), number(sum, "/live_blocks")))
}

fn sum(sites: &[&Value]) -> (u64, u64) {
    let of = |figure| sites.iter().map(|site| number(site, figure)).sum();
    (of("/live_bytes"), of("/live_blocks"))
}

/// Every block known, by its stack: the program holds what it is said to, and who tells families by
/// another way must come to the same. The JDK takes something itself.
fn known(jdk: &Jdk) -> Value {
    let known = report(jdk, "known", &[], "sample=0");
    for (method, family, bytes, blocks) in truth(jdk) {
        let mut sites = owned_by(&known, &format!("Families.{method}:"));
        sites.retain(|site| site["family"] == family);
        assert_eq!(sum(&sites), (bytes, blocks), "JDK {}, {method}: {sites:#?}", jdk.version);
    }
    known
}

/// What a look at the heap has told is the truth, and what the JDK takes besides.
fn assert_exact(jdk: &Jdk, known: &Value, how: &str, looked: &Value) {
    let what = format!("JDK {}, {how}", jdk.version);
    let truth = truth(jdk);
    for family in [DIRECT, TEMPORARY, ARENA, UNSAFE] {
        let own = truth.iter().filter(|(_, of, ..)| *of == family);
        let (bytes, blocks) =
            own.clone().fold((0, 0), |sum, (.., bytes, blocks)| (sum.0 + bytes, sum.1 + blocks));
        let is_own = |site: &&Value| {
            let owner = site["owner"].as_str().unwrap_or_default();
            own.clone().any(|(method, ..)| owner.starts_with(&format!("Families.{method}:")))
        };
        let sites = known["sites"].as_array().expect("sites").iter();
        let others: Vec<&Value> =
            sites.filter(|site| site["family"] == family && !is_own(site)).collect();
        let (other_bytes, other_blocks) = sum(&others);
        assert_eq!(
            of_family(looked, family),
            (bytes + other_bytes, blocks + other_blocks),
            "{what}, {family}; the JDK's own are {others:#?}; told is {:#}",
            looked["families"]
        );
    }
    let families = looked["families"].as_array().expect("families");
    assert!(families.iter().all(|sum| sum["estimated"] == false), "{what}: {families:#?}");
    let all: u64 = families.iter().map(|sum| number(sum, "/live_bytes")).sum();
    let younger = number(looked, "/icebergs/younger_bytes");
    assert_eq!(all + younger, number(looked, "/memory/live_bytes"), "{what}: {families:#?}");
}

#[test]
fn a_look_at_the_heap_tells_the_family_of_every_block_sampled_or_not() {
    on_each(jdk::all(), |jdk| {
        let looked = report(jdk, "looked", &[], "icebergs=report");
        assert_exact(jdk, &known(jdk), "default sampling", &looked);

        let what = format!("JDK {}", jdk.version);
        assert_eq!(number(&looked, "/sample"), 512 << 10, "{what}");
        let sites = looked["sites"].as_array().expect("sites").iter();
        let sampled: u64 = sites.map(|site| number(site, "/sampled_blocks")).sum();
        assert!(sampled < number(&looked, "/memory/live_blocks") / 10, "{what}: {sampled}");
        // Those too of which no object is left but what frees them.
        let total = &looked["icebergs"]["total"];
        assert_eq!(number(total, "/unreachable_bytes"), 100 * 5000, "{what}: {total}");
        assert_eq!(number(total, "/unreachable_blocks"), 100, "{what}: {total}");
    });
}

#[test]
fn the_same_is_told_whoever_collects_and_however_code_runs_and_with_nothing_sampled() {
    on_each(jdk::all(), |jdk| {
        let known = known(jdk);
        let mut ways = vec![
            ("-XX:+UseG1GC", "icebergs=report"),
            ("-XX:+UseParallelGC", "icebergs=report"),
            ("-Xint", "sample=64k,icebergs=report"),
            // Variables lie in registers then.
            ("-Xcomp", "icebergs=report"),
        ];
        // Of 11 it is an experiment, and 8 has none.
        if jdk.version > 11 {
            ways.push(("-XX:+UseZGC", "sample=100g,icebergs=report"));
        }
        for (flag, agent) in ways {
            let flags = ["-XX:-UseSerialGC", flag];
            let looked = report(jdk, "ways", &flags[usize::from(!flag.ends_with("GC"))..], agent);
            assert_exact(jdk, &known, flag, &looked);
        }
    });
}

#[test]
fn every_format_says_that_families_are_exact_if_the_heap_was_looked_at_and_else_not() {
    let jdk = &jdk::all()[0];
    let report = |format: &str, icebergs: &str| {
        let file = report_file(&format!("families-{format}-{}", jdk.version));
        families(jdk, &[], &format!("report={},format={format}{icebergs}", file.display()));
        std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let looked = report("text", ",icebergs=report");
    assert!(!looked.contains("(estimate)"), "{looked}");
    assert!(
        looked.contains("\n  (told by the look at the heap, of every block, sampled or not)\n")
    );
    let not = report("text", "");
    assert!(not.contains(" (estimate) ") && !not.contains("look at the heap"), "{not}");

    let head = "# HELP offheap_family_live_bytes Live memory by kind";
    let looked = report("prometheus", ",icebergs=report");
    assert!(looked.contains(&format!("{head}.\n")), "{looked}");
    assert!(looked.contains("offheap_family_live_bytes{family=\"direct buffer\"} 1010000\n"));
    let not = report("prometheus", "");
    assert!(not.contains(&format!("{head}, of kinds that only stacks tell an estimate")), "{not}");
}
