//! `offheap report`: a report of a running JVM, from outside.

use crate::ask::{self, Jvm, Request};
use crate::{Failure, print};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    pid: u32,
    request: Request,
    output: Option<PathBuf>,
}

/// `report PID [OPTIONS]`.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let call = Call::parse(arguments)?;
    let report = Jvm::find(call.pid)?.ask(&call.request)?;
    match call.output {
        None => print(&report),
        Some(file) => offheap::report::put(&file, &report)
            .map_err(|error| Failure::Work(format!("{}: {error}", file.display()))),
    }
}

impl Call {
    fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let (mut format, mut output, mut pid) = (None, None, None);
        let (mut mark, mut icebergs) = (None, None);
        let mut words = Words::of("report", arguments);
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--format") => once(&mut format, words.value("--format")?),
                Some("--output") => once(&mut output, words.value("--output")?),
                Some("--mark") => once(&mut mark, true),
                Some("--icebergs") => once(&mut icebergs, true),
                _ => once(&mut pid, words.process(&word)?),
            }
            .map_err(|()| words.usage(&format!("{} is one too many", word.display())))?;
        }
        let format = format.unwrap_or_else(|| "text".into());
        // The agent knows which there are. A blank would make two words of it.
        let bad = || words.usage(&format!("no such format: {}", format.display()));
        let name = format.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric()));
        let format = name.ok_or_else(bad)?.to_owned();
        let pid = pid.ok_or_else(|| words.pid_missing())?;
        let (mark, icebergs) = (mark.is_some(), icebergs.is_some());
        let output = output.map(PathBuf::from);
        Ok(Self { pid, request: Request { format, mark, icebergs }, output })
    }
}

/// Sets what must not be set already.
pub(crate) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), ()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(()),
    }
}

/// The words of a command line: a process's number and options, in any order. `--option=value` is
/// `--option value`.
pub(crate) struct Words {
    command: &'static str,
    rest: std::vec::IntoIter<OsString>,
}

impl Words {
    pub(crate) fn of(command: &'static str, arguments: impl Iterator<Item = OsString>) -> Self {
        let split = |word: OsString| match word.to_str().and_then(|word| word.split_once('=')) {
            Some((option, value)) if option.starts_with("--") => vec![option.into(), value.into()],
            _ => vec![word],
        };
        Self { command, rest: arguments.flat_map(split).collect::<Vec<_>>().into_iter() }
    }

    pub(crate) fn next(&mut self) -> Option<OsString> {
        self.rest.next()
    }

    /// The value of an option that has just come.
    pub(crate) fn value(&mut self, option: &str) -> Result<OsString, Failure> {
        // An option is no value: it is the next option, and the value is missing.
        let is_value =
            |word: &OsString| !word.is_empty() && !word.as_encoded_bytes().starts_with(b"--");
        let value = self.rest.next().filter(is_value);
        value.ok_or_else(|| self.usage(&format!("{option} needs a value after it")))
    }

    pub(crate) fn process(&self, word: &OsString) -> Result<u32, Failure> {
        let what = if word.as_encoded_bytes().starts_with(b"-") { "option" } else { "process" };
        let wrong = || self.usage(&format!("no such {what}: {}", word.display()));
        ask::process(word).ok_or_else(wrong)
    }

    pub(crate) fn pid_missing(&self) -> Failure {
        self.usage("a process's number is missing; `pgrep -a java` lists those of Java")
    }

    pub(crate) fn usage(&self, message: &str) -> Failure {
        Failure::Usage(format!("{}: {message}", self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, Failure> {
        Call::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn options_come_in_any_order() {
        let request = Request { format: "json".to_owned(), mark: true, icebergs: true };
        let expected = Call { pid: 4711, request, output: Some("a b".into()) };
        let words = ["--output=a b", "4711", "--format", "json", "--mark", "--icebergs"];
        assert_eq!(Call::parse(words.map(OsString::from).into_iter()).unwrap(), expected);
        assert_eq!(parse("7").unwrap().request.format, "text");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, said) in [
            ("", "report: no such process: "),
            ("--mark", "a process's number is missing"),
            ("x", "no such process: x"),
            ("0", "no such process: 0"),
            ("-1", "no such option: -1"),
            ("7 8", "8 is one too many"),
            ("7 --mark --mark", "--mark is one too many"),
            ("7 --format", "--format needs a value"),
            ("7 --format=", "--format needs a value"),
            ("7 --output --mark", "--output needs a value"),
            ("7 --format=te/xt", "no such format: te/xt"),
            ("7 --frmat=text", "no such option: --frmat"),
        ] {
            match parse(line) {
                Err(Failure::Usage(message)) => {
                    assert!(message.contains(said), "{line}: {message}")
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
