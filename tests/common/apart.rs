//! Child processes whose two outputs are looked at apart.

use super::child;
use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running child process.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: File,
    stderr: File,
    command: String,
}

/// What a child process has left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Apart {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `command`, without input.
pub(crate) fn start(command: &mut Command) -> Running {
    let (stdout, stderr) = (child::unnamed_file(), child::unnamed_file());
    let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
    command.stdin(Stdio::null()).stdout(handle(&stdout)).stderr(handle(&stderr));
    let child = child::spawn(command).unwrap_or_else(|error| panic!("{error}: {command:?}"));
    Running { child, stdout, stderr, command: format!("{command:?}") }
}

impl Running {
    /// Waits until `seen` says of its stdout what it waits for.
    pub(crate) fn wait_for_output(&mut self, limit: Duration, seen: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + limit;
        while !seen(&child::text(&mut self.stdout)) {
            let over = self.child.try_wait().expect("a child to wait for");
            if over.is_some() || Instant::now() > deadline {
                let _ = self.child.kill();
                let outputs = (child::text(&mut self.stdout), child::text(&mut self.stderr));
                panic!("not seen, {over:?}: {}\n{}{}", self.command, outputs.0, outputs.1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&mut self) -> String {
        child::text(&mut self.stderr)
    }

    /// Waits for its end; one that runs longer than `limit` is killed, and its outputs shown.
    pub(crate) fn finish(mut self, limit: Duration) -> Apart {
        let status = child::wait(&mut self.child, limit);
        let (stdout, stderr) = (child::text(&mut self.stdout), child::text(&mut self.stderr));
        match status {
            Some(status) => Apart { status, stdout, stderr },
            None => panic!("still running after {limit:?}: {}\n{stdout}{stderr}", self.command),
        }
    }
}
