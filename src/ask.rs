//! Asks a running JVM for a report: `src/agent/serve.rs` answers, and has the protocol.

use crate::Failure;
use offheap::report;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than the agent takes to answer. A look at the heap may wait for the JVM.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_WITH_HEAP: Duration = Duration::from_secs(600);
/// A JVM that has only just started makes its socket soon.
const START: Duration = Duration::from_secs(2);
/// `ok LENGTH` or `error TEXT` is shorter.
const LONGEST_HEAD: u64 = 4096;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) format: String,
    pub(crate) mark: bool,
    pub(crate) icebergs: bool,
}

/// A process that has the agent.
#[derive(Clone, Debug)]
pub(crate) struct Jvm {
    pid: u32,
    /// The places its socket may be at, seen from here.
    sockets: Vec<PathBuf>,
}

/// A process's number, as an argument.
pub(crate) fn process(argument: &OsStr) -> Option<u32> {
    argument.to_str()?.parse().ok().filter(|pid| *pid > 0)
}

impl Jvm {
    /// The process of that number, as it is called here.
    pub(crate) fn find(pid: u32) -> Result<Self, Failure> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.is_empty() {
            return Err(no_process(pid));
        }
        let numbers = numbers(&status, pid);
        // Its own /tmp, and the number it has there: it may run in a container.
        let own = report::socket(*numbers.last().unwrap_or(&pid));
        let below_root = own.strip_prefix("/").unwrap_or(&own).to_owned();
        let mut sockets = vec![PathBuf::from(format!("/proc/{pid}/root")).join(below_root)];
        if numbers.len() == 1 {
            // Some processes of the same user can't be looked into, those that gave up rights say.
            sockets.push(own);
        }
        Ok(Self { pid, sockets })
    }

    /// The report.
    pub(crate) fn ask(&self, request: &Request) -> Result<String, Failure> {
        let stream = self.connect()?;
        let patience = if request.icebergs { PATIENCE_WITH_HEAP } else { PATIENCE };
        match exchange(&stream, request, patience) {
            Ok(answer) => answer.map_err(|cause| self.failure(&cause)),
            Err(_) if self.has_ended() => Err(self.ended()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.failure(&format!(
                "does not answer within {} seconds; it may be stopped, or its machine busy",
                patience.as_secs()
            ))),
            Err(error) => Err(self.failure(&format!("has not answered: {error}"))),
        }
    }

    fn connect(&self) -> Result<UnixStream, Failure> {
        let until = Instant::now() + START;
        loop {
            let mut errors = Vec::new();
            for socket in &self.sockets {
                match UnixStream::connect(socket) {
                    Ok(stream) => return Ok(stream),
                    Err(error) => errors.push(error),
                }
            }
            if self.has_ended() {
                return Err(self.ended());
            }
            let denied = |error: &io::Error| error.kind() == ErrorKind::PermissionDenied;
            if errors.iter().any(denied) {
                return Err(self.failure(
                    "does not let this user ask; ask as the user it runs as, or as root",
                ));
            }
            if !self.has_agent() {
                return Err(self.failure(
                    "is no JVM with the agent; start it with `offheap run -- java ...`, or with \
                     java -agentpath:/path/liboffheap.so",
                ));
            }
            if Instant::now() >= until {
                return Err(self.failure(
                    "has the agent, which does not answer: it has the option serve=off, or could \
                     make no socket in its /tmp (with its option verbose it says why)",
                ));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Whether the library is loaded there, as far as can be seen.
    fn has_agent(&self) -> bool {
        fs::read(format!("/proc/{}/maps", self.pid))
            .is_ok_and(|maps| maps.windows(10).any(|name| name == b"liboffheap"))
    }

    /// A process that nobody has waited for has ended, too.
    fn has_ended(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/status", self.pid))
            .map_or(true, |status| field(&status, "State:").is_some_and(|s| s.starts_with('Z')))
    }

    fn ended(&self) -> Failure {
        self.failure("has ended")
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::Work(format!("process {} {what}", self.pid))
    }
}

fn no_process(pid: u32) -> Failure {
    Failure::Work(format!("there is no process {pid}; `pgrep -a java` lists those of Java"))
}

/// The value of a line of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The process's numbers, from here inwards. Kernels before 4.1 do not tell.
fn numbers(status: &str, pid: u32) -> Vec<u32> {
    let told = field(status, "NSpid:").unwrap_or_default().split_whitespace();
    let told: Vec<u32> = told.filter_map(|number| number.parse().ok()).collect();
    if told.is_empty() { vec![pid] } else { told }
}

/// One request and its answer: the report, or why there is none.
fn exchange(
    stream: &UnixStream,
    request: &Request,
    patience: Duration,
) -> io::Result<Result<String, String>> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let Request { format, mark, icebergs } = request;
    let mark = if *mark { " mark" } else { "" };
    let icebergs = if *icebergs { " icebergs" } else { "" };
    let asked = (&*stream).write_all(format!("report {format}{mark}{icebergs}\n").as_bytes());
    // Who is refused unheard finds in the answer why.
    asked
        .or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })?;

    let mut answer = BufReader::new(stream);
    let mut head = String::new();
    (&mut answer).take(LONGEST_HEAD).read_line(&mut head)?;
    let head = head.strip_suffix('\n').ok_or(ErrorKind::UnexpectedEof)?;
    if let Some(cause) = head.strip_prefix("error ") {
        return Ok(Err(format!("answers: {cause}")));
    }
    let length = head.strip_prefix("ok ").and_then(|length| length.parse().ok());
    let length: u64 = length.ok_or_else(|| io::Error::other(format!("it says {head:?}")))?;
    let mut report = String::new();
    answer.take(length).read_to_string(&mut report)?;
    match u64::try_from(report.len()) {
        Ok(len) if len == length => Ok(Ok(report)),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// What comes of this answer.
    fn after(answer: &'static [u8]) -> io::Result<Result<String, String>> {
        let (near, mut far) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(&far).read_line(&mut line).unwrap();
            far.write_all(answer).unwrap();
            line
        });
        let request = Request { format: "json".to_owned(), mark: true, icebergs: true };
        let result = exchange(&near, &request, Duration::from_secs(10));
        assert_eq!(server.join().unwrap(), "report json mark icebergs\n");
        result
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        assert_eq!(after(b"ok 4\n{}\n\n").unwrap(), Ok("{}\n\n".to_owned()));
        assert_eq!(after(b"error no such\n").unwrap(), Err("answers: no such".to_owned()));
        for (answer, kind) in [
            (&b""[..], ErrorKind::UnexpectedEof),
            (b"ok 4", ErrorKind::UnexpectedEof),
            (b"ok 4\n{}", ErrorKind::UnexpectedEof),
            (b"ok many\n{}", ErrorKind::Other),
            (b"ok 2\n\xff\xff", ErrorKind::InvalidData),
        ] {
            assert_eq!(after(answer).unwrap_err().kind(), kind, "{answer:?}");
        }
    }

    #[test]
    fn a_refusal_that_comes_before_the_request_is_read() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"error not you\n").unwrap();
        drop(far);
        let answer = exchange(&near, &Request::default(), Duration::from_secs(10)).unwrap();
        assert_eq!(answer, Err("answers: not you".to_owned()));
    }

    #[test]
    fn a_process_in_a_container_is_asked_by_its_number_there() {
        let status = "Name:\tjava\nState:\tS (sleeping)\nNSpid:\t4711\t23\t1\n";
        assert_eq!(numbers(status, 4711), [4711, 23, 1]);
        assert_eq!(numbers("Name:\tjava\n", 4711), [4711]);
        assert_eq!(field(status, "State:"), Some("S (sleeping)"));
    }
}
