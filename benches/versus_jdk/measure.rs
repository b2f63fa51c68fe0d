//! One figure of one case: of a stock JVM, or of ours.

use crate::cases::{Case, How, Program};
use crate::common::{Jdk, in_turn, quantile};
use crate::other_end::OtherEnd;
use offheap::bits::Budget;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Stock,
    Ours,
}

/// What measuring needs.
pub(crate) struct Bench {
    pub(crate) agent: PathBuf,
    pub(crate) class_path: String,
    pub(crate) is_test: bool,
}

/// A round of JMH, in the JVM that is asked for it: that one is fresh for each pair, and has no other benchmark.
const JMH: [&str; 10] = ["-foe", "true", "-v", "SILENT", "-f", "0", "-wi", "0", "-i", "1"];
const JMH_ROUND: &str = "100ms";
/// To see that it works.
const JMH_TEST: &str = "1ms";
/// So many rounds to warm up, and so many that count.
const JMH_ROUNDS: (usize, usize) = (5, 7);
const JMH_JVM: [&str; 3] = ["-XX:+UseSerialGC", "-Xmx256m", "-XX:MaxDirectMemorySize=1g"];

impl Program {
    fn other_end(&self) -> Result<Option<OtherEnd>, String> {
        self.has_other_end.then(OtherEnd::start).transpose()
    }
}

impl Bench {
    /// The case's figure, in the unit that is shown.
    pub(crate) fn measure(&self, case: &Case, jdk: &Jdk, side: Side) -> Result<f64, String> {
        let figure = match &case.how {
            How::Jmh { benchmark, arguments, flags } => {
                one_figure(&mut self.jmh(jdk, side, benchmark, arguments, flags))
            }
            How::Program(program) => self.program(jdk, side, program),
            How::Start => self.start(jdk, side),
            How::Budget { threads } => match side {
                Side::Stock => {
                    let arguments = ["-t".to_owned(), threads.to_string()];
                    let mut java =
                        self.jmh(jdk, side, "ThreeCounters.reserveUnreserve", &arguments, &[]);
                    if self.is_test {
                        one_figure(&mut java)
                    } else {
                        in_turn([java], 0, JMH_ROUNDS)
                            .map(|[mut figures]| quantile(&mut figures, 2))
                    }
                }
                Side::Ours => budget(*threads, if self.is_test { 1000 } else { 2_000_000 }),
            },
        };
        figure.map(case.unit.show)
    }

    /// Both sides' figures, stock's and ours; neither side is always the first.
    pub(crate) fn pair(&self, case: &Case, jdk: &Jdk, pair: usize) -> Result<(f64, f64), String> {
        let asked_in_turn = |java: [Command; 2], rounds| {
            let figures = in_turn(java, pair, rounds)?;
            let [stock, ours] = figures.map(|mut side| (case.unit.show)(quantile(&mut side, 2)));
            Ok((stock, ours))
        };
        match &case.how {
            How::Jmh { benchmark, arguments, flags } => {
                let java = |side| self.jmh(jdk, side, benchmark, arguments, flags);
                return asked_in_turn([java(Side::Stock), java(Side::Ours)], JMH_ROUNDS);
            }
            How::Program(program @ Program { rounds: Some(rounds), .. }) => {
                let other_end = program.other_end()?;
                let java = |side| self.java(jdk, side, program, other_end.as_ref());
                return asked_in_turn([java(Side::Stock)?, java(Side::Ours)?], (10, *rounds));
            }
            How::Program(_) | How::Start | How::Budget { .. } => {}
        }
        if pair.is_multiple_of(2) {
            let stock = self.measure(case, jdk, Side::Stock)?;
            Ok((stock, self.measure(case, jdk, Side::Ours)?))
        } else {
            let ours = self.measure(case, jdk, Side::Ours)?;
            Ok((self.measure(case, jdk, Side::Stock)?, ours))
        }
    }

    /// The flag that makes a JVM that side's, if it takes one, and limits direct memory by that side's
    /// means. A native that can't be ours ends the program: no figure of the stock JVM passes for ours.
    fn flag(&self, side: Side, limit: Option<&str>, options: &str) -> Option<String> {
        match side {
            Side::Stock => limit.map(|limit| format!("-XX:MaxDirectMemorySize={limit}")),
            Side::Ours => {
                let limit = limit.map(|limit| format!(",limit={limit}")).unwrap_or_default();
                Some(format!("-agentpath:{}=strict{limit}{options}", self.agent.display()))
            }
        }
    }

    fn program(&self, jdk: &Jdk, side: Side, program: &Program) -> Result<f64, String> {
        let other_end = program.other_end()?;
        let mut java = self.java(jdk, side, program, other_end.as_ref())?;
        one_figure(&mut java)
    }

    fn java(
        &self,
        jdk: &Jdk,
        side: Side,
        program: &Program,
        other_end: Option<&OtherEnd>,
    ) -> Result<Command, String> {
        let mut java =
            if program.is_on_one_processor { jdk.on_one_processor()? } else { jdk.java() };
        java.args(self.flag(side, program.limit, program.options)).args(program.flags);
        java.args(["-cp", &self.class_path, program.main]).args(&program.arguments);
        java.args(other_end.map(|end| end.port().to_string()));
        Ok(java)
    }

    /// The flags are for ours alone.
    fn jmh(
        &self,
        jdk: &Jdk,
        side: Side,
        benchmark: &str,
        arguments: &[String],
        flags: &[&str],
    ) -> Command {
        let mut java = jdk.java();
        if side == Side::Ours {
            java.args(flags);
        }
        java.args(self.flag(side, None, "")).args(JMH_JVM);
        // Other benchmarks on the machine are not JMH's to forbid.
        java.arg("-Djmh.ignoreLock=true");
        // LWJGL unpacks its libraries there: not both JVMs of a pair over each other's.
        let libraries = match side {
            Side::Stock => "lwjgl-stock",
            Side::Ours => "lwjgl-ours",
        };
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(libraries);
        java.arg(format!("-Dorg.lwjgl.system.SharedLibraryExtractPath={}", path.display()));
        if jdk.version >= 24 {
            // Or the JVM says each time what JMH should not use.
            java.arg("--sun-misc-unsafe-memory-access=allow");
        }
        java.args(["-cp", &self.class_path, "bench.Jmh"]);
        java.arg(format!("^bench.{benchmark}$")).args(arguments).args(JMH);
        java.args(["-r", if self.is_test { JMH_TEST } else { JMH_ROUND }]);
        java
    }

    /// The milliseconds from a JVM's start to its end: the median of a few, one being at the mercy of what
    /// else the machine does in that tenth of a second.
    fn start(&self, jdk: &Jdk, side: Side) -> Result<f64, String> {
        const STARTS: usize = 5;
        let mut java = jdk.java();
        java.args(self.flag(side, None, "")).args(["-cp", &self.class_path, "bench.Start"]);
        let mut once = || {
            let start = Instant::now();
            output(&mut java)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        };
        let starts = if self.is_test { 1 } else { STARTS };
        let mut all = (0..starts).map(|_| once()).collect::<Result<Vec<_>, String>>()?;
        Ok(quantile(&mut all, 2))
    }
}

/// What the program prints, which is one figure.
fn one_figure(java: &mut Command) -> Result<f64, String> {
    let text = output(java)?;
    text.trim().parse().map_err(|error| format!("{java:?}: {error}: {text}"))
}

/// What the program prints; if it fails, what it says of that.
fn output(java: &mut Command) -> Result<String, String> {
    // Where a JVM that crashes leaves its report.
    java.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output =
        java.stdin(Stdio::null()).output().map_err(|error| format!("{java:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("{java:?} ended with {}\n{text}{errors}", output.status))
    }
}

/// The nanoseconds that one reservation and its release take of each thread: the median of some
/// rounds.
fn budget(threads: usize, calls: u32) -> Result<f64, String> {
    const SIZE: i64 = 4096;
    const ROUNDS: u32 = 5;
    let budget = Budget::new(1 << 40);
    let barrier = Barrier::new(threads);
    let round = || {
        barrier.wait();
        let start = Instant::now();
        let refused = (0..calls).filter(|_| {
            budget.try_reserve_memory(SIZE, SIZE).is_err()
                || budget.unreserve_memory(SIZE, SIZE).is_err()
        });
        // A refusal would be a fault of the budget's: no time is told then.
        if refused.count() == 0 {
            start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        } else {
            f64::NAN
        }
    };
    let mut figures = thread::scope(|scope| {
        let run = || scope.spawn(|| (0..ROUNDS).map(|_| round()).collect::<Vec<_>>());
        let all: Vec<_> = (0..threads).map(|_| run()).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let figure = quantile(&mut figures, 2);
    if figure.is_finite() { Ok(figure) } else { Err("the budget has refused".to_owned()) }
}
