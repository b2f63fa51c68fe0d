//! The agent's options: `-agentpath:/path/liboffheap.so=limit=64m,natives=memory,net,verbose`.
//!
//! Read before the VM is touched; what can't be read is an error that names it and says what is
//! allowed, and the VM does not start.

use crate::report::Format;
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
    /// Of so many bytes taken one is looked at: whose it is. 0 is every block.
    pub(super) sample: u64,
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
            sample: 512 << 10,
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

/// Where the report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stderr,
    File(PathBuf),
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
                   report=FILE|stderr, format=text|json|collapsed, sample=SIZE, \
                   serve=on|off, verbose, strict";
const LIMIT: &str = "limit=SIZE, a number above 0 with k, m or g, such as limit=512m, or limit=N% \
                     of the container's memory, 1% to 100%";
const LIMIT_NATIVES: &str = "limit= only with the natives that it limits: natives=memory";
const NATIVES: &str = "natives= one or more of memory,net,nio";
const ALLOCATOR: &str = "allocator=offheap or allocator=jdk";
const REPORT: &str =
    "report=stderr, or report=FILE, in which %p stands for the process and %% for %";
pub(super) const FORMAT: &str = "format=text, format=json or format=collapsed";
const SAMPLE: &str = "sample=SIZE, a number with k, m or g, such as sample=512k; 0 is every block";
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
                ("sample", value) => {
                    let sample = value.and_then(size).map(i64::cast_unsigned);
                    options.sample = sample.ok_or_else(|| bad(SAMPLE))?;
                }
                ("serve", Some("on")) => options.serve = true,
                ("serve", Some("off")) => options.serve = false,
                ("serve", _) => return Err(bad(SERVE)),
                ("verbose", None) => options.verbose = true,
                ("strict", None) => options.strict = true,
                ("verbose" | "strict", Some(_)) => return Err(bad(FLAG)),
                _ => return Err(bad(ALL)),
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
    if let Some(percent) = value.strip_suffix('%') {
        let percent = digits(percent)?.parse().ok().filter(|percent| (1..=100).contains(percent));
        return percent.map(Limit::Percent);
    }
    size(value).filter(|bytes| *bytes > 0).map(Limit::Bytes)
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

/// The file of that pattern, made absolute: the program may change nothing that moves it.
fn target(pattern: &str, process: u32) -> Option<Target> {
    if pattern == "stderr" {
        return Some(Target::Stderr);
    }
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
    std::path::absolute(path).ok().map(Target::File)
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
            sample: 0,
            serve: false,
            verbose: true,
            strict: true,
        };
        let forward = "limit=64m,natives=memory,nio,allocator=jdk,report=/tmp/report-%p-%%.json,\
                       format=json,sample=0,serve=off,verbose,strict";
        let backward = "strict,verbose,serve=off,sample=0k,format=json,report=/tmp/report-%p-%%.json,allocator=jdk,\
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
            ("sample=-1", "sample=-1", SAMPLE),
            ("sample", "sample", SAMPLE),
            ("sample=1%", "sample=1%", SAMPLE),
            ("serve", "serve", SERVE),
            ("serve=", "serve=", SERVE),
            ("serve=no", "serve=no", SERVE),
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
