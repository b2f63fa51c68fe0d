//! Metrics for Prometheus, if they are asked for: a file that is written anew again and again, or an
//! [`Endpoint`].

use super::endpoint::Endpoint;
use super::options::Metrics;
use super::{Agent, say};
use crate::boundary::guard;
use crate::os;
use crate::report::{self, Ask, Format};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// From one writing of the file to the next.
const EVERY: Duration = Duration::from_secs(10);

/// The JVM has started: so do the metrics. If they can't, the program goes on without, unless
/// `strict` was asked for.
pub(super) fn start(agent: &'static Agent) {
    let Some(target) = &agent.options.metrics else { return };
    let started = match target {
        Metrics::File(file) => spawn(move || {
            while write(file, false) {
                std::thread::sleep(EVERY);
            }
        }),
        Metrics::Endpoint { host, port } => listen(host, *port, agent.options.verbose),
    };
    if let Err(error) = started {
        agent.goes_without(&format!("no metrics at {target}: {error}"));
    }
}

/// The JVM ends: the last figures.
pub(super) fn at_exit(agent: &Agent) {
    if let Some(Metrics::File(file)) = &agent.options.metrics {
        write(file, true);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // A panic has been told on stderr, and the program goes on.
    os::thread::spawn("offheap metrics", move || guard(work, |_| ()))
}

fn listen(host: &str, port: u16, verbose: bool) -> io::Result<()> {
    let endpoint = Endpoint::bind(host, port)?;
    let address = endpoint.address()?;
    if port == 0 || verbose {
        say(&format!("metrics at http://{address}/metrics"));
    }
    spawn(move || {
        if let Err(error) = endpoint.serve(&metrics) {
            say(&format!("no more metrics at {address}: {error}"));
        }
    })
}

fn metrics() -> String {
    report::report(Format::Prometheus, Ask::default())
}

/// What has been done with the file.
struct Written {
    /// It can't be written, and that has been told.
    is_failing: bool,
    /// The program has ended: these were the last figures.
    is_over: bool,
}

/// Writes the file, unless it is over; whether there is a next time.
fn write(file: &Path, is_last: bool) -> bool {
    static WRITTEN: Mutex<Written> = Mutex::new(Written { is_failing: false, is_over: false });
    let mut state = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if state.is_over {
        return false;
    }
    let written = report::put(file, &metrics());
    if let (Err(error), false) = (&written, state.is_failing) {
        say(&format!("the metrics could not be written to {}: {error}", file.display()));
    }
    *state = Written { is_failing: written.is_err(), is_over: is_last };
    !is_last
}
