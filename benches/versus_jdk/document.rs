//! What is told of the figures: a line for each case, and `docs/benchmarks.md` with its plot.

use crate::cases::{Case, PEER, Target};
use crate::common::{Jdk, quantile};
use crate::plot;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was measured of a case: stock and ours, pair by pair.
pub(crate) struct Pairs(pub(crate) Vec<(f64, f64)>);

impl Pairs {
    /// The quartiles of a figure that each pair has.
    fn quartiles(&self, figure: impl Fn(f64, f64) -> f64) -> [f64; 3] {
        let mut figures: Vec<f64> =
            self.0.iter().map(|&(stock, ours)| figure(stock, ours)).collect();
        [1, 2, 3].map(|quarters| quantile(&mut figures, quarters))
    }
}

impl Target {
    fn text(self, unit: &str) -> String {
        match self {
            Self::Ratio(most) => format!("{RATIO_TARGET}{}", short(most)),
            Self::Ours(most) => format!("ours ≤ {} {unit}", short(most)),
            Self::More(most) => format!("≤ {} {unit} more", short(most)),
        }
    }

    /// Whether the median is where it is to be, and if so many of the pairs say otherwise that another run
    /// might, that too.
    fn verdict(self, pairs: &Pairs) -> &'static str {
        let (most, [low, median, high]) = match self {
            Self::Ratio(most) => (most, pairs.quartiles(|stock, ours| ours / stock)),
            Self::Ours(most) => (most, pairs.quartiles(|_, ours| ours)),
            Self::More(most) => (most, pairs.quartiles(|stock, ours| ours - stock)),
        };
        match (median <= most, low <= most && most < high) {
            (true, false) => "yes",
            (true, true) => "yes, within the spread",
            (false, true) => "no, within the spread",
            (false, false) => "no",
        }
    }
}

const RATIO_TARGET: &str = "ratio ≤ ";

/// A line of the tables, as text: one that was written long ago stays as it is.
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) jdk: u32,
    stock: String,
    ours: String,
    ratio: String,
    spread: String,
    target: String,
    met: String,
    /// When, and by how many pairs of runs.
    measured: String,
    /// On which machine: its letter.
    machine: String,
}

const HEADS: &str =
    "| case | JDK | stock | ours | ratio | middle half | target | met | measured | on |
|---|---:|---:|---:|---:|---|---|---|---|---|
";

impl Row {
    pub(crate) fn new(case: &Case, jdk: &Jdk, pairs: &Pairs) -> Self {
        let [_, stock, _] = pairs.quartiles(|stock, _| stock);
        let [_, ours, _] = pairs.quartiles(|_, ours| ours);
        let [low, ratio, high] = pairs.quartiles(|stock, ours| ours / stock);
        Self {
            case: case.title(),
            jdk: jdk.version,
            stock: short(stock),
            ours: short(ours),
            ratio: short(ratio),
            spread: format!("{} to {}", short(low), short(high)),
            target: case.target.map(|target| target.text(case.unit.name)).unwrap_or_default(),
            met: case.target.map(|target| target.verdict(pairs)).unwrap_or_default().to_owned(),
            measured: format!("{}, {} pairs", first_line("date", &["-u", "+%F"]), pairs.0.len()),
            machine: String::new(),
        }
    }

    /// As it is printed.
    pub(crate) fn line(&self) -> String {
        let Self { case, jdk, stock, ours, ratio, .. } = self;
        format!("{case}\t{jdk}\t{stock}\t{ours}\t{ratio}")
    }

    /// The rest, for who looks on.
    pub(crate) fn summary(&self) -> String {
        let Self { ratio, spread, target, met, .. } = self;
        let met = if target.is_empty() { String::new() } else { format!("; {target}: {met}") };
        format!("{ratio} ({spread}){met}")
    }

    fn markdown(&self) -> String {
        let Self { case, jdk, stock, ours, ratio, spread, target, met, measured, machine } = self;
        let jdk = jdk.to_string();
        let cells = [case, &jdk, stock, ours, ratio, spread, target, met, measured, machine];
        format!("| {} |\n", cells.map(String::as_str).join(" | "))
    }

    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let [case, jdk, stock, ours, ratio, spread, target, met, measured, machine] =
            cells.try_into().ok()?;
        let jdk = jdk.parse().ok()?; // not so in the table's head
        Some(Self { case, jdk, stock, ours, ratio, spread, target, met, measured, machine })
    }

    /// The ratio, its quartiles, and what it is to be, if that is a ratio.
    pub(crate) fn plotted(&self) -> Option<([f64; 3], Option<f64>)> {
        let (low, high) = self.spread.split_once(" to ")?;
        let target = self.target.strip_prefix(RATIO_TARGET).and_then(|target| target.parse().ok());
        Some(([low.parse().ok()?, self.ratio.parse().ok()?, high.parse().ok()?], target))
    }

    fn is_of_peer(&self) -> bool {
        self.case.starts_with(PEER)
    }
}

/// `docs/benchmarks.md`: what stands between two lines of it is ours to write.
pub(crate) struct Document {
    folder: PathBuf,
    before: String,
    after: String,
    facts: Vec<Fact>,
    /// The letter of this machine.
    machine: String,
    rows: Vec<Row>,
    /// The cases' titles, as they are to stand.
    order: Vec<String>,
}

/// What was measured with: `machine A` and so on, `offheap`, `JDK 8` and so on, and what it is. Machines may be
/// several, because the two sides of a ratio are of one: each row has its letter.
type Fact = (String, String);

const FILE: &str = "benchmarks.md";
const PLOT: &str = "benchmarks.svg";
const BEGIN: &str =
    "<!-- From here on written by `cargo bench --bench versus_jdk -- --write`. -->\n";
const END: &str = "<!-- Up to here. -->\n";
const EMPTY: &str = include_str!("document.md");

impl Document {
    /// Reads what is there, and refuses to mix figures that can't be compared, before any is measured.
    pub(crate) fn open(
        cases: &[Case],
        jdks: &[Jdk],
        plan: &[(&Case, &Jdk)],
    ) -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let text = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => EMPTY.to_owned(),
            Err(error) => return Err(format!("docs/{FILE}: {error}")),
        };
        let torn = || {
            format!("docs/{FILE} lacks the line\n{BEGIN}or\n{END}put it back, or remove the file")
        };
        let (before, rest) = text.split_once(BEGIN).ok_or_else(torn)?;
        let (written, after) = rest.split_once(END).ok_or_else(torn)?;

        let order: Vec<String> = cases.iter().map(Case::title).collect();
        let is_known = |row: &Row| order.contains(&row.case);
        let mut rows: Vec<Row> = written.lines().filter_map(Row::parse).filter(is_known).collect();
        let is_in_plan = |row: &Row| {
            plan.iter().any(|(case, jdk)| case.title() == row.case && jdk.version == row.jdk)
        };
        let kept: Vec<&Row> = rows.iter().filter(|row| !is_in_plan(row)).collect();
        let mut facts = facts(jdks);
        let known: Vec<Fact> = written.lines().filter_map(fact).collect();
        let this = this_machine();
        let machine = letter(&known, &this)?;
        facts.push((format!("{MACHINE}{machine}"), this));
        for (what, before) in known {
            match facts.iter().find(|(fact, _)| *fact == what) {
                None => facts.push((what, before)),
                Some((_, now)) if *now == before => {}
                Some((_, now)) => {
                    let of_it = |row: &&Row| !what.starts_with(JDK) || what == jdk_fact(row.jdk);
                    if let Some(row) = kept.iter().copied().find(of_it) {
                        return Err(format!(
                            "{what} is '{now}' now, and was '{before}' when docs/{FILE} was written; \
                             the figure of '{}' would stay: run all cases, or remove the file",
                            row.case
                        ));
                    }
                }
            }
        }
        facts.sort_by_key(|(what, _)| {
            let jdk = what.strip_prefix(JDK).and_then(|jdk| jdk.parse::<u32>().ok());
            (jdk, what.strip_prefix(MACHINE).is_none(), what.clone())
        });
        if kept.is_empty() {
            rows.clear();
        }
        let (before, after) = (before.to_owned(), after.to_owned());
        Ok(Self { folder, before, after, facts, machine, rows, order })
    }

    /// Puts the row in its place, and writes it all: what has been measured is kept if the next case fails.
    pub(crate) fn write(&mut self, row: Row) -> Result<(), String> {
        self.rows.retain(|other| (&other.case, other.jdk) != (&row.case, row.jdk));
        self.rows.push(Row { machine: self.machine.clone(), ..row });
        let order = &self.order;
        self.rows.sort_by_key(|row| (order.iter().position(|case| *case == row.case), row.jdk));
        let save = |file: &str, text: String| {
            let file = self.folder.join(file);
            fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        save(PLOT, plot::svg(self.rows.iter().filter(|row| !row.is_of_peer())))?;
        save(FILE, self.text())
    }

    fn text(&self) -> String {
        let is_used = |what: &str| match what.strip_prefix(MACHINE) {
            Some(machine) => self.rows.iter().any(|row| row.machine == machine),
            None => true,
        };
        let facts = self.facts.iter().filter(|(what, _)| is_used(what));
        let facts: String = facts.map(|(what, is)| format!("- {what}: {is}\n")).collect();
        let table = |is_of_peer| -> String {
            self.rows
                .iter()
                .filter(|row| row.is_of_peer() == is_of_peer)
                .map(Row::markdown)
                .collect()
        };
        let (targets, peers) = (table(false), table(true));
        let Self { before, after, .. } = self;
        let mut text = format!("{before}{BEGIN}\n{facts}");
        if !targets.is_empty() {
            text += &format!("\n![The ratios, by case and JDK]({PLOT})\n\n{HEADS}{targets}");
        }
        if !peers.is_empty() {
            text += &format!("\nPeers:\n\n{HEADS}{peers}");
        }
        text + "\n" + END + after
    }
}

/// What the facts of JDKs begin with, and those of machines.
const JDK: &str = "JDK ";
const MACHINE: &str = "machine ";

fn jdk_fact(version: u32) -> String {
    format!("{JDK}{version}")
}

fn facts(jdks: &[Jdk]) -> Vec<Fact> {
    let mut facts = vec![("offheap".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    facts.extend(jdks.iter().map(|jdk| (jdk_fact(jdk.version), jdk.name.clone())));
    facts
}

/// The letter that the machine has in these facts, or else the first that none has.
fn letter(facts: &[Fact], machine: &str) -> Result<String, String> {
    let machines =
        || facts.iter().filter_map(|(what, is)| Some((what.strip_prefix(MACHINE)?, is.as_str())));
    let known = machines().find(|(_, is)| *is == machine).map(|(letter, _)| letter.to_owned());
    let free =
        ('A'..='Z').map(String::from).find(|free| machines().all(|(letter, _)| letter != free));
    known.or(free).ok_or_else(|| format!("docs/{FILE} has figures of 26 machines: remove the file"))
}

fn this_machine() -> String {
    let line = |file: &str, begin: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_default();
        line.trim_matches(|c: char| c == ':' || c.is_whitespace()).to_owned()
    };
    let memory = line("/proc/meminfo", "MemTotal");
    let kibibytes = memory.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{processors} × {}, {:.0} GiB; Linux {}, {}",
        line("/proc/cpuinfo", "model name"),
        kibibytes.unwrap_or_default() / f64::from(1 << 20),
        line("/proc/sys/kernel/osrelease", ""),
        first_line("getconf", &["GNU_LIBC_VERSION"]),
    )
}

fn fact(line: &str) -> Option<Fact> {
    let (what, is) = line.strip_prefix("- ")?.split_once(": ")?;
    Some((what.to_owned(), is.to_owned()))
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// Four digits that count, and no more.
fn short(figure: f64) -> String {
    let digits = (3.0 - figure.abs().max(1e-9).log10().floor()).clamp(0.0, 9.0);
    let text = (0..=9).find(|places| f64::from(*places) >= digits).map_or_else(
        || figure.to_string(),
        |places| format!("{figure:.0$}", usize::try_from(places).unwrap_or(0)),
    );
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
