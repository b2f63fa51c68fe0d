//! How the agent is given and what it is told.

use crate::agentpath;
use crate::common::jdk::{self, on_each};
use crate::program::{assert_same, java, number, read_report, report_file, run};
use serde_json::Value;

#[test]
fn an_agent_given_twice_is_one_agent_and_says_so() {
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).args(["same.Exits", "exit"]));
        let file = report_file(&format!("twice-{}", jdk.version));
        let options = format!("report={}", file.display());
        let mut java = java(jdk, Some(&options));
        let twice = run(java.arg(agentpath("limit=1k")).args(["same.Exits", "exit"]));
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
        let option = agentpath(&format!("report={}", file.display()));
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
        ("metrics=65536", "HOST:PORT"),
        ("report=%q", "%p"),
        ("socket=pinned", "socket=lean"),
        ("serve=no", "serve=off"),
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
