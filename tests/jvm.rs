//! The Java library and the exported natives in real JVMs: JUnit on every JDK, and the JDK's own
//! socket streams side by side with ours.
//!
//! One JUnit test alone: `OFFHEAP_JUNIT="--select-method=io.offheap.BitsTest#name"
//! cargo test --test jvm junit_passes_with_jni_checks`.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

mod common {
    pub(crate) mod c;
    pub(crate) mod child;
    pub(crate) mod jdk;
    pub(crate) mod library;
    pub(crate) mod trace;
}

use common::{c, child, jdk, library, trace};
use jdk::{Jdk, class_path, java_library, on_each, programs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Longer than a run of all of JUnit takes on a busy machine.
const JUNIT_LIMIT: Duration = Duration::from_secs(300);
/// Longer than any other of these runs takes.
const LIMIT: Duration = Duration::from_secs(60);

/// What `-Xcheck:jni` complains of.
fn complaints(output: &str) -> BTreeSet<String> {
    let complains = |line: &&str| {
        line.contains("in native method")
            || line.contains("JNI local refs")
            || line.contains("JNI call made")
    };
    output.lines().filter(complains).map(str::to_owned).collect()
}

/// Runs JUnit where there is a folder mounted noexec, for the loader's tests.
fn junit(jdk: &Jdk, flags: &[&str]) -> String {
    let made = java_library().parent().expect("Maven's folder");
    let test_classes = made.join("test-classes");
    let console = made.join("test-lib/junit-platform-console-standalone.jar");
    let java = jdk.java();
    let mut unshare = Command::new("unshare");
    jdk::without_cargos_path(&mut unshare);
    unshare.args(["--map-root-user", "--mount", "sh", "-ec"]);
    unshare.arg("mount -t tmpfs -o noexec none \"$0\"; exec \"$@\"").arg(noexec_folder());
    unshare.arg(java.get_program()).args(java.get_args()).args(flags).arg("-cp");
    unshare.arg(class_path(&[java_library(), &test_classes, &console]));
    unshare.args(["org.junit.platform.console.ConsoleLauncher", "execute", "--disable-banner"]);
    unshare.args(["--disable-ansi-colors", "--details=tree", "--fail-if-no-tests"]);
    match std::env::var("OFFHEAP_JUNIT") {
        Ok(selection) => unshare.args(selection.split_whitespace()),
        Err(_) => unshare.arg(format!("--scan-class-path={}", test_classes.display())),
    };
    let run = child::run(&mut unshare, JUNIT_LIMIT, "util-linux");
    assert!(run.status.success(), "JDK {}: {unshare:?}\n{}", jdk.version, run.output);
    for none in ["[         0 tests failed", "[         0 tests skipped"] {
        assert!(run.output.contains(none), "{unshare:?}\n{}", run.output);
    }
    assert_eq!(left_out(&run.output, jdk.version), [""; 0], "JDK {}", jdk.version);
    run.output
}

fn noexec_folder() -> PathBuf {
    let folder = scratch().join("noexec");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The tests that JUnit left out for another reason than that this Java has not got their matter.
fn left_out(output: &str, version: u32) -> Vec<&str> {
    let reasons = [
        (version < 9, "Java 9 has them first"),
        (version < 24, "Java 24 and later deny"),
        (version < 21, "Java 21 has them first"),
        (version > 12, "Java 12 has them last"),
    ];
    output
        .lines()
        .filter(|line| line.contains("Assumption failed"))
        .filter(|line| !reasons.iter().any(|(holds, reason)| *holds && line.ends_with(reason)))
        .collect()
}

#[test]
fn junit_passes_with_jni_checks() {
    on_each(jdk::all(), |jdk| {
        let ours = complaints(&junit(jdk, &["-Xcheck:jni"]));
        let stock = complaints(&cases(jdk, Streams::Stock, &["-Xcheck:jni"]));
        assert!(ours.is_subset(&stock), "JDK {}: ours {ours:#?}\nstock {stock:#?}", jdk.version);
    });
}

#[test]
fn junit_passes_interpreted() {
    on_each(jdk::all(), |jdk| drop(junit(jdk, &["-Xint"])));
}

/// Our classes and their natives' wrappers are compiled before their first call.
#[test]
fn junit_passes_compiled() {
    let flags =
        ["-Xcomp", "-XX:CompileCommand=quiet", "-XX:CompileCommand=compileonly,io/offheap/*.*"];
    on_each(jdk::all(), |jdk| drop(junit(jdk, &flags)));
}

const SONAME: &str = concat!("liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR"));

/// A folder for what these tests make.
fn scratch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jvm");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    })
}

/// A library of `tests/c` that is linked to ours.
fn linked_to_ours(source: &str) -> PathBuf {
    let mut arguments = c::jni_includes();
    arguments.push(scratch().join(SONAME).display().to_string());
    arguments.push(format!("-Wl,-rpath,{}", scratch().display()));
    c::shared_library(source, scratch(), arguments)
}

/// The library that binds the JDK's socket natives to ours.
fn rebind() -> &'static Path {
    static REBIND: OnceLock<PathBuf> = OnceLock::new();
    REBIND.get_or_init(|| {
        // The library under its soname, which is what the dynamic linker looks for.
        let link = scratch().join(SONAME);
        let _ = std::fs::remove_file(&link);
        let library = library::folder().join("liboffheap.so");
        std::os::unix::fs::symlink(library, link).expect("a link");
        linked_to_ours("rebind")
    })
}

/// Whose streams a program uses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Streams {
    /// The JDK's.
    Stock,
    /// `io.offheap`'s.
    Ours,
    /// The JDK's classes on our natives.
    Rebound,
}

impl Streams {
    fn arguments(self) -> Vec<String> {
        match self {
            Self::Stock => vec!["stock".to_owned()],
            Self::Ours => vec!["ours".to_owned()],
            Self::Rebound => vec!["rebound".to_owned(), rebind().display().to_string()],
        }
    }
}

/// Adds a program of `tests/java` and its arguments to a `java` command.
fn program(java: &mut Command, jdk: &Jdk, class: &str, streams: Streams) {
    let library = library::folder().join("liboffheap.so");
    java.arg(format!("-Dio.offheap.library={}", library.display()));
    java.args(jdk.socket_write0_flags()).arg("-cp").arg(class_path(&[programs(), java_library()]));
    java.arg(class).args(streams.arguments());
}

fn cases(jdk: &Jdk, streams: Streams, flags: &[&str]) -> String {
    let mut java = jdk.java();
    java.args(flags);
    program(&mut java, jdk, "StreamCases", streams);
    let run = child::run(&mut java, LIMIT, "a JDK");
    assert!(run.status.success(), "JDK {}: {java:?}\n{}", jdk.version, run.output);
    // Proof that the natives were ours.
    assert_eq!(run.output.contains("rebind: bound"), streams == Streams::Rebound, "{}", run.output);
    run.output
}

fn assert_same(jdk: &Jdk, what: &str, stock: &str, ours: &str) {
    let complains_of = complaints(stock);
    let lines = |output: &str| -> Vec<String> {
        // What a stock run complains of too, ours may complain of more often.
        let of_the_test = |line: &&str| line.starts_with("rebind:") || complains_of.contains(*line);
        output.lines().filter(|line| !of_the_test(line)).map(str::to_owned).collect()
    };
    let (stock, ours) = (&lines(stock), &lines(ours));
    assert!(stock.len() > 50, "JDK {}: {what}: only {} lines", jdk.version, stock.len());
    let only = |these: &[String], those: &[String]| -> String {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .map(|line| format!("\n    {line}"))
            .collect()
    };
    assert!(
        stock == ours,
        "JDK {}: {what}:\n  stock only:{}\n  ours only:{}",
        jdk.version,
        only(stock, ours),
        only(ours, stock)
    );
}

#[test]
fn streams_do_what_the_jdks_do() {
    rebind();
    on_each(&jdk::with_socket_write0(), |jdk| {
        let stock = cases(jdk, Streams::Stock, &["-Xcheck:jni"]);
        assert_same(jdk, "rebound", &stock, &cases(jdk, Streams::Rebound, &["-Xcheck:jni"]));
        assert_same(jdk, "io.offheap", &stock, &cases(jdk, Streams::Ours, &["-Xcheck:jni"]));
    });
}

/// The system calls on sockets that the program makes.
fn system_calls(jdk: &Jdk, streams: Streams) -> Vec<String> {
    let mut java = jdk.java();
    program(&mut java, jdk, "StreamCalls", streams);
    trace::calls(&java, "sendto,recvfrom,poll", LIMIT)
}

#[test]
fn the_system_calls_are_those_of_the_jdk() {
    rebind();
    on_each(&jdk::with_socket_write0(), |jdk| {
        let stock = system_calls(jdk, Streams::Stock);
        let sends: Vec<&str> =
            stock.iter().filter(|c| c.starts_with("sendto")).map(|c| c.as_str()).collect();
        assert!(sends.len() >= 10, "{stock:#?}");
        assert_eq!(system_calls(jdk, Streams::Rebound), stock, "JDK {} rebound", jdk.version);
        assert_eq!(system_calls(jdk, Streams::Ours), stock, "JDK {} io.offheap", jdk.version);
    });
}

#[test]
fn failing_allocations_are_errors_and_leave_nothing_behind() {
    let failing = c::shared_library("failing_malloc", scratch(), [""; 0]);
    on_each(jdk::all(), |jdk| {
        let mut java = jdk.java();
        java.env("LD_PRELOAD", &failing);
        java.arg("-Xmx64m"); // soon full
        java.arg("-cp").arg(class_path(&[programs(), java_library()])).arg("NoMemory");
        let run = child::run(&mut java, LIMIT, "a JDK");
        assert!(run.status.success(), "JDK {}: {java:?}\n{}", jdk.version, run.output);
        assert!(run.output.ends_with("NoMemory: ok\n"), "{}", run.output);
    });
}

#[test]
fn the_readmes_java_example_runs_on_every_jdk() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/java/SendFile.java");
    let classes = scratch().join("java-example");
    let mut javac = Command::new(jdk::compiler().home.join("bin/javac"));
    javac.args(["--release", "8", "-Xlint:-options", "-d"]).arg(&classes);
    javac.arg("-cp").arg(java_library()).arg(&source);
    let compiled = child::run(&mut javac, LIMIT, "a JDK");
    assert!(compiled.status.success(), "{javac:?}\n{}", compiled.output);
    let length = std::fs::metadata(&source).expect("the example").len();
    on_each(jdk::all(), |jdk| {
        let mut java = jdk.java();
        java.arg("-cp").arg(class_path(&[&classes, java_library()]));
        java.arg("SendFile").arg(&source);
        let run = child::run(&mut java, LIMIT, "a JDK");
        let expected = format!("1048576 bytes reserved in 1 buffer\n{length} bytes arrived\n");
        assert_eq!(run.output, expected, "JDK {}: {java:?}", jdk.version);
    });
}

#[test]
fn a_jni_library_that_is_linked_to_ours_needs_no_java_library_and_disturbs_none() {
    rebind(); // makes the link for the soname
    let dependent = linked_to_ours("dependent");
    // Another copy than the one out of the jar.
    let copy = library::folder().join("liboffheap.so");
    let with_java = class_path(&[programs(), java_library()]);
    let runs = [
        ("alone", &dependent, programs().into()),
        ("before", &dependent, with_java.clone()),
        ("after", &copy, with_java),
    ];
    on_each(jdk::all(), |jdk| {
        for (order, library, class_path) in &runs {
            let mut java = jdk.java();
            java.args(["-Xcheck:jni", "-XX:MaxDirectMemorySize=8m", "-cp"]).arg(class_path);
            java.arg("Dependent").arg(library).arg(order);
            let run = child::run(&mut java, LIMIT, "a JDK");
            assert!(run.status.success(), "JDK {}: {java:?}\n{}", jdk.version, run.output);
            assert!(run.output.ends_with("Dependent: ok\n"), "{java:?}\n{}", run.output);
        }
    });
}

#[test]
fn a_test_that_junit_leaves_out_is_seen() {
    let output = "  a() ok\n  b() Assumption failed: no noexec mount here\n  \
                  c() Assumption failed: Java 21 has them first\n";
    assert_eq!(left_out(output, 17), ["  b() Assumption failed: no noexec mount here"]);
    assert_eq!(left_out(output, 21).len(), 2);
}
