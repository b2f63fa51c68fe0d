//! `offheap demo`: finds a JDK, builds the Java library, and runs the Java program that moves a
//! file through it.

use crate::Failure;
use crate::install::find_libraries;
use crate::jdk::{self, Jdk};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Java main class, in `java/src/demo`.
const MAIN: &str = "io.offheap.demo.Demo";

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
    say("building the Java library (Maven; the first time it fetches its plugins)");
    let jar = build_jar(&java, &target, &jdk, &library)?;
    let classes = compile_demo(&java, &target, &jdk, &jar)?;

    let mut program = Command::new(jdk.tool("java"));
    program.arg(format!("-Dio.offheap.demo.terminal={}", std::io::stderr().is_terminal()));
    if jdk.version >= 17 {
        program.arg("--enable-native-access=ALL-UNNAMED");
    }
    program.arg("-cp").arg(class_path(&[&jar, &classes])?).arg(MAIN).args(file);
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

fn compile_demo(java: &Path, target: &Path, jdk: &Jdk, jar: &Path) -> Result<PathBuf, Failure> {
    let classes = target.join("demo-classes");
    let source = java.join("src/demo/java/io/offheap/demo/Demo.java");
    let mut javac = Command::new(jdk.tool("javac"));
    javac.arg("-d").arg(&classes).arg("-cp").arg(jar).arg(source);
    succeed(&mut javac, "a JDK with a compiler")?;
    Ok(classes)
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
