//! Ours against a stock JVM, side by side: `cargo bench --bench versus_jdk -- [FILTER]`.
//!
//! Every case of `cases.rs` is run on each JDK of `OFFHEAP_JDKS`, stock and ours in turn, in fresh
//! JVMs. A line is printed for each: case, JDK, the medians of both, and the median of the pairs'
//! ratios, ours by stock, with tabs between them; below 1 ours is better. How it goes is told on stderr.
//!
//! - `FILTER` is a part of the case's name; `jdk=17` is one JDK. If there are more of them, all must fit.
//! - `--pairs N`: so many pairs of runs (7 by default).
//! - `--write`: the figures go into `docs/benchmarks.md` and `docs/benchmarks.svg`. Those of cases that
//!   are not run now stay, if they are of the same JDKs.
//! - `--test`: each case once, with little work, to see that it works.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod document;
mod measure;
mod other_end;
mod plot;

use cases::{Case, cases};
use common::{Arguments, Jdk, agent, exit_code, jdks, maven};
use document::{Document, Pairs, Row};
use measure::{Bench, Side};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    exit_code("versus_jdk", run())
}

/// What is to be run.
struct Filter {
    names: Vec<String>,
    jdks: Vec<u32>,
}

impl Filter {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut filter = Self { names: Vec::new(), jdks: Vec::new() };
        for word in words {
            if let Some(jdk) = word.strip_prefix("jdk=") {
                let jdk =
                    jdk.parse().map_err(|_| format!("'{word}': jdk= takes 8, 11, 17, ..."))?;
                filter.jdks.push(jdk);
            } else if word.starts_with('-') {
                return Err(format!("'{word}' is none of --pairs N, --write and --test"));
            } else {
                filter.names.push(word);
            }
        }
        Ok(filter)
    }

    fn fits(&self, case: &Case, jdk: &Jdk) -> bool {
        case.jdks.contains(&jdk.version)
            && self.names.iter().all(|name| case.title().contains(name))
            && (self.jdks.is_empty() || self.jdks.contains(&jdk.version))
    }
}

fn run() -> Result<(), String> {
    let Arguments { pairs, is_test, others } = Arguments::parse(7)?;
    let (write, words): (Vec<_>, Vec<_>) = others.into_iter().partition(|word| word == "--write");
    let filter = Filter::parse(words.into_iter())?;
    let (cases, jdks) = (cases(is_test), jdks()?);
    let plan: Vec<(&Case, &Jdk)> = cases
        .iter()
        .flat_map(|case| jdks.iter().map(move |jdk| (case, jdk)))
        .filter(|(case, jdk)| filter.fits(case, jdk))
        .collect();
    if plan.is_empty() {
        let names: Vec<_> = cases.iter().map(Case::title).collect();
        return Err(format!("no such case on these JDKs; there are\n{}", names.join("\n")));
    }
    let mut document = match (write.is_empty(), is_test) {
        (true, _) => None,
        (false, true) => return Err("--write is for figures, and those of --test are none".into()),
        (false, false) => Some(Document::open(&cases, &jdks, &plan)?),
    };
    let class_path = maven("benches/java")?;
    let bench = Bench { agent: agent()?, class_path, is_test };

    let mut failures = Vec::new();
    for (number, (case, jdk)) in plan.iter().enumerate() {
        eprint!("{}/{} {}, JDK {} ", number + 1, plan.len(), case.title(), jdk.version);
        match compare(&bench, case, jdk, pairs) {
            Ok(measured) => {
                let row = Row::new(case, jdk, &measured);
                eprintln!("{}", row.summary());
                writeln!(stdout(), "{}", row.line()).map_err(|error| format!("stdout: {error}"))?;
                if let Some(document) = &mut document {
                    document.write(row)?;
                }
            }
            Err(failure) => {
                eprintln!("failed: {failure}");
                failures.push(format!("{}, JDK {}", case.title(), jdk.version));
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{} of {} cases failed (above is why): {}",
            failures.len(),
            plan.len(),
            failures.join("; ")
        ))
    }
}

/// Runs both sides, so many times in turn.
fn compare(bench: &Bench, case: &Case, jdk: &Jdk, pairs: usize) -> Result<Pairs, String> {
    if bench.is_test {
        // Nobody looks at the figures.
        let measure = |side| bench.measure(case, jdk, side);
        return thread::scope(|scope| {
            let stock = scope.spawn(|| measure(Side::Stock));
            let ours = measure(Side::Ours)?;
            let stock =
                stock.join().unwrap_or_else(|_| Err("the bench has panicked".to_owned()))?;
            Ok(Pairs(vec![(stock, ours)]))
        });
    }
    let mut measured = Vec::new();
    for pair in 0..pairs {
        measured.push(bench.pair(case, jdk, pair)?);
        eprint!(".");
    }
    eprint!(" ");
    Ok(Pairs(measured))
}
