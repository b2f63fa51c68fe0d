//! The agent's socket: where it is made, when it goes, and that nobody who comes there does harm.

use crate::common::jdk::{self, on_each};
use crate::program::{LARGE, Program};
use crate::refused;
use crate::report::{json, report};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[test]
fn the_socket_is_its_users_alone_and_goes_with_the_jvm() {
    on_each(jdk::all(), |jdk| {
        let mut program = Program::start(jdk);
        report(&program.pid(), &[]);
        let socket = program.socket();
        let metadata = fs::symlink_metadata(&socket).expect("the socket");
        assert!(metadata.file_type().is_socket(), "{metadata:?}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "JDK {}", jdk.version);
        // Children neither take it along nor remove it.
        for _ in 0..3 {
            program.tell("fork", "forked 0");
        }
        report(&program.pid(), &[]);
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
        assert!(!socket.exists(), "JDK {}: {}", jdk.version, socket.display());
    });
}

/// What lies at the socket's place before the JVM starts, whose process number is known by then.
fn start_after(jdk: &jdk::Jdk, prepare: impl FnOnce(&Path)) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"read -r go; exec "$0" "$@""#]);
    let mut program = Program::start_in(shell, jdk, "sample=0,verbose");
    // Killed processes leave theirs, and numbers come again.
    match fs::remove_file(program.socket()) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
        _ => prepare(&program.socket()),
    }
    let stdin = program.child.stdin.as_mut().expect("a pipe");
    stdin.write_all(b"go\n").expect("a shell");
    program.ready()
}

#[test]
fn a_socket_that_a_killed_jvm_has_left_is_replaced() {
    on_each(jdk::all(), |jdk| {
        let program =
            start_after(jdk, |socket| drop(UnixListener::bind(socket).expect("a socket")));
        json(&program.pid(), &[]);
        let socket = program.socket();
        let said = program.end();
        assert!(!said.contains("nobody can ask"), "JDK {}: {said}", jdk.version);
        assert!(!socket.exists(), "JDK {}", jdk.version);
    });
}

/// What is there, how it comes there, and what the agent says of it.
type Way<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

#[test]
fn what_is_no_socket_or_somebody_elses_is_left_alone_and_the_program_runs() {
    let victim = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("watch-victim");
    fs::write(&victim, "mine").expect("a file");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).expect("a file");
    on_each(jdk::all(), |jdk| {
        let listens = std::cell::RefCell::new(None);
        let file = |at: &Path| fs::write(at, "mine").expect("a file");
        let link = |at: &Path| symlink(&victim, at).expect("a link");
        let dangling = |at: &Path| symlink("/no/such/target", at).expect("a link");
        let live = |at: &Path| {
            listens.replace(Some(UnixListener::bind(at).expect("a socket")));
        };
        let ways: [Way<'_>; 4] = [
            ("a file", &file, "is there, and is no socket"),
            ("a link", &link, "is there, and is no socket"),
            ("a dangling link", &dangling, "is there, and is no socket"),
            ("a socket", &live, "is another process's of the same number"),
        ];
        for (what, prepare, cause) in ways {
            let what = format!("JDK {}, {what}", jdk.version);
            let program = start_after(jdk, prepare);
            let socket = program.socket();
            let before = fs::symlink_metadata(&socket).expect("what was there").ino();
            if what.ends_with("link") || what.ends_with("file") {
                let said = refused(&["report", &program.pid()]);
                assert!(said.contains("has the agent, which does not answer"), "{what}: {said}");
            } else {
                // The agent looks who is there.
                let listens = listens.borrow();
                drop(listens.as_ref().expect("a socket").accept().expect("the agent"));
            }
            program.wait_for_error(cause);
            let said = program.end();
            assert!(said.contains("nobody can ask for a report"), "{what}: {said}");
            let after = fs::symlink_metadata(&socket).expect("what is still there").ino();
            fs::remove_file(&socket).expect("it, to be removed by this test");
            assert_eq!(before, after, "{what}");
        }
    });
    assert_eq!(fs::read_to_string(&victim).expect("the file"), "mine");
    let mode = fs::metadata(&victim).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "its mode is what it was");
}

#[test]
fn a_jvm_that_is_not_to_serve_does_not() {
    on_each(jdk::all(), |jdk| {
        let program = Program::start_with(jdk, Some("serve=off"));
        let said = refused(&["report", &program.pid()]);
        assert!(said.contains("the option serve=off"), "JDK {}: {said}", jdk.version);
        assert!(!program.socket().exists(), "JDK {}", jdk.version);
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
    });
}

#[test]
fn a_history_grows_while_nobody_asks() {
    on_each(jdk::all(), |jdk| {
        let program = Program::start(jdk);
        let history = || json(&program.pid(), &[])["history"].as_array().expect("moments").len();
        crate::wait_until("a history", history, |moments| *moments >= 3);
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
    });
}

#[test]
fn clients_that_are_slow_loud_or_gone_keep_nobody_out_and_harm_nobody() {
    on_each(jdk::all(), |jdk| {
        let mut program = Program::start(jdk);
        report(&program.pid(), &[]); // now the socket is there
        let connect = || UnixStream::connect(program.socket()).expect("the socket");
        // More than are answered at once.
        let silent: Vec<UnixStream> = (0..40).map(|_| connect()).collect();
        // Asks, and reads nothing of the answer; asks, and is gone; is gone.
        let mut deaf: Vec<UnixStream> = (0..10).map(|_| connect()).collect();
        for stream in &mut deaf {
            stream.write_all(b"report json\n").expect("the socket");
            connect().write_all(b"report json\n").expect("the socket");
            drop(connect());
        }
        let mut loud = connect();
        let _ = loud.write_all(&vec![b'x'; 1 << 20]); // refused before its end
        loud.set_read_timeout(Some(crate::LIMIT)).expect("a socket");
        let mut answer = vec![0; 256];
        let length = loud.read(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(
            answer.starts_with("error a request has less than"),
            "JDK {}: {answer}",
            jdk.version
        );

        assert!(report(&program.pid(), &[]).contains(LARGE.0), "JDK {}", jdk.version);
        for mut stream in silent {
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert_eq!(answer, "error no request came within 2 seconds\n");
        }
        program.tell("grow", "grow 1021");
        assert_eq!(program.end(), "", "JDK {}", jdk.version);
    });
}
