//! The thread that the agent always has. About once a second it looks how much is live, for the history in
//! reports; and it answers who asks for a report from outside, `offheap report PID` and `offheap top
//! PID`.
//!
//! It is not attached to the JVM, so it answers also while the JVM stands still or is out of memory.
//! The program is never disturbed: a JVM without a `/tmp` to write to, or without room for a thread,
//! runs as before.
//!
//! # Protocol
//!
//! The socket is `/tmp/.offheap_pid<PID>`, the number as the process itself knows it, for its user and
//! root. A connection is one request and one answer:
//!
//! ```text
//! report FORMAT[ mark][ icebergs]\n      FORMAT as in the agent's options
//! ok LENGTH\n...                         so many bytes of report follow
//! error TEXT\n                           why there is none
//! ```
//!
//! `mark`: the next report tells growth from this one on. `icebergs`: looks at the JVM's heap, which
//! stops the program meanwhile.

use super::options::{self, Options};
use super::say;
use crate::boundary::guard;
use crate::error::Errno;
use crate::os;
use crate::report::{self, Ask, Format};
use core::ffi::c_int;
use core::time::Duration;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::sleep;
use std::time::Instant;

const THREAD: &str = "offheap";
const TICK: Duration = Duration::from_secs(1);
/// A request is shorter.
const LONGEST: usize = 256;
/// Clients that are answered at once. Further ones wait in the socket's queue, which costs nothing.
const MOST: usize = 16;
/// For a client's request to come, and for it to take the answer.
const TO_ASK: Duration = Duration::from_secs(2);
const TO_READ: Duration = Duration::from_secs(10);

/// Starts the thread.
pub(super) fn start(options: &Options) {
    let Options { serve, verbose, .. } = *options;
    let work = move || guard(|| run(serve, verbose), |_| ()); // a panic has been told on stderr
    if let (Err(error), true) = (os::thread::spawn(THREAD, work), verbose) {
        say(&format!("there can be no thread to answer `offheap report`: {error}"));
    }
}

/// The socket goes when the JVM does.
pub(super) fn stop() {
    let before = core::mem::replace(&mut *place(), Place::Gone);
    if let Place::Taken { socket, process } = before {
        // A child that a native library has forked is not the one that is asked there.
        if process == std::process::id() {
            let _ = fs::remove_file(socket); // somebody else has removed it, then
        }
    }
}

/// What is at the socket's place.
enum Place {
    Free,
    Taken {
        socket: PathBuf,
        process: u32,
    },
    /// The JVM has ended.
    Gone,
}

static PLACE: Mutex<Place> = Mutex::new(Place::Free);

fn place() -> MutexGuard<'static, Place> {
    // A panic under the lock leaves it whole.
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(serve: bool, verbose: bool) {
    let listener = serve.then(listen).and_then(|listener| {
        let told = |cause: &String| {
            if verbose {
                say(&format!("nobody can ask for a report from outside: {cause}"));
            }
        };
        listener.inspect_err(told).ok()
    });
    let mut next = Instant::now();
    loop {
        let left = next.saturating_duration_since(Instant::now());
        if left.is_zero() {
            report::tick();
            next = Instant::now() + TICK;
        } else if let Some(listener) = &listener {
            if CLIENTS.wait_for_room(left) {
                accept(listener, next.saturating_duration_since(Instant::now()));
            }
        } else {
            sleep(left);
        }
    }
}

/// Takes the socket's place. What is no socket, or somebody listens to, is left as it is.
fn listen() -> Result<UnixListener, String> {
    let process = std::process::id();
    let socket = report::socket(process);
    let at = |error: io::Error| format!("{}: {error}", socket.display());
    let listener = match bind(&socket, process) {
        // Also for a link, which is not followed.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            check_stale(&socket).map_err(|cause| format!("{} {cause}", socket.display()))?;
            fs::remove_file(&socket).and_then(|()| bind(&socket, process)).map_err(at)?
        }
        bound => bound.map_err(at)?,
    };
    // Between a client's coming and its being asked for it may go.
    listener.set_nonblocking(true).map_err(at)?;
    Ok(listener)
}

/// Binds under the lock, so that an end of the JVM comes before, and there is no socket, or after,
/// and removes it.
fn bind(socket: &Path, process: u32) -> io::Result<UnixListener> {
    let mut place = place();
    if matches!(*place, Place::Gone) {
        return Err(io::Error::other("the JVM has ended"));
    }
    let listener = UnixListener::bind(socket)?;
    *place = Place::Taken { socket: socket.to_owned(), process };
    // Whoever was quicker is found out by `check_user`.
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether what is at the place is a socket that nobody listens to: left over from a process that had
/// this number, and was killed. If not, why not.
fn check_stale(socket: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(socket).map_err(|error| error.to_string())?;
    if !found.file_type().is_socket() {
        return Err("is there, and is no socket".to_owned());
    }
    // To connect can take for ever, if somebody listens and never answers.
    let (send, answer) = mpsc::channel();
    let target = socket.to_owned();
    os::thread::spawn(THREAD, move || drop(send.send(UnixStream::connect(target))))
        .map_err(|error| error.to_string())?;
    match answer.recv_timeout(TO_ASK) {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) => Err(format!("is there: {error}")),
        Ok(Ok(_)) | Err(_) => Err("is another process's of the same number".to_owned()),
    }
}

/// Waits for a client at most so long, and lets it in.
fn accept(listener: &UnixListener, wait: Duration) {
    let milliseconds = c_int::try_from(wait.as_millis()).unwrap_or(0).saturating_add(1);
    if os::net::poll(listener.as_raw_fd(), libc::POLLIN, milliseconds) == Ok(0) {
        return;
    }
    match listener.accept() {
        Ok((stream, _)) => begin(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        // The process may have no descriptor left: the client waits on, and so do we.
        Err(_) => sleep(wait),
    }
}

/// How many clients are being answered.
struct Clients {
    inside: Mutex<usize>,
    room: Condvar,
}

static CLIENTS: Clients = Clients { inside: Mutex::new(0), room: Condvar::new() };

/// A client's place, free when dropped.
struct Inside;

impl Clients {
    fn inside(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most so long; whether one more may come.
    fn wait_for_room(&self, wait: Duration) -> bool {
        let full = |inside: &mut usize| *inside >= MOST;
        let waited = self.room.wait_timeout_while(self.inside(), wait, full);
        let (mut inside, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !full(&mut inside)
    }

    fn enter(&self) -> Inside {
        *self.inside() += 1;
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        *CLIENTS.inside() -= 1;
        CLIENTS.room.notify_one();
    }
}

/// Answers a client on a thread of its own: one that is slow keeps nobody out.
fn begin(stream: UnixStream) {
    let inside = CLIENTS.enter();
    let stream = Arc::new(stream);
    let to = Arc::clone(&stream);
    let work = move || {
        let _inside = inside;
        guard(|| answer(&to), |_| ()); // a panic has been told on stderr
    };
    if let Err(error) = os::thread::spawn(THREAD, work) {
        send(&stream, format!("error the process can start no thread: {error}\n").as_bytes());
    }
}

fn answer(stream: &UnixStream) {
    let report = check_user(stream).and_then(|()| read_line(stream)).and_then(|line| reply(&line));
    let answer = match report {
        Ok(report) => format!("ok {}\n{report}", report.len()),
        Err(cause) => format!("error {cause}\n"),
    };
    send(stream, answer.as_bytes());
}

/// The socket's mode says the same, but not from its first moment on, and not for every `/tmp`.
fn check_user(stream: &UnixStream) -> Result<(), String> {
    let peer = os::net::peer_user(stream.as_raw_fd()).map_err(|error| error.to_string())?;
    match os::effective_user() {
        own if peer == own || peer == 0 => Ok(()),
        own => Err(format!("only user {own} and root may ask, and this is user {peer}")),
    }
}

/// The request, without its end.
fn read_line(mut stream: &UnixStream) -> Result<String, String> {
    let until = Instant::now() + TO_ASK;
    let mut line = Vec::new();
    let mut bytes = [0; LONGEST];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no request came within {} seconds", TO_ASK.as_secs()));
        }
        stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match stream.read(&mut bytes) {
            Ok(0) => return Err("the request has no end: a newline".to_owned()),
            Ok(count) => line.extend(bytes.iter().take(count)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.to_string()),
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return String::from_utf8(line).map_err(|_| "the request is not UTF-8".to_owned());
        }
        if line.len() >= LONGEST {
            return Err(format!("a request has less than {LONGEST} bytes"));
        }
    }
}

/// The report that a request asks for.
fn reply(line: &str) -> Result<String, String> {
    /// Looks at the heap wait for the JVM: if it stands still they must not take all places.
    static ONE_LOOK_AT_THE_HEAP: Mutex<()> = Mutex::new(());

    let mut words = line.split(' ');
    if words.next() != Some("report") {
        return Err(format!(
            "{line:?} is not understood; allowed: report FORMAT [mark] [icebergs]"
        ));
    }
    let format = words.next().unwrap_or_default();
    let bad = || format!("bad format {format:?}; allowed: {}", options::FORMAT);
    let format = Format::named(format).ok_or_else(bad)?;
    let mut ask = Ask::default();
    for word in words {
        match word {
            "mark" => ask.mark = true,
            "icebergs" => ask.icebergs = true,
            _ => return Err(format!("{word:?} is not understood; allowed: mark, icebergs")),
        }
    }
    let look = ask.icebergs.then(|| ONE_LOOK_AT_THE_HEAP.try_lock());
    if matches!(look, Some(Err(std::sync::TryLockError::WouldBlock))) {
        return Err("somebody else has the heap looked at; ask again".to_owned());
    }
    Ok(report::report(format, ask))
}

/// Sends what the client takes in time. One that has gone is no error, and no SIGPIPE.
fn send(stream: &UnixStream, mut bytes: &[u8]) {
    let until = Instant::now() + TO_READ;
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_write_timeout(Some(left)).is_err() {
            return;
        }
        let (from, len) = (bytes.as_ptr(), bytes.len());
        // SAFETY: a slice is a readable range.
        match unsafe { os::net::send(stream.as_raw_fd(), from, len, libc::MSG_NOSIGNAL) } {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// What a client gets that says `request` and then nothing more.
    fn answer_to(request: &[u8]) -> String {
        let (mut near, far) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || answer(&far));
        near.write_all(request).unwrap();
        let mut answer = Vec::new();
        // What the server has not read of a long line is an error after the answer.
        let _ = near.read_to_end(&mut answer);
        server.join().unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn a_report_comes_with_its_length_in_every_format() {
        for format in ["text", "json", "collapsed", "html", "prometheus"] {
            for more in ["", " mark", " icebergs", " mark icebergs"] {
                let answer = answer_to(format!("report {format}{more}\n").as_bytes());
                let (head, report) = answer.split_once('\n').unwrap();
                assert_eq!(head, format!("ok {}", report.len()), "{format}{more}");
                assert_eq!(report.starts_with('{'), format == "json", "{report}");
            }
        }
    }

    #[test]
    fn what_is_no_request_is_answered_in_words() {
        let long = [b'x'; 100 * LONGEST];
        for (request, said) in [
            (&b"\n"[..], "is not understood"),
            (b"hello\n", "\"hello\" is not understood"),
            (b"report\n", "bad format"),
            (b"report xml\n", "bad format \"xml\"; allowed: format=text"),
            (b"report text json\n", "\"json\" is not understood"),
            (b"report text \n", "is not understood"),
            (b"report te\x1bxt\n", "bad format \"te\\u{1b}xt\""),
            (b"report \xff\n", "not UTF-8"),
            (&long, "less than 256 bytes"),
            (b"report text", "no request came within 2 seconds"),
        ] {
            let answer = answer_to(request);
            assert!(answer.starts_with("error ") && answer.contains(said), "{request:?}: {answer}");
            assert!(answer.ends_with('\n') && answer.lines().count() == 1, "{answer}");
        }
    }

    #[test]
    fn a_client_that_has_gone_gets_nothing_and_harms_nobody() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        answer(&far);
    }
}
