//! A report for reading, in the manner of `jcmd PID VM.native_memory`: totals first, then who holds
//! most.

use super::{Report, call, limit_text, thread_name};
use crate::ledger::{Iceberg, SiteSum, ThreadSum};
use std::fmt::{Result, Write as _};

/// Sites, threads and so on in a report for reading; JSON has them all.
const MOST: usize = 10;
/// Calls of a site, from its owner outwards.
const CALLS: usize = 6;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = write(&mut text, report);
    text
}

fn write(out: &mut String, report: &Report) -> Result {
    write_head(out, report)?;
    write_totals(out, report)?;
    write_families(out, report)?;
    write_sites(out, report)?;
    write_icebergs(out, report)?;
    write_pools(out, report)?;
    write_origins(out, report)?;
    write_threads(out, report)?;
    write_traffic(out, report)?;
    write_natives(out, report)
}

fn write_head(out: &mut String, report: &Report) -> Result {
    write!(out, "\noffheap {}", env!("CARGO_PKG_VERSION"))?;
    if let Some(about) = &report.about {
        let version = about.version.as_deref().unwrap_or("that has not started");
        write!(out, " under JDK {version} ({} {})", about.vm, about.vm_version)?;
    }
    writeln!(out, ", process {}", std::process::id())
}

/// A heading over bytes and blocks.
fn heading(out: &mut String, what: &str) -> Result {
    writeln!(out, "\n{what:<40} {:>16} {:>12}", "bytes", "blocks")
}

fn row(out: &mut String, what: &str, bytes: u64, blocks: u64) -> Result {
    writeln!(out, "  {what:<38} {bytes:>16} {blocks:>12}")
}

fn write_totals(out: &mut String, report: &Report) -> Result {
    let memory = report.memory;
    let figure = i64::cast_unsigned;
    heading(out, "Memory below the heap")?;
    row(out, "live", figure(memory.reserved_memory), figure(memory.count))?;
    row(out, "peak", figure(memory.peak_reserved_memory), figure(memory.peak_count))?;
    row(out, "allocated since the start", memory.ever_reserved_memory, memory.ever_count)?;
    let limit = limit_text(memory.max_memory);
    writeln!(out, "  limit: {limit}; refused: {}", memory.refusals)?;
    match report.misuse {
        0 => Ok(()),
        found => writeln!(out, "  wrong releases found: {found}, each told on stderr"),
    }
}

/// How the figures of sites come about, to be said with each.
fn how(report: &Report) -> String {
    match report.sample {
        None => "nothing is sampled".to_owned(),
        Some(0) => "every block is known".to_owned(),
        Some(mean) => format!("estimates from a sample, one in {mean} bytes"),
    }
}

fn write_families(out: &mut String, report: &Report) -> Result {
    if report.sums.families.is_empty() {
        return Ok(());
    }
    heading(out, "What is live, by kind")?;
    for sum in report.sums.families.iter() {
        let estimate = if sum.is_estimate { " (estimate)" } else { "" };
        row(out, &format!("{}{estimate}", sum.family.name()), sum.bytes, sum.blocks)?;
    }
    if let Some(icebergs) = report.sums.icebergs.filter(|icebergs| icebergs.younger_blocks > 0) {
        let (bytes, blocks) = (icebergs.younger_bytes, icebergs.younger_blocks);
        row(out, "taken since the look at the heap began", bytes, blocks)?;
    }
    if report.sums.families_are_walks {
        writeln!(out, "  (told by the look at the heap, of every block, sampled or not)")?;
    }
    Ok(())
}

/// Who holds what is live.
fn write_sites(out: &mut String, report: &Report) -> Result {
    if report.sample.is_none() {
        return Ok(());
    }
    let (all, how) = (&report.sums.sites, how(report));
    let shown = all.iter().take(MOST);
    writeln!(out, "\nWhere it was taken: {} of {} sites, {how}", shown.len(), all.len())?;
    writeln!(out, "  growth: since the last report that marked, or the start")?;
    writeln!(
        out,
        "{:>16} {:>10} {:>12} {:>10} {:>10}  kind, and who took it",
        "live bytes", "blocks", "growth", "oldest", "median"
    )?;
    shown.into_iter().try_for_each(|sum| write_site(out, sum))
}

fn write_site(out: &mut String, sum: &SiteSum) -> Result {
    let owner = sum.site.frames.iter().skip(sum.site.owner);
    let mut calls = owner.take(CALLS).map(call);
    writeln!(
        out,
        "{:>16} {:>10} {:>+12} {:>9.1}s {:>9.1}s  {}: {}",
        sum.bytes,
        sum.blocks,
        sum.growth,
        sum.oldest.as_secs_f64(),
        sum.median.as_secs_f64(),
        sum.site.family.name(),
        calls.next().unwrap_or_default()
    )?;
    if let Some(pool) = sum.site.pool {
        writeln!(out, "{:>65} {}", "kept by", pool.name())?;
    }
    if let Some(iceberg) = &sum.iceberg {
        let Iceberg { reachable_bytes, unreachable_bytes, reachable_growth, .. } = iceberg;
        let growth = reachable_growth.map_or_else(String::new, |growth| format!(" ({growth:+})"));
        writeln!(
            out,
            "{:>65} {reachable_bytes} bytes reachable{growth}, {unreachable_bytes} wait for a collection",
            "of it"
        )?;
    }
    for call in calls {
        writeln!(out, "{:>65} {call}", "at")?;
    }
    Ok(())
}

fn write_icebergs(out: &mut String, report: &Report) -> Result {
    let Some(icebergs) = &report.sums.icebergs else { return Ok(()) };
    let sum = &icebergs.total;
    heading(out, "Buffers on the heap, and what they hold")?;
    row(out, "reachable", sum.reachable_bytes, sum.reachable_blocks)?;
    row(out, "waiting for a collection", sum.unreachable_bytes, sum.unreachable_blocks)?;
    if let (Some(median), Some(most)) = (sum.collections_median, sum.collections_most) {
        writeln!(
            out,
            "  of those that wait, half have survived {median} collections or more, one {most}"
        )?;
    }
    let pause = icebergs.pause.as_secs_f64() * 1000.0;
    writeln!(out, "  the look at the heap stopped the program for {pause:.1} ms")
}

fn write_pools(out: &mut String, report: &Report) -> Result {
    if report.sums.pools.is_empty() {
        return Ok(());
    }
    heading(out, "Kept by pools, and for which threads")?;
    for sum in &report.sums.pools {
        row(out, sum.pool.name(), sum.bytes, sum.blocks)?;
        for thread in sum.threads.iter().take(MOST) {
            row(out, &format!("  {}", thread_text(thread)), thread.bytes, thread.blocks)?;
        }
    }
    writeln!(out, "  ({})", how(report))
}

fn write_origins(out: &mut String, report: &Report) -> Result {
    if report.sums.origins.is_empty() {
        return Ok(());
    }
    heading(out, "Whose code took it")?;
    for sum in report.sums.origins.iter().take(MOST) {
        if let Some(location) = &sum.origin.location {
            writeln!(out, "  {location}")?;
        }
        row(out, &sum.origin.loader, sum.bytes, sum.blocks)?;
    }
    writeln!(out, "  ({})", how(report))
}

fn write_threads(out: &mut String, report: &Report) -> Result {
    if report.sums.threads.is_empty() {
        return Ok(());
    }
    heading(out, "Threads that took what is live")?;
    let shown = report.sums.threads.iter().take(MOST);
    shown.into_iter().try_for_each(|sum| row(out, &thread_text(sum), sum.bytes, sum.blocks))
}

fn thread_text(sum: &ThreadSum) -> String {
    let name = thread_name(sum.thread).unwrap_or_else(|| "ended".to_owned());
    format!("{} ({name})", sum.thread)
}

fn write_traffic(out: &mut String, report: &Report) -> Result {
    let Report { streams, channels, .. } = report;
    writeln!(
        out,
        "\n{:<30} {:>10} {:>16} {:>10} {:>16} {:>8}",
        "Input and output", "reads", "bytes", "writes", "bytes", "inside"
    )?;
    for (what, reads, bytes_read, writes, bytes_written, inside) in [
        (
            "java.net streams",
            streams.reads,
            streams.bytes_received,
            streams.writes,
            streams.bytes_sent,
            streams.inside,
        ),
        (
            "sun.nio.ch channels",
            channels.reads,
            channels.bytes_read,
            channels.writes,
            channels.bytes_written,
            channels.inside,
        ),
    ] {
        writeln!(
            out,
            "  {what:<28} {reads:>10} {bytes_read:>16} {writes:>10} {bytes_written:>16} {inside:>8}"
        )?;
    }
    Ok(())
}

fn write_natives(out: &mut String, report: &Report) -> Result {
    let mut bound = report.natives.iter().filter(|native| native.is_bound).peekable();
    if bound.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\n{:<56} {:>14} {:>12}", "Natives: calls", "answered here", "passed on")?;
    for native in bound {
        let name = format!("{}.{}", native.class, native.name);
        writeln!(out, "  {name:<54} {:>14} {:>12}", native.answered, native.passed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Ask;
    use super::*;
    use crate::ledger::{Family, FamilySum, Icebergs};

    #[test]
    fn what_is_younger_than_a_look_at_the_heap_stands_by_itself_below_the_kinds() {
        let mut report = Report::take(Ask::default());
        let arenas = FamilySum { family: Family::Arena, bytes: 70, blocks: 2, is_estimate: false };
        report.sums.families = vec![arenas];
        report.sums.families_are_walks = true;
        let mut icebergs =
            Icebergs { younger_bytes: 4711, younger_blocks: 3, ..Icebergs::default() };
        let mut kinds = |icebergs: Icebergs| {
            report.sums.icebergs = Some(icebergs);
            let mut text = String::new();
            write_families(&mut text, &report).unwrap();
            text.lines().skip(2).map(str::to_owned).collect::<Vec<String>>()
        };
        let arenas = format!("  {:<38} {:>16} {:>12}", "arena", 70, 2);
        let younger =
            format!("  {:<38} {:>16} {:>12}", "taken since the look at the heap began", 4711, 3);
        let how = "  (told by the look at the heap, of every block, sampled or not)".to_owned();
        assert_eq!(kinds(icebergs), [arenas.clone(), younger, how.clone()]);
        (icebergs.younger_bytes, icebergs.younger_blocks) = (0, 0);
        assert_eq!(kinds(icebergs), [arenas, how]);
    }
}
