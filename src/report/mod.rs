//! What is told of the memory below the heap: totals, who took what is live, where and when, in
//! whatever form a reader wants.
//!
//! The figures are the core's. What only a managed runtime knows (its version, the calls of its
//! natives, which buffers its collector could give back) comes from the [`Runtime`] that a face has
//! named; without one a report says the rest.

mod file;
mod history;
mod html;
mod json;
mod prometheus;
mod text;

use crate::bits::{self, Snapshot};
use crate::ledger::{self, Frame, Sums, Walk};
use crate::{net, nio};
pub use file::put;
pub use history::Moment;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For reading: totals, then the sites that hold most.
    Text,
    /// Everything, for programs; `docs/report.md` says what each figure is.
    Json,
    /// A line for each site: its calls, the outermost first, and its live bytes. What flame graphs
    /// are made of.
    Collapsed,
    /// Metrics in Prometheus' text format, the field's names for direct buffers next to ours.
    Prometheus,
    /// One page for a browser, which needs nothing besides itself: the figures, a flame graph, tables.
    Html,
}

/// The names of all formats, for people.
pub const FORMATS: &str = "text, json, collapsed, html or prometheus";

impl Format {
    /// The format of that name, as options have it: one of [`FORMATS`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "collapsed" => Some(Self::Collapsed),
            "prometheus" => Some(Self::Prometheus),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// What a report is asked for besides its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The next report tells growth from this one on.
    pub mark: bool,
    /// To look at the runtime's heap: which buffers the program can still reach. That stops it.
    pub icebergs: bool,
}

/// A managed runtime, as far as a report speaks of it.
pub trait Runtime: Send + Sync {
    /// Its names, and how it was started.
    fn about(&self) -> About;
    /// Its natives that this library may answer for.
    fn natives(&self) -> Vec<NativeCalls>;
    /// Looks at its heap: all buffers with memory below it. `None` if it can't be looked at now.
    fn walk(&self) -> Option<Walk>;
    /// What it counts of its direct buffers itself. `None` if it can't be asked now.
    fn direct_buffers(&self) -> Option<BufferPool>;
}

/// A managed runtime's direct buffers, in its own figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferPool {
    /// Bytes, with slack for alignment.
    pub used_bytes: i64,
    /// Bytes, as the program asked for them.
    pub capacity_bytes: i64,
    /// How many.
    pub buffers: i64,
}

/// The names of a managed runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The feature version of its library: 8, 11, 17, ...
    pub feature: u32,
    /// The full version of its library; `None` before it has started.
    pub version: Option<String>,
    /// The name of the machine that runs it.
    pub vm: String,
    /// The version of that.
    pub vm_version: String,
    /// The options that this library was given.
    pub options: String,
}

/// A native of the runtime, and who has answered its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeCalls {
    /// The class's binary name.
    pub class: String,
    /// The method's name.
    pub name: String,
    /// The method's signature.
    pub signature: String,
    /// Whether the runtime calls ours.
    pub is_bound: bool,
    /// Calls answered by ours.
    pub answered: u64,
    /// Calls passed on to the runtime's own.
    pub passed: u64,
}

static RUNTIME: OnceLock<Box<dyn Runtime>> = OnceLock::new();

/// From now on reports speak of this runtime. Only the first call counts.
pub fn set_runtime(runtime: Box<dyn Runtime>) {
    // There is one runtime in a process.
    let _ = RUNTIME.set(runtime);
}

/// The socket on which the process of that number, as it is called where it runs, is asked for
/// reports.
#[must_use]
pub fn socket(process: u32) -> PathBuf {
    format!("/tmp/.offheap_pid{process}").into()
}

/// Looks at how much is live, for the history in reports: to be called about once a second. Quick,
/// from any thread.
pub fn tick() {
    history::tick(bits::budget().snapshot().reserved_memory);
}

/// The figures of one moment.
struct Report {
    about: Option<About>,
    natives: Vec<NativeCalls>,
    memory: Snapshot,
    sums: Sums,
    sample: Option<u64>,
    streams: net::Counters,
    channels: nio::Totals,
    history: Vec<Moment>,
    /// Wrong releases found.
    misuse: u64,
}

impl Report {
    fn take(ask: Ask) -> Self {
        let runtime = RUNTIME.get();
        let walk = runtime.filter(|_| ask.icebergs).and_then(|runtime| runtime.walk());
        Self {
            about: runtime.map(|runtime| runtime.about()),
            natives: runtime.map(|runtime| runtime.natives()).unwrap_or_default(),
            sums: ledger::sums(ask.mark, walk.as_ref()),
            memory: bits::budget().snapshot(),
            sample: ledger::sample_mean(),
            streams: net::counters(),
            channels: nio::totals(),
            history: history::moments(),
            misuse: ledger::misuses(),
        }
    }
}

/// A report of this moment. Allocations go on meanwhile.
#[must_use]
pub fn report(format: Format, ask: Ask) -> String {
    let report = Report::take(ask);
    match format {
        Format::Text => text::text(&report),
        Format::Json => format!("{:#}\n", json::json(&report)),
        Format::Collapsed => collapsed(&report.sums),
        Format::Prometheus => {
            let pool = RUNTIME.get().and_then(|runtime| runtime.direct_buffers());
            prometheus::prometheus(&report, pool)
        }
        Format::Html => html::html(&report),
    }
}

/// A limit in words.
#[must_use]
pub fn limit_text(limit: i64) -> String {
    if limit == i64::MAX { "none".to_owned() } else { format!("{limit} bytes") }
}

/// A call as stack traces have it: `app.Cache.load:17`.
fn call(frame: &Frame) -> String {
    let Frame { class, method, line, .. } = frame;
    match line {
        Some(line) => format!("{class}.{method}:{line}"),
        None => format!("{class}.{method}"),
    }
}

/// One line a site, `outermost;...;innermost bytes`.
fn collapsed(sums: &Sums) -> String {
    let mut text = String::new();
    for sum in &sums.sites {
        let calls: Vec<String> = sum.site.frames.iter().rev().map(call).collect();
        // A String takes whatever is written to it.
        let _ = writeln!(text, "{} {}", calls.join(";"), sum.bytes);
    }
    text
}

/// What the kernel calls the thread: the first 15 bytes of its Java name. `None` if it has ended.
fn thread_name(thread: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
