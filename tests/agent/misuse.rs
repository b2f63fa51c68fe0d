//! Blocks freed twice, freed though they are none, used after their release, and written beyond: each
//! is found, and its places are named.

use crate::common::apart::Apart;
use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{java, run};
use std::os::unix::process::ExitStatusExt;

fn misuse(jdk: &Jdk, how: &str, options: &str) -> Apart {
    let mut java = java(jdk, Some(options));
    run(java.args(["Misuse", how]))
}

/// Fails unless the texts stand on stderr in this order.
fn assert_told(jdk: &Jdk, how: &str, run: &Apart, texts: &[&str]) {
    let mut rest = run.stderr.as_str();
    for text in texts {
        let found = rest.split_once(text);
        rest =
            found.unwrap_or_else(|| panic!("JDK {}, {how}: no '{text}': {run:?}", jdk.version)).1;
    }
}

fn assert_went_on(jdk: &Jdk, how: &str, run: &Apart) {
    assert!(run.status.success(), "JDK {}, {how}: {run:?}", jdk.version);
    assert_eq!(run.stdout, "went on\n", "JDK {}, {how}: {run:?}", jdk.version);
}

/// As `abort` ends a process, ours or the JVM's.
fn assert_aborted(jdk: &Jdk, how: &str, run: &Apart) {
    assert_eq!(run.status.signal(), Some(libc::SIGABRT), "JDK {}, {how}: {run:?}", jdk.version);
    assert!(!run.stdout.contains("went on"), "JDK {}, {how}: {run:?}", jdk.version);
}

const DOUBLE_FREE: [&str; 7] = [
    "offheap: double free of 0x",
    "a block of 256 bytes; it is not freed again",
    "freed again by thread ",
    "Misuse.second:",
    " ago by thread ",
    "Misuse.first:",
    "Misuse.take:",
];

#[test]
fn a_double_free_is_told_with_its_three_places_and_the_program_goes_on() {
    on_each(jdk::all(), |jdk| {
        for options in ["sample=0", "sample=0,misuse=warn", "sample=0,allocator=jdk"] {
            let run = misuse(jdk, "double-free", options);
            assert_went_on(jdk, options, &run);
            assert_told(jdk, options, &run, &DOUBLE_FREE);
            assert_eq!(run.stderr.matches("offheap:").count(), 1, "JDK {}: {run:?}", jdk.version);
        }
        let run = misuse(jdk, "double-free", "misuse=warn");
        assert_went_on(jdk, "sampled", &run);
        // Which block is sampled is chance; where it is freed again is known.
        assert_told(jdk, "sampled", &run, &["offheap: double free of 0x", "Misuse.second:"]);
    });
}

#[test]
fn a_free_of_what_is_no_block_is_told_and_not_obeyed_if_that_was_asked_for() {
    on_each(jdk::all(), |jdk| {
        let run = misuse(jdk, "foreign", "misuse=warn");
        assert_went_on(jdk, "foreign", &run);
        let told = ["offheap: free of 0x", "no block", "it is not freed", "Misuse.foreign:"];
        assert_told(jdk, "foreign", &run, &told);
        assert_eq!(run.stderr.matches("offheap:").count(), 1, "JDK {}: {run:?}", jdk.version);
    });
}

#[test]
fn with_abort_the_program_ends_where_the_wrong_release_is() {
    on_each(jdk::all(), |jdk| {
        for (how, told) in [("double-free", "Misuse.second:"), ("foreign", "Misuse.foreign:")] {
            let run = misuse(jdk, how, "sample=0,misuse=abort");
            assert_aborted(jdk, how, &run);
            assert_told(jdk, how, &run, &["offheap: ", told]);
        }
    });
}

#[test]
fn guarded_blocks_fault_where_they_are_misused_and_the_crash_says_which_they_are() {
    on_each(jdk::all(), |jdk| {
        let told: [(&str, &[&str]); 2] = [
            (
                "after-free",
                &[
                    "offheap: use after free: 0x",
                    "is byte 17 of a block of 256 bytes",
                    "  freed ",
                    "Misuse.first:",
                    "  taken ",
                    "Misuse.take:",
                ],
            ),
            (
                "overrun",
                &[
                    "offheap: overrun: 0x",
                    "is byte 256 of a block of 256 bytes",
                    "  taken ",
                    "Misuse.take:",
                ],
            ),
        ];
        for (how, told) in told {
            let run = misuse(jdk, how, "guard=100%");
            assert_aborted(jdk, how, &run);
            assert_told(jdk, how, &run, told);
            // The JVM's own report follows.
            let fatal = "A fatal error has been detected by the Java Runtime Environment";
            assert!(run.stdout.contains(fatal), "JDK {}, {how}: {run:?}", jdk.version);
        }
    });
}

#[test]
fn a_write_that_no_page_stops_is_told_when_the_block_is_freed() {
    on_each(jdk::all(), |jdk| {
        for (how, told) in [
            ("small-overrun", "a block of 248 bytes: byte 248 was written to"),
            ("underrun", "a block of 256 bytes: byte -1 was written to"),
        ] {
            let run = misuse(jdk, how, "sample=0,guard=100%");
            assert_went_on(jdk, how, &run);
            assert_told(jdk, how, &run, &["offheap: ", told, "Misuse.first:", "taken"]);
        }
    });
}

#[test]
fn a_program_that_does_nothing_wrong_is_told_nothing_however_many_blocks_are_guarded() {
    on_each(jdk::all(), |jdk| {
        for options in ["guard=100%,misuse=abort", "guard=3%", "guard=100%,allocator=jdk"] {
            let run = misuse(jdk, "nothing", options);
            assert_went_on(jdk, options, &run);
            // Of 25 the JVM itself has something to say.
            assert!(!run.stderr.contains("offheap:"), "JDK {}, {options}: {run:?}", jdk.version);
        }
    });
}
