//! The program that is looked at: `tests/java/Growing.java`, whose truth is known.

use crate::common::jdk::{Jdk, programs};
use crate::common::{child, library};
use crate::{LIMIT, wait_until};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What it keeps: method, bytes, blocks.
pub(crate) const LARGE: (&str, u64, u64) = ("Growing.large:", 20_000_000, 20);
pub(crate) const SMALL: (&str, u64, u64) = ("Growing.small:", 3_000_000, 1000);

/// One that runs; killed when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    stdout: File,
    stderr: File,
}

/// `java` with the agent, if there are options for it, and the program.
fn java(jdk: &Jdk, options: Option<&str>) -> Command {
    let mut java = jdk.java();
    java.env_remove("JAVA_TOOL_OPTIONS").env_remove("JDK_JAVA_OPTIONS");
    if let Some(options) = options {
        let library = library::folder().join("liboffheap.so");
        java.arg(format!("-agentpath:{}={options}", library.display()));
    }
    java.arg("-cp").arg(programs()).arg("Growing");
    java
}

impl Program {
    /// Runs with the agent, every block known, and holds what it is to hold.
    pub(crate) fn start(jdk: &Jdk) -> Self {
        Self::start_with(jdk, Some("sample=0"))
    }

    pub(crate) fn start_with(jdk: &Jdk, options: Option<&str>) -> Self {
        Self::spawn(java(jdk, options)).ready()
    }

    /// Another program, that becomes this one: `java` and its arguments are added to it.
    pub(crate) fn start_in(mut wrapper: Command, jdk: &Jdk, options: &str) -> Self {
        let java = java(jdk, Some(options));
        wrapper.arg(java.get_program()).args(java.get_args());
        wrapper.env_remove("LD_LIBRARY_PATH").env_remove("JAVA_TOOL_OPTIONS");
        Self::spawn(wrapper)
    }

    fn spawn(mut command: Command) -> Self {
        let (stdout, stderr) = (child::unnamed_file(), child::unnamed_file());
        let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
        command.stdin(Stdio::piped()).stdout(handle(&stdout)).stderr(handle(&stderr));
        let child =
            child::spawn(&mut command).unwrap_or_else(|error| panic!("{error}: {command:?}"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn ready(self) -> Self {
        self.wait_for("ready 1020\n");
        self
    }

    /// What it has said on stdout and stderr until now.
    fn said(&self) -> (String, String) {
        let file = |file: &File| child::text(&mut file.try_clone().expect("a second handle"));
        (file(&self.stdout), file(&self.stderr))
    }

    /// Waits for the end of what it prints.
    fn wait_for(&self, end: &str) {
        wait_until(end, || self.said(), |(stdout, _)| stdout.ends_with(end));
    }

    pub(crate) fn wait_for_error(&self, part: &str) {
        wait_until(part, || self.said(), |(_, stderr)| stderr.contains(part));
    }

    /// Has it do something, and waits for its answer.
    pub(crate) fn tell(&mut self, line: &str, answer: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("a reader");
        self.wait_for(&format!("{answer}\n"));
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        offheap::report::socket(self.child.id())
    }

    /// Lets it end, and looks that it ended as it would without us; what it said on stderr.
    pub(crate) fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let status = child::wait(&mut self.child, LIMIT);
        let (stdout, stderr) = (child::text(&mut self.stdout), child::text(&mut self.stderr));
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{stdout}{stderr}");
        assert!(stdout.ends_with("end\n") && !stdout.contains("offheap"), "{stdout}");
        stderr
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child to kill");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        // The socket of one that was killed stays, until another process gets the number.
        if !self.child.wait().is_ok_and(|status| status.success()) {
            let _ = std::fs::remove_file(self.socket());
        }
    }
}
