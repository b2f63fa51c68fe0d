//! The README's examples are the tested ones, and the guide's is the one that a reader can run.

#![cfg(test)]

const README: &str = include_str!("../README.md");
const GUIDE: &str = include_str!("../docs/find-a-leak.md");
const LEAK: &str = include_str!("../examples/java/Leak.java");

/// The first block of that language.
fn block(language: &str) -> &'static str {
    block_of(README, language)
}

fn block_of(text: &'static str, language: &str) -> &'static str {
    let (_, rest) = text.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_java_example_is_the_one_that_is_compiled_and_run() {
    assert_eq!(block("java"), include_str!("../examples/java/SendFile.java"));
}

#[test]
fn the_c_example_is_the_one_that_is_compiled_and_run() {
    assert_eq!(block("c"), include_str!("../examples/c/budget.c"));
}

#[test]
fn the_lines_that_the_guide_names_are_those_of_its_example() {
    let shown = block_of(GUIDE, "java");
    assert!(LEAK.contains(shown), "{shown}");
    let line = |number: usize| LEAK.lines().nth(number - 1).unwrap_or_default();
    for (place, code) in [
        ("ReceiptCache.render:114", "allocateDirect(24_000"),
        ("ReceiptCache.receipt:110", "computeIfAbsent"),
        ("Catalog.loadShard:90", "allocateDirect(6 << 20)"),
        ("SessionStore.session:141", "allocateDirect(96_000)"),
        ("PageBuffers.newPage:159", "allocateDirect(2 << 20)"),
        ("AuditLog.append:178", "file.write("),
    ] {
        assert!(GUIDE.contains(place), "{place}");
        let number = place.rsplit(':').next().and_then(|number| number.parse().ok()).unwrap();
        assert!(line(number).contains(code), "{place}: {}", line(number));
    }
}
