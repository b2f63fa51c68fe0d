//! A report in JSON as `top` shows it, and what has changed since the reports before.

use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// Rates are over so many seconds at most: over less they jump with every block.
const WINDOW: f64 = 10.0;

/// What is shown of one report.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) pid: u64,
    pub(super) jdk: String,
    pub(super) live: u64,
    pub(super) blocks: u64,
    pub(super) peak: u64,
    pub(super) limit: Option<u64>,
    pub(super) refusals: u64,
    /// Bytes taken a second; unknown at the first report.
    pub(super) rate: Option<f64>,
    /// Of so many bytes one is looked at, on average; 0 is every block.
    pub(super) sample: Option<u64>,
    pub(super) sites: Vec<Site>,
    /// Live bytes from the start until now, and the seconds between.
    pub(super) history: Vec<u64>,
    pub(super) seconds: f64,
}

/// Who has taken how much.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Site {
    /// Tells it from the others, in this report and the next.
    pub(super) key: String,
    pub(super) owner: String,
    pub(super) family: String,
    pub(super) pool: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) bytes: u64,
    pub(super) blocks: u64,
    pub(super) sampled: u64,
    pub(super) ever_bytes: u64,
    pub(super) ever_blocks: u64,
    /// Live bytes a second; unknown at the first report.
    pub(super) growth: Option<f64>,
    pub(super) oldest: f64,
    pub(super) median: f64,
    pub(super) stack: Vec<String>,
}

/// By what sites are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Bytes,
    Growth,
    Blocks,
    Age,
}

impl Sort {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "bytes" => Some(Self::Bytes),
            "growth" => Some(Self::Growth),
            "blocks" => Some(Self::Blocks),
            "age" => Some(Self::Age),
            _ => None,
        }
    }

    /// Most first, the same figures in the same order in every report.
    pub(super) fn sort(self, sites: &mut [Site]) {
        sites.sort_by(|a, b| {
            let by_this = match self {
                Self::Bytes => b.bytes.cmp(&a.bytes),
                Self::Growth => b.growth.unwrap_or(0.0).total_cmp(&a.growth.unwrap_or(0.0)),
                Self::Blocks => b.blocks.cmp(&a.blocks),
                Self::Age => b.oldest.total_cmp(&a.oldest),
            };
            by_this.then_with(|| b.bytes.cmp(&a.bytes)).then_with(|| a.key.cmp(&b.key))
        });
    }
}

/// The reports of the last seconds, as far as rates need them.
#[derive(Default)]
pub(super) struct Past {
    moments: VecDeque<Moment>,
}

struct Moment {
    /// The process's clock, in seconds.
    taken: f64,
    ever: u64,
    /// Live bytes by site.
    sites: HashMap<String, u64>,
}

impl Past {
    /// Reads a report, the next one.
    pub(super) fn read(&mut self, report: &str) -> Result<Figures, String> {
        let report = &serde_json::from_str::<Value>(report).map_err(|error| error.to_string())?;
        let mut figures = Figures::of(report);
        let taken = report["taken"].as_f64().unwrap_or_default();
        let ever = number(&report["memory"], "allocated_bytes");
        // The newest of those that are old enough, and none from before a clock was set back.
        let old = |moment: &Moment| moment.taken <= taken - WINDOW;
        while self.moments.get(1).is_some_and(old) {
            self.moments.pop_front();
        }
        self.moments.retain(|moment| moment.taken < taken);
        if let Some(before) = self.moments.front() {
            let seconds = taken - before.taken;
            figures.rate = Some(difference(ever, before.ever) / seconds);
            for site in &mut figures.sites {
                let bytes = before.sites.get(&site.key).copied().unwrap_or_default();
                site.growth = Some(difference(site.bytes, bytes) / seconds);
            }
        }
        let sites = figures.sites.iter().map(|site| (site.key.clone(), site.bytes)).collect();
        self.moments.push_back(Moment { taken, ever, sites });
        Ok(figures)
    }
}

/// As a float; below 2^53 exactly.
fn difference(after: u64, before: u64) -> f64 {
    after as f64 - before as f64
}

impl Figures {
    fn of(report: &Value) -> Self {
        let memory = &report["memory"];
        let jdk = &report["jdk"];
        let live = number(memory, "live_bytes");
        let moments = report["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let seconds = moments.last().and_then(|moment| moment["seconds"].as_f64());
        let mut history: Vec<_> = moments.iter().map(|it| number(it, "live_bytes")).collect();
        history.push(live);
        let sites = report["sites"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            pid: number(report, "pid"),
            jdk: match (text(jdk, "version"), text(jdk, "vm")) {
                (Some(version), Some(vm)) => format!("JDK {version} ({vm})"),
                _ => "a JDK that has not started".to_owned(),
            },
            live,
            blocks: number(memory, "live_blocks"),
            peak: number(memory, "peak_bytes"),
            limit: memory["limit"].as_u64(),
            refusals: number(memory, "refusals"),
            rate: None,
            sample: report["sample"].as_u64(),
            sites: sites.iter().map(Site::of).collect(),
            history,
            seconds: seconds.unwrap_or_default(),
        }
    }
}

impl Site {
    fn of(site: &Value) -> Self {
        let calls = site["stack"].as_array().map(Vec::as_slice).unwrap_or_default();
        let stack: Vec<String> = calls.iter().filter_map(Value::as_str).map(printable).collect();
        let origin = &site["origin"];
        let origin = text(origin, "loader").map(|loader| match text(origin, "location") {
            Some(location) => format!("{location} ({loader})"),
            None => loader,
        });
        let owner = text(site, "owner").or_else(|| stack.first().cloned());
        let (family, pool) = (text(site, "family").unwrap_or_default(), text(site, "pool"));
        Self {
            // No name has a line's end in it.
            key: format!("{family}\n{pool:?}\n{origin:?}\n{}", stack.join("\n")),
            owner: owner.unwrap_or_else(|| "no Java code".to_owned()),
            family,
            pool,
            origin,
            bytes: number(site, "live_bytes"),
            blocks: number(site, "live_blocks"),
            sampled: number(site, "sampled_blocks"),
            ever_bytes: number(site, "allocated_bytes"),
            ever_blocks: number(site, "allocated_blocks"),
            growth: None,
            oldest: site["oldest_seconds"].as_f64().unwrap_or_default(),
            median: site["median_seconds"].as_f64().unwrap_or_default(),
            stack,
        }
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(printable)
}

/// A class may be called anything: what would be an order to the terminal is a question mark.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(taken: f64, ever: u64, sites: &[(&str, u64, u64, f64)]) -> String {
        let sites = sites.iter().map(|(owner, bytes, blocks, oldest)| {
            json!({ "owner": owner, "family": "arena", "stack": [owner], "live_bytes": bytes,
                "live_blocks": blocks, "oldest_seconds": oldest })
        });
        let sites: Vec<Value> = sites.collect();
        json!({ "taken": taken, "memory": { "allocated_bytes": ever }, "sites": sites }).to_string()
    }

    fn growth(figures: &Figures) -> Vec<Option<f64>> {
        figures.sites.iter().map(|site| site.growth).collect()
    }

    #[test]
    fn rates_are_over_the_last_seconds() {
        let mut past = Past::default();
        let first = past.read(&report(100.0, 1000, &[("a", 1000, 1, 0.0)])).unwrap();
        assert_eq!((first.rate, growth(&first)), (None, vec![None]));
        let sites = [("a", 500, 1, 0.0), ("b", 300, 1, 0.0)];
        let second = past.read(&report(102.0, 3000, &sites)).unwrap();
        assert_eq!((second.rate, growth(&second)), (Some(1000.0), vec![Some(-250.0), Some(150.0)]));
        // From 102 on: the report of 100 is too old by then.
        let later = past.read(&report(112.0, 3000, &[("a", 1500, 1, 0.0)])).unwrap();
        assert_eq!((later.rate, growth(&later)), (Some(0.0), vec![Some(100.0)]));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut past = Past::default();
        past.read(&report(100.0, 1000, &[])).unwrap();
        assert_eq!(past.read(&report(50.0, 2000, &[])).unwrap().rate, None);
        assert_eq!(past.read(&report(51.0, 2100, &[])).unwrap().rate, Some(100.0));
    }

    #[test]
    fn sites_are_sorted_by_what_is_asked_for() {
        let mut past = Past::default();
        past.read(&report(1.0, 0, &[("a", 9, 1, 0.0), ("b", 0, 1, 0.0)])).unwrap();
        let sites = [("a", 10, 2, 5.0), ("b", 8, 3, 6.0), ("c", 4, 9, 5.0)];
        let mut sites = past.read(&report(2.0, 0, &sites)).unwrap().sites;
        for (sort, order) in
            [("bytes", "abc"), ("growth", "bca"), ("blocks", "cba"), ("age", "bac")]
        {
            Sort::named(sort).unwrap().sort(&mut sites);
            let sorted: String = sites.iter().map(|site| site.owner.as_str()).collect();
            assert_eq!(sorted, order, "{sort}");
        }
    }

    #[test]
    fn a_name_can_not_steer_the_terminal() {
        let report = report(1.0, 0, &[("a\u{1b}[2J\u{9b}b\n", 1, 1, 0.0)]);
        assert_eq!(Past::default().read(&report).unwrap().sites[0].owner, "a?[2J?b?");
    }

    #[test]
    fn an_empty_report_is_shown_and_half_a_one_is_not() {
        assert_eq!(Past::default().read("{}").unwrap().live, 0);
        Past::default().read("{").unwrap_err();
    }
}
