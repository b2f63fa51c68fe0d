//! What the agent adds to the start of a JVM: `cargo bench --bench startup -- [PAIRS]`.
//!
//! For each JDK of `OFFHEAP_JDKS` a small program is run stock and with the agent in turn, PAIRS times
//! (20 by default). Printed are the medians, the median of the differences within a pair, and how far
//! the middle half of those differences spreads; all in milliseconds. `--test` runs one pair, to see
//! that it works.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// A JVM that starts, uses direct memory and ends.
const PROGRAM: &str = "public class Start { public static void main(String[] a) { \
    System.out.println(java.nio.ByteBuffer.allocateDirect(1 << 20).capacity()); } }";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("startup: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let pairs = pairs()?;
    let option = format!("-agentpath:{}", agent()?.display());
    let classes = compile()?;
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
            version(&jdk),
            quantile(&mut stock, 2),
            quantile(&mut with_agent, 2),
            quantile(&mut differences, 2),
            quantile(&mut differences, 1),
            quantile(&mut differences, 3),
        );
    }
    Ok(())
}

fn pairs() -> Result<usize, String> {
    let mut pairs = 20;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => {} // Cargo's own
            "--test" => pairs = 1,
            number => {
                pairs = number
                    .parse()
                    .ok()
                    .filter(|pairs| *pairs > 0)
                    .ok_or_else(|| format!("'{number}' is no number of pairs"))?;
            }
        }
    }
    Ok(pairs)
}

/// The library that Cargo has built together with this benchmark.
fn agent() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let library = own.with_file_name("liboffheap.so");
    if library.is_file() { Ok(library) } else { Err(format!("no {}", library.display())) }
}

fn jdks() -> Result<Vec<PathBuf>, String> {
    let list = std::env::var_os("OFFHEAP_JDKS")
        .ok_or("set OFFHEAP_JDKS to the JAVA_HOMEs to measure, separated by colons")?;
    Ok(std::env::split_paths(&list).collect())
}

fn compile() -> Result<PathBuf, String> {
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("startup");
    std::fs::create_dir_all(&classes).map_err(|error| error.to_string())?;
    let source = classes.join("Start.java");
    std::fs::write(&source, PROGRAM).map_err(|error| error.to_string())?;
    let mut javac = Command::new("javac");
    javac.args(["--release", "8", "-Xlint:-options", "-d"]).arg(&classes).arg(&source);
    match javac.status() {
        Ok(status) if status.success() => Ok(classes),
        Ok(status) => Err(format!("javac ended with {status}")),
        Err(error) => Err(format!("javac: {error}; it comes with a JDK from 11 on, on PATH")),
    }
}

fn milliseconds(jdk: &Path, agent: Option<&str>, classes: &Path) -> Result<f64, String> {
    let mut java = Command::new(jdk.join("bin/java"));
    java.args(agent).arg("-cp").arg(classes).arg("Start").stdout(Stdio::null());
    let start = Instant::now();
    let status = java.status().map_err(|error| format!("{java:?}: {error}"))?;
    let time = start.elapsed();
    if status.success() { Ok(time.as_secs_f64() * 1e3) } else { Err(format!("{java:?}: {status}")) }
}

fn version(jdk: &Path) -> String {
    let output = Command::new(jdk.join("bin/java")).arg("-version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

/// The value below which so many quarters of them lie.
fn quantile(values: &mut [f64], quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = quarters * values.len().saturating_sub(1);
    let value = |place: usize| values.get(place).or(values.last()).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at / 4), value(at / 4 + 1));
    low + (high - low) * f64::from(u8::try_from(at % 4).unwrap_or(0)) / 4.0
}
