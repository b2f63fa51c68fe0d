//! What `top` shows, as lines of text: pure, of the figures and the window's size.

use super::figures::{Figures, Site, Sort};

/// How the user looks at it.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// The key of the site that the bar is on; none is the first.
    pub(super) selected: Option<String>,
    /// The first row that is shown.
    pub(super) scroll: usize,
    /// The selected site is shown alone, with its stack.
    pub(super) open: bool,
    pub(super) paused: bool,
    /// How long the process has not answered, in seconds, if that is long.
    pub(super) silent: Option<u64>,
    /// The terminal can show more than ASCII.
    pub(super) unicode: bool,
    /// How many rows fit, as last shown.
    pub(super) page: usize,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Bold,
    /// Letters and ground changed over.
    Reverse,
}

/// A line of the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) look: Look,
}

const HEADING: &str = "  BYTES   BLOCKS GROWTH/s OLDEST  KIND             OWNER (POOL)";
const FOOTER: &str =
    "q quit  b bytes  g growth  n blocks  a age  up/down select  Enter stack  p pause";
const FOOTER_OPEN: &str = "q quit  Esc back  up/down scroll  p pause";

fn line(look: Look, text: impl Into<String>) -> Line {
    Line { text: text.into(), look }
}

impl View {
    /// Where the bar is.
    pub(super) fn index(&self, sites: &[Site]) -> usize {
        let selected = |key: &String| sites.iter().position(|site| site.key == *key);
        self.selected.as_ref().and_then(selected).unwrap_or(0)
    }

    /// Moves the bar, or what is shown of the stack, by so many rows.
    pub(super) fn go(&mut self, sites: &[Site], rows: isize) {
        if self.open {
            self.scroll = self.scroll.saturating_add_signed(rows);
        } else {
            let last = sites.len().saturating_sub(1);
            let index = self.index(sites).saturating_add_signed(rows).min(last);
            self.selected = sites.get(index).map(|site| site.key.clone());
        }
    }

    pub(super) fn open(&mut self, sites: &[Site]) {
        self.go(sites, 0); // the first site, if none is selected: from now on it is this one
        self.open = self.selected.is_some();
        self.scroll = 0;
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        self.scroll = 0;
    }

    /// The screen: `height` lines of `width` characters. The sites are sorted.
    pub(super) fn lines(&mut self, figures: &Figures, width: usize, height: usize) -> Vec<Line> {
        let mut lines = head(figures, self, width);
        // In a low window the sites matter more than the head.
        lines.truncate(height.saturating_sub(6).max(1));
        let rows = height.saturating_sub(lines.len() + 1);
        match figures.sites.get(self.index(&figures.sites)).filter(|_| self.open) {
            Some(site) => lines.extend(self.stack(site, rows)),
            None => {
                self.open = false;
                lines.extend(self.rows(figures, rows));
            }
        }
        lines.truncate(height.saturating_sub(1));
        lines.resize_with(height.saturating_sub(1), || line(Look::Plain, ""));
        if height > 0 {
            lines.push(line(Look::Reverse, if self.open { FOOTER_OPEN } else { FOOTER }));
        }
        for line in &mut lines {
            line.text = line.text.chars().chain(std::iter::repeat(' ')).take(width).collect();
        }
        lines
    }

    /// The heading, and the rows around the bar.
    fn rows(&mut self, figures: &Figures, height: usize) -> Vec<Line> {
        let (sites, index) = (&figures.sites, self.index(&figures.sites));
        self.page = height.saturating_sub(1);
        let least = (index + 1).saturating_sub(self.page);
        self.scroll = self.scroll.clamp(least.min(index), index);
        let mut lines = vec![line(Look::Bold, heading(self.sort))];
        if sites.is_empty() {
            lines.push(line(Look::Plain, nothing(figures)));
        }
        for (at, site) in sites.iter().enumerate().skip(self.scroll).take(self.page) {
            lines.push(line(if at == index { Look::Reverse } else { Look::Plain }, row(site)));
        }
        lines
    }

    /// All of one site.
    fn stack(&mut self, site: &Site, height: usize) -> Vec<Line> {
        let (head, stack) = (detail(site), &site.stack);
        self.page = height.saturating_sub(head.len());
        self.scroll = self.scroll.min(stack.len().saturating_sub(self.page));
        let mut lines: Vec<Line> = head.into_iter().map(|text| line(Look::Plain, text)).collect();
        lines.extend(
            stack.iter().skip(self.scroll).map(|call| line(Look::Plain, format!("  at {call}"))),
        );
        lines
    }
}

/// The figures of the process.
fn head(figures: &Figures, view: &View, width: usize) -> Vec<Line> {
    let Figures { pid, jdk, live, blocks, peak, refusals, .. } = figures;
    let state = match (view.paused, view.silent) {
        (true, _) => "  [paused]".to_owned(),
        (_, Some(seconds)) => format!("  [no answer for {seconds} s]"),
        _ => String::new(),
    };
    let rate = figures.rate.map_or("-".to_owned(), |rate| format!("{}/s", size(rate)));
    let limit = match figures.limit {
        None => "limit  none".to_owned(),
        Some(limit) => {
            let share = *live as f64 / limit.max(1) as f64;
            let after = format!("{:>5.1}% of {}", share * 100.0, size(limit as f64));
            let cells = width.saturating_sub("limit  [] ".len() + after.len()).min(60);
            format!("limit  [{}] {after}", bar(share, cells))
        }
    };
    let mut past = format!("past   {}", age(figures.seconds));
    past.extend(std::iter::repeat_n(' ', 15_usize.saturating_sub(past.len())));
    past += &spark(&figures.history, width.saturating_sub(15).min(60), view.unicode);
    vec![
        line(Look::Bold, format!("offheap top - process {pid}, {jdk}{state}")),
        line(
            Look::Plain,
            format!(
                "live   {} in {blocks} blocks   peak {}   allocating {rate}   refused {refusals}",
                size(*live as f64),
                size(*peak as f64)
            ),
        ),
        line(Look::Plain, limit),
        line(Look::Plain, past),
        line(Look::Plain, ""),
    ]
}

/// Head and all sites, for a file or a pipe.
pub(super) fn plain(figures: &Figures, view: &View) -> String {
    let mut lines = head(figures, view, 80);
    lines.push(line(Look::Plain, heading(view.sort)));
    if figures.sites.is_empty() {
        lines.push(line(Look::Plain, nothing(figures)));
    }
    lines.extend(figures.sites.iter().map(|site| line(Look::Plain, row(site))));
    lines.push(line(Look::Plain, ""));
    lines.iter().map(|line| line.text.trim_end().to_owned() + "\n").collect()
}

/// With a mark at the column that is sorted by.
fn heading(sort: Sort) -> String {
    let name = match sort {
        Sort::Bytes => " BYTES",
        Sort::Growth => " GROWTH/s",
        Sort::Blocks => " BLOCKS",
        Sort::Age => " OLDEST",
    };
    HEADING.replacen(name, &name.replacen(' ', ">", 1), 1)
}

fn nothing(figures: &Figures) -> String {
    match figures.sample {
        None => "nothing is sampled: the agent has no memory natives".to_owned(),
        Some(0) => "nothing is live".to_owned(),
        Some(mean) => {
            format!(
                "no site yet: of {} taken one block is looked at, on average",
                size(mean as f64)
            )
        }
    }
}

fn row(site: &Site) -> String {
    let Site { bytes, blocks, family, owner, .. } = site;
    let pool = site.pool.as_ref().map_or(String::new(), |pool| format!(" ({pool})"));
    format!(
        "{:>7} {blocks:>8} {:>8} {:>6}  {family:<16} {owner}{pool}",
        size(*bytes as f64),
        growth(site),
        age(site.oldest)
    )
}

fn growth(site: &Site) -> String {
    match site.growth {
        None => "-".to_owned(),
        Some(growth) if growth.abs() < 1.0 => "0".to_owned(),
        Some(growth) if growth < 0.0 => format!("-{}", size(-growth)),
        Some(growth) => format!("+{}", size(growth)),
    }
}

/// All that is known of a site, but its stack.
fn detail(site: &Site) -> Vec<String> {
    let Site { owner, family, bytes, blocks, ever_bytes, ever_blocks, .. } = site;
    let said = |what: &str, text: &Option<String>| {
        text.as_ref().map_or(String::new(), |text| format!("   {what} {text}"))
    };
    let (pool, origin) = (said("kept by", &site.pool), said("from", &site.origin));
    vec![
        owner.clone(),
        format!("{family}{pool}{origin}"),
        format!("live {bytes} bytes in {blocks} blocks, {} of them looked at", site.sampled),
        format!("taken since the start {ever_bytes} bytes in {ever_blocks} blocks"),
        format!(
            "growth {}/s   oldest {}   half older than {}",
            growth(site),
            age(site.oldest),
            age(site.median)
        ),
        String::new(),
    ]
}

/// `999`, `1.9K`, `20.0M`: at most six characters, in powers of 1024.
fn size(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["", "K", "M", "G", "T"] {
        if unit.is_empty() && value < 1000.0 {
            return format!("{value:.0}");
        }
        if !unit.is_empty() && value < 999.95 {
            return format!("{value:.1}{unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1}P")
}

/// `4.2s`, `3m05s`, `2h13m`, `5d02h`.
fn age(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let pair = |big: u64, unit: char, small: u64, part: char| {
        format!("{}{unit}{:02}{part}", whole / big, whole % big / small)
    };
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3600 => pair(60, 'm', 1, 's'),
        3600..86400 => pair(3600, 'h', 60, 'm'),
        _ => pair(86400, 'd', 3600, 'h'),
    }
}

/// `####----`.
fn bar(share: f64, cells: usize) -> String {
    (0..cells).map(|cell| if (cell as f64) < share * cells as f64 { '#' } else { '-' }).collect()
}

/// The values as heights, the most of each stretch, in so many cells at most.
fn spark(values: &[u64], cells: usize, unicode: bool) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '%', '#'];
    if cells == 0 {
        return String::new();
    }
    let heights = if unicode { BLOCKS } else { ASCII };
    let most = u128::from(values.iter().copied().max().unwrap_or(0).max(1));
    let height = |value: u64| usize::try_from((u128::from(value) * 8).div_ceil(most)).unwrap_or(8);
    values
        .chunks(values.len().div_ceil(cells).max(1))
        .map(|stretch| stretch.iter().copied().max().unwrap_or(0))
        .filter_map(|value| heights.get(height(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sites: usize) -> Figures {
        let site = |i: usize| Site {
            key: i.to_string(),
            owner: format!("app.Cache.load:{i}"),
            family: "direct buffer".to_owned(),
            bytes: 1000 - i as u64,
            stack: (0..50).map(|depth| format!("app.Call{depth}.of{i}")).collect(),
            ..Site::default()
        };
        Figures {
            sites: (0..sites).map(site).collect(),
            limit: Some(1 << 20),
            ..Figures::default()
        }
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    #[test]
    fn every_window_is_filled_and_never_exceeded() {
        let mut view = View::default();
        for sites in [0, 1, 5, 300] {
            for (width, height) in
                [(80, 24), (200, 60), (20, 8), (1, 1), (0, 0), (80, 1), (80, 2), (80, 3), (3, 40)]
            {
                for open in [false, true] {
                    let figures = figures(sites);
                    if open {
                        view.open(&figures.sites);
                    } else {
                        view.close();
                    }
                    let lines = view.lines(&figures, width, height);
                    assert_eq!(lines.len(), height, "{sites} sites, {width}x{height}");
                    assert!(lines.iter().all(|line| line.text.chars().count() == width));
                }
            }
        }
    }

    #[test]
    fn the_bar_stays_in_the_window_and_on_its_site() {
        let figures = figures(100);
        let mut view = View::default();
        for _ in 0..99 {
            view.go(&figures.sites, 1);
            let lines = view.lines(&figures, 80, 12);
            let bars = lines.iter().filter(|line| line.look == Look::Reverse).count();
            assert_eq!(bars, 2, "bar and footer: {}", text(&lines));
        }
        view.go(&figures.sites, 10);
        assert_eq!(view.index(&figures.sites), 99);
        let mut sites = figures.sites;
        sites.reverse();
        assert_eq!(view.index(&sites), 0);
        // The site has gone.
        sites.remove(0);
        assert_eq!(view.index(&sites), 0);
        view.go(&sites, -5);
        assert_eq!(view.index(&sites), 0);
    }

    #[test]
    fn a_stack_is_scrolled_to_its_end_and_no_further() {
        let figures = figures(3);
        let mut view = View::default();
        view.go(&figures.sites, 2);
        view.open(&figures.sites);
        assert!(text(&view.lines(&figures, 80, 24)).contains("  at app.Call0.of2 "));
        view.go(&figures.sites, 1000);
        let end = text(&view.lines(&figures, 80, 24));
        assert!(end.contains("app.Call49.of2") && !end.contains("app.Call0.of2"), "{end}");
        view.close();
        assert!(text(&view.lines(&figures, 80, 24)).contains("app.Cache.load:0"));
    }

    #[test]
    fn sizes_and_ages_are_short() {
        for (bytes, said) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1.0K"),
            (20_000_000.0, "19.1M"),
            (1_073_741_000.0, "1.0G"),
            (1e18, "888.2P"),
        ] {
            assert_eq!(size(bytes), said);
        }
        for (seconds, said) in [
            (4.24, "4.2s"),
            (185.0, "3m05s"),
            (8000.0, "2h13m"),
            (440_000.0, "5d02h"),
            (-1.0, "-1.0s"),
        ] {
            assert_eq!(age(seconds), said);
        }
    }

    #[test]
    fn bars_and_sparks_are_to_scale() {
        assert_eq!(bar(0.5, 4), "##--");
        assert_eq!(bar(2.0, 4), "####");
        assert_eq!(bar(0.0, 4), "----");
        assert_eq!(spark(&[0, 1, 4, 8], 10, true), " ▁▄█");
        assert_eq!(spark(&[0, 1, 4, 8], 2, false), ".#");
        assert_eq!(spark(&[0, 0], 10, true), "  ");
        assert_eq!(spark(&[7], 0, true), "");
    }

    #[test]
    fn the_column_that_is_sorted_by_is_marked() {
        assert!(heading(Sort::Age).contains(">OLDEST"), "{}", heading(Sort::Age));
        assert!(heading(Sort::Bytes).contains(">BYTES   BLOCKS"));
    }
}
