//! Which buffers only wait for a collection: a program whose truth is known, and what a look at its
//! heap says.

use crate::common::apart::Apart;
use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{java, number, read_report, report_file, run};
use serde_json::Value;

/// What `Icebergs` takes: method, bytes of a buffer, buffers, whether the program can reach them at its
/// end, and the collections that they have survived.
const TRUTH: [(&str, u64, u64, bool, u64); 10] = [
    ("promoted", 10_000, 100, false, 3),
    ("kept", 1_000, 50, true, 0),
    ("view", 2_000, 50, true, 0),
    ("soft", 3_000, 50, true, 0),
    ("local", 4_000, 1, true, 0),
    ("dropped", 5_000, 50, false, 0),
    ("weak", 6_000, 50, false, 0),
    ("named", 7_000, 50, false, 0),
    ("phantom", 8_000, 50, false, 0),
    ("inside", 9_000, 50, false, 0),
];

const COLLECTORS: [&str; 4] = ["Serial", "Parallel", "G1", "Z"];

/// What is told of it.
const ASKED: &str = "offheap: a collection was asked for: ";

/// A young generation that is never full, so that no collection comes by itself.
const YOUNG: &str = "-Xmn64m";

fn look(jdk: &Jdk, name: &str, flags: &[&str], agent: &str, arguments: &[&str]) -> (Value, Apart) {
    let file = report_file(&format!("icebergs-{name}-{}", jdk.version));
    let options = format!("report={},format=json,{agent}", file.display());
    let mut java = java(jdk, Some(&options));
    java.arg("-Xmx256m").args(flags);
    // 8's own launcher is warned of if there are arguments.
    if arguments.is_empty() || jdk.version > 8 {
        java.arg("-Xcheck:jni");
    }
    java.arg("Icebergs").args(arguments);
    let run = run(&mut java);
    assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    assert!(!run.stdout.contains("WARNING"), "JDK {}: {run:?}", jdk.version);
    (read_report(&file), run)
}

fn site<'a>(report: &'a Value, method: &str) -> &'a Value {
    let owner = format!("Icebergs.{method}:");
    let sites = report["sites"].as_array().expect("sites");
    let mut owned =
        sites.iter().filter(|s| s["owner"].as_str().is_some_and(|o| o.starts_with(&owner)));
    let site = owned.next().unwrap_or_else(|| panic!("no site of {method}: {sites:#?}"));
    assert!(owned.next().is_none(), "two sites of {method}: {sites:#?}");
    site
}

fn assert_truth(jdk: &Jdk, how: &str, report: &Value) {
    let (mut reachable, mut unreachable) = ((0, 0), (0, 0));
    for (method, size, count, is_reachable, collections) in TRUTH {
        let what = format!("JDK {}, {how}, {method}", jdk.version);
        let icebergs = &site(report, method)["icebergs"];
        let (here, there, sum) = if is_reachable {
            ("reachable", "unreachable", &mut reachable)
        } else {
            ("unreachable", "reachable", &mut unreachable)
        };
        assert_eq!(number(icebergs, &format!("/{here}_bytes")), size * count, "{what}");
        assert_eq!(number(icebergs, &format!("/{here}_blocks")), count, "{what}");
        assert_eq!(number(icebergs, &format!("/{there}_bytes")), 0, "{what}");
        // Nobody has set a mark: since the start.
        let growth = &icebergs["reachable_growth_bytes"];
        assert_eq!(growth.as_u64(), Some(if is_reachable { size * count } else { 0 }), "{what}");
        if !is_reachable {
            let survived = number(icebergs, "/unreachable_collections_median");
            // A collector that works beside the program may count its pauses.
            assert!(survived >= collections, "{what}: {survived}");
            assert!(collections > 0 || survived == 0, "{what}: {survived}");
        }
        *sum = (sum.0 + size * count, sum.1 + count);
    }
    let total = &report["icebergs"]["total"];
    let what = format!("JDK {}, {how}", jdk.version);
    // The JDK may hold a buffer of its own: of 25 it is known.
    assert!(number(total, "/reachable_bytes") >= reachable.0, "{what}: {total}");
    assert_eq!(number(total, "/unreachable_bytes"), unreachable.0, "{what}");
    assert_eq!(number(total, "/unreachable_blocks"), unreachable.1, "{what}");
    assert!(report["icebergs"]["pause_seconds"].as_f64().expect("a pause") > 0.0, "{what}");
}

#[test]
fn each_buffer_is_found_reachable_or_not_whoever_refers_to_it_and_whoever_collects() {
    on_each(jdk::all(), |jdk| {
        for collector in COLLECTORS {
            // Of 11 it is an experiment, and 8 has none.
            if collector == "Z" && jdk.version <= 11 {
                continue;
            }
            let flag = format!("-XX:+Use{collector}GC");
            let mut flags = vec!["-XX:-UseSerialGC", &flag];
            if collector != "Z" {
                flags.push(YOUNG);
            }
            let (report, _) = look(jdk, collector, &flags, "sample=0,icebergs=report", &[]);
            assert_truth(jdk, collector, &report);
        }
    });
}

#[test]
fn a_sample_changes_nothing_about_the_totals() {
    on_each(jdk::all(), |jdk| {
        let flags = [YOUNG];
        let (report, _) = look(jdk, "sample", &flags, "sample=64k,icebergs=report", &[]);
        let wait: u64 =
            TRUTH.iter().filter(|t| !t.3).map(|(_, size, count, ..)| size * count).sum();
        let total = &report["icebergs"]["total"];
        assert_eq!(number(total, "/unreachable_bytes"), wait, "JDK {}: {total}", jdk.version);
    });
}

#[test]
fn without_the_option_nobody_looks() {
    on_each(jdk::all(), |jdk| {
        let flags = [YOUNG];
        let (report, _) = look(jdk, "off", &flags, "sample=0", &[]);
        assert!(report["icebergs"].is_null(), "JDK {}: {report:#}", jdk.version);
        assert!(site(&report, "kept")["icebergs"].is_null(), "JDK {}", jdk.version);
    });
}

#[test]
fn a_collection_is_asked_for_when_enough_waits_for_one_and_not_before() {
    // 2,750,000 bytes wait, and 304,000 do not: 65.5 % and 7 % of the limit.
    on_each(jdk::all(), |jdk| {
        let flags = [YOUNG, "-XX:+DisableExplicitGC"];
        let collect = "sample=0,limit=4m,icebergs=collect,interval=200ms,verbose";
        // So many that it is not asked for before nearly all are dropped, however slow the machine is.
        let enough = format!("{collect},share=65%");
        let (report, said) = look(jdk, "collect", &flags, &enough, &["200"]);
        assert_eq!(said.stdout, "collected\n", "JDK {}", jdk.version);
        assert!(said.stderr.contains(ASKED), "JDK {}: {said:?}", jdk.version);
        let total = &report["icebergs"]["total"];
        let wait = number(total, "/unreachable_bytes");
        assert!(wait < 100_000, "JDK {}: {total}", jdk.version);
        let live = number(&report, "/memory/live_bytes");
        assert!(live < 1_000_000, "JDK {}: {live}", jdk.version);

        let less = format!("{collect},share=70%");
        let (report, said) = look(jdk, "not-yet", &flags, &less, &["2"]);
        assert_eq!(said.stdout, "not collected\n", "JDK {}", jdk.version);
        assert!(!said.stderr.contains(ASKED), "JDK {}: {said:?}", jdk.version);
        let total = &report["icebergs"]["total"];
        // Explicit collections are off: none came.
        assert!(number(total, "/unreachable_bytes") >= 2_750_000, "JDK {}", jdk.version);
    });
}
