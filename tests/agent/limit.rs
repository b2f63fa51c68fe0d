//! The limit: it stops a leak through each door of the JVM, and never a program that only makes
//! garbage.

use crate::common::jdk::{self, Jdk, class_path, java_library, on_each, programs};
use crate::pair::{arguments, ours};
use std::time::Duration;

/// Longer than any of these runs takes; a million allocations are half a minute in a debug build.
const LIMIT: Duration = Duration::from_secs(400);

/// The doors, and since which JDK each is there.
const DOORS: [(&str, u32); 7] = [
    ("direct", 8),
    ("unsafe", 8),
    ("nocleaner", 8),
    ("arena", 21),
    ("temporary", 8),
    ("library-direct", 8),
    ("library-unsafe", 8),
];

/// Opens what Netty, too, asks its users to open.
fn open_flags(jdk: &Jdk) -> &'static [&'static str] {
    if jdk.version > 8 { &["--add-opens=java.base/java.nio=ALL-UNNAMED"] } else { &[] }
}

#[test]
fn a_leak_through_any_door_stops_at_the_limit_with_the_jdks_error() {
    on_each(jdk::all(), |jdk| {
        for (door, since) in DOORS {
            let mut arguments = arguments!["-XX:MaxDirectMemorySize=1g"];
            arguments.extend(open_flags(jdk).iter().map(|flag| std::ffi::OsStr::new(flag).into()));
            let class_path = class_path(&[programs(), java_library()]);
            arguments.extend(arguments!["-cp", class_path, "LeakDoors", door]);
            let (output, report) = ours(jdk, "limit=64m", &arguments, LIMIT);
            let case = format!("JDK {}, {door}: {output}", jdk.version);
            if jdk.version < since {
                assert!(output.contains("not possible: "), "{case}");
                continue;
            }
            assert!(output.contains("stopped: java.lang.OutOfMemoryError: "), "{case}");
            let held = output.lines().find_map(|line| {
                line.strip_prefix("held: ")?.strip_suffix(" MiB")?.parse::<u32>().ok()
            });
            // The JVM's own blocks are in the budget, too, and so is the one that a write gives up
            // for a larger.
            assert!(held.is_some_and(|mib| (56..=64).contains(&mib)), "{case}");
            assert!(report.number("memory", "refusals") > 0, "{case}");
            assert!(report.number("memory", "peak_bytes") <= 64 << 20, "{case}");
        }
    });
}

#[test]
fn a_million_allocations_of_garbage_pass_through_the_limit() {
    on_each(jdk::all(), |jdk| {
        let arguments =
            arguments!["-XX:MaxDirectMemorySize=1g", "-cp", programs(), "Churn", "1000000"];
        let (output, report) = ours(jdk, "limit=64m", &arguments, LIMIT);
        assert_eq!(output, "churn: 1000000 allocations ok\n", "JDK {}", jdk.version);
        assert!(report.number("memory", "allocated_blocks") >= 1_000_000, "JDK {}", jdk.version);
        assert!(report.number("memory", "peak_bytes") <= 64 << 20, "JDK {}", jdk.version);
        // It was not the heap's collections alone that kept it below.
        assert!(report.number("memory", "peak_bytes") > 60 << 20, "JDK {}", jdk.version);
    });
}
