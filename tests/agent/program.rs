//! Runs of the programs in `tests/java`, and the agent's reports of them.

use crate::common::apart::{self, Apart};
use crate::common::jdk::{Jdk, programs};
use crate::{agentpath, scratch};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longer than all cases take on a busy machine, all code compiled before its first call.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

/// The limit of direct memory, in MiB: small, so that it is soon reached.
pub(crate) const DIRECT: u32 = 32;

/// Where a report of this name goes, without an old one.
pub(crate) fn report_file(name: &str) -> PathBuf {
    let file = scratch().join(format!("{name}.json"));
    let _ = std::fs::remove_file(&file);
    file
}

pub(crate) fn read_report(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", file.display()))
}

/// A `java` for the programs, with the agent if there are options for it.
pub(crate) fn java(jdk: &Jdk, agent_options: Option<&str>) -> Command {
    let mut java = jdk.java();
    java.env_remove("JAVA_TOOL_OPTIONS").env_remove("JDK_JAVA_OPTIONS");
    java.args(agent_options.map(agentpath)).arg(format!("-XX:MaxDirectMemorySize={DIRECT}m"));
    java.arg(format!("-Dsame.direct={DIRECT}"));
    // Messages of exceptions must not depend on when a method is compiled.
    java.arg("-XX:-OmitStackTraceInFastThrow");
    // Should a JVM crash, it says why where Cargo cleans up.
    java.arg(format!("-XX:ErrorFile={}/hs_err_%p.log", env!("CARGO_TARGET_TMPDIR")));
    if jdk.version >= 9 {
        // For the cases that call the JVM's own class.
        java.args(["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"]);
    }
    java.arg("-cp").arg(programs());
    java
}

pub(crate) fn run(java: &mut Command) -> Apart {
    apart::start(java).finish(LIMIT)
}

/// Fails unless both runs printed and ended the same; says where they part.
pub(crate) fn assert_same(what: &str, stock: &Apart, ours: &Apart) {
    if let Some(difference) = difference(stock, ours) {
        panic!("{what}: the agent makes a difference:\n{difference}");
    }
}

pub(crate) fn difference(stock: &Apart, ours: &Apart) -> Option<String> {
    let outputs =
        [("stdout", &stock.stdout, &ours.stdout), ("stderr", &stock.stderr, &ours.stderr)];
    let mut said = String::new();
    for (name, stock, ours) in outputs {
        let (stock, ours): (Vec<_>, Vec<_>) = (stock.lines().collect(), ours.lines().collect());
        let longer = stock.len().max(ours.len());
        let parted = (0..longer).filter(|&i| stock.get(i) != ours.get(i)).take(10);
        for line in parted {
            let shown = |lines: &[&str]| lines.get(line).map_or("nothing", |l| *l).to_owned();
            let (stock, ours) = (shown(&stock), shown(&ours));
            said += &format!("  {name}, line {line}\n    stock: {stock}\n    ours:  {ours}\n");
        }
    }
    if said.is_empty() && (&stock.stdout, &stock.stderr) != (&ours.stdout, &ours.stderr) {
        said += "  the ends of lines\n";
    }
    if stock.status != ours.status {
        said += &format!("  status\n    stock: {}\n    ours:  {}\n", stock.status, ours.status);
    }
    (!said.is_empty()).then_some(said)
}

/// A number of the report.
pub(crate) fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no number {pointer} in {report:#}"))
}

/// The natives of a report that `holds` is true of.
pub(crate) fn natives_where(
    report: &Value,
    holds: impl Fn(&Value) -> bool,
) -> BTreeSet<(&str, &str)> {
    let natives = report["natives"].as_array().expect("natives");
    let named = |native| (text(native, "class"), text(native, "name"));
    natives.iter().filter(|native| holds(native)).map(named).collect()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value:#}"))
}

#[test]
fn a_difference_is_seen() {
    let of = |stdout: &str, stderr: &str, status| Apart {
        status: std::process::ExitStatus::from_raw(status),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    let stock = of("a\nb\n", "e\n", 0);
    assert_eq!(difference(&stock, &of("a\nb\n", "e\n", 0)), None);
    for (other, said) in [
        (of("a\nB\n", "e\n", 0), "stdout, line 1"),
        (of("a\nb\nc\n", "e\n", 0), "stdout, line 2"),
        (of("a\nb", "e\n", 0), "the ends of lines"),
        (of("a\nb\n", "", 0), "stderr, line 0"),
        (of("a\nb\n", "e\n", 256), "status"),
    ] {
        let seen = difference(&stock, &other).unwrap_or_default();
        assert!(seen.contains(said), "{said}: {seen}");
    }
}
