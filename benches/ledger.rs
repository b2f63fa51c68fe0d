//! What the ledger costs: `cargo bench --bench ledger`.
//!
//! For each JDK of `OFFHEAP_JDKS`: a loop of direct buffers from 64 bytes to 1 MiB, freed and dropped,
//! and a Netty server with unpooled direct buffers, each stock, with the agent as it is by default, and
//! with `sample=0`, in turn, `--pairs N` times (7 by default), and four times as often Netty's. Printed
//! are the medians, and how much more each costs than stock: the median of the differences within a pair,
//! and their middle half, in percent.
//! Then, with a million live blocks, what a block's entry takes of memory, how long a report takes, and
//! how long it kept an allocation waiting. `--test` runs all once with little work, to see that it
//! works.

#![expect(clippy::indexing_slicing, reason = "arrays of the three modes, by modes")]

mod common;

use common::{Arguments, Jdk, agent, exit_code, jdks, maven, quantile};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Stock, the agent's defaults, and every block.
const MODES: [Option<&str>; 3] = [None, Some(""), Some("sample=0")];

fn main() -> ExitCode {
    exit_code("ledger", run())
}

struct Case {
    name: &'static str,
    flags: &'static [&'static str],
    arguments: Vec<String>,
    /// Of what the program prints, the figure that counts.
    figure: usize,
    /// Whether more is better.
    is_rate: bool,
    /// So many times as many pairs as of others: the runs differ by more.
    times: usize,
}

fn cases(work: u32) -> Vec<Case> {
    let direct = |name, how: &str, from: u32, to: u32, rounds: u32| Case {
        name,
        flags: &["-XX:+UseSerialGC", "-Xmx256m", "-XX:MaxDirectMemorySize=256m"],
        arguments: ["bench.DirectLoop", how]
            .map(str::to_owned)
            .into_iter()
            .chain([from, to, (rounds / 100 * work).max(1)].map(|n| n.to_string()))
            .collect(),
        figure: 0,
        is_rate: false,
        times: 1,
    };
    vec![
        direct("direct 64 B, freed, ns", "free", 64, 64, 4_000_000),
        direct("direct 64 B to 1 MiB, freed, ns", "free", 64, 1 << 20, 20_000),
        direct("direct 64 B to 1 MiB, dropped, ns", "drop", 64, 1 << 20, 20_000),
        Case {
            name: "Netty unpooled, messages/s",
            // Without them a run differs from the next by 14 %, with them by 4.
            flags: &[
                "-XX:+UseSerialGC",
                "-Xbatch",
                "-Xmx256m",
                "-Dio.netty.allocator.type=unpooled",
                "-Dio.netty.noPreferDirect=false",
            ],
            arguments: vec!["real.NettyEcho".to_owned(), (2000 * work).to_string()],
            figure: 0,
            is_rate: true,
            times: 4,
        },
    ]
}

fn run() -> Result<(), String> {
    let Arguments { pairs, is_test, others } = Arguments::parse(7)?;
    if let Some(other) = others.first() {
        return Err(format!("'{other}' is neither --pairs N nor --test"));
    }
    let agent = agent()?;
    let class_path = format!("{}:{}", maven("benches/java")?, maven("tests/real")?);
    for jdk in jdks()? {
        println!("\n{}", jdk.name);
        println!(
            "{:<36} {:>10} {:>10} {:>22} {:>10} {:>22}",
            "", "stock", "default", "cost", "sample=0", "cost"
        );
        for case in cases(if is_test { 1 } else { 100 }) {
            let pairs = if is_test { pairs } else { pairs * case.times };
            compare(&jdk, &agent, &class_path, &case, pairs)?;
        }
        million(&jdk, &agent, &class_path, if is_test { 10_000 } else { 1_000_000 })?;
    }
    Ok(())
}

fn java(jdk: &Jdk, agent: &Path, mode: Option<&str>, class_path: &str) -> Command {
    let mut java = jdk.java();
    if let Some(options) = mode {
        java.arg(format!("-agentpath:{}={options}", agent.display()));
    }
    java.args(["-cp", class_path]).stderr(Stdio::null());
    java
}

/// Runs the case in all modes in turn, so many times.
fn compare(
    jdk: &Jdk,
    agent: &Path,
    class_path: &str,
    case: &Case,
    pairs: usize,
) -> Result<(), String> {
    let mut figures: [Vec<f64>; 3] = Default::default();
    let mut costs: [Vec<f64>; 3] = Default::default();
    for pair in 0..pairs {
        let mut once = [0.0; 3];
        // None is always the first.
        for turn in 0..MODES.len() {
            let mode = (turn + pair) % MODES.len();
            once[mode] = measure(jdk, agent, MODES[mode], class_path, case)?;
        }
        for (mode, figure) in once.into_iter().enumerate() {
            figures[mode].push(figure);
            let ratio = if case.is_rate { once[0] / figure } else { figure / once[0] };
            costs[mode].push(100.0 * (ratio - 1.0));
        }
    }
    let cost = |costs: &mut Vec<f64>| {
        let [low, median, high] = [1, 2, 3].map(|quarters| quantile(costs, quarters));
        format!("{median:+.1}% ({low:+.1} to {high:+.1})")
    };
    let [stock, default, all] = figures.each_mut().map(|figures| quantile(figures, 2));
    let (of_default, of_all) = (cost(&mut costs[1]), cost(&mut costs[2]));
    println!(
        "{:<36} {stock:>10.1} {default:>10.1} {of_default:>22} {all:>10.1} {of_all:>22}",
        case.name
    );
    Ok(())
}

fn measure(
    jdk: &Jdk,
    agent: &Path,
    mode: Option<&str>,
    class_path: &str,
    case: &Case,
) -> Result<f64, String> {
    let mut java = java(jdk, agent, mode, class_path);
    java.args(case.flags).args(&case.arguments);
    let output = java.output().map_err(|error| format!("{java:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.split_whitespace().nth(case.figure).and_then(|figure| figure.parse().ok());
    figure.ok_or_else(|| format!("{java:?}: {}: {text}", output.status))
}

/// A program with so many live blocks, and what it has printed so far.
struct Program {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(mut java: Command, blocks: u32) -> Result<Self, String> {
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "bench.MillionBlocks", &blocks.to_string()]);
        java.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = java.spawn().map_err(|error| format!("{java:?}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        Ok(Self { child, lines: BufReader::new(stdout) })
    }

    fn number(&mut self) -> Result<f64, String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).map_err(|error| error.to_string())?;
        line.trim().parse().map_err(|error| format!("MillionBlocks: {error}: {line}"))
    }

    fn go_on(&mut self) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        stdin.write_all(b"\n").and_then(|()| stdin.flush()).map_err(|error| error.to_string())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Over, or of no more use.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn million(jdk: &Jdk, agent: &Path, class_path: &str, blocks: u32) -> Result<(), String> {
    let mut bytes = Vec::new();
    for mode in MODES {
        let mut program = Program::start(java(jdk, agent, mode, class_path), blocks)?;
        bytes.push(program.number()?);
        program.go_on()?;
        // Long enough for the loop to be compiled; the first waits are the compiler's.
        std::thread::sleep(Duration::from_millis(500));
        let mut took = Vec::new();
        if mode.is_some() {
            for _ in 0..3 {
                took.push(1000.0 * report(program.child.id())?.as_secs_f64());
            }
        } else {
            std::thread::sleep(Duration::from_millis(500));
        }
        program.go_on()?;
        let longest = program.number()?;
        let name = mode.map_or("stock", |mode| if mode.is_empty() { "default" } else { mode });
        let report = if took.is_empty() { f64::NAN } else { quantile(&mut took, 2) };
        println!(
            "  {blocks} live blocks, {name}: a report in {report:.0} ms, longest allocation {longest:.1} ms"
        );
    }
    let [stock, default, all] =
        [0, 1, 2].map(|mode: usize| bytes.get(mode).copied().unwrap_or(0.0));
    println!(
        "  resident bytes a block of 64: stock {stock:.0}, default {default:.0}, sample=0 {all:.0}"
    );
    Ok(())
}

/// Asks the agent for a report, as `offheap report` does; how long it takes.
fn report(pid: u32) -> Result<Duration, String> {
    let socket = PathBuf::from(format!("/tmp/.offheap_pid{pid}"));
    let start = Instant::now();
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&socket)?;
        stream.write_all(b"report json\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("{}: {error}", socket.display()))?;
    if answer.starts_with(b"ok ") { Ok(start.elapsed()) } else { Err("no report".to_owned()) }
}
