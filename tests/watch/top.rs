//! `offheap top`, driven in a terminal as a person would.

use crate::common::jdk::{self, on_each};
use crate::program::Program;
use crate::terminal::Terminal;
use crate::{offheap, wait_until};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

fn top(program: &Program, options: &[&str]) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offheap"));
    command.args(["top", &program.pid(), "--interval=0.2"]).args(options);
    Terminal::start(&mut command, 100, 24)
}

/// Whether a row with the first comes above one with the second.
fn is_above(screen: &str, first: &str, second: &str) -> bool {
    let row = |text| screen.lines().position(|line| line.contains(text));
    row(first).zip(row(second)).is_some_and(|(first, second)| first < second)
}

/// The row of that site.
fn row(screen: &str, owner: &str) -> String {
    screen.lines().find(|line| line.contains(owner)).unwrap_or_default().to_owned()
}

#[test]
fn a_person_sees_who_holds_what_and_finds_the_way_around() {
    on_each(jdk::all(), |jdk| {
        let mut program = Program::start(jdk);
        let mut top = top(&program, &[]);
        let screen = top.wait_for("the sites, and their rates", |screen| {
            row(screen, "Growing.large:").contains(" 0 ") && screen.contains("q quit")
        });
        let head = format!("offheap top - process {}, JDK ", program.pid());
        assert!(screen.starts_with(&head), "JDK {}: {screen}", jdk.version);
        assert!(screen.contains("limit  none") && screen.contains(">BYTES"), "{screen}");
        let live = screen.lines().nth(1).expect("a line");
        assert!(live.starts_with("live   2") && live.contains(" blocks   peak 2"), "{screen}");
        let large = row(&screen, "Growing.large:");
        let figures: Vec<&str> = large.split_whitespace().collect();
        assert_eq!(figures[..2], ["19.1M", "20"], "JDK {}: {screen}", jdk.version);
        assert_eq!(figures[4..6], ["direct", "buffer"], "JDK {}: {screen}", jdk.version);
        assert!(is_above(&screen, "Growing.large:", "Growing.small:"), "{screen}");
        assert!(top.bar().contains("Growing.large:"), "JDK {}: {screen}", jdk.version);

        top.press("n");
        top.wait_for("sorted by blocks", |screen| {
            screen.contains(">BLOCKS") && is_above(screen, "Growing.small:", "Growing.large:")
        });
        top.press("b");
        top.wait_for("sorted by bytes", |screen| {
            screen.contains(">BYTES") && is_above(screen, "Growing.large:", "Growing.small:")
        });
        // By arrow and by letter.
        top.press("\u{1b}[B");
        wait_until("the bar one down", || top.bar(), |bar| bar.contains("Growing.small:"));
        top.press("k");
        wait_until("the bar up again", || top.bar(), |bar| bar.contains("Growing.large:"));

        program.tell("grow", "grow 1021");
        let screen =
            top.wait_for("the growth", |screen| row(screen, "Growing.large:").contains('+'));
        assert!(row(&screen, "Growing.large:").contains("20.0M       21"), "{screen}");

        top.press("\r");
        let screen = top.wait_for("the stack", |screen| screen.contains("at Growing.main:"));
        assert!(screen.contains("live 21000000 bytes in 21 blocks"), "{screen}");
        assert!(screen.contains("at java.nio.ByteBuffer.allocateDirect"), "{screen}");
        top.press("\u{1b}");
        top.wait_for("the list", |screen| screen.contains("Growing.small:"));

        top.press("p");
        top.wait_for("the pause", |screen| screen.contains("[paused]"));
        program.tell("grow", "grow 1022");
        top.resize(72, 10);
        let screen = top.wait_for("a narrower window", |screen| {
            screen.lines().count() == 10 && row(screen, "Growing.large:").contains("20.0M")
        });
        assert!(screen.lines().last().expect("a line").starts_with("q quit"), "{screen}");
        top.press("p");
        top.wait_for("the news", |screen| row(screen, "Growing.large:").contains("21.0M"));
        top.resize(120, 40);
        top.wait_for("a larger window", |screen| {
            screen.lines().nth(39).is_some_and(|line| line.contains("p pause"))
        });

        top.press("q");
        let (status, screen) = top.end();
        assert!(status.success(), "JDK {}: {status} {screen}", jdk.version);
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
    });
}

#[test]
fn the_limit_is_shown_with_a_bar() {
    let program = Program::start_with(&jdk::all()[0], Some("sample=0,limit=100m"));
    let mut top = top(&program, &["--sort=blocks"]);
    let screen = top.wait_for("the sites", |screen| screen.contains("Growing.large:"));
    let limit = row(&screen, "limit");
    assert!(limit.contains("[####") && limit.contains("--]  2") && limit.contains("% of 100.0M"));
    assert!(is_above(&screen, "Growing.small:", "Growing.large:"), "{screen}");
    top.press("\u{3}");
    assert!(top.end().0.success());
}

#[test]
fn a_jvm_that_is_killed_ends_it_with_a_message() {
    on_each(jdk::all(), |jdk| {
        let mut program = Program::start(jdk);
        let top = top(&program, &[]);
        top.wait_for("the sites", |screen| screen.contains("Growing.large:"));
        program.kill();
        let ended = format!("offheap: process {} has ended", program.pid());
        let (status, screen) = top.end();
        assert_eq!(status.code(), Some(1), "JDK {}: {screen}", jdk.version);
        let shown = screen.contains(&ended);
        assert!(shown, "JDK {}: {screen}", jdk.version);
    });
}

#[test]
fn a_signal_ends_it_with_the_terminal_as_it_was() {
    let program = Program::start(&jdk::all()[0]);
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let top = top(&program, &[]);
        top.wait_for("the sites", |screen| screen.contains("Growing.large:"));
        let sent = Command::new("kill").args([&format!("-{name}"), &top.pid()]).status();
        assert!(sent.expect("kill").success());
        assert_eq!(top.end().0.signal(), Some(number), "SIG{name}");
    }
}

#[test]
fn a_jvm_that_is_stopped_does_not_stop_the_keys() {
    let program = Program::start(&jdk::all()[0]);
    let mut top = top(&program, &[]);
    top.wait_for("the sites", |screen| screen.contains("Growing.large:"));
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &program.pid()]).status();
        assert!(sent.expect("kill").success());
    };
    signal("-STOP");
    top.wait_for("the silence", |screen| screen.contains("[no answer for "));
    top.press("n");
    top.wait_for("sorted by blocks", |screen| screen.contains(">BLOCKS"));
    signal("-CONT");
    top.wait_for("an answer", |screen| !screen.contains("[no answer for "));
    top.press("\u{1b}");
    assert!(top.end().0.success());
    assert_eq!(program.end(), "");
}

#[test]
fn without_a_terminal_it_prints_so_many_blocks_of_text() {
    on_each(jdk::all(), |jdk| {
        let program = Program::start(jdk);
        let printed = offheap(&["top", &program.pid(), "--count=3", "--interval", "0.1"]);
        assert!(printed.status.success(), "{}", printed.output);
        let printed = printed.output;
        let count = |text: &str| printed.matches(text).count();
        assert_eq!(count("offheap top - process "), 3, "JDK {}: {printed}", jdk.version);
        assert_eq!(count("Growing.large:"), 3, "JDK {}: {printed}", jdk.version);
        assert!(!printed.contains('\u{1b}'), "JDK {}: {printed}", jdk.version);
    });
}
