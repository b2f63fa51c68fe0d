//! One program, stock and on our natives.

use crate::common::child::{self, Finished};
use crate::common::jdk::Jdk;
use crate::{agentpath, program, scratch};
use serde_json::Value;
use std::ffi::OsStr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The agent's report on a program.
pub(crate) struct Report(Value);

impl Report {
    /// How many calls of natives so named our library has answered.
    pub(crate) fn answered(&self, class: &str, native: &str) -> u64 {
        let natives = self.0.get("natives").and_then(Value::as_array).expect("natives");
        let is_meant = |of: &&Value| {
            of.get("class") == Some(&class.into()) && of.get("name") == Some(&native.into())
        };
        natives.iter().filter(is_meant).filter_map(|of| of.get("answered")?.as_u64()).sum()
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    pub(crate) fn number(&self, part: &str, name: &str) -> u64 {
        program::number(&self.0, &format!("/{part}/{name}"))
    }
}

/// A program's class path, name and arguments, preceded by flags for the JVM.
pub(crate) type Arguments = [Box<OsStr>];

/// `arguments!["-Xint", "-cp", path, "Main"]`, of strings and paths.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => {
        vec![$(Box::<std::ffi::OsStr>::from(std::ffi::OsStr::new(&$argument))),*]
    };
}
pub(crate) use arguments;

/// Whether a program has failed by a fault of the JDK's own, which it has on our natives, too: it is run again.
pub(crate) type Fault = fn(&Finished) -> bool;

/// Runs the program, which must succeed but for the fault, and gives its output.
pub(crate) fn stock_but(jdk: &Jdk, arguments: &Arguments, limit: Duration, fault: Fault) -> String {
    let mut java = jdk.java();
    java.args(arguments);
    succeed(&format!("JDK {}, stock", jdk.version), &mut java, limit, fault)
}

fn succeed(who: &str, java: &mut Command, limit: Duration, fault: Fault) -> String {
    for _ in 0..3 {
        let run = child::run(java, limit, "a JDK");
        if run.status.success() {
            return run.output;
        }
        assert!(fault(&run), "{who}: {java:?}\n{}", run.output);
        eprintln!("{who}: run again, the fault is the JDK's: {java:?}\n{}", run.output);
    }
    panic!("{who}: three times the JDK's own fault, as said above: {java:?}");
}

/// The same with the agent, its options given; and what it reported.
pub(crate) fn ours(
    jdk: &Jdk,
    options: &str,
    arguments: &Arguments,
    limit: Duration,
) -> (String, Report) {
    ours_but(jdk, options, arguments, limit, |_| false)
}

/// [`ours`], which may have a fault of the JDK's.
pub(crate) fn ours_but(
    jdk: &Jdk,
    options: &str,
    arguments: &Arguments,
    limit: Duration,
    fault: Fault,
) -> (String, Report) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = scratch().join(format!("pair-{}-{number}.json", std::process::id()));
    let mut java = jdk.java();
    java.arg(agentpath(format!("report={},{options}", file.display()).trim_end_matches(',')));
    java.args(arguments);
    let output = succeed(&format!("JDK {}", jdk.version), &mut java, limit, fault);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("JDK {}: {error}: no report of {java:?}\n{output}", jdk.version)
    });
    std::fs::remove_file(&file).expect("the report just read");
    (output, Report(serde_json::from_str(&text).expect("a report in JSON")))
}

/// Runs the program in both ways, and requires the same output of both.
pub(crate) fn same(jdk: &Jdk, arguments: &Arguments, limit: Duration) -> (String, Report) {
    same_but(jdk, arguments, limit, |_| false)
}

/// [`same`], where both may have a fault of the JDK's.
pub(crate) fn same_but(
    jdk: &Jdk,
    arguments: &Arguments,
    limit: Duration,
    fault: Fault,
) -> (String, Report) {
    let stock = stock_but(jdk, arguments, limit, fault);
    let (ours, report) = ours_but(jdk, "", arguments, limit, fault);
    assert_eq!(ours, stock, "JDK {}: {arguments:?}: left with the agent, right stock", jdk.version);
    (ours, report)
}
