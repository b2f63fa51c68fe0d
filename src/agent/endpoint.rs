//! The metrics by HTTP, for a Prometheus that comes and asks: `GET /metrics`.
//!
//! One thread serves all clients and waits for none of them. One that is silent, slow or never reads
//! holds nobody up: it is dropped after [`PATIENCE`], and sooner if there are more than [`MOST`].

use crate::error::Errno;
use crate::os;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

/// For how long a client may stay.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients at once; for one more, the one that came first goes.
const MOST: usize = 16;
/// A request with a longer head is not a scraper's.
const LONGEST: usize = 8 << 10;
/// The most header fields of a request.
const FIELDS: usize = 64;
/// A pause when no client can be let in, so that the next attempt is not made at once.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);

/// Where it is listened.
pub(super) struct Endpoint(TcpListener);

impl Endpoint {
    /// # Errors
    /// The system's: the port is in use, the host is none of ours.
    pub(super) fn bind(host: &str, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((host, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Host and port, also if the system has picked it.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers with what `metrics` says at that moment. Comes back only if the system fails.
    pub(super) fn serve(&self, metrics: &dyn Fn() -> String) -> io::Result<()> {
        let mut clients: Vec<Client> = Vec::new();
        loop {
            let mut ready = self.wait(&clients)?.into_iter();
            let is_new = ready.next().unwrap_or(false);
            let start = Instant::now();
            clients.retain_mut(|client| {
                let is_ready = ready.next().unwrap_or(false);
                start < client.leaves && (!is_ready || client.goes_on(metrics))
            });
            // To ask the JVM may take as long as it stands still: that is nobody's fault here.
            let took = start.elapsed();
            clients.iter_mut().for_each(|client| client.leaves += took);
            if is_new && let Some(client) = self.accept(Instant::now())? {
                if clients.len() == MOST {
                    clients.remove(0);
                }
                clients.push(client);
            }
        }
    }

    /// Waits for one that can go on, or must go; who can, a new client first.
    fn wait(&self, clients: &[Client]) -> io::Result<Vec<bool>> {
        let request = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let mut all = vec![request(self.0.as_raw_fd(), libc::POLLIN)];
        all.extend(clients.iter().map(|c| request(c.stream.as_raw_fd(), c.waits_for())));
        let now = Instant::now();
        let first = clients.iter().map(|client| client.leaves.saturating_duration_since(now)).min();
        // Rounded up: a millisecond too early would be one more round.
        let limit = first.map_or(-1, |first| {
            i32::try_from(first.as_millis()).unwrap_or(i32::MAX).saturating_add(1)
        });
        match os::net::poll_all(&mut all, limit) {
            Ok(()) => Ok(all.iter().map(|request| request.revents != 0).collect()),
            Err(errno) if errno == Errno::EINTR => Ok(Vec::new()),
            Err(errno) => Err(io::Error::from_raw_os_error(errno.code())),
        }
    }

    fn accept(&self, now: Instant) -> io::Result<Option<Client>> {
        match self.0.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(Client { stream, leaves: now + PATIENCE, state: State::Asks(Vec::new()) }))
            }
            Err(error) => match error.raw_os_error() {
                // The program has closed what is not its own.
                Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK) => Err(error),
                // It stays where it is, and is ready.
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    std::thread::sleep(NO_DESCRIPTOR);
                    Ok(None)
                }
                // It has gone again.
                _ => Ok(None),
            },
        }
    }
}

struct Client {
    stream: TcpStream,
    /// When it is dropped, however far it is.
    leaves: Instant,
    state: State,
}

enum State {
    /// What has come of the request.
    Asks(Vec<u8>),
    /// What is left of the answer.
    Gets(Vec<u8>),
    /// It has all, and is waited for: closed at once, the kernel would tell a client that still
    /// sends that the connection was reset, and it would lose the answer.
    Leaves,
}

impl Client {
    fn waits_for(&self) -> i16 {
        match self.state {
            State::Asks(_) | State::Leaves => libc::POLLIN,
            State::Gets(_) => libc::POLLOUT,
        }
    }

    /// One step, so that nobody who sends without end keeps the others waiting; false if it is done.
    fn goes_on(&mut self, metrics: &dyn Fn() -> String) -> bool {
        // It may have been ready and not be so any more.
        let comes_again = |error: io::Error| {
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        };
        self.step(metrics).unwrap_or_else(comes_again)
    }

    fn step(&mut self, metrics: &dyn Fn() -> String) -> io::Result<bool> {
        let mut part = [0; 2048];
        match &mut self.state {
            State::Asks(request) => {
                let length = self.stream.read(&mut part)?;
                request.extend(part.iter().take(length));
                match answer(request, metrics) {
                    Some(answer) => self.state = State::Gets(answer),
                    None => return Ok(length > 0),
                }
            }
            State::Gets(answer) => {
                let sent = self.stream.write(answer)?;
                answer.drain(..sent);
                if answer.is_empty() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.state = State::Leaves;
                }
            }
            State::Leaves => return Ok(self.stream.read(&mut part)? > 0),
        }
        Ok(true)
    }
}

/// The answer to a request that is complete, or too long, or none at all; `None` if more must come.
fn answer(request: &[u8], metrics: &dyn Fn() -> String) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let too_large = || response("431 Request Header Fields Too Large", "", "too large\n", true);
    match parsed.parse(request) {
        Ok(httparse::Status::Partial) if request.len() < LONGEST => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Some(too_large());
        }
        Err(_) => return Some(response("400 Bad Request", "", "not HTTP\n", true)),
        Ok(httparse::Status::Complete(_)) => {}
    }
    let path = parsed.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let with_body = parsed.method != Some("HEAD");
    Some(match (parsed.method, path) {
        (Some("GET" | "HEAD"), "/metrics") => {
            let kind = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
            response("200 OK", kind, &metrics(), with_body)
        }
        (Some("GET" | "HEAD"), _) => {
            response("404 Not Found", "", "the metrics are at /metrics\n", with_body)
        }
        _ => response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "only GET\n", true),
    })
}

fn response(status: &str, fields: &str, body: &str, with_body: bool) -> Vec<u8> {
    let length = body.len();
    let mut response = format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    if with_body {
        response.push_str(body);
    }
    response.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> Option<String> {
        let answer = answer(request.as_bytes(), &|| "the metrics\n".to_owned())?;
        let text = String::from_utf8(answer).unwrap();
        Some(text.lines().next().unwrap().to_owned())
    }

    #[test]
    fn a_request_is_answered_once_it_is_whole() {
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        for end in 0..request.len() {
            assert_eq!(status(&request[..end]), None, "{end}");
        }
        assert_eq!(status(request).unwrap(), "HTTP/1.1 200 OK");
    }

    #[test]
    fn what_is_no_request_for_metrics_is_told_so() {
        let long = format!("GET /metrics HTTP/1.1\r\nA: {}", "x".repeat(LONGEST));
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS + 1));
        for (request, expected) in [
            ("GET /metrics?name=x HTTP/1.0\r\n\r\n", "200"),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("GET /metricsx HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("\u{1}\u{2}\r\n\r\n", "400"),
            ("GET /metrics HTTP/9.9\r\n\r\n", "400"),
            (&long, "431"),
            (&many, "431"),
        ] {
            let status = status(request).unwrap();
            assert_eq!(status.split(' ').nth(1), Some(expected), "{request}");
        }
    }

    #[test]
    fn a_head_has_the_length_and_no_body() {
        let head = answer(b"HEAD /metrics HTTP/1.1\r\n\r\n", &|| "12345".to_owned()).unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }
}
