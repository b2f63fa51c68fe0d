//! Child processes that can't hang a test.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
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
    let mut child = spawn(command).unwrap_or_else(|error| {
        panic!("{error}: {command:?}\nThe program comes with: {package}");
    });
    let status = wait(&mut child, limit);
    let output = text(&mut output);
    match status {
        Some(status) => Finished { status, output },
        None => panic!("still running after {limit:?}: {command:?}\n{output}"),
    }
}

/// Starts `command` with the signals of a terminal as they are by default. Who runs the tests by `nohup`
/// or behind a `&` has them ignored, and a child would ignore them too; a JVM that checks JNI tells of it.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let heed = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the default action needs no handler.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: system calls only, which are safe between fork and exec.
    unsafe { command.pre_exec(heed) };
    command.spawn()
}

/// Waits for a child to end, and kills one that runs longer than `limit`: then there is no status.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            return Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("a child to kill");
            child.wait().expect("a killed child");
            return None;
        }
        sleep(Duration::from_millis(2));
    }
}

/// All that was written to a file.
pub(crate) fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a file");
    file.read_to_end(&mut bytes).expect("the output");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file for the output: unlike a pipe it never fills, so no thread has to empty it.
pub(crate) fn unnamed_file() -> File {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let path = std::env::temp_dir().join(format!(
        "offheap-output-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
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
