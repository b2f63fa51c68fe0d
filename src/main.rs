//! The `offheap` command: finds the subcommand, runs it, reports its failure.

mod ask;
mod demo;
mod install;
mod jdk;
mod run;
mod top;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "\
offheap: the JDK's off-heap half, for C and for Java

offheap run [OPTIONS] -- COMMAND [ARGS...]
    Runs a Java program, unmodified, on our natives, and reports at its end: offheap run -- java
    -jar app.jar. Any other command, a start script say, finds the agent in JAVA_TOOL_OPTIONS.
    Exit code, signals and terminal are the command's.
      --limit SIZE             at most this much memory below the heap: 64m, 2g, 50%
      --natives LIST           which natives are ours: memory,net,nio; by default all
      --allocator offheap|jdk  where blocks come from; jdk: the JVM, we only count and limit
      --report FILE|stderr     where the report goes, by default stderr; %p in FILE is the process
      --format text|json|collapsed|html|prometheus
                               what it looks like
      --sample SIZE            of so many bytes one is looked at: who took it; by default 512k
      --icebergs report|collect
                               the report tells which buffers only wait for a collection; collect:
                               and one is asked for when they are many
      --share N%               what many is: so much of the limit, by default 20%
      --interval TIME          how often the heap is looked at for that, at most, by default 30s
      --misuse off|warn|abort  what is done about blocks freed twice, or that are none
      --guard N%               of the blocks so many fault where they are used after their end
      --serve on|off           whether `offheap report` and `offheap top` can ask; by default on
      --metrics FILE|PORT      for Prometheus: a file written every 10 s, or HTTP at [HOST:]PORT
      --verbose                says what is bound
      --strict                 fails where the JVM would else go on with a native of its own
offheap report PID [OPTIONS]
    Prints a report of a running JVM that has the agent: who holds what below its heap.
      --format text|json|collapsed|html|prometheus
                               what it looks like, by default text
      --mark                   the next report tells growth from this one on
      --icebergs               looks which buffers can still be reached, and what kind each block
                              is; that stops the program
      --output FILE            puts it into FILE
offheap top PID [OPTIONS]
    Shows the same again and again, and how fast it grows. Keys are in the last line. Without a
    terminal it prints a block of text each time.
      --interval SECONDS       between two looks, by default 1
      --sort bytes|growth|blocks|age
                               what comes first, by default what holds most bytes
      --count N                ends after N looks
offheap demo [FILE]
    Runs an unmodified Java program on a stock JVM and on our natives, side by side. Then moves a
    real file (by default the JDK's own image) through our socket streams and buffers, compares
    what arrives, and drives the budget to its limit. Needs a JDK and Maven, and a checkout:
    cargo run --release -- demo
offheap install --prefix DIR [--destdir DIR]
    Copies the C header, the libraries and offheap.pc below DIR. With --destdir they are put
    below that folder instead, for a package to move to DIR later.
offheap --version
offheap --help
";

/// Why the command did not do its work.
#[derive(Debug)]
enum Failure {
    /// It was called wrongly: exit code 2.
    Usage(String),
    /// It could not: exit code 1.
    Work(String),
    /// The program it was to become could not be started: the exit code a shell has for it.
    Start(u8, String),
}

fn main() -> ExitCode {
    let (code, message) = match dispatch(std::env::args_os().skip(1).collect()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (2, message + "\n`offheap --help` shows what there is"),
        Err(Failure::Work(message)) => (1, message),
        Err(Failure::Start(code, message)) => (code, message),
    };
    eprintln!("offheap: {message}");
    ExitCode::from(code)
}

fn dispatch(arguments: Vec<OsString>) -> Result<(), Failure> {
    let mut arguments = arguments.into_iter();
    let Some(command) = arguments.next() else {
        return Err(Failure::Usage("a command is missing".to_owned()));
    };
    match command.to_str() {
        Some("demo") => demo::run(arguments),
        Some("run") => run::run(arguments),
        Some("report") => watch::run(arguments),
        Some("top") => top::run(arguments),
        Some("install") => install::run(arguments),
        Some("--version" | "-V") => print(concat!("offheap ", env!("CARGO_PKG_VERSION"), "\n")),
        Some("--help" | "-h") => print(USAGE),
        _ => Err(Failure::Usage(format!("no such command: {}", command.display()))),
    }
}

/// Writes to stdout; a closed one is a failure, not a panic.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::Work(format!("stdout: {error}")))
}
