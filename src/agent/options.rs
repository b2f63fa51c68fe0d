//! The agent's options: `-agentpath:/path/liboffheap.so=limit=64m,natives=memory,net,verbose`.
//!
//! Read before the VM is touched; what can't be read is an error that names it and says what is
//! allowed, and the VM does not start.

use crate::ledger::Misuse;
use crate::net::WriteMode;
use crate::report::Format;
use core::time::Duration;
use std::fmt;
use std::path::PathBuf;

/// What the agent is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) limit: Option<Limit>,
    pub(super) natives: Natives,
    pub(super) allocator: Allocator,
    pub(super) report: Option<Target>,
    pub(super) format: Option<Format>,
    pub(super) metrics: Option<Metrics>,
    /// Of so many bytes taken one is looked at: whose it is. 0 is every block. If nobody has said, it is
    /// less often where it would cost too much.
    pub(super) sample: Option<u64>,
    /// Which buffers only wait for a collection: whether reports tell, and whether one is asked for.
    pub(super) icebergs: Option<Icebergs>,
    /// What is done about wrong releases.
    pub(super) misuse: Misuse,
    /// So many of a hundred blocks are guarded.
    pub(super) guard: Option<u8>,
    /// How arrays are written to sockets.
    pub(super) socket: WriteMode,
    /// Whether reports can be asked for from outside.
    pub(super) serve: bool,
    /// Every binding is told on stderr.
    pub(super) verbose: bool,
    /// A native that can't be bound ends the program.
    pub(super) strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limit: None,
            natives: Natives::default(),
            allocator: Allocator::default(),
            report: None,
            format: None,
            metrics: None,
            sample: None,
            icebergs: None,
            misuse: Misuse::Known,
            guard: None,
            socket: WriteMode::Jdk,
            serve: true,
            verbose: false,
            strict: false,
        }
    }
}

/// How much memory may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Bytes(i64),
    /// Of the container's memory, or the machine's if there is no container.
    Percent(u8),
}

/// Which natives are to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Natives {
    pub(super) memory: bool,
    pub(super) net: bool,
    pub(super) nio: bool,
}

impl Default for Natives {
    fn default() -> Self {
        Self { memory: true, net: true, nio: true }
    }
}

/// Where blocks come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Allocator {
    #[default]
    Offheap,
    /// The JVM's own natives: its memory tracking stays right.
    Jdk,
}

/// What is done about buffers that only wait for a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icebergs {
    /// Reports tell of them.
    Report,
    /// And a collection is asked for.
    Collect(Collect),
}

/// When a collection is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collect {
    /// So much of the limit waits for one, in percent; without a limit, of the container's memory.
    pub(super) share: u8,
    /// The last look at the heap was so long ago.
    pub(super) interval: Duration,
}

impl Default for Collect {
    fn default() -> Self {
        Self { share: 20, interval: Duration::from_secs(30) }
    }
}

/// Where the report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stderr,
    File(PathBuf),
}

/// Where the metrics are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Metrics {
    /// Written again and again.
    File(PathBuf),
    /// By HTTP.
    Endpoint { host: String, port: u16 },
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Endpoint { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// An option that is not understood: one line for a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadOption {
    /// As it was given.
    option: String,
    allowed: &'static str,
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad option '{}'; allowed: {}", self.option.escape_debug(), self.allowed)
    }
}

const ALL: &str = "limit=SIZE|N%, natives=memory,net,nio, allocator=offheap|jdk, \
                   report=FILE|stderr, format=text|json|collapsed|html|prometheus, \
                   metrics=FILE|PORT|HOST:PORT, sample=SIZE, icebergs=report|collect, share=N%, \
                   interval=TIME, misuse=off|warn|abort, guard=N%, socket=jdk|lean, \
                   serve=on|off, verbose, strict";
const LIMIT: &str = "limit=SIZE, a number above 0 with k, m or g, such as limit=512m, or limit=N% \
                     of the container's memory, 1% to 100%";
const LIMIT_NATIVES: &str = "limit= only with the natives that it limits: natives=memory";
const NATIVES: &str = "natives= one or more of memory,net,nio";
const ALLOCATOR: &str = "allocator=offheap or allocator=jdk";
const REPORT: &str =
    "report=stderr, or report=FILE, in which %p stands for the process and %% for %";
pub(super) const FORMAT: &str = "format=text, json, collapsed, html or prometheus";
const METRICS: &str = "metrics=FILE, in which %p stands for the process and %% for %, or metrics=PORT \
                       or metrics=HOST:PORT for HTTP, the port from 0 (any) to 65535";
const SAMPLE: &str = "sample=SIZE, a number with k, m or g, such as sample=512k; 0 is every block";
const ICEBERGS: &str = "icebergs=report or icebergs=collect";
const SHARE: &str = "share=N%, 1% to 100% of the limit, such as share=20%";
const INTERVAL: &str = "interval=TIME, a number above 0 with ms, s or m, such as interval=30s";
const WITH_COLLECT: &str = "share= and interval= only with icebergs=collect";
const MISUSE: &str = "misuse=off, misuse=warn or misuse=abort";
const GUARD: &str = "guard=N% of the blocks, 1% to 100%";
const SOCKET: &str = "socket=jdk or socket=lean";
const SERVE: &str = "serve=on or serve=off";
const FLAG: &str = "verbose and strict without a value";
const ONCE: &str = "each option once";

impl Options {
    /// Reads what follows the `=` of `-agentpath`. `process` is this one's number.
    ///
    /// # Errors
    /// The first option that is wrong.
    pub(super) fn parse(text: &str, process: u32) -> Result<Self, BadOption> {
        let mut options = Self::default();
        let mut seen = Vec::new();
        let (mut collect_share, mut collect_interval) = (None, None);
        let mut words = text.split(',').filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let bad = |allowed| BadOption { option: word.to_owned(), allowed };
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            if seen.contains(&key) {
                return Err(bad(ONCE));
            }
            seen.push(key);
            match (key, value) {
                ("limit", value) => {
                    options.limit = Some(value.and_then(limit).ok_or_else(|| bad(LIMIT))?);
                }
                ("natives", value) => {
                    // The list's own commas are those between options: its words go on here.
                    let mut list = vec![value.unwrap_or_default()];
                    while let Some(more) = words.next_if(|word| is_group(word)) {
                        list.push(more);
                    }
                    options.natives = natives(&list).ok_or_else(|| bad(NATIVES))?;
                }
                ("allocator", Some("offheap")) => options.allocator = Allocator::Offheap,
                ("allocator", Some("jdk")) => options.allocator = Allocator::Jdk,
                ("allocator", _) => return Err(bad(ALLOCATOR)),
                ("report", value) => {
                    let target = value.and_then(|value| target(value, process));
                    options.report = Some(target.ok_or_else(|| bad(REPORT))?);
                }
                ("format", value) => {
                    let format = value.and_then(Format::named);
                    options.format = Some(format.ok_or_else(|| bad(FORMAT))?);
                }
                ("metrics", value) => {
                    let metrics = value.and_then(|value| metrics(value, process));
                    options.metrics = Some(metrics.ok_or_else(|| bad(METRICS))?);
                }
                ("sample", value) => {
                    let sample = value.and_then(size).map(i64::cast_unsigned);
                    options.sample = Some(sample.ok_or_else(|| bad(SAMPLE))?);
                }
                ("icebergs", value) => {
                    let icebergs = match value {
                        Some("report") => Icebergs::Report,
                        Some("collect") => Icebergs::Collect(Collect::default()),
                        _ => return Err(bad(ICEBERGS)),
                    };
                    options.icebergs = Some(icebergs);
                }
                ("misuse", value) => {
                    options.misuse = match value {
                        Some("off") => Misuse::Ignore,
                        Some("warn") => Misuse::Warn,
                        Some("abort") => Misuse::Abort,
                        _ => return Err(bad(MISUSE)),
                    };
                }
                ("guard", value) => {
                    let guard = value.and_then(percent);
                    options.guard = Some(guard.ok_or_else(|| bad(GUARD))?);
                }
                ("share", value) => {
                    let share = value.and_then(percent);
                    collect_share = Some((word, share.ok_or_else(|| bad(SHARE))?));
                }
                ("interval", value) => {
                    let interval = value.and_then(duration);
                    collect_interval = Some((word, interval.ok_or_else(|| bad(INTERVAL))?));
                }
                ("socket", Some("jdk")) => options.socket = WriteMode::Jdk,
                ("socket", Some("lean")) => options.socket = WriteMode::Lean,
                ("socket", _) => return Err(bad(SOCKET)),
                ("serve", Some("on")) => options.serve = true,
                ("serve", Some("off")) => options.serve = false,
                ("serve", _) => return Err(bad(SERVE)),
                ("verbose", None) => options.verbose = true,
                ("strict", None) => options.strict = true,
                ("verbose" | "strict", Some(_)) => return Err(bad(FLAG)),
                _ => return Err(bad(ALL)),
            }
        }
        match &mut options.icebergs {
            Some(Icebergs::Collect(collect)) => {
                collect.share = collect_share.map_or(collect.share, |(_, share)| share);
                collect.interval = collect_interval.map_or(collect.interval, |(_, time)| time);
            }
            _ => {
                let word = collect_share.map(|(word, _)| word);
                if let Some(word) = word.or(collect_interval.map(|(word, _)| word)) {
                    return Err(BadOption { option: word.to_owned(), allowed: WITH_COLLECT });
                }
            }
        }
        if options.limit.is_some() && !options.natives.memory {
            let option = text.to_owned();
            return Err(BadOption { option, allowed: LIMIT_NATIVES });
        }
        Ok(options)
    }
}

/// `64m`, `1g`, `50%`.
fn limit(value: &str) -> Option<Limit> {
    if value.ends_with('%') {
        return percent(value).map(Limit::Percent);
    }
    size(value).filter(|bytes| *bytes > 0).map(Limit::Bytes)
}

/// `1%` to `100%`.
fn percent(value: &str) -> Option<u8> {
    let percent = digits(value.strip_suffix('%')?)?.parse().ok();
    percent.filter(|percent| (1..=100).contains(percent))
}

/// `500ms`, `30s`, `5m`.
fn duration(value: &str) -> Option<Duration> {
    let end = value.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = value.split_at_checked(end)?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return None,
    };
    unit.checked_mul(number)
}

/// Bytes, from 0 on.
fn size(value: &str) -> Option<i64> {
    let (number, shift) = match value.char_indices().next_back()? {
        (end, 'k' | 'K') => (value.get(..end)?, 10),
        (end, 'm' | 'M') => (value.get(..end)?, 20),
        (end, 'g' | 'G') => (value.get(..end)?, 30),
        _ => (value, 0),
    };
    let number: i64 = digits(number)?.parse().ok()?;
    number.checked_mul(1 << shift)
}

/// The text, if it is a number without a sign.
fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_group(word: &str) -> bool {
    matches!(word, "memory" | "net" | "nio")
}

fn natives(list: &[&str]) -> Option<Natives> {
    let mut natives = Natives { memory: false, net: false, nio: false };
    for group in list {
        match *group {
            "memory" => natives.memory = true,
            "net" => natives.net = true,
            "nio" => natives.nio = true,
            _ => return None,
        }
    }
    Some(natives)
}

fn target(value: &str, process: u32) -> Option<Target> {
    if value == "stderr" {
        return Some(Target::Stderr);
    }
    file(value, process).map(Target::File)
}

/// `9400` and `0.0.0.0:9400` are endpoints; what has a slash is a file whatever follows.
fn metrics(value: &str, process: u32) -> Option<Metrics> {
    let (host, port) = value.rsplit_once(':').unwrap_or(("127.0.0.1", value));
    let is_port = !port.is_empty() && digits(port).is_some();
    if value.contains('/') || !is_port {
        return file(value, process).map(Metrics::File);
    }
    // An IPv6 address stands in brackets, as in a URL.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|_| !host.is_empty())?;
    Some(Metrics::Endpoint { host: host.to_owned(), port })
}

/// The file of that pattern, made absolute: the program may change nothing that moves it.
fn file(pattern: &str, process: u32) -> Option<PathBuf> {
    let mut path = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => match characters.next()? {
                'p' => path.push_str(&process.to_string()),
                '%' => path.push('%'),
                _ => return None,
            },
            character => path.push(character),
        }
    }
    std::path::absolute(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, BadOption> {
        Options::parse(text, 4711)
    }

    #[test]
    fn no_options_are_the_defaults() {
        for text in ["", ",", ",,"] {
            let options = parse(text).unwrap();
            assert_eq!(options, Options::default(), "{text:?}");
            assert_eq!(options.natives, Natives { memory: true, net: true, nio: true });
        }
    }

    #[test]
    fn all_options_at_once_in_any_order() {
        let expected = Options {
            limit: Some(Limit::Bytes(64 << 20)),
            natives: Natives { memory: true, net: false, nio: true },
            allocator: Allocator::Jdk,
            report: Some(Target::File("/tmp/report-4711-%.json".into())),
            format: Some(Format::Json),
            metrics: Some(Metrics::Endpoint { host: "127.0.0.1".to_owned(), port: 9400 }),
            sample: Some(0),
            icebergs: Some(Icebergs::Collect(Collect {
                share: 40,
                interval: Duration::from_secs(300),
            })),
            misuse: Misuse::Abort,
            guard: Some(5),
            socket: WriteMode::Lean,
            serve: false,
            verbose: true,
            strict: true,
        };
        let forward = "limit=64m,natives=memory,nio,allocator=jdk,report=/tmp/report-%p-%%.json,\
                       format=json,metrics=9400,sample=0,icebergs=collect,share=40%,interval=5m,\
                       misuse=abort,guard=5%,socket=lean,serve=off,verbose,strict";
        let backward = "guard=5%,serve=off,socket=lean,strict,misuse=abort,interval=300s,verbose,share=40%,icebergs=collect,\
                        metrics=127.0.0.1:9400,sample=0k,format=json,report=/tmp/report-%p-%%.json,allocator=jdk,\
                        natives=nio,memory,limit=65536k";
        assert_eq!(parse(forward).unwrap(), expected);
        assert_eq!(parse(backward).unwrap(), expected);
    }

    #[test]
    fn sizes_have_the_jvms_letters_and_percentages_their_sign() {
        for (text, limit) in [
            ("1", Limit::Bytes(1)),
            ("1k", Limit::Bytes(1024)),
            ("3M", Limit::Bytes(3 << 20)),
            ("2g", Limit::Bytes(2 << 30)),
            ("1%", Limit::Percent(1)),
            ("100%", Limit::Percent(100)),
        ] {
            assert_eq!(parse(&format!("limit={text}")).unwrap().limit, Some(limit), "{text}");
        }
    }

    #[test]
    fn each_format_has_its_name() {
        for (name, format) in [
            ("text", Format::Text),
            ("json", Format::Json),
            ("collapsed", Format::Collapsed),
            ("html", Format::Html),
            ("prometheus", Format::Prometheus),
        ] {
            assert_eq!(parse(&format!("format={name}")).unwrap().format, Some(format), "{name}");
        }
    }

    #[test]
    fn metrics_are_a_file_or_an_endpoint() {
        let endpoint = |host: &str, port| Metrics::Endpoint { host: host.to_owned(), port };
        for (text, metrics) in [
            ("0", endpoint("127.0.0.1", 0)),
            ("65535", endpoint("127.0.0.1", 65535)),
            ("localhost:1", endpoint("localhost", 1)),
            ("0.0.0.0:9400", endpoint("0.0.0.0", 9400)),
            ("[::1]:9400", endpoint("::1", 9400)),
            ("/tmp/%p:9400", Metrics::File("/tmp/4711:9400".into())),
            ("/tmp/x.prom", Metrics::File("/tmp/x.prom".into())),
        ] {
            let options = parse(&format!("metrics={text}")).unwrap();
            assert_eq!(options.metrics, Some(metrics), "{text}");
        }
        let here = std::env::current_dir().unwrap().join("x.prom");
        assert_eq!(parse("metrics=x.prom").unwrap().metrics, Some(Metrics::File(here)));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (text, option, allowed) in [
            ("limti=64m", "limti=64m", ALL),
            ("=", "=", ALL),
            ("net", "net", ALL),
            ("verbose,x", "x", ALL),
            ("Limit=1", "Limit=1", ALL),
            ("limit", "limit", LIMIT),
            ("limit=", "limit=", LIMIT),
            ("limit=0", "limit=0", LIMIT),
            ("limit=0%", "limit=0%", LIMIT),
            ("limit=101%", "limit=101%", LIMIT),
            ("limit=%", "limit=%", LIMIT),
            ("limit=-1", "limit=-1", LIMIT),
            ("limit=+1", "limit=+1", LIMIT),
            ("limit=m", "limit=m", LIMIT),
            ("limit=10x", "limit=10x", LIMIT),
            ("limit=1.5g", "limit=1.5g", LIMIT),
            ("limit=1 m", "limit=1 m", LIMIT),
            ("limit=9223372036854775807k", "limit=9223372036854775807k", LIMIT),
            ("limit=99999999999999999999", "limit=99999999999999999999", LIMIT),
            ("limit=\u{bd}", "limit=\u{bd}", LIMIT),
            ("limit=1m,limit=2m", "limit=2m", ONCE),
            ("verbose,verbose", "verbose", ONCE),
            ("natives=", "natives=", NATIVES),
            ("natives", "natives", NATIVES),
            ("natives=foo", "natives=foo", NATIVES),
            ("natives=memory,foo", "foo", ALL),
            ("natives=net,limit=1m", "natives=net,limit=1m", LIMIT_NATIVES),
            ("allocator=tcmalloc", "allocator=tcmalloc", ALLOCATOR),
            ("allocator", "allocator", ALLOCATOR),
            ("format=xml", "format=xml", FORMAT),
            ("metrics", "metrics", METRICS),
            ("metrics=", "metrics=", METRICS),
            ("metrics=65536", "metrics=65536", METRICS),
            ("metrics=localhost:65536", "metrics=localhost:65536", METRICS),
            ("metrics=:9400", "metrics=:9400", METRICS),
            ("metrics=%q", "metrics=%q", METRICS),
            ("sample=-1", "sample=-1", SAMPLE),
            ("sample", "sample", SAMPLE),
            ("sample=1%", "sample=1%", SAMPLE),
            ("socket", "socket", SOCKET),
            ("socket=pinned", "socket=pinned", SOCKET),
            ("serve", "serve", SERVE),
            ("serve=", "serve=", SERVE),
            ("serve=no", "serve=no", SERVE),
            ("icebergs", "icebergs", ICEBERGS),
            ("icebergs=off", "icebergs=off", ICEBERGS),
            ("icebergs=collect,share=20", "share=20", SHARE),
            ("icebergs=collect,share=0%", "share=0%", SHARE),
            ("icebergs=collect,interval=0s", "interval=0s", INTERVAL),
            ("icebergs=collect,interval=10", "interval=10", INTERVAL),
            ("icebergs=collect,interval=s", "interval=s", INTERVAL),
            ("icebergs=collect,interval=99999999999s", "interval=99999999999s", INTERVAL),
            ("icebergs=report,share=20%", "share=20%", WITH_COLLECT),
            ("interval=1s", "interval=1s", WITH_COLLECT),
            ("misuse", "misuse", MISUSE),
            ("misuse=on", "misuse=on", MISUSE),
            ("guard=5", "guard=5", GUARD),
            ("guard=0%", "guard=0%", GUARD),
            ("report=", "report=", REPORT),
            ("report", "report", REPORT),
            ("report=%q", "report=%q", REPORT),
            ("report=a%", "report=a%", REPORT),
            ("strict=yes", "strict=yes", FLAG),
        ] {
            let expected = BadOption { option: option.to_owned(), allowed };
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_bad_option_is_told_in_one_line() {
        let bad = parse("a\nb").unwrap_err().to_string();
        assert!(bad.starts_with("bad option 'a\\nb'; allowed: limit=SIZE|N%, "), "{bad}");
        assert!(!bad.contains('\n'), "{bad}");
    }
}
