//! What the ledger costs: `cargo bench --bench ledger -- [FILTER]`.
//!
//! For each JDK of `OFFHEAP_JDKS`: a loop of direct buffers from 64 bytes to 1 MiB, freed and dropped,
//! and a Netty server with unpooled direct buffers, each with the agent as it is by default and with
//! `sample=0`, against a stock JVM. The two run at once, all on one processor, and are asked in turn, so that
//! what else the machine does falls on both alike; `--pairs N` pairs of fresh JVMs (8 by default, four times
//! as many for Netty's server with the defaults). Printed are the medians, and how much more each costs than
//! stock, in percent: of each pair the median over the rounds (told on stderr as it comes), of one that was started
//! first and one that was started second the mean (whose memory is cold, that makes ten percent), and of these the
//! median and the middle half. Then, with a million live blocks, what a block's entry takes of memory, how long a
//! report takes, and how long it kept an allocation waiting.
//!
//! `FILTER` is a part of what is measured, as it is printed. `--test` runs all once with little work, to see
//! that it works.

mod common;

use common::{Arguments, Jdk, Running, agent, exit_code, in_turn, jdks, maven, quantile};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How often each JVM is asked for a figure.
const ROUNDS: usize = 10;
/// So many rounds before are not counted.
const WARM_UP: usize = 5;

/// What else is measured.
const MILLION: &str = "live blocks";

/// Stock, the agent's defaults, and every block.
const MODES: [Option<&str>; 3] = [None, Some(""), Some("sample=0")];

fn main() -> ExitCode {
    exit_code("ledger", run())
}

struct Case {
    name: &'static str,
    flags: &'static [&'static str],
    arguments: Vec<String>,
    /// Whether more is better.
    is_rate: bool,
    /// So many times as many pairs for the agent's defaults: its JVMs differ by more.
    times: usize,
}

fn cases(is_test: bool) -> Vec<Case> {
    let work = if is_test { 1 } else { 100 };
    let direct = |name, how: &str, from: u32, to: u32, rounds: u32| Case {
        name,
        flags: &["-XX:+UseSerialGC", "-Xmx256m", "-XX:MaxDirectMemorySize=256m"],
        arguments: ["bench.DirectLoop", how]
            .map(str::to_owned)
            .into_iter()
            .chain([from, to, (rounds * work / 100).max(1)].map(|n| n.to_string()))
            .collect(),
        is_rate: false,
        times: 1,
    };
    vec![
        direct("direct 64 B, freed, ns", "free", 64, 64, 400_000),
        direct("direct 64 B to 1 MiB, freed, ns", "free", 64, 1 << 20, 1_000),
        direct("direct 64 B to 1 MiB, dropped, ns", "drop", 64, 1 << 20, 1_000),
        Case {
            name: "Netty unpooled, messages/s",
            flags: &[
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "-Dio.netty.allocator.type=unpooled",
                "-Dio.netty.noPreferDirect=false",
            ],
            arguments: vec!["bench.NettyEcho".to_owned(), (200 * work).to_string()],
            is_rate: true,
            times: 4,
        },
    ]
}

fn run() -> Result<(), String> {
    let Arguments { pairs, is_test, others } = Arguments::parse(8)?;
    if let Some(other) = others.iter().find(|other| other.starts_with('-')) {
        return Err(format!("'{other}' is neither --pairs N nor --test"));
    }
    let fits = |name: &str| others.iter().all(|filter| name.contains(filter));
    let cases: Vec<Case> = cases(is_test).into_iter().filter(|case| fits(case.name)).collect();
    if cases.is_empty() && !fits(MILLION) {
        return Err(format!("nothing is called '{}'", others.join(" ")));
    }
    let agent = agent()?;
    let class_path = maven("benches/java")?;
    for jdk in jdks()? {
        println!("\n{}", jdk.name);
        println!(
            "{:<36} {:>10} {:>10} {:>22} {:>10} {:>22}",
            "", "stock", "default", "cost", "sample=0", "cost"
        );
        for case in &cases {
            let (warm_up, rounds) = if is_test { (0, 1) } else { (WARM_UP, ROUNDS) };
            let java = |mode: Option<&str>| -> Result<Command, String> {
                let mut java = with(jdk.on_one_processor()?, &agent, mode, &class_path);
                java.args(case.flags).args(&case.arguments);
                Ok(java)
            };
            let cost = |mode, pairs: usize| {
                let pairs = if is_test { 1 } else { pairs.next_multiple_of(2) };
                Cost::measure(case, pairs, (warm_up, rounds), || Ok([java(None)?, java(mode)?]))
            };
            let [_, default, all] = MODES;
            let mut of_default = cost(default, pairs * case.times)?;
            let mut of_all = cost(all, pairs)?;
            let stock = quantile(&mut of_default.stock, 2);
            println!("{:<36} {stock:>10.1} {} {}", case.name, of_default.text(), of_all.text());
        }
        if fits(MILLION) {
            million(&jdk, &agent, &class_path, if is_test { 10_000 } else { 1_000_000 })?;
        }
    }
    Ok(())
}

fn with(mut java: Command, agent: &Path, mode: Option<&str>, class_path: &str) -> Command {
    if let Some(options) = mode {
        java.arg(format!("-agentpath:{}={options}", agent.display()));
    }
    java.args(["-cp", class_path]).stderr(Stdio::null());
    java
}

/// What a mode costs: of pairs of JVMs, stock and that mode's, the medians of their figures, and of two pairs each
/// by how many percent the mode is dearer.
struct Cost {
    stock: Vec<f64>,
    figures: Vec<f64>,
    percent: Vec<f64>,
}

impl Cost {
    fn measure(
        case: &Case,
        pairs: usize,
        rounds: (usize, usize),
        java: impl Fn() -> Result<[Command; 2], String>,
    ) -> Result<Self, String> {
        let mut cost = Self { stock: Vec::new(), figures: Vec::new(), percent: Vec::new() };
        let mut of_pairs = Vec::new();
        eprint!("{}: ", case.name);
        for pair in 0..pairs {
            let [mut stock, mut figures] = in_turn(java()?, pair, rounds)?;
            let ratio = |(stock, figure): (&f64, &f64)| {
                if case.is_rate { stock / figure } else { figure / stock }
            };
            let mut ratios: Vec<f64> = stock.iter().zip(&figures).map(ratio).collect();
            let percent = 100.0 * (quantile(&mut ratios, 2) - 1.0);
            eprint!("{percent:+.1} ");
            of_pairs.push(percent);
            cost.stock.push(quantile(&mut stock, 2));
            cost.figures.push(quantile(&mut figures, 2));
        }
        eprintln!();
        let mean = |both: &[f64]| both.iter().sum::<f64>() / both.len() as f64;
        cost.percent.extend(of_pairs.chunks(2).map(mean));
        Ok(cost)
    }

    fn text(&mut self) -> String {
        let [low, median, high] = [1, 2, 3].map(|quarters| quantile(&mut self.percent, quarters));
        let figure = quantile(&mut self.figures, 2);
        format!("{figure:>10.1} {:>22}", format!("{median:+.1}% ({low:+.1} to {high:+.1})"))
    }
}

fn million(jdk: &Jdk, agent: &Path, class_path: &str, blocks: u32) -> Result<(), String> {
    let mut bytes = Vec::new();
    for mode in MODES {
        let mut java = with(jdk.java(), agent, mode, class_path);
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "bench.MillionBlocks", &blocks.to_string()]);
        let mut program = Running::start(java)?;
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
        program.end()?;
        let name = mode.map_or("stock", |mode| if mode.is_empty() { "default" } else { mode });
        print!("  {blocks} {MILLION}, {name}: longest allocation {longest:.1} ms");
        if took.is_empty() {
            println!();
        } else {
            println!(", a report in {:.0} ms", quantile(&mut took, 2));
        }
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
