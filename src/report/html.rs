//! A report as one page for a browser, which needs nothing besides itself.
//!
//! The page holds the report in JSON, and a script shows it. Names come from the program: none may
//! become markup or script. The data has no `<`, `inferno` escapes what it draws, and the page's
//! script makes text of the rest, never markup.

use super::{Report, call, json};
use crate::ledger::{Frame, Site, SiteSum};
use inferno::flamegraph::color::{Color, PaletteMap};
use inferno::flamegraph::{self, Direction, Options};
use std::io;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Calls that hold less than this many hundredths of what is live are left out of the graph: they
/// would be less than a pixel wide, and there may be a hundred thousand of them.
const NARROWEST: f64 = 0.02;

pub(super) fn html(report: &Report) -> String {
    page(&json::json(report).to_string(), &report.sums.sites)
}

fn page(data: &str, sites: &[SiteSum]) -> String {
    // Outside of strings JSON has no `<`, and in a string this is the same.
    let data = data.replace('<', "\\u003c");
    // Nothing that is live has no graph.
    let graph = graph(sites).unwrap_or_default();
    fill(&[("{style}", STYLE), ("{graph}", &graph), ("{data}", &data), ("{script}", SCRIPT)])
}

/// The page with each mark replaced, in the marks' order: what has been put in is not looked at
/// again, so a name that looks like a mark stays one.
fn fill(parts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = PAGE;
    for (mark, part) in parts {
        if let Some((before, after)) = rest.split_once(mark) {
            page.push_str(before);
            page.push_str(part);
            rest = after;
        }
    }
    page.push_str(rest);
    page
}

/// The flame graph of live bytes, outermost calls at the top: an `svg` element with its own script.
fn graph(sites: &[SiteSum]) -> io::Result<String> {
    let mut colors = PaletteMap::default();
    colors.insert("", OUTWARD);
    // Those of most bytes come first, and the first to name a call gives it its colour.
    for sum in sites {
        color(&mut colors, &sum.site);
    }
    let mut options = Options::default();
    options.title = String::new();
    options.direction = Direction::Inverted;
    options.count_name = "bytes".to_owned();
    options.name_type = String::new();
    options.frame_height = 18;
    options.min_width = NARROWEST;
    options.palette_map = Some(&mut colors);

    let lines: Vec<String> = sites.iter().filter(|sum| sum.bytes > 0).map(line).collect();
    let mut drawn = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut drawn)?;
    let drawn = String::from_utf8(drawn).map_err(io::Error::other)?;
    // In a page there is no place for what an XML file begins with.
    let start = drawn.find("<svg").unwrap_or(0);
    // Nor are there attributes of a name space: an address that says where to zoom in finds them by
    // the name with its colon.
    Ok(drawn.get(start..).unwrap_or_default().replacen("[*|x=", "[fg\\\\:x=", 1))
}

/// One line a site, as `inferno` reads them: `outermost;...;innermost bytes`.
fn line(sum: &SiteSum) -> String {
    let calls: Vec<String> = sum.site.frames.iter().rev().map(word).collect();
    format!("{} {}", calls.join(";"), sum.bytes)
}

/// A call as one word of such a line. A class may have a blank in its name, and a number after that
/// would be taken for bytes.
fn word(frame: &Frame) -> String {
    let apart = |c: char| c.is_whitespace() || c.is_control() || c == ';';
    call(frame).replace(apart, "\u{2423}")
}

/// The colours of calls: the owner's, of what it calls, and of who calls it. Dark letters can be
/// read on all of them, on a page that is light or dark.
const OWNER: Color = Color::new(242, 153, 74);
const INWARD: Color = Color::new(176, 186, 198);
const OUTWARD: Color = Color::new(128, 190, 222);

fn color(colors: &mut PaletteMap, site: &Site) {
    for (place, frame) in site.frames.iter().enumerate() {
        let word = word(frame);
        if colors.get(&word).is_some() {
            continue;
        }
        let color = match place.cmp(&site.owner) {
            core::cmp::Ordering::Less => INWARD,
            core::cmp::Ordering::Equal => OWNER,
            core::cmp::Ordering::Greater => OUTWARD,
        };
        let color = shade(color, &frame.class);
        colors.insert(word, color);
    }
}

/// A little lighter or darker, the same for all of a class: neighbours can be told apart.
fn shade(color: Color, class: &str) -> Color {
    let sum = class.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let darker = sum % 5 * 6;
    Color::new(
        color.r.saturating_sub(darker),
        color.g.saturating_sub(darker),
        color.b.saturating_sub(darker),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Family;
    use core::time::Duration;
    use std::sync::Arc;

    fn frame(class: &str, line: u32) -> Frame {
        Frame { class: class.to_owned(), method: "take".to_owned(), line: Some(line) }
    }

    fn sum(frames: Vec<Frame>, bytes: u64) -> SiteSum {
        SiteSum {
            site: Arc::new(Site::new(frames, 0, Family::DirectBuffer)),
            bytes,
            blocks: 1,
            sampled: 1,
            ever_bytes: bytes,
            ever_blocks: 1,
            growth: 0,
            oldest: Duration::ZERO,
            median: Duration::ZERO,
            iceberg: None,
        }
    }

    /// What a class might be called by somebody who wants to run a script in a report.
    const HOSTILE: [&str; 5] = [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]></script><img src=x onerror=alert(1)>",
        "</title></svg><script>alert(1)",
        "{script}\" onload=\"alert(1)",
    ];

    /// A page whose names are these, without its data, and the data.
    fn apart(names: &[&str]) -> (String, String) {
        let sites: Vec<SiteSum> =
            names.iter().map(|class| sum(vec![frame(class, 1)], 1000)).collect();
        let page = page(&serde_json::json!({ "names": names }).to_string(), &sites);
        let (before, rest) = page.split_once("type=\"application/json\">").unwrap();
        let (data, after) = rest.split_once("</script>").unwrap();
        (format!("{before}{after}"), data.to_owned())
    }

    #[test]
    fn no_name_becomes_markup() {
        let (page, data) = apart(&HOSTILE);
        assert!(!data.contains('<'), "{data}");
        let read: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(read["names"], serde_json::json!(HOSTILE));
        // As many tags, comments and quotes as with names that want nothing.
        let (harmless, _) = apart(&["app.A", "app.B", "app.C", "app.D", "app.E"]);
        for mark in ["<", "-->", "]]>", "\"", "'"] {
            assert_eq!(page.matches(mark).count(), harmless.matches(mark).count(), "{mark}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = page("{}", &[sum(vec![frame("app.Cache", 3)], 10)]);
        for mark in ["src=", "href=", "url(http", "@import", "fetch(", "XMLHttpRequest"] {
            assert!(!page.contains(mark), "{mark}");
        }
        assert!(page.contains("default-src 'none'"));
        for mark in ["{style}", "{graph}", "{data}", "{script}"] {
            assert!(!page.contains(mark), "{mark}");
        }
    }

    #[test]
    fn the_graph_has_every_call_and_the_bytes_below_it() {
        let frames = |line| vec![frame("app.Cache", line), frame("app.Main", 1)];
        let graph = graph(&[sum(frames(3), 3000), sum(frames(4), 1000)]).unwrap();
        for title in [
            "all (4,000 bytes, 100%)",
            "app.Main.take:1 (4,000 bytes, 100.00%)",
            "app.Cache.take:3 (3,000 bytes, 75.00%)",
            "app.Cache.take:4 (1,000 bytes, 25.00%)",
        ] {
            assert!(graph.contains(&format!("<title>{title}</title>")), "{title}");
        }
        assert!(graph.starts_with("<svg") && graph.ends_with("</svg>"));
    }

    #[test]
    fn a_name_with_blanks_and_numbers_is_a_name() {
        let hostile = ["a 1x", "a", "a 5 7", "a;b", "a\n9", "# a", " ", "\u{a0}a"];
        let sites: Vec<SiteSum> =
            hostile.iter().map(|class| sum(vec![frame(class, 2)], 100)).collect();
        let graph = graph(&sites).unwrap();
        assert!(graph.contains("all (800 bytes, 100%)"));
        assert_eq!(graph.matches("take:2 (100 bytes, 12.50%)").count(), 8);
    }

    #[test]
    fn nothing_live_is_no_graph_and_still_a_page() {
        assert!(graph(&[]).is_err());
        assert!(graph(&[sum(vec![frame("app.Cache", 3)], 0)]).is_err());
        assert!(page("{}", &[]).ends_with("</html>\n"));
    }
}
