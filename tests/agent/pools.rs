//! What pools keep is named after the pool, and what only looks like it is not.

use crate::common::jdk::{self, on_each};
use crate::pair::{arguments, ours};
use crate::program::number;
use crate::real::CLASS_PATH;
use serde_json::Value;
use std::time::Duration;

/// What `Pools` says that a pool keeps.
fn said(output: &str, pool: &str) -> u64 {
    let mut lines = output.lines().filter_map(|line| line.strip_prefix(pool)?.strip_prefix(' '));
    lines.next().unwrap_or_else(|| panic!("no {pool}: {output}")).parse().expect("bytes")
}

fn pool<'a>(report: &'a Value, name: &str) -> &'a Value {
    let pools = report["pools"].as_array().expect("pools");
    let pool = pools.iter().find(|pool| pool["pool"] == name);
    pool.unwrap_or_else(|| panic!("no {name}: {pools:#?}"))
}

#[test]
fn what_pools_keep_has_the_pools_name_and_as_many_bytes_as_the_pools_say() {
    on_each(jdk::all(), |jdk| {
        let arguments = arguments!["-cp", *CLASS_PATH, "real.Pools"];
        let (output, report) = ours(jdk, "sample=0", &arguments, Duration::from_secs(120));
        let (report, what) = (report.value(), format!("JDK {}", jdk.version));
        let bytes = |name: &str| number(pool(report, name), "/live_bytes");
        assert_eq!(bytes("Netty pooled chunks"), said(&output, "pooled"), "{what}");
        assert_eq!(bytes("Netty adaptive chunks"), said(&output, "adaptive"), "{what}");

        // Each of four threads has written an array of so many millions of bytes.
        let temporary = pool(report, "temporary buffers of channels, by thread");
        let threads = temporary["threads"].as_array().expect("threads");
        let mut by_thread: Vec<(&str, u64)> = threads
            .iter()
            .map(|thread| (thread["name"].as_str().expect("a name"), number(thread, "/live_bytes")))
            .collect();
        by_thread.sort_unstable();
        let expected = [
            ("writer-1", 1_000_000),
            ("writer-2", 2_000_000),
            ("writer-3", 3_000_000),
            ("writer-4", 4_000_000),
        ];
        assert_eq!(by_thread, expected, "{what}");
        assert_eq!(number(temporary, "/live_bytes"), 10_000_000, "{what}");
        // Their thread-local buffers, and the JDK's own for the names of files.
        assert!(bytes("thread-local values") >= 4 * 30_000, "{what}");

        // A buffer larger than a chunk goes when it is released, and a list is no pool.
        let sites = report["sites"].as_array().expect("sites");
        let unpooled = |called: &str, bytes: u64| {
            let found = sites.iter().any(|site| {
                let calls = site["stack"].as_array().expect("a stack").iter();
                let mut calls = calls.filter_map(Value::as_str);
                site["pool"].is_null()
                    && number(site, "/live_bytes") == bytes
                    && calls.any(|call| call.starts_with(called))
            });
            assert!(found, "{what}: {called} not found without a pool: {sites:#?}");
        };
        unpooled("real.Pools.huge:", 40_000_000);
        unpooled("real.Pools.adaptiveHuge:", 30_000_000);
        unpooled("real.Pools.leak:", 500_000);
    });
}

#[test]
fn who_holds_what_is_told_by_jar_and_class_loader() {
    on_each(jdk::all(), |jdk| {
        let arguments = arguments!["-cp", *CLASS_PATH, "real.Pools"];
        let (_, report) = ours(jdk, "sample=0", &arguments, Duration::from_secs(120));
        let origins = report.value()["origins"].as_array().expect("origins");
        let of = |end: &str| {
            let ends =
                |origin: &&Value| origin["location"].as_str().is_some_and(|l| l.contains(end));
            let found: Vec<&Value> = origins.iter().filter(ends).collect();
            assert!(found.iter().all(|origin| origin["loader"] == "app"), "{origins:#?}");
            found.iter().map(|origin| number(origin, "/live_bytes")).sum::<u64>()
        };
        // Temporary and thread-local buffers; and all that Netty has taken, huge and leaked ones too.
        assert!(of("/real/classes/") >= 10_120_000, "JDK {}: {origins:#?}", jdk.version);
        assert!(of("/netty-") >= 40_500_000 + (4 << 20), "JDK {}: {origins:#?}", jdk.version);
    });
}
