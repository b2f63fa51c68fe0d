//! The agent and the Java library in one JVM: one copy of the library, one budget.

use crate::common::{child, jdk, library};
use crate::program::{number, read_report, report_file};
use crate::sites::owned_by;
use crate::{LIMIT, agentpath};
use jdk::{Jdk, class_path, java_library, on_each, programs};
use serde_json::json;
use std::process::Command;

/// A `java` with the agent and the Java library.
fn java(jdk: &Jdk, options: &str) -> Command {
    let mut java = jdk.java();
    java.arg(agentpath(options)).arg("-cp").arg(class_path(&[programs(), java_library()]));
    java
}

#[test]
fn the_java_library_shares_the_agents_budget() {
    on_each(jdk::all(), |jdk| {
        for options in ["limit=64m", "limit=64m,allocator=jdk", "limit=64m,natives=memory"] {
            let mut java = java(jdk, options);
            java.args(["-Xcheck:jni", "-XX:NativeMemoryTracking=summary"]);
            java.arg("OneBudget").arg(java_library());
            let run = child::run(&mut java, LIMIT, "a JDK");
            assert!(run.status.success(), "JDK {}: {java:?}\n{}", jdk.version, run.output);
            assert!(run.output.ends_with("OneBudget: ok\n"), "{java:?}\n{}", run.output);
        }
    });
}

#[test]
fn the_java_librarys_blocks_are_in_the_books_and_go_back_by_their_own_door_alone() {
    on_each(jdk::all(), |jdk| {
        for allocator in ["offheap", "jdk"] {
            let file = report_file(&format!("library-{allocator}-{}", jdk.version));
            let options =
                format!("report={},format=json,sample=0,allocator={allocator}", file.display());
            let mut java = java(jdk, &options);
            if jdk.version >= 9 {
                java.args(["--add-opens", "java.base/java.nio=ALL-UNNAMED"]);
            }
            let run = child::run(java.arg("LibraryBlocks"), LIMIT, "a JDK");
            let what = format!("JDK {}: {java:?}\n{}", jdk.version, run.output);
            assert!(run.status.success(), "{what}");
            assert!(run.output.ends_with("LibraryBlocks: ok, 100\n"), "{what}");
            let report = read_report(&file);
            for (method, bytes, blocks) in [("direct", 3_000_000, 100), ("raw", 500_000, 10)] {
                let sites = owned_by(&report, &format!("LibraryBlocks.{method}:"));
                assert_eq!(sites.len(), 1, "{what}{sites:#?}");
                assert_eq!(sites[0]["family"], "offheap library", "{what}");
                assert_eq!(sites[0]["live_bytes"], bytes, "{what}");
                assert_eq!(sites[0]["live_blocks"], blocks, "{what}");
            }
            let families = report["families"].as_array().expect("families");
            let librarys = families.iter().find(|sum| sum["family"] == "offheap library");
            let sum = librarys.expect("the library's");
            assert_eq!((&sum["live_bytes"], &sum["live_blocks"]), (&json!(3_500_000), &json!(110)));
            let threads = report["threads"].as_array().expect("threads");
            let all: u64 = threads.iter().map(|sum| number(sum, "/live_bytes")).sum();
            assert_eq!(all, number(&report, "/memory/live_bytes"), "{what}");
        }
    });
}

#[test]
fn a_second_copy_beside_the_agent_is_refused_and_the_agents_own_file_is_not() {
    let agent = library::folder().join("liboffheap.so");
    let copy = std::env::temp_dir().join(format!("offheap-copy-{}.so", std::process::id()));
    std::fs::copy(&agent, &copy).expect("a copy");
    on_each(jdk::all(), |jdk| {
        let run_with = |library: &std::path::Path| {
            let mut java = java(jdk, "limit=64m");
            java.arg(format!("-Dio.offheap.library={}", library.display()));
            java.arg("OneBudget").arg(java_library());
            child::run(&mut java, LIMIT, "a JDK")
        };
        let own = run_with(&agent);
        assert!(own.status.success(), "JDK {}: {}", jdk.version, own.output);
        let refused = run_with(&copy);
        assert!(!refused.status.success(), "JDK {}: {}", jdk.version, refused.output);
        let cause = "two copies would have two budgets";
        assert!(refused.output.contains(cause), "JDK {}: {}", jdk.version, refused.output);
    });
    std::fs::remove_file(&copy).expect("the copy");
}

#[test]
fn streams_of_the_library_are_woken_by_a_close_under_the_agent_too() {
    on_each(&jdk::with_socket_write0(), |jdk| {
        for options in ["", "natives=memory"] {
            let mut java = java(jdk, options);
            java.args(jdk.socket_write0_flags()).args(["StreamCases", "ours"]);
            let run = child::run(&mut java, LIMIT, "a JDK");
            assert!(run.status.success(), "JDK {}: {java:?}\n{}", jdk.version, run.output);
            let closed = run.output.lines().filter(|line| line.contains("Socket closed")).count();
            assert!(closed >= 3, "JDK {}: {java:?}\n{}", jdk.version, run.output);
        }
    });
}

/// Virtual threads are there from 21 on.
#[test]
fn a_virtual_thread_that_waits_for_room_lets_the_one_run_that_makes_it() {
    let jdks: Vec<Jdk> = jdk::all().iter().filter(|jdk| jdk.version >= 21).cloned().collect();
    on_each(&jdks, |jdk| {
        let mut java = java(jdk, "limit=64m");
        java.args(["-Djdk.virtualThreadScheduler.parallelism=1", "VirtualWait"]);
        let run = child::run(&mut java, LIMIT, "a JDK");
        assert!(run.status.success(), "JDK {}: {}", jdk.version, run.output);
        // A busy machine may be too slow for the half second that a wait lasts. With a carrier that
        // is kept it is always too short: then there is none.
        let taken = run.output.lines().filter(|line| *line == "taken").count();
        assert!(taken >= 3, "JDK {}: {}", jdk.version, run.output);
    });
}
