//! A strict reader of Prometheus' text format, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

/// A series: the metric's name, and its labels with their values.
type Series = (String, Vec<(String, String)>);

/// What a text says.
#[derive(Debug)]
pub(crate) struct Exposition {
    values: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Reads a text, every line of which must be as the format has it, and as a server wants it: each
    /// metric in one piece, its help and type first and once, no series twice.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let (mut current, mut kind) = (String::new(), "");
        if !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        for line in text.lines() {
            let wrong = |what: &str| format!("{what}: {line}");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
                if !is_name(name) || help.is_empty() || !seen.insert(name.to_owned()) {
                    return Err(wrong("a bad name, no help, or a second time"));
                }
                (current, kind) = (name.to_owned(), "");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, is) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
                if name != current || !kind.is_empty() || !["gauge", "counter"].contains(&is) {
                    return Err(wrong("a type of another metric, a second or a bad one"));
                }
                kind = is;
            } else {
                let (series, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
                if series.0 != current || kind.is_empty() {
                    return Err(wrong("of another metric than the one before"));
                }
                if (kind == "counter") != current.ends_with("_total") {
                    return Err(wrong("a counter ends in _total, and nothing else does"));
                }
                if values.insert(series, value).is_some() {
                    return Err(wrong("a series twice"));
                }
            }
        }
        Ok(Self { values })
    }

    /// The value of a series, of which all labels are given.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned()));
        self.values.get(&(name.to_owned(), labels.collect())).copied()
    }

    /// The series of that name: labels and value.
    pub(crate) fn all(&self, name: &str) -> Vec<(&[(String, String)], f64)> {
        let of_name = self.values.iter().filter(|((of, _), _)| of == name);
        of_name.map(|((_, labels), value)| (labels.as_slice(), *value)).collect()
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    characters.next().is_some_and(is_first) && characters.all(|c| is_first(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inside.split_once("=\"")?;
            let (text, after) = quoted(after)?;
            let is_new = labels.iter().all(|(other, _)| other != label);
            if !is_name(label) || label.contains(':') || !is_new {
                return None;
            }
            labels.push((label.to_owned(), text));
            match after.strip_prefix(',') {
                Some(after) => inside = after,
                None => {
                    rest = after.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').filter(|value| !value.contains(' '))?.parse().ok()?;
    is_name(name).then(|| ((name.to_owned(), labels), value))
}

/// A label's value up to its quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other @ ('\\' | '"') => other,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
}

#[test]
fn a_text_is_read_and_what_is_wrong_with_one_is_found() {
    let head = "# HELP a What.\n# TYPE a gauge\n";
    let good = format!("{head}a{{b=\"x\\\"\\\\\\n\",c=\"\"}} 7\na{{b=\"y\",c=\"\"}} 1e3\n");
    let read = Exposition::read(&good).unwrap();
    assert_eq!(read.value("a", &[("b", "x\"\\\n"), ("c", "")]), Some(7.0));
    assert_eq!(read.value("a", &[]), None);
    assert_eq!(read.all("a").len(), 2);
    for bad in [
        "a 1\n".to_owned(),
        format!("{head}a 1"),
        format!("{head}a 1\na 1\n"),
        format!("{head}{head}"),
        format!("{head}b 1\n"),
        format!("{head}a  1\n"),
        format!("{head}a x\n"),
        format!("{head}a{{b=\"\\x\"}} 1\n"),
        format!("{head}a{{b=\"x}} 1\n"),
        format!("{head}a{{b=\"x\",b=\"y\"}} 1\n"),
        format!("{head}a{{1=\"x\"}} 1\n"),
        "# HELP a What.\na 1\n".to_owned(),
        "# HELP a What.\n# TYPE a counter\na 1\n".to_owned(),
        "# HELP a What.\n# TYPE a histogram\na 1\n".to_owned(),
        format!("{head}\n"),
    ] {
        assert!(Exposition::read(&bad).is_err(), "{bad}");
    }
}
