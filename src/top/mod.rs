//! `offheap top`: who holds the memory below a running JVM's heap, over and over.

mod figures;
mod screen;
mod terminal;

use crate::ask::{Jvm, Request};
use crate::watch::{Words, once};
use crate::{Failure, print};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::size;
use figures::{Figures, Past, Sort};
use screen::View;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level};
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};
use terminal::Terminal;

/// How long keys may wait for an answer to be shown, and the other way round.
const NAP: Duration = Duration::from_millis(20);
/// A process that does not answer for so long is said to be silent.
const SILENT: Duration = Duration::from_secs(3);

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    pid: u32,
    interval: Duration,
    sort: Sort,
    /// How many reports are shown; all if not said.
    count: Option<u64>,
}

/// `top PID [OPTIONS]`.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let call = Call::parse(arguments)?;
    let jvm = Jvm::find(call.pid)?;
    let view = View { sort: call.sort, unicode: speaks_unicode(), ..View::default() };
    if io::stdout().is_terminal() {
        on_terminal(&jvm, &call, view)
    } else {
        plain(&jvm, &call, &view)
    }
}

impl Call {
    fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let (mut pid, mut interval, mut sort, mut count) = (None, None, None, None);
        let mut words = Words::of("top", arguments);
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--interval") => {
                    let seconds = words.value("--interval")?;
                    let allowed = "--interval takes seconds, 0.1 to 3600";
                    let seconds = interval_of(&seconds).ok_or_else(|| words.usage(allowed))?;
                    once(&mut interval, seconds)
                }
                Some("--sort") => {
                    let name = words.value("--sort")?;
                    let by = name.to_str().and_then(Sort::named);
                    let allowed = "--sort takes bytes, growth, blocks or age";
                    once(&mut sort, by.ok_or_else(|| words.usage(allowed))?)
                }
                Some("--count") => {
                    let number = words.value("--count")?;
                    let number = number.to_str().and_then(|number| number.parse().ok());
                    let number = number.filter(|number| *number > 0);
                    let allowed = "--count takes a number above 0";
                    once(&mut count, number.ok_or_else(|| words.usage(allowed))?)
                }
                _ => once(&mut pid, words.process(&word)?),
            }
            .map_err(|()| words.usage(&format!("{} is one too many", word.display())))?;
        }
        Ok(Self {
            pid: pid.ok_or_else(|| words.pid_missing())?,
            interval: interval.unwrap_or(Duration::from_secs(1)),
            sort: sort.unwrap_or_default(),
            count,
        })
    }

    fn is_over(&self, shown: u64) -> bool {
        self.count.is_some_and(|count| shown >= count)
    }
}

fn interval_of(seconds: &OsStr) -> Option<Duration> {
    let seconds: f64 = seconds.to_str()?.parse().ok()?;
    (0.1..=3600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// The first of these that is set says it, as the C library has it.
fn speaks_unicode() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// One report for the eyes, the next for the figures of the next.
fn ask(jvm: &Jvm) -> Result<String, Failure> {
    jvm.ask(&Request { format: "json".to_owned(), ..Request::default() })
}

fn read(past: &mut Past, report: &str, sort: Sort) -> Result<Figures, Failure> {
    let unreadable = |error| Failure::Work(format!("the report can't be read: {error}"));
    let mut figures = past.read(report).map_err(unreadable)?;
    sort.sort(&mut figures.sites);
    Ok(figures)
}

/// A block of text for each report, as `top -b` does.
fn plain(jvm: &Jvm, call: &Call, view: &View) -> Result<(), Failure> {
    let mut past = Past::default();
    for shown in 1.. {
        let next = Instant::now() + call.interval;
        print(&screen::plain(&read(&mut past, &ask(jvm)?, view.sort)?, view))?;
        if call.is_over(shown) {
            break;
        }
        sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn on_terminal(jvm: &Jvm, call: &Call, view: View) -> Result<(), Failure> {
    // Before the terminal is taken: what is wrong at the first report is told where the user is.
    let first = ask(jvm)?;
    let broken = |error: io::Error| Failure::Work(format!("the terminal: {error}"));
    let ended = Ended::on_signals().map_err(broken)?;
    let terminal = Terminal::take().map_err(broken)?;
    let mut top = Top {
        past: Past::default(),
        figures: Figures::default(),
        view,
        shown: 0,
        asker: Asker::start(jvm.clone()),
    };
    let result = top.take(&first).and_then(|()| top.go(call, &terminal, &ended));
    drop(terminal);
    ended.by_its_signal();
    result
}

/// Which signal has asked the command to end.
struct Ended(Arc<AtomicUsize>);

impl Ended {
    const SIGNALS: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT];

    fn on_signals() -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        for number in Self::SIGNALS {
            let value = usize::try_from(number).unwrap_or_default();
            flag::register_usize(number, Arc::clone(&signal), value)?;
        }
        Ok(Self(signal))
    }

    fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Ends the process as the signal would have, had it not been held up; without one goes on.
    fn by_its_signal(&self) {
        if let Ok(signal @ 1..) = i32::try_from(self.0.load(Ordering::Relaxed)) {
            // Only a signal that there is not is refused.
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// Asks on a thread of its own: keys are heard also while a process does not answer.
struct Asker {
    go: Sender<()>,
    answers: Receiver<Result<String, Failure>>,
    /// When the answer that is waited for was asked for.
    asked: Option<Instant>,
}

impl Asker {
    fn start(jvm: Jvm) -> Self {
        let (go, orders) = channel();
        let (send, answers) = channel();
        std::thread::spawn(move || while orders.recv().is_ok() && send.send(ask(&jvm)).is_ok() {});
        Self { go, answers, asked: None }
    }

    fn ask(&mut self) {
        if self.asked.is_none() && self.go.send(()).is_ok() {
            self.asked = Some(Instant::now());
        }
    }

    fn answer(&mut self) -> Option<Result<String, Failure>> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.asked = None;
                Some(answer)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err(Failure::Work("no report can be asked for any more".to_owned())))
            }
        }
    }
}

struct Top {
    past: Past,
    figures: Figures,
    view: View,
    shown: u64,
    asker: Asker,
}

impl Top {
    /// A report has come.
    fn take(&mut self, report: &str) -> Result<(), Failure> {
        self.figures = read(&mut self.past, report, self.view.sort)?;
        self.shown += 1;
        Ok(())
    }

    fn go(&mut self, call: &Call, terminal: &Terminal, ended: &Ended) -> Result<(), Failure> {
        let broken = |error: io::Error| Failure::Work(format!("the terminal: {error}"));
        let mut due = Instant::now() + call.interval;
        let mut is_shown = false;
        while !ended.is_asked_for() {
            if let Some(answer) = self.asker.answer() {
                self.take(&answer?)?;
                is_shown = false;
            }
            if !self.view.paused && Instant::now() >= due {
                self.asker.ask();
                due = Instant::now() + call.interval;
            }
            let silent = self.asker.asked.map(|asked| asked.elapsed()).filter(|t| *t >= SILENT);
            let silent = silent.map(|time| time.as_secs());
            if std::mem::replace(&mut self.view.silent, silent) != silent {
                is_shown = false;
            }
            if !is_shown {
                let (width, height) = size().map_err(broken)?;
                let lines = self.view.lines(&self.figures, width.into(), height.into());
                terminal.draw(&lines).map_err(broken)?;
                is_shown = true;
            }
            if call.is_over(self.shown) {
                return Ok(());
            }
            if event::poll(NAP).map_err(broken)? {
                match event::read().map_err(broken)? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        if self.press(key) == Next::Quit {
                            return Ok(());
                        }
                        is_shown = false;
                    }
                    Event::Resize(..) => is_shown = false,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn press(&mut self, key: KeyEvent) -> Next {
        let Self { view, figures, .. } = self;
        let sites = &mut figures.sites;
        let page = isize::try_from(view.page.max(1)).unwrap_or(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Next::Quit;
            }
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc if !view.open => return Next::Quit,
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => view.close(),
            KeyCode::Enter if view.open => view.close(),
            KeyCode::Enter | KeyCode::Right => view.open(sites),
            KeyCode::Char('p' | ' ') => view.paused = !view.paused,
            KeyCode::Down | KeyCode::Char('j') => view.go(sites, 1),
            KeyCode::Up | KeyCode::Char('k') => view.go(sites, -1),
            KeyCode::PageDown => view.go(sites, page),
            KeyCode::PageUp => view.go(sites, -page),
            KeyCode::Home => view.go(sites, isize::MIN),
            KeyCode::End => view.go(sites, isize::MAX),
            KeyCode::Char(letter) => {
                let sort = match letter {
                    'b' => Sort::Bytes,
                    'g' => Sort::Growth,
                    'n' => Sort::Blocks,
                    'a' => Sort::Age,
                    _ => return Next::Stay,
                };
                view.sort = sort;
                sort.sort(sites);
            }
            _ => {}
        }
        Next::Stay
    }
}

/// What a key leads to.
#[derive(PartialEq, Eq)]
enum Next {
    Stay,
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, Failure> {
        Call::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn options_come_in_any_order() {
        let (interval, sort) = (Duration::from_millis(500), Sort::Growth);
        let expected = Call { pid: 7, interval, sort, count: Some(3) };
        assert_eq!(parse("--interval 0.5 7 --sort=growth --count 3").unwrap(), expected);
        let (interval, sort) = (Duration::from_secs(1), Sort::Bytes);
        assert_eq!(parse("7").unwrap(), Call { pid: 7, interval, sort, count: None });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, said) in [
            ("--count 3", "a process's number is missing"),
            ("x", "no such process: x"),
            ("7 --interval 0", "0.1 to 3600"),
            ("7 --interval NaN", "0.1 to 3600"),
            ("7 --interval 1e99", "0.1 to 3600"),
            ("7 --sort name", "bytes, growth, blocks or age"),
            ("7 --count 0", "above 0"),
            ("7 --count", "--count needs a value"),
            ("7 --sort age --sort age", "--sort is one too many"),
            ("7 --mark", "no such option: --mark"),
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
