//! Who holds what is live: programs whose truth is known, and what the report says of them.

use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{java, number, read_report, report_file, run};
use serde_json::Value;

/// What `KnownLeak` keeps: method, bytes, blocks.
const TRUTH: [(&str, u64, u64); 2] = [("session", 3_000_000, 1000), ("cache", 20_000_000, 100)];

fn report(jdk: &Jdk, sample: &str, dropped: u32) -> Value {
    let file = report_file(&format!("sites-{sample}-{}", jdk.version));
    let options = format!("report={},format=json,sample={sample}", file.display());
    let mut java = java(jdk, Some(&options));
    // The programs are run with less, for other reasons.
    java.args(["-XX:MaxDirectMemorySize=512m", "KnownLeak", &dropped.to_string()]);
    let run = run(&mut java);
    assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    read_report(&file)
}

/// The sites whose owner begins so.
pub(crate) fn owned_by<'a>(report: &'a Value, owner: &str) -> Vec<&'a Value> {
    let sites = report["sites"].as_array().expect("sites");
    sites.iter().filter(|s| s["owner"].as_str().is_some_and(|o| o.starts_with(owner))).collect()
}

/// The sites whose owner is this method of `KnownLeak`.
fn of_method<'a>(report: &'a Value, method: &str) -> Vec<&'a Value> {
    owned_by(report, &format!("KnownLeak.{method}:"))
}

fn sum(sites: &[&Value], figure: &str) -> u64 {
    sites.iter().map(|site| site[figure].as_u64().expect("a figure")).sum()
}

#[test]
fn every_block_known_the_sites_are_exact() {
    on_each(jdk::all(), |jdk| {
        let report = report(jdk, "0", 1_000_000);
        for (method, bytes, blocks) in TRUTH {
            let sites = of_method(&report, method);
            assert_eq!(sites.len(), 1, "JDK {}, {method}: {sites:#?}", jdk.version);
            assert_eq!(sum(&sites, "live_bytes"), bytes, "JDK {}, {method}", jdk.version);
            assert_eq!(sum(&sites, "live_blocks"), blocks, "JDK {}, {method}", jdk.version);
            assert_eq!(sum(&sites, "allocated_bytes"), bytes, "JDK {}, {method}", jdk.version);
            assert_eq!(sites[0]["family"], "direct buffer", "JDK {}", jdk.version);
        }
        let raw = of_method(&report, "raw");
        assert_eq!(sum(&raw, "live_bytes"), 7_000_000, "JDK {}: {raw:#?}", jdk.version);
        assert!(raw.iter().all(|site| site["family"] == "Unsafe"), "JDK {}: {raw:#?}", jdk.version);
        // The thread has ended, and the JDK has given its buffer back.
        assert_eq!(of_method(&report, "write"), Vec::<&Value>::new(), "JDK {}", jdk.version);

        let all: u64 = sum(
            &report["sites"].as_array().expect("sites").iter().collect::<Vec<_>>(),
            "live_bytes",
        );
        assert_eq!(all, number(&report, "/memory/live_bytes"), "JDK {}", jdk.version);
        let threads: Vec<&Value> = report["threads"].as_array().expect("threads").iter().collect();
        assert_eq!(sum(&threads, "live_bytes"), all, "JDK {}", jdk.version);
    });
}

#[test]
fn a_sample_finds_the_same_sites_and_estimates_them() {
    on_each(jdk::all(), |jdk| {
        let report = report(jdk, "64k", 1_000_000);
        for (method, bytes, _) in TRUTH {
            let sites = of_method(&report, method);
            let estimate = sum(&sites, "live_bytes");
            let sampled = sum(&sites, "sampled_blocks");
            assert!(sampled > 0, "JDK {}, {method}", jdk.version);
            // Six standard deviations of a count of that many.
            let tolerance = 6 * bytes / u64::from(u32::try_from(sampled).expect("few").isqrt());
            let error = estimate.abs_diff(bytes);
            assert!(error <= tolerance, "JDK {}, {method}: {estimate} of {bytes}", jdk.version);
        }
    });
}

#[test]
fn stacks_are_collapsed_for_flame_graphs() {
    on_each(jdk::all(), |jdk| {
        let file = report_file(&format!("collapsed-{}", jdk.version));
        let options = format!("report={},format=collapsed,sample=0", file.display());
        let mut java = java(jdk, Some(&options));
        java.args(["-XX:MaxDirectMemorySize=512m", "KnownLeak", "1000"]);
        let run = run(&mut java);
        assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
        let stacks = std::fs::read_to_string(&file).expect("the report");
        let cache: Vec<&str> =
            stacks.lines().filter(|line| line.contains("KnownLeak.cache:")).collect();
        assert_eq!(cache.len(), 1, "JDK {}:\n{stacks}", jdk.version);
        assert!(cache[0].starts_with("KnownLeak.main:"), "JDK {}: {}", jdk.version, cache[0]);
        assert!(cache[0].ends_with(" 20000000"), "JDK {}: {}", jdk.version, cache[0]);
    });
}
