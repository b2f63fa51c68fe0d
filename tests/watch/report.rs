//! `offheap report`: what it prints, and what it says when there is nothing to print.

use crate::common::jdk::{self, Jdk, on_each};
use crate::program::{LARGE, Program, SMALL};
use crate::{offheap, refused};
use offheap::report::Format;
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The report of that process, with these options.
pub(crate) fn report(pid: &str, options: &[&str]) -> String {
    let finished = offheap(&[&["report", pid], options].concat());
    assert!(finished.status.success(), "{options:?}: {}", finished.output);
    finished.output
}

pub(crate) fn json(pid: &str, options: &[&str]) -> Value {
    let report = report(pid, &[options, &["--format=json"]].concat());
    serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}\n{report}"))
}

/// The one site whose owner is this method.
fn site<'a>(report: &'a Value, method: &str) -> &'a Value {
    let of_method = |site: &&Value| site["owner"].as_str().is_some_and(|o| o.starts_with(method));
    let sites: Vec<_> =
        report["sites"].as_array().expect("sites").iter().filter(of_method).collect();
    assert_eq!(sites.len(), 1, "{method} in {report:#}");
    sites[0]
}

fn assert_holds(jdk: &Jdk, report: &Value, (method, bytes, blocks): (&str, u64, u64)) {
    let site = site(report, method);
    assert_eq!(site["live_bytes"], bytes, "JDK {}: {site:#}", jdk.version);
    assert_eq!(site["live_blocks"], blocks, "JDK {}: {site:#}", jdk.version);
}

#[test]
fn every_format_has_what_the_program_holds() {
    on_each(jdk::all(), |jdk| {
        let program = Program::start(jdk);
        let pid = program.pid();
        let json = json(&pid, &[]);
        assert_eq!(json["pid"], u64::from(program.child.id()), "JDK {}", jdk.version);
        assert_holds(jdk, &json, LARGE);
        assert_holds(jdk, &json, SMALL);
        let text = report(&pid, &[]);
        assert!(text.contains("direct buffer: Growing.large:"), "JDK {}: {text}", jdk.version);
        let collapsed = report(&pid, &["--format", "collapsed"]);
        let line = collapsed.lines().find(|line| line.contains("Growing.large:"));
        let line = line.unwrap_or_else(|| panic!("JDK {}: {collapsed}", jdk.version));
        assert!(line.starts_with("Growing.main:") && line.ends_with(" 20000000"), "{line}");
        if Format::named("html").is_some() {
            let html = report(&pid, &["--format=html"]).to_ascii_lowercase();
            assert!(html.contains("<html") && html.contains("growing.large"), "{html}");
        }
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
    });
}

#[test]
fn growth_is_told_from_the_report_that_was_marked_and_from_no_other() {
    on_each(jdk::all(), |jdk| {
        let mut program = Program::start(jdk);
        let pid = program.pid();
        let growth =
            |options: &[&str]| site(&json(&pid, options), LARGE.0)["growth_bytes"].as_i64();
        assert_eq!(growth(&["--mark"]), Some(20_000_000), "JDK {}", jdk.version);
        program.tell("grow", "grow 1021");
        for _ in 0..2 {
            assert_eq!(growth(&[]), Some(1_000_000), "JDK {}", jdk.version);
        }
        let top = offheap(&["top", &pid, "--count=2", "--interval=0.1"]);
        assert!(top.status.success(), "{}", top.output);
        assert_eq!(growth(&["--mark"]), Some(1_000_000), "top must not move the mark");
        assert_eq!(growth(&[]), Some(0), "JDK {}", jdk.version);
    });
}

#[test]
fn a_report_goes_to_the_file_that_is_named() {
    let program = Program::start(&jdk::all()[0]);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watch-report.txt");
    fs::write(&file, "old").expect("a file");
    let printed = report(&program.pid(), &["--output", file.to_str().expect("UTF-8")]);
    assert_eq!(printed, "");
    let written = fs::read_to_string(&file).expect("the report");
    assert!(written.contains("Growing.large:"), "{written}");
    let said = refused(&["report", &program.pid(), "--output", "/no/such/folder/file"]);
    assert!(said.contains("/no/such/folder/file: No such file"), "{said}");
}

#[test]
fn what_can_not_be_asked_is_named_with_its_cause_and_cure() {
    let mut ended = Command::new("true").spawn().expect("true");
    ended.wait().expect("its end");
    for command in ["report", "top"] {
        let said = refused(&[command, &ended.id().to_string()]);
        assert!(said.contains("there is no process") && said.contains("pgrep"), "{said}");
        let said = refused(&[command, &std::process::id().to_string()]);
        assert!(said.contains("is no JVM with the agent; start it with `offheap run"), "{said}");
    }
    on_each(jdk::all(), |jdk| {
        let stock = Program::start_with(jdk, None);
        let said = refused(&["report", &stock.pid()]);
        assert!(said.contains("is no JVM with the agent"), "JDK {}: {said}", jdk.version);
        let program = Program::start(jdk);
        let said = refused(&["report", &program.pid(), "--format=xml"]);
        assert!(said.contains("bad format \"xml\"; allowed: "), "JDK {}: {said}", jdk.version);
    });
}

#[test]
fn another_user_is_refused_and_told_whom_to_ask_as() {
    let program = Program::start(&jdk::all()[0]);
    report(&program.pid(), &[]); // now the socket is there
    let as_nobody = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offheap"));
        command.args(["report", &program.pid()]).uid(65534).gid(65534);
        command.output()
    };
    let Ok(asked) = as_nobody() else {
        eprintln!("not tested: only root can become another user");
        return;
    };
    let said = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("ask as the user it runs as, or as root"), "{said}");

    // Nor does it help that he can connect.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(program.socket(), everybody).expect("our socket");
    let asked = as_nobody().expect("a process");
    let said = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("root may ask, and this is user 65534"), "{said}");
    assert_eq!(program.end(), "");
}

#[test]
fn a_process_in_a_container_is_asked_by_its_number_here() {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]);
    // The project may itself lie in the folder that another one is put over,
    // and has then to be found again at its place there.
    let another_tmp = r#"project=$0 tmp=$1 && shift && mkdir -p "$tmp/${project#/tmp/}" &&
        mount --bind "$project" "$tmp/${project#/tmp/}" && mount --rbind "$tmp" /tmp && exec "$@""#;
    unshare.args(["sh", "-c", another_tmp, env!("CARGO_MANIFEST_DIR")]);
    unshare.arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("watch-tmp"));
    let program = Program::start_in(unshare, &jdk::all()[0], "sample=0").ready();
    let (pid, children) =
        (program.pid(), format!("/proc/{0}/task/{0}/children", program.child.id()));
    let java = fs::read_to_string(children).expect("the children");
    assert!(!program.socket().exists(), "{pid}");
    let report = json(java.trim(), &[]);
    assert_eq!(report["pid"], 1, "{report:#}");
    site(&report, LARGE.0);
    assert_eq!(program.end(), "");
}
