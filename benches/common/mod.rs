//! What the benchmarks share: whom they measure, and how they add up.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

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

/// How many pairs are to be run: the number among the arguments, or else `usual`.
pub(crate) fn pairs(usual: usize) -> Result<usize, String> {
    let mut pairs = usual;
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
pub(crate) fn agent() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let library = own.with_file_name("liboffheap.so");
    if library.is_file() { Ok(library) } else { Err(format!("no {}", library.display())) }
}

/// All that are to be measured.
pub(crate) fn jdks() -> Result<Vec<PathBuf>, String> {
    let list = std::env::var_os("OFFHEAP_JDKS")
        .ok_or("set OFFHEAP_JDKS to the JAVA_HOMEs to measure, separated by colons")?;
    Ok(std::env::split_paths(&list).collect())
}

/// Compiles a program of `benches/java`; where its classes are.
pub(crate) fn compile(program: &str) -> Result<PathBuf, String> {
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benches");
    std::fs::create_dir_all(&classes).map_err(|error| error.to_string())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java").join(program);
    let mut javac = Command::new("javac");
    javac.args(["--release", "8", "-Xlint:-options", "-d"]).arg(&classes).arg(&source);
    match javac.status() {
        Ok(status) if status.success() => Ok(classes),
        Ok(status) => Err(format!("javac ended with {status}")),
        Err(error) => Err(format!("javac: {error}; it comes with a JDK from 11 on, on PATH")),
    }
}

/// The first line that the JDK says of itself.
pub(crate) fn version(jdk: &Path) -> String {
    let output = Command::new(jdk.join("bin/java")).arg("-version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

/// The value below which so many quarters of them lie.
pub(crate) fn quantile(values: &mut [f64], quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = quarters * values.len().saturating_sub(1);
    let value = |place: usize| values.get(place).or(values.last()).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at / 4), value(at / 4 + 1));
    low + (high - low) * f64::from(u8::try_from(at % 4).unwrap_or(0)) / 4.0
}
