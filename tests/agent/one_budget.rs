//! The agent and the Java library in one JVM: one copy of the library, one budget.

use crate::common::{child, jdk, library};
use crate::{LIMIT, agentpath};
use jdk::{Jdk, class_path, java_library, on_each, programs};
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
