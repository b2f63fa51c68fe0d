//! The README's examples are the tested ones.

#![cfg(test)]

const README: &str = include_str!("../README.md");

/// The first block of that language.
fn block(language: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("```{language}\n")).expect("a block");
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
