//! What the benchmarks share: whom they measure, and how they add up.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

/// How a benchmark of that name ends; a failure is told.
pub(crate) fn exit_code(benchmark: &str, run: Result<(), String>) -> ExitCode {
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{benchmark}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What every benchmark can be told.
pub(crate) struct Arguments {
    /// How many pairs of runs: `--pairs N`.
    pub(crate) pairs: usize,
    /// `--test`: one pair with little work, to see that it works.
    pub(crate) is_test: bool,
    /// What is left for the benchmark itself.
    pub(crate) others: Vec<String>,
}

impl Arguments {
    pub(crate) fn parse(usual_pairs: usize) -> Result<Self, String> {
        let (mut pairs, mut is_test, mut others) = (usual_pairs, false, Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {} // Cargo's own
                "--test" => is_test = true,
                "--pairs" => {
                    let number = arguments.next().unwrap_or_default();
                    pairs = number.parse().ok().filter(|pairs| *pairs > 0).ok_or_else(|| {
                        format!("--pairs takes a number from 1 on, not '{number}'")
                    })?;
                }
                _ => others.push(argument),
            }
        }
        Ok(Self { pairs: if is_test { 1 } else { pairs }, is_test, others })
    }
}

/// The library that Cargo has built together with this benchmark.
pub(crate) fn agent() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let library = own.with_file_name("liboffheap.so");
    if library.is_file() { Ok(library) } else { Err(format!("no {}", library.display())) }
}

/// A Java runtime to be measured.
pub(crate) struct Jdk {
    home: PathBuf,
    /// The feature version: 8, 11, 17, ...
    pub(crate) version: u32,
    /// The first line that it says of itself.
    pub(crate) name: String,
}

impl Jdk {
    pub(crate) fn java(&self) -> Command {
        Command::new(self.home.join("bin/java"))
    }

    /// All of its threads on one processor: how they share more differs from round to round by more than
    /// what is measured, and what is left to other threads counts too.
    pub(crate) fn on_one_processor(&self) -> Result<Command, String> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // Cpus_allowed_list:	0-3,8
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let last = list.and_then(|list| list.trim().rsplit([',', '-']).next());
        let mut taskset = Command::new("taskset"); // Debian's package is util-linux
        taskset.args(["-c", last.ok_or("/proc/self/status names no processors")?]);
        taskset.arg(self.home.join("bin/java"));
        Ok(taskset)
    }

    fn at(home: PathBuf) -> Result<Self, String> {
        let mut jdk = Self { home, version: 0, name: String::new() };
        let mut java = jdk.java();
        let output = java.arg("-version").output().map_err(|error| {
            format!("OFFHEAP_JDKS: {}: {error}; name JAVA_HOMEs in it", jdk.home.display())
        })?;
        // openjdk version "17.0.15" 2025-04-15, openjdk version "1.8.0_504"
        let text = String::from_utf8_lossy(&output.stderr);
        text.lines().next().unwrap_or_default().clone_into(&mut jdk.name);
        let quoted = jdk.name.split('"').nth(1).unwrap_or_default();
        let version = quoted.trim_start_matches("1.").split(['.', '_', '-', '+']).next();
        jdk.version = version
            .and_then(|version| version.parse().ok())
            .ok_or_else(|| format!("{java:?} says of itself '{}'", jdk.name))?;
        Ok(jdk)
    }
}

/// All that are to be measured.
pub(crate) fn jdks() -> Result<Vec<Jdk>, String> {
    let list = std::env::var_os("OFFHEAP_JDKS")
        .filter(|list| !list.is_empty())
        .ok_or("set OFFHEAP_JDKS to the JAVA_HOMEs to measure, separated by colons")?;
    std::env::split_paths(&list).map(Jdk::at).collect()
}

/// Compiles a Maven project of this repository; the class path of its programs and of all they need.
pub(crate) fn maven(project: &str) -> Result<String, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(project);
    let mut maven = Command::new("mvn");
    maven.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(project));
    maven.args(["-q", "-B", "process-classes"]);
    maven.arg(format!("-Dbuild.folder={}", target.display()));
    match maven.output() {
        Ok(output) if output.status.success() => {
            Ok(format!("{0}/classes:{0}/lib/*", target.display()))
        }
        Ok(output) => Err(format!(
            "{maven:?} ended with {}; it needs a JDK from 11 on, and at first the network\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        )),
        Err(error) => Err(format!("mvn: {error}; Debian's package is maven")),
    }
}

/// A Java program that prints figures, a line each, some of them when it is told to go on.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
    command: String,
}

impl Running {
    pub(crate) fn start(mut java: Command) -> Result<Self, String> {
        let command = format!("{java:?}");
        java.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = java.spawn().map_err(|error| format!("{command}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        Ok(Self { child, lines: BufReader::new(stdout), command })
    }

    pub(crate) fn number(&mut self) -> Result<f64, String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).map_err(|error| format!("{}: {error}", self.command))?;
        line.trim().parse().map_err(|error| format!("{}: {error}: '{line}'", self.command))
    }

    pub(crate) fn go_on(&mut self) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        let told = stdin.write_all(b"\n").and_then(|()| stdin.flush());
        told.map_err(|error| format!("{}: {error}", self.command))
    }

    /// Tells it that nothing comes any more, and waits for its end.
    pub(crate) fn end(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: {status}", self.command)),
            Err(error) => Err(format!("{}: {error}", self.command)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, or of no more use.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the programs, not always the same one first, and asks them in turn for so many figures each: what
/// else the machine does falls on all alike. What they print while others start, and so many figures to
/// warm up, are not counted.
pub(crate) fn in_turn<const N: usize>(
    programs: [Command; N],
    pair: usize,
    (warm_up, rounds): (usize, usize),
) -> Result<[Vec<f64>; N], String> {
    let mut programs: Vec<(usize, Command)> = programs.into_iter().enumerate().collect();
    programs.rotate_left(pair % N);
    let mut all = Vec::new();
    for (place, program) in programs {
        let mut program = Running::start(program)?;
        program.number()?;
        all.push((place, program, Vec::new()));
    }
    for round in 0..warm_up + rounds {
        for (_, program, figures) in &mut all {
            program.go_on()?;
            let figure = program.number()?;
            if round >= warm_up {
                figures.push(figure);
            }
        }
        all.rotate_left(1);
    }
    all.sort_by_key(|(place, ..)| *place);
    let mut figures = Vec::new();
    for (_, program, of_it) in all {
        program.end()?;
        figures.push(of_it);
    }
    let mut figures = figures.into_iter();
    Ok(std::array::from_fn(|_| figures.next().unwrap_or_default()))
}

/// The value below which so many quarters of them lie.
pub(crate) fn quantile(values: &mut [f64], quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = quarters * values.len().saturating_sub(1);
    let value = |place: usize| values.get(place).or(values.last()).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at / 4), value(at / 4 + 1));
    low + (high - low) * f64::from(u8::try_from(at % 4).unwrap_or(0)) / 4.0
}
