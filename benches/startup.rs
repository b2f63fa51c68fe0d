//! What the agent adds to the start of a JVM: `cargo bench --bench startup`.
//!
//! For each JDK of `OFFHEAP_JDKS` a small program is run stock and with the agent in turn, `--pairs N`
//! times (20 by default). Printed are the medians, the median of the differences within a pair, and how far
//! the middle half of those differences spreads; all in milliseconds. `--test` runs one pair, to see
//! that it works.

mod common;

use common::{Arguments, Jdk, agent, exit_code, jdks, maven, quantile};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

fn main() -> ExitCode {
    exit_code("startup", run())
}

fn run() -> Result<(), String> {
    let Arguments { pairs, is_test, others } = Arguments::parse(20)?;
    let pairs = if is_test { 1 } else { pairs };
    if let Some(other) = others.first() {
        return Err(format!("'{other}' is neither --pairs N nor --test"));
    }
    let option = format!("-agentpath:{}", agent()?.display());
    let classes = maven("benches/java")?;
    println!("{:<44} {:>8} {:>8} {:>12}  middle half", "JDK", "stock", "agent", "difference");
    for jdk in jdks()? {
        let (mut stock, mut with_agent, mut differences) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs {
            // Neither is always the first.
            let (without, with) = if pair % 2 == 0 {
                let without = milliseconds(&jdk, None, &classes)?;
                (without, milliseconds(&jdk, Some(&option), &classes)?)
            } else {
                let with = milliseconds(&jdk, Some(&option), &classes)?;
                (milliseconds(&jdk, None, &classes)?, with)
            };
            stock.push(without);
            with_agent.push(with);
            differences.push(with - without);
        }
        println!(
            "{:<44} {:>8.1} {:>8.1} {:>+12.1}  {:+.1} to {:+.1}",
            jdk.name,
            quantile(&mut stock, 2),
            quantile(&mut with_agent, 2),
            quantile(&mut differences, 2),
            quantile(&mut differences, 1),
            quantile(&mut differences, 3),
        );
    }
    Ok(())
}

fn milliseconds(jdk: &Jdk, agent: Option<&str>, classes: &str) -> Result<f64, String> {
    let mut java = jdk.java();
    java.args(agent).arg("-cp").arg(classes).arg("bench.Start").stdout(Stdio::null());
    let start = Instant::now();
    let status = java.status().map_err(|error| format!("{java:?}: {error}"))?;
    let time = start.elapsed();
    if status.success() { Ok(time.as_secs_f64() * 1e3) } else { Err(format!("{java:?}: {status}")) }
}
