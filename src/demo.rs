//! `offheap demo`: finds a JDK, runs an unmodified Java program on the stock JVM and on our natives
//! and compares, then builds the Java library and runs the program that moves a file through it.

use crate::install::find_libraries;
use crate::jdk::{self, Jdk};
use crate::run::agentpath;
use crate::{Failure, print};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program that uses our Java library; it and the next are in `java/src/demo`.
const MAIN: &str = "Demo";

/// The one that knows nothing of us.
const UNMODIFIED: &str = "Unmodified";

const REPORT: &str = "report.json";

/// `demo [FILE]`: moves the file, or the JDK's own image.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let file = arguments.next().map(|file| existing(Path::new(&file))).transpose()?;
    if let Some(more) = arguments.next() {
        return Err(Failure::Usage(format!("demo: one FILE, not also {}", more.display())));
    }
    let java = java_folder()?;
    // Not the folder of `mvn package`: that jar is the user's.
    let target = java.with_file_name("target").join("demo");
    let jdk = jdk::find().map_err(Failure::Work)?;
    let library = find_libraries()?.join("liboffheap.so");
    say(&format!("JDK {} in {}", jdk.version, jdk.home.display()));
    compare(&java, &target, &jdk, &library)?;
    say("building the Java library (Maven; the first time it fetches its plugins)");
    let jar = build_jar(&java, &target, &jdk, &library)?;
    let classes = compile(&java, &target, &jdk, MAIN, Some(&jar))?;

    let mut program = Command::new(jdk.tool("java"));
    program.arg(format!("-Dio.offheap.demo.terminal={}", std::io::stderr().is_terminal()));
    if jdk.version >= 17 {
        program.arg("--enable-native-access=ALL-UNNAMED");
    }
    program.arg("-cp").arg(class_path(&[&jar, &classes])?).arg(class(MAIN)).args(file);
    let status = program.status().map_err(|error| cannot_start(&program, &error, "a JDK"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Work(format!("the demo ended with {status}")))
    }
}

fn say(text: &str) {
    eprintln!("demo: {text}");
}

/// The source of the Java library, in the checkout.
fn java_folder() -> Result<PathBuf, Failure> {
    let checkout = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from);
    if let Ok(java) = checkout.join("java").canonicalize()
        && java.join("pom.xml").is_file()
    {
        return Ok(java);
    }
    Err(Failure::Work(
        "the demo builds the Java library from its source: run it in a checkout of offheap, with \
         cargo run --release -- demo"
            .to_owned(),
    ))
}

fn existing(file: &Path) -> Result<PathBuf, Failure> {
    let found = file.canonicalize().and_then(|path| path.metadata().map(|meta| (path, meta)));
    match found {
        Ok((path, meta)) if meta.is_file() => Ok(path),
        Ok(_) => Err(Failure::Usage(format!("demo: {} is no file", file.display()))),
        Err(error) => Err(Failure::Usage(format!("demo: {}: {error}", file.display()))),
    }
}

/// `offheap-VERSION.jar` in `target`, with the native library inside.
fn build_jar(java: &Path, target: &Path, jdk: &Jdk, library: &Path) -> Result<PathBuf, Failure> {
    let mut maven = Command::new("mvn");
    maven.current_dir(java).env("JAVA_HOME", &jdk.home);
    maven.args(["-q", "-B", "package", "-Dmaven.test.skip=true"]);
    maven.arg(format!("-Doffheap.library={}", library.display()));
    maven.arg(format!("-Dbuild.folder={}", target.display()));
    succeed(&mut maven, "Maven (Debian: apt install maven)")?;
    Ok(target.join(concat!("offheap-", env!("CARGO_PKG_VERSION"), ".jar")))
}

/// The classes of one program, compiled with `library` on its class path or with nothing but the
/// JDK.
fn compile(
    java: &Path,
    target: &Path,
    jdk: &Jdk,
    program: &str,
    library: Option<&Path>,
) -> Result<PathBuf, Failure> {
    let classes = target.join(format!("{program}-classes"));
    let source = java.join(format!("src/demo/java/io/offheap/demo/{program}.java"));
    let mut javac = Command::new(jdk.tool("javac"));
    // Without an entry javac would take CLASSPATH.
    javac.arg("-cp").arg(library.unwrap_or(&classes)).arg("-d").arg(&classes).arg(source);
    succeed(&mut javac, "a JDK with a compiler")?;
    Ok(classes)
}

fn class(program: &str) -> String {
    format!("io.offheap.demo.{program}")
}

/// Runs a program that knows nothing of us on the stock JVM and with the agent. Whatever it prints
/// must be the same, and our natives must have been at work.
fn compare(java: &Path, target: &Path, jdk: &Jdk, library: &Path) -> Result<(), Failure> {
    let classes = compile(java, target, jdk, UNMODIFIED, None)?;
    let class_path = class_path(&[&classes])?;
    let report = target.join(REPORT);
    // An earlier run's must not pass for this one's; that there is none is the usual case.
    let _ = std::fs::remove_file(&report);
    // Relative: the folder may have a comma in its name, which ends an option of the agent.
    let agent = agentpath(library, OsStr::new(&format!("report={REPORT},format=json")))?;
    let run = |agent: Option<&OsStr>| {
        let mut program = Command::new(jdk.tool("java"));
        program.args(agent).arg("-Xmx256m").arg("-cp").arg(&class_path).arg(class(UNMODIFIED));
        program.current_dir(target).stdin(Stdio::null());
        program.output().map_err(|error| cannot_start(&program, &error, "a JDK"))
    };
    say("one unmodified Java program, first on the stock JVM, then with the agent");
    let stock = run(None)?;
    if !stock.status.success() {
        return Err(failed(&format!("the stock JVM ended with {}", ending(&stock))));
    }
    let ours = run(Some(&agent))?;
    print(&table(&stock.stdout, &ours.stdout))?;
    if stock.status != ours.status {
        return Err(failed(&format!("with the agent it ended with {}", ending(&ours))));
    }
    for (what, stock, ours) in
        [("output", &stock.stdout, &ours.stdout), ("stderr", &stock.stderr, &ours.stderr)]
    {
        if stock != ours {
            let [stock, ours] = [stock, ours].map(|text| String::from_utf8_lossy(text));
            let message = format!("{what} with the agent is not the stock JVM's");
            return Err(failed(&format!("{message}: {ours:?} instead of {stock:?}")));
        }
    }
    let report = std::fs::read_to_string(&report)
        .map_err(|error| failed(&format!("the agent's report {}: {error}", report.display())))?;
    print(&summary(&report).map_err(|why| failed(&why))?)
}

/// The last line of stdout is the demo's verdict, whoever comes to it.
fn failed(why: &str) -> Failure {
    // If even that can't be said, the failure itself still is, on stderr.
    let _ = print(&format!("demo: FAILED: {}\n", why.trim_end().replace('\n', " | ")));
    Failure::Work("the demo failed".to_owned())
}

fn ending(output: &Output) -> String {
    match String::from_utf8_lossy(&output.stderr) {
        nothing if nothing.is_empty() => output.status.to_string(),
        said => format!("{}: {said}", output.status),
    }
}

/// What the program printed both times, `key: value` by `key: value`.
fn table(stock: &[u8], ours: &[u8]) -> String {
    let [stock, ours] = [stock, ours].map(|text| String::from_utf8_lossy(text));
    let (mut stock, mut ours) = (stock.lines(), ours.lines());
    let mut table = row("what", "stock", "on offheap");
    loop {
        let (left, right) = (stock.next(), ours.next());
        let Some(line) = left.or(right) else { return table + "\n" };
        let (key, _) = line.split_once(": ").unwrap_or((line, ""));
        let value = |line: Option<&str>| match line.map(|line| line.split_once(": ")) {
            None => "(nothing)".to_owned(),
            Some(Some((other, value))) if other == key => shortened(value),
            Some(_) => shortened(line.unwrap_or_default()),
        };
        table += &row(key, &value(left), &value(right));
        if left != right {
            table += "  ^ not the same\n";
        }
    }
}

fn row(what: &str, stock: &str, ours: &str) -> String {
    format!("{what:<25} {stock:<34} {ours}\n")
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(33) {
        Some(_) => value.chars().take(30).chain("...".chars()).collect(),
        None => value.to_owned(),
    }
}

/// What the agent says of the run; a failure if our natives had no part in it.
fn summary(report: &str) -> Result<String, String> {
    let wrong = |what: &dyn Display| format!("the agent's report: {what}");
    let report: Value = serde_json::from_str(report).map_err(|error| wrong(&error))?;
    let number = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_u64).ok_or_else(|| wrong(&pointer))
    };
    let natives = report.get("natives").and_then(Value::as_array).into_iter().flatten();
    let calls: Vec<u64> = natives
        .filter_map(|native| native.get("answered").and_then(Value::as_u64))
        .filter(|calls| *calls > 0)
        .collect();
    if calls.is_empty() {
        return Err("the program ran, but none of our natives was called".to_owned());
    }
    Ok(format!(
        "{} of our natives answered {} calls; at the end {} bytes below the heap were live, at the \
         peak {}\n\n",
        calls.len(),
        calls.iter().sum::<u64>(),
        number("/memory/live_bytes")?,
        number("/memory/peak_bytes")?
    ))
}

fn class_path(entries: &[&Path]) -> Result<OsString, Failure> {
    std::env::join_paths(entries)
        .map_err(|error| Failure::Work(format!("the checkout can't be in a class path: {error}")))
}

/// Runs a build step; its output is shown only if it fails.
fn succeed(step: &mut Command, package: &str) -> Result<(), Failure> {
    let output = step.output().map_err(|error| cannot_start(step, &error, package))?;
    if output.status.success() {
        return Ok(());
    }
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Work(format!("{step:?} ended with {}:\n{out}{err}", output.status)))
}

fn cannot_start(step: &Command, error: &std::io::Error, package: &str) -> Failure {
    let program = step.get_program().display();
    Failure::Work(format!("can't start {program}: {error}; it comes with {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_lines_stand_side_by_side() {
        let long = format!("b: {}\n", "x".repeat(34));
        let text = format!("a key: 1\n{long}");
        let shown = table(text.as_bytes(), text.as_bytes());
        let short = format!("{}...", "x".repeat(30));
        let expected = row("what", "stock", "on offheap")
            + &row("a key", "1", "1")
            + &row("b", &short, &short)
            + "\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_line_that_differs_is_marked_even_where_it_is_cut() {
        let x = "x".repeat(40);
        for (stock, ours) in [
            ("a: 1\n".to_owned(), "a: 2\n".to_owned()),
            (format!("a: {x}1\n"), format!("a: {x}2\n")),
            ("a: 1\n".to_owned(), String::new()),
            (String::new(), "a: 1\n".to_owned()),
            ("a: 1\n".to_owned(), "b: 1\n".to_owned()),
            ("a: 1\n".to_owned(), "no key\n".to_owned()),
        ] {
            let shown = table(stock.as_bytes(), ours.as_bytes());
            assert_eq!(shown.matches("^ not the same").count(), 1, "{stock}{ours}{shown}");
        }
        let shown = table(b"a: 1\n", b"b: 1\n");
        assert!(shown.contains(&row("a", "1", "b: 1")), "{shown}");
    }

    #[test]
    fn a_run_without_our_natives_is_a_failure() {
        let report = |first: u64| {
            let second = r#"{"name":"b","answered":0,"passed":7}"#;
            let memory = r#"{"live_bytes":3,"peak_bytes":9}"#;
            format!(r#"{{"natives":[{{"answered":{first}}},{second}],"memory":{memory}}}"#)
        };
        let none = "the program ran, but none of our natives was called";
        assert_eq!(summary(&report(0)).expect_err("no call"), none);
        let said = summary(&report(2)).expect("a good report");
        assert!(said.starts_with("1 of our natives answered 2 calls; "), "{said}");
        assert!(said.contains(" 3 bytes ") && said.ends_with(" 9\n\n"), "{said}");
    }

    #[test]
    fn a_report_that_is_not_the_agents_is_a_failure() {
        for report in ["", "{", "{}", r#"{"natives":[{"answered":1}],"memory":{"live_bytes":1}}"#] {
            assert!(summary(report).is_err(), "{report}");
        }
    }
}
