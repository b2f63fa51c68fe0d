//! `offheap run`: starts a program with the agent under its JVM, and gets out of the way. The
//! program takes this process over, so its exit code, its signals and its terminal are its own.

use crate::Failure;
use crate::install::find_libraries;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where a JVM looks for options when nobody can put them on its command line.
const TOOL_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

/// JDK 8 takes no notice of a `JAVA_TOOL_OPTIONS` of this length or more, and does not say so.
const TOO_LONG_FOR_8: usize = 1024;

const OPTIONS: [&str; 13] = [
    "limit",
    "natives",
    "allocator",
    "report",
    "format",
    "metrics",
    "sample",
    "icebergs",
    "share",
    "interval",
    "misuse",
    "guard",
    "serve",
];
const FLAGS: [&str; 2] = ["verbose", "strict"];

/// `run [OPTIONS] -- COMMAND [ARGS...]`; comes back only if the command can't be started.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let call = Call::parse(arguments)?;
    let library = find_libraries()?.join("liboffheap.so");
    let start = call.with_agent(&library, std::env::var_os(TOOL_OPTIONS).as_deref())?;
    let mut command = Command::new(&start.program);
    command.args(&start.arguments);
    if let Some(options) = &start.tool_options {
        if options.len() >= TOO_LONG_FOR_8 {
            let length = options.len();
            eprintln!(
                "offheap: {TOOL_OPTIONS} is {length} bytes long with the agent in it; JDK 8 takes no \
                 notice of one of {TOO_LONG_FOR_8} or more, later ones do"
            );
        }
        command.env(TOOL_OPTIONS, options);
    }
    Err(not_started(&start.program, &command.exec()))
}

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    /// The agent's: `key=value,...`.
    options: OsString,
    program: OsString,
    arguments: Vec<OsString>,
}

/// What is started.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    program: OsString,
    arguments: Vec<OsString>,
    /// The value `JAVA_TOOL_OPTIONS` gets, if the agent is named there.
    tool_options: Option<OsString>,
}

impl Call {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut options = Options::default();
        loop {
            let Some(argument) = arguments.next() else {
                return Err(usage("-- and a command are missing: offheap run -- java ..."));
            };
            match argument.as_bytes().strip_prefix(b"--") {
                Some(b"") => break,
                Some(option) => options.take(OsStr::from_bytes(option), &mut arguments)?,
                None if argument.as_bytes().starts_with(b"-") => {
                    return Err(usage(format!("no such option: {}", argument.display())));
                }
                None => {
                    let word = argument.display();
                    return Err(usage(format!(
                        "-- is missing before {word}: offheap run -- {word}"
                    )));
                }
            }
        }
        let program = arguments.next().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| usage("a command is missing after --"))?;
        Ok(Self { options: options.finish()?, program, arguments: arguments.collect() })
    }

    /// Names the agent where the program's JVM finds it: on the command line of `java` itself, in
    /// the environment of anything else, which may be a script that starts one.
    fn with_agent(self, library: &Path, tool_options: Option<&OsStr>) -> Result<Start, Failure> {
        let agent = agentpath(library, &self.options)?;
        let Self { program, arguments, .. } = self;
        if Path::new(&program).file_name() == Some(OsStr::new("java")) {
            let arguments = std::iter::once(agent).chain(arguments).collect();
            return Ok(Start { program, arguments, tool_options: None });
        }
        let mut all = tool_options.unwrap_or_default().to_owned();
        if !all.is_empty() {
            all.push(" ");
        }
        all.push(quoted(&agent));
        Ok(Start { program, arguments, tool_options: Some(all) })
    }
}

/// The option that has a JVM load `library` as its agent.
pub(crate) fn agentpath(library: &Path, options: &OsStr) -> Result<OsString, Failure> {
    if library.as_os_str().as_bytes().contains(&b'=') {
        return Err(Failure::Work(format!(
            "a JVM can't load an agent whose path has a = in it: {}; move it elsewhere",
            library.display()
        )));
    }
    let mut agent = OsString::from("-agentpath:");
    agent.push(library);
    agent.push("=");
    agent.push(options);
    Ok(agent)
}

/// The agent's options, as they are collected.
#[derive(Default)]
struct Options {
    given: Vec<(&'static str, Option<OsString>)>,
}

impl Options {
    /// Takes one, written without its `--`: `key=value`, `key` with its value in `rest`, or a flag.
    fn take(
        &mut self,
        option: &OsStr,
        rest: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), Failure> {
        let mut parts = option.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().map(|value| OsStr::from_bytes(value).to_owned());
        let known = |names: &[&'static str]| names.iter().copied().find(|n| n.as_bytes() == name);
        let (key, value) = if let Some(key) = known(&OPTIONS) {
            // An option is no value: it is the next option, and the value is missing.
            let value = value.or_else(|| rest.next().filter(|v| !v.as_bytes().starts_with(b"--")));
            let value = value.filter(|value| !value.is_empty());
            (key, Some(value.ok_or_else(|| usage(format!("--{key} needs a value after it")))?))
        } else if let Some(key) = known(&FLAGS) {
            if value.is_some() {
                return Err(usage(format!("--{key} takes no value")));
            }
            (key, None)
        } else {
            return Err(usage(format!("no such option: --{}", OsStr::from_bytes(name).display())));
        };
        if self.has(key) {
            return Err(usage(format!("--{key} is given twice")));
        }
        self.given.push((key, value));
        Ok(())
    }

    fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == key)
    }

    /// All of them as the agent takes them. It checks the values itself.
    fn finish(mut self) -> Result<OsString, Failure> {
        if !self.has("report") {
            self.given.push(("report", Some("stderr".into())));
            if !self.has("format") {
                self.given.push(("format", Some("text".into())));
            }
        }
        let mut all = OsString::new();
        for (key, value) in self.given {
            if !all.is_empty() {
                all.push(",");
            }
            all.push(key);
            let Some(mut value) = value else { continue };
            if (key == "report" && value != "stderr") || (key == "metrics" && !is_endpoint(&value))
            {
                value = below_current_folder(&value)?;
            }
            if key != "natives" && value.as_bytes().contains(&b',') {
                let value = value.display();
                return Err(usage(format!("--{key} can't have a comma in its value: {value}")));
            }
            all.push("=");
            all.push(value);
        }
        Ok(all)
    }
}

/// Whether metrics go to a PORT or HOST:PORT, not to a FILE. The agent reads the value as this does.
fn is_endpoint(value: &OsStr) -> bool {
    let value = value.as_bytes();
    let port = value.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    !value.contains(&b'/') && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

/// A FILE where the caller stands: a script may go to another folder before it starts its
/// JVM. In FILE itself a `%` has its meaning, in the folder it has none.
fn below_current_folder(file: &OsStr) -> Result<OsString, Failure> {
    if Path::new(file).is_absolute() {
        return Ok(file.to_owned());
    }
    let folder = std::env::current_dir()
        .map_err(|error| Failure::Work(format!("the folder of {}: {error}", file.display())))?;
    let mut path = Vec::new();
    for byte in folder.as_os_str().as_bytes() {
        path.extend(if *byte == b'%' { &b"%%"[..] } else { std::slice::from_ref(byte) });
    }
    path.push(b'/');
    path.extend(file.as_bytes());
    Ok(OsString::from_vec(path))
}

fn usage(message: impl AsRef<str>) -> Failure {
    Failure::Usage(format!("run: {}", message.as_ref()))
}

/// `option` as one word of `JAVA_TOOL_OPTIONS`: a JVM splits it at blanks outside quotes, single or
/// double, and knows no backslash.
fn quoted(option: &OsStr) -> OsString {
    let special = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r' | b'"' | b'\'');
    if !option.as_bytes().iter().any(special) {
        return option.to_owned();
    }
    let mut word = vec![b'"'];
    for byte in option.as_bytes() {
        match byte {
            // Out of the double quotes, a quoted one, and back in.
            b'"' => word.extend(br#""'"'""#),
            _ => word.push(*byte),
        }
    }
    word.push(b'"');
    OsString::from_vec(word)
}

/// Why the program does not run, with the exit codes of a shell.
fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let name = program.display();
    let is_path = program.as_bytes().contains(&b'/');
    let (code, cure) = match error.kind() {
        io::ErrorKind::NotFound if is_path && Path::new(program).exists() => {
            (126, "the program its first line names is not there")
        }
        io::ErrorKind::NotFound if is_path => (127, "give the path of a program"),
        io::ErrorKind::NotFound => (127, "install it, add its folder to PATH, or give its path"),
        io::ErrorKind::PermissionDenied if is_path && Path::new(program).is_dir() => {
            (126, "it is a folder")
        }
        io::ErrorKind::PermissionDenied => (126, "chmod +x makes a file executable"),
        _ => (126, "give a program this machine can run"),
    };
    Failure::Start(code, format!("can't start {name}: {error}; {cure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Call, Failure> {
        Call::parse(line.iter().map(OsString::from))
    }

    fn start(line: &[&str], library: &str, tool_options: Option<&str>) -> Start {
        parse(line)
            .and_then(|call| call.with_agent(Path::new(library), tool_options.map(OsStr::new)))
            .unwrap_or_else(|failure| panic!("{line:?}: {}", text(&failure)))
    }

    fn text(failure: &Failure) -> &str {
        match failure {
            Failure::Usage(text) | Failure::Work(text) | Failure::Start(_, text) => text,
        }
    }

    fn options(line: &[&str]) -> OsString {
        let line = [line, &["--", "java"]].concat();
        parse(&line).unwrap_or_else(|failure| panic!("{line:?}: {}", text(&failure))).options
    }

    fn wrong(line: &[&str]) -> String {
        match parse(line) {
            Err(Failure::Usage(message)) => message,
            Err(other) => panic!("{line:?} is no usage error: {}", text(&other)),
            Ok(call) => panic!("{line:?} is taken for {call:?}"),
        }
    }

    #[test]
    fn the_agent_is_the_first_argument_of_java() {
        for java in ["java", "./java", "/usr/lib/jvm/a b/bin/java"] {
            let start =
                start(&["--", java, "-jar", "app.jar", "--limit"], "/l/lib.so", Some("-Dx"));
            assert_eq!(start.program, java);
            assert_eq!(
                start.arguments,
                ["-agentpath:/l/lib.so=report=stderr,format=text", "-jar", "app.jar", "--limit"]
            );
            assert_eq!(start.tool_options, None);
        }
    }

    #[test]
    fn any_other_program_finds_the_agent_in_the_environment() {
        for program in ["mvn", "/opt/java/start", "java.sh", "javac"] {
            let start = start(&["--strict", "--", program, "java", "--"], "/l/lib.so", None);
            assert_eq!(start.program, program);
            assert_eq!(start.arguments, ["java", "--"]);
            let options = "-agentpath:/l/lib.so=strict,report=stderr,format=text";
            assert_eq!(start.tool_options, Some(options.into()));
        }
    }

    #[test]
    fn what_the_environment_has_already_stays() {
        for (before, after) in [("", ""), ("-Dx=\"a b\" -Xmx1g", "-Dx=\"a b\" -Xmx1g ")] {
            let start = start(&["--report=stderr", "--", "mvn"], "/l.so", Some(before));
            let expected = format!("{after}-agentpath:/l.so=report=stderr");
            assert_eq!(start.tool_options, Some(expected.into()));
        }
    }

    #[test]
    fn blanks_and_quotes_are_quoted_in_the_environment_only() {
        let line = ["--report=stderr", "--", "mvn"];
        for (library, word) in [
            ("/a b/l.so", r#""-agentpath:/a b/l.so=report=stderr""#),
            ("/a\tb/l.so", "\"-agentpath:/a\tb/l.so=report=stderr\""),
            ("/it's/l.so", r#""-agentpath:/it's/l.so=report=stderr""#),
            (r#"/5"/l.so"#, r#""-agentpath:/5"'"'"/l.so=report=stderr""#),
            (r"/a\b/l.so", r"-agentpath:/a\b/l.so=report=stderr"),
        ] {
            assert_eq!(start(&line, library, None).tool_options, Some(word.into()), "{library}");
        }
        let java = start(&["--report=stderr", "--", "java"], "/a b/l.so", None);
        assert_eq!(java.arguments, ["-agentpath:/a b/l.so=report=stderr"]);
    }

    #[test]
    fn an_option_is_spelt_with_a_blank_or_an_equals_sign() {
        let expected = "limit=64m,natives=memory,net,allocator=jdk,report=stderr,format=json";
        assert_eq!(
            options(&[
                "--limit=64m",
                "--natives=memory,net",
                "--allocator=jdk",
                "--report=stderr",
                "--format=json",
            ]),
            expected
        );
        assert_eq!(
            options(&[
                "--limit",
                "64m",
                "--natives",
                "memory,net",
                "--allocator",
                "jdk",
                "--report",
                "stderr",
                "--format",
                "json",
            ]),
            expected
        );
    }

    #[test]
    fn every_option_of_the_agent_can_be_given() {
        let line = [
            "--sample=64k",
            "--icebergs=collect",
            "--share=20%",
            "--interval=30s",
            "--misuse=abort",
            "--guard=1%",
            "--serve=off",
            "--report=stderr",
        ];
        let expected = line.map(|option| option.trim_start_matches('-')).join(",");
        assert_eq!(options(&line), OsString::from(expected));
    }

    #[test]
    fn the_report_is_text_on_stderr_unless_said_otherwise() {
        assert_eq!(options(&[]), "report=stderr,format=text");
        assert_eq!(options(&["--format=json"]), "format=json,report=stderr");
        assert_eq!(options(&["--verbose", "--report=/r"]), "verbose,report=/r");
    }

    #[test]
    fn a_report_is_put_where_the_caller_stands() {
        let here = std::env::current_dir().unwrap();
        let expected = format!("report={}/r-%p.json", here.display());
        assert_eq!(options(&["--report", "r-%p.json"]), OsString::from(expected));
    }

    #[test]
    fn metrics_are_put_there_too_unless_they_are_an_endpoint() {
        let here = std::env::current_dir().unwrap();
        let expected = format!("metrics={}/m.prom,report=stderr", here.display());
        assert_eq!(options(&["--metrics=m.prom", "--report=stderr"]), OsString::from(expected));
        for endpoint in ["9400", "localhost:9400", "[::1]:0"] {
            let expected = format!("metrics={endpoint},report=stderr");
            let given = options(&["--metrics", endpoint, "--report=stderr"]);
            assert_eq!(given, OsString::from(expected));
        }
    }

    #[test]
    fn a_comma_is_for_the_list_of_natives_only() {
        for option in ["--limit=1,5g", "--allocator=a,b", "--report=/a,b", "--format=text,json"] {
            let message = wrong(&[option, "--", "java"]);
            assert!(message.contains("can't have a comma in its value"), "{option}: {message}");
        }
    }

    #[test]
    fn a_call_that_is_wrong_is_told_what_is() {
        for (line, expected) in [
            (&[][..], "run: -- and a command are missing: offheap run -- java ..."),
            (&["--strict"], "run: -- and a command are missing: offheap run -- java ..."),
            (&["java", "-jar"], "run: -- is missing before java: offheap run -- java"),
            (&["--"], "run: a command is missing after --"),
            (&["--", ""], "run: a command is missing after --"),
            (&["--budget=1", "--", "java"], "run: no such option: --budget"),
            (&["-v", "--", "java"], "run: no such option: -v"),
            (&["--limi", "1m", "--", "java"], "run: no such option: --limi"),
            (&["--=x", "--", "java"], "run: no such option: --"),
            (&["--limit"], "run: --limit needs a value after it"),
            (&["--limit", "--", "java"], "run: --limit needs a value after it"),
            (&["--limit=", "--", "java"], "run: --limit needs a value after it"),
            (&["--limit", "", "--", "java"], "run: --limit needs a value after it"),
            (&["--report", "--strict", "--", "java"], "run: --report needs a value after it"),
            (&["--strict=yes", "--", "java"], "run: --strict takes no value"),
            (&["--verbose", "--verbose", "--", "java"], "run: --verbose is given twice"),
            (&["--limit=1m", "--limit", "2m", "--", "java"], "run: --limit is given twice"),
        ] {
            assert_eq!(wrong(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_library_that_no_jvm_can_be_told_of_is_refused() {
        let call = parse(&["--", "java"]).unwrap_or_else(|failure| panic!("{}", text(&failure)));
        let refused = call.with_agent(Path::new("/a=b/l.so"), None);
        let message = refused.as_ref().err().map(text).unwrap_or_default();
        assert!(message.contains("/a=b/l.so; move it elsewhere"), "{refused:?}");
    }
}
