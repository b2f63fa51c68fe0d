//! `offheap run` becomes the program it starts: arguments, environment, exit codes, signals.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

mod common {
    pub(crate) mod child;
    #[expect(dead_code, reason = "the tests that compile Java use the rest")]
    pub(crate) mod jdk;
    pub(crate) mod library;
}

use common::child::{self, Finished};
use common::{jdk, library};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A folder for one test's files, emptied.
fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder below target");
    folder
}

/// `offheap run`, without any options for JVMs in the environment.
fn offheap_run() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offheap"));
    command.arg("run").env_remove("JAVA_TOOL_OPTIONS");
    command
}

/// `offheap run -- sh -c SCRIPT`.
fn script(script: &str) -> Command {
    let mut command = offheap_run();
    command.args(["--", "sh", "-c", script]);
    command
}

fn finish(command: &mut Command) -> Finished {
    child::run(command, LIMIT, "this package")
}

/// How a JVM is told of the library under test.
fn agent(options: &str) -> String {
    format!("-agentpath:{}={options}", library::folder().join("liboffheap.so").display())
}

#[test]
fn a_program_gets_its_arguments_as_they_were_and_the_agent_in_its_environment() {
    let mut command = script(r#"printf '%s\n' "$JAVA_TOOL_OPTIONS" "$X" "$0" "$@""#);
    command.args(["name", "a b", "--", "--strict", "*", ""]).env("X", "kept");
    let options = agent("report=stderr,format=text");
    let finished = finish(&mut command);
    assert!(finished.status.success(), "{}", finished.output);
    assert_eq!(finished.output, format!("{options}\nkept\nname\na b\n--\n--strict\n*\n\n"));
}

#[test]
fn options_become_the_agents_and_the_environments_own_come_first() {
    let mut command = offheap_run();
    command.args(["--limit", "64m", "--natives=memory,net", "--strict", "--report", "/r-%p"]);
    command.args(["--", "printenv", "JAVA_TOOL_OPTIONS"]).env("JAVA_TOOL_OPTIONS", "-Dx=1");
    let options = agent("limit=64m,natives=memory,net,strict,report=/r-%p");
    assert_eq!(finish(&mut command).output, format!("-Dx=1 {options}\n"));
}

#[test]
fn java_itself_gets_the_agent_as_its_first_argument() {
    let java = scratch("java").join("java");
    // Prints its arguments.
    symlink("/bin/echo", &java).expect("a link");
    let mut command = offheap_run();
    command.arg("--").arg(&java).args(["-jar", "app.jar"]);
    let expected = format!("{} -jar app.jar\n", agent("report=stderr,format=text"));
    assert_eq!(finish(&mut command).output, expected);
}

#[test]
fn java_is_found_on_the_path_like_any_program() {
    let folder = scratch("path");
    symlink("/bin/echo", folder.join("java")).expect("a link");
    let mut command = offheap_run();
    command.args(["--report=stderr", "--", "java", "Main"]).env("PATH", folder);
    assert_eq!(finish(&mut command).output, format!("{} Main\n", agent("report=stderr")));
}

#[test]
fn the_exit_code_is_the_programs() {
    for code in [0, 1, 2, 64, 126, 255] {
        let finished = finish(&mut script(&format!("exit {code}")));
        assert_eq!(finished.status.code(), Some(code));
        assert_eq!(finished.output, "", "nothing of ours is printed");
    }
    // PIPE: our own runtime ignores it, the program's must not.
    for (name, number) in [("KILL", 9), ("PIPE", 13)] {
        let killed = finish(&mut script(&format!("kill -{name} $$")));
        assert_eq!(killed.status.signal(), Some(number), "{}", killed.status);
    }
}

/// Starts it with pipes, and reads its first line.
fn start(command: &mut Command) -> (Child, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child::spawn(command).expect("the command");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    (child, line)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", r#"kill -"$1" "$2""#, "sh", name, &pid]).status();
    assert!(sent.expect("sh").success(), "no process {pid} to send {name}");
}

#[test]
fn the_program_has_the_commands_process_id_and_takes_its_signals() {
    // It ends by the signal only, or, so that no failed test leaves it behind, with its input.
    let wait = "while read -r line; do :; done";
    let trap = script(&format!("trap 'exit 43' TERM HUP; echo $$; {wait}"));
    let none = script(&format!("echo $$; {wait}"));
    for (mut command, name, expected) in
        [(trap, "TERM", (Some(43), None)), (none, "INT", (None, Some(2)))]
    {
        let (mut child, line) = start(&mut command);
        assert_eq!(line.trim(), child.id().to_string());
        signal(&child, name);
        let status = child.wait().expect("the child");
        assert_eq!((status.code(), status.signal()), expected, "after SIG{name}");
    }
}

#[test]
fn the_program_reads_the_commands_input() {
    let (mut child, line) = start(&mut script("echo ready; read -r line; [ \"$line\" = hello ]"));
    assert_eq!(line, "ready\n");
    child.stdin.take().expect("a pipe").write_all(b"hello\n").expect("a reader");
    assert!(child.wait().expect("the child").success());
}

#[test]
fn a_program_that_can_not_start_is_named_with_cause_cure_and_a_shells_exit_code() {
    let folder = scratch("start");
    fs::write(folder.join("plain"), "#!/bin/sh\n").expect("a file");
    // Written by another process: a file that is open for writing, be it by a child another test
    // is about to start, can't be executed.
    let orphan = "printf '#!/no/such/interpreter\\n' > orphan && chmod +x orphan";
    let written = Command::new("sh").args(["-c", orphan]).current_dir(&folder).status();
    assert!(written.expect("sh").success());
    for (program, code, cause, cure) in [
        ("no-such-program", 127, "No such file or directory", "add its folder to PATH"),
        ("./no-such-program", 127, "No such file or directory", "give the path of a program"),
        ("./plain", 126, "Permission denied", "chmod +x"),
        ("./orphan", 126, "No such file or directory", "the program its first line names"),
        ("/", 126, "Permission denied", "it is a folder"),
    ] {
        let finished = finish(offheap_run().args(["--", program]).current_dir(&folder));
        let said = finished.output;
        assert_eq!(finished.status.code(), Some(code), "{said}");
        assert!(said.starts_with(&format!("offheap: can't start {program}: {cause}")), "{said}");
        assert!(said.contains(cure) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_wrong_call_starts_nothing_and_has_exit_code_2() {
    for (arguments, expected) in [
        (&["echo", "started"][..], "offheap: run: -- is missing before echo"),
        (&[], "offheap: run: -- and a command are missing"),
        (&["--"], "offheap: run: a command is missing"),
        (&["--heap=1", "--", "echo", "started"], "offheap: run: no such option: --heap"),
        (&["--limit", "--", "echo", "started"], "offheap: run: --limit needs a value"),
        (&["--limit=1,2", "--", "echo", "started"], "offheap: run: --limit can't have a comma"),
    ] {
        let finished = finish(offheap_run().args(arguments));
        assert_eq!(finished.status.code(), Some(2), "{}", finished.output);
        assert!(finished.output.starts_with(expected), "{arguments:?}: {}", finished.output);
        assert!(finished.output.contains("`offheap --help` shows"), "{}", finished.output);
    }
}

#[test]
fn options_that_jdk_8_would_not_see_are_a_warning() {
    for (length, warned) in [(100, false), (1024, true)] {
        let mut command = script("echo started");
        let finished = finish(command.env("JAVA_TOOL_OPTIONS", "x".repeat(length)));
        assert!(finished.output.contains("started"), "{}", finished.output);
        assert_eq!(finished.output.contains("JDK 8 takes no notice"), warned, "{length}");
    }
}

// With the agent, on real JVMs.

#[test]
fn java_runs_with_the_agent_and_its_report_is_the_last_thing_on_stderr() {
    jdk::on_each(jdk::all(), |jdk| {
        let java = jdk.home.join("bin/java");
        let stock = Command::new(&java).arg("-version").output().expect("java");
        let ours = offheap_run().arg("--").arg(java).arg("-version").output().expect("offheap");
        let [stock_err, err] = [&stock.stderr, &ours.stderr].map(|e| String::from_utf8_lossy(e));
        assert!(ours.status.success(), "{err}");
        assert_eq!(ours.stdout, stock.stdout, "{err}");
        let report = err.strip_prefix(&*stock_err).unwrap_or_else(|| panic!("{stock_err}\n{err}"));
        assert!(report.contains("allocateMemory"), "{err}");
    });
}

#[test]
fn a_script_starts_its_jvm_with_the_agent_whatever_the_librarys_folder_is_called() {
    let folder = scratch("script").join("it's a \"folder\" %p");
    fs::create_dir_all(folder.join("deps")).expect("a folder");
    // Links, not copies: a file that is open for writing can't be executed.
    fs::hard_link(env!("CARGO_BIN_EXE_offheap"), folder.join("offheap")).expect("a link");
    for name in ["liboffheap.so", "liboffheap.a"] {
        let link = folder.join("deps").join(name);
        fs::hard_link(library::folder().join(name), link).expect("a link");
    }
    jdk::on_each(jdk::all(), |jdk| {
        let report = format!("report-{}-%p.json", jdk.version);
        let mut command = Command::new(folder.join("offheap"));
        command.env_remove("JAVA_TOOL_OPTIONS").current_dir(&folder);
        command.args(["run", "--format=json", "--report", &report, "--", "sh", "-c"]);
        // The report goes where the caller stands, not where the JVM runs.
        command.arg(r#"cd / && "$0" -version & echo "process $!"; wait $!"#);
        let finished = finish(command.arg(jdk.home.join("bin/java")));
        assert!(finished.status.success(), "{}", finished.output);
        let process = finished.output.lines().find_map(|line| line.strip_prefix("process "));
        let name = report.replace("%p", process.expect("the process"));
        let json = fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| {
            panic!("{name}: {error}\n{}", finished.output);
        });
        assert!(json.starts_with('{'), "{json}");
    });
}

#[test]
fn the_agent_refuses_a_bad_value_before_the_jvm_starts() {
    jdk::on_each(jdk::all(), |jdk| {
        for (option, named) in [
            ("--limit=many", "limit"),
            ("--natives=gpu", "natives"),
            ("--allocator=x", "allocator"),
        ] {
            let mut command = offheap_run();
            command.args([option, "--"]).arg(jdk.home.join("bin/java")).arg("-version");
            let finished = finish(&mut command);
            assert_eq!(finished.status.code(), Some(64), "{}", finished.output);
            assert!(finished.output.contains(named), "{}", finished.output);
            assert!(!finished.output.contains("Runtime Environment"), "{}", finished.output);
        }
    });
}

#[test]
fn a_jvm_gives_its_own_exit_code_with_the_agent_too() {
    jdk::on_each(jdk::all(), |jdk| {
        let mut command = offheap_run();
        command.arg("--").arg(jdk.home.join("bin/java")).arg("NoSuchClass");
        assert_eq!(finish(&mut command).status.code(), Some(1));
    });
}
