//! Child processes that can't hang a test.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a child process has left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// stdout and stderr, in the order they were written.
    pub(crate) output: String,
}

/// Runs `command` to its end, without input. A program that is not there is a failure that names
/// `package` as the cure; one that runs longer than `limit` is killed, and its output shown.
pub(crate) fn run(command: &mut Command, limit: Duration, package: &str) -> Finished {
    let mut output = unnamed_file();
    let handle = || Stdio::from(output.try_clone().expect("a second handle"));
    command.stdin(Stdio::null()).stdout(handle()).stderr(handle());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{error}: {command:?}\nThe program comes with: {package}");
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("a child to kill");
            child.wait().expect("a killed child");
            break None;
        }
        sleep(Duration::from_millis(2));
    };
    let mut bytes = Vec::new();
    output.rewind().expect("a file");
    output.read_to_end(&mut bytes).expect("the output");
    let output = String::from_utf8_lossy(&bytes).into_owned();
    match status {
        Some(status) => Finished { status, output },
        None => panic!("still running after {limit:?}: {command:?}\n{output}"),
    }
}

/// A file for the output: unlike a pipe it never fills, so no thread has to empty it.
fn unnamed_file() -> File {
    let path = std::env::temp_dir().join(format!(
        "offheap-output-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let file = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)
        .expect("a writable temporary folder");
    std::fs::remove_file(&path).expect("the file just created");
    file
}
