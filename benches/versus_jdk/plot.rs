//! The ratios as a picture. Written by hand: no charting crate has points by name on a logarithmic axis
//! in less than this file.

use crate::document::Row;
use std::fmt::Write;

/// Told apart by who sees no red and green, too.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const LABELS: f64 = 290.0;
const WIDTH: f64 = 640.0;
const TOP: f64 = 48.0;
/// Between the JDKs of a case.
const STEP: f64 = 6.0;
const GAP: f64 = 10.0;

/// A band for each case, in it a point for each JDK, with a line as long as the middle half of the pairs;
/// and a bar where the target is.
pub(crate) fn svg<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let points: Vec<_> = rows
        .filter_map(|row| row.plotted().map(|(ratio, target)| (row, ratio, target)))
        .filter(|(_, [low, ..], _)| *low > 0.0)
        .collect();
    let all = || points.iter().flat_map(|(_, ratio, target)| ratio.iter().chain(target)).copied();
    let decades = all().fold((-1.0_f64, 1.0_f64), |(low, high), ratio| {
        (low.min(ratio.log10().floor()), high.max(ratio.log10().ceil()))
    });
    let x = |ratio: f64| LABELS + (ratio.log10() - decades.0) / (decades.1 - decades.0) * WIDTH;
    let mut jdks: Vec<u32> = points.iter().map(|(row, ..)| row.jdk).collect();
    jdks.sort_unstable();
    jdks.dedup();
    let colour = |jdk: u32| {
        let place = jdks.iter().position(|other| *other == jdk).unwrap_or(0);
        COLOURS.iter().cycle().nth(place).copied().unwrap_or("black")
    };

    let mut bands = String::new();
    let mut y = TOP;
    for case in points.chunk_by(|(a, ..), (b, ..)| a.case == b.case) {
        let height = GAP + STEP * f64::from(u32::try_from(case.len()).unwrap_or(0));
        for (i, (row, [low, ratio, high], target)) in case.iter().enumerate() {
            let at = y + (GAP + STEP) / 2.0 + STEP * f64::from(u32::try_from(i).unwrap_or(0));
            if i == 0 {
                let middle = y + height / 2.0;
                let name = row.case.replace('&', "&amp;").replace('<', "&lt;");
                text(&mut bands, LABELS - 8.0, middle + 4.0, "end", "#222", &name);
                line(&mut bands, (LABELS, y), (LABELS + WIDTH, y), "#eee", 1.0);
                if let Some(target) = target {
                    let x = x(*target);
                    line(&mut bands, (x, y + 1.0), (x, y + height - 1.0), "#222", 2.0);
                }
            }
            line(&mut bands, (x(*low), at), (x(*high), at), colour(row.jdk), 1.5);
            let (x, fill) = (x(*ratio), colour(row.jdk));
            let _ = writeln!(bands, r#"<circle cx="{x:.1}" cy="{at:.1}" r="3" fill="{fill}"/>"#);
        }
        y += height;
    }

    let mut frame = String::new();
    let mut decade = decades.0;
    while decade <= decades.1 {
        let ratio = 10.0_f64.powf(decade);
        let (x, one) = (x(ratio), decade == 0.0);
        line(&mut frame, (x, TOP), (x, y), if one { "#222" } else { "#ccc" }, 1.0);
        let name = if one { "1 (stock)".to_owned() } else { ratio.to_string() };
        text(&mut frame, x, TOP - 6.0, "middle", "#222", &name);
        decade += 1.0;
    }
    for (i, jdk) in jdks.iter().enumerate() {
        let x = LABELS + 64.0 * f64::from(u32::try_from(i).unwrap_or(0));
        text(&mut frame, x, 16.0, "start", colour(*jdk), &format!("● JDK {jdk}"));
    }
    text(&mut frame, LABELS + WIDTH, 16.0, "end", "#222", "❙ target; left is better");
    let (width, height) = (LABELS + WIDTH + 24.0, y + 12.0);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
{frame}{bands}</svg>
"##
    )
}

fn line(to: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, width: f64) {
    let _ = writeln!(
        to,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"/>"#
    );
}

fn text(to: &mut String, x: f64, y: f64, anchor: &str, colour: &str, text: &str) {
    let _ = writeln!(
        to,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{text}</text>"#
    );
}
