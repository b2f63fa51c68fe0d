//! A report for Prometheus: its text format, version 0.0.4.
//!
//! Our own names begin with `offheap_`. Next to them stand those by which the field knows the
//! runtime's direct buffers, with the values that the runtime itself tells; only the runtime can, so
//! without one they are left out.

use super::{BufferPool, Report, call};
use crate::ledger::Sums;
use std::collections::HashMap;
use std::fmt::{Display, Result, Write as _};

/// Sites that are told: each is a series, and a server keeps those it has once seen.
const SITES: usize = 20;

pub(super) fn prometheus(report: &Report, pool: Option<BufferPool>) -> String {
    let mut metrics = Metrics(String::new());
    // A String takes whatever is written to it.
    let _ = write(&mut metrics, report);
    let _ = pool.map_or(Ok(()), |pool| write_pool(&mut metrics, pool));
    metrics.0
}

/// The text as it grows.
struct Metrics(String);

impl Metrics {
    /// What is there now; its values follow.
    fn gauge(&mut self, name: &str, help: &str) -> Result {
        self.head(name, "gauge", help)
    }

    /// What is there now, a single figure.
    fn gauge_of(&mut self, name: &str, help: &str, value: impl Display) -> Result {
        self.gauge(name, help)?;
        self.value(name, value)
    }

    /// What has been since the start, a single figure.
    fn counter_of(&mut self, name: &str, help: &str, value: impl Display) -> Result {
        self.head(name, "counter", help)?;
        self.value(name, value)
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) -> Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn value(&mut self, name: &str, value: impl Display) -> Result {
        writeln!(self.0, "{name} {value}")
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) -> Result {
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        writeln!(self.0, "{name}{{{}}} {value}", labels.join(","))
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write(out: &mut Metrics, report: &Report) -> Result {
    let memory = report.memory;
    out.gauge("offheap_info", "The library that tells this; always 1.")?;
    out.labelled("offheap_info", &[("version", env!("CARGO_PKG_VERSION"))], 1)?;
    for (name, help, value) in [
        ("offheap_live_bytes", "Live memory below the heap.", memory.reserved_memory),
        ("offheap_live_blocks", "Live blocks below the heap.", memory.count),
        ("offheap_peak_bytes", "The most that was live at once.", memory.peak_reserved_memory),
        ("offheap_peak_blocks", "The most blocks that were live at once.", memory.peak_count),
    ] {
        out.gauge_of(name, help, value)?;
    }
    if memory.max_memory != i64::MAX {
        let help = "The limit; absent if there is none.";
        out.gauge_of("offheap_limit_bytes", help, memory.max_memory)?;
    }
    for (name, help, value) in [
        ("offheap_allocated_bytes_total", "Memory ever taken.", memory.ever_reserved_memory),
        ("offheap_allocated_blocks_total", "Blocks ever taken.", memory.ever_count),
        ("offheap_refusals_total", "Requests refused at the limit.", memory.refusals),
        ("offheap_wrong_releases_total", "Wrong releases found.", report.misuse),
    ] {
        out.counter_of(name, help, value)?;
    }
    write_traffic(out, report)?;
    write_sums(out, &report.sums)
}

fn write_traffic(out: &mut Metrics, report: &Report) -> Result {
    let Report { streams, channels, .. } = report;
    for (name, help, value) in [
        ("offheap_socket_reads_total", "Reads of socket streams.", streams.reads),
        (
            "offheap_socket_read_bytes_total",
            "Bytes that socket streams read.",
            streams.bytes_received,
        ),
        ("offheap_socket_writes_total", "Writes of socket streams.", streams.writes),
        (
            "offheap_socket_written_bytes_total",
            "Bytes that socket streams wrote.",
            streams.bytes_sent,
        ),
        ("offheap_channel_reads_total", "Reads of channels.", channels.reads),
        ("offheap_channel_read_bytes_total", "Bytes that channels read.", channels.bytes_read),
        ("offheap_channel_writes_total", "Writes of channels.", channels.writes),
        (
            "offheap_channel_written_bytes_total",
            "Bytes that channels wrote.",
            channels.bytes_written,
        ),
    ] {
        out.counter_of(name, help, value)?;
    }
    for (name, help, value) in [
        ("offheap_socket_calls", "Calls of socket streams under way.", streams.inside),
        ("offheap_channel_calls", "Calls of channels under way.", channels.inside),
    ] {
        out.gauge_of(name, help, value)?;
    }
    Ok(())
}

fn write_sums(out: &mut Metrics, sums: &Sums) -> Result {
    if !sums.families.is_empty() {
        let help = if sums.families.iter().any(|sum| sum.is_estimate) {
            "Live memory by kind, of kinds that only stacks tell an estimate from a sample."
        } else {
            "Live memory by kind."
        };
        out.gauge("offheap_family_live_bytes", help)?;
        for sum in &sums.families {
            let labels = [("family", sum.family.name())];
            out.labelled("offheap_family_live_bytes", &labels, sum.bytes)?;
        }
    }
    if !sums.pools.is_empty() {
        out.gauge("offheap_pool_live_bytes", "Live memory that a pool keeps, an estimate.")?;
        for sum in &sums.pools {
            out.labelled("offheap_pool_live_bytes", &[("pool", sum.pool.name())], sum.bytes)?;
        }
    }
    let owners = by_owner(sums);
    if !owners.is_empty() {
        let help = "Live memory by who took it: those that hold most, estimates from a sample.";
        out.gauge("offheap_site_live_bytes", help)?;
        for (owner, family, bytes) in owners {
            let labels = [("owner", owner.as_str()), ("family", family)];
            out.labelled("offheap_site_live_bytes", &labels, bytes)?;
        }
    }
    let Some(icebergs) = &sums.icebergs else { return Ok(()) };
    for (name, help, bytes) in [
        (
            "offheap_reachable_bytes",
            "Memory of buffers that the program can reach.",
            icebergs.total.reachable_bytes,
        ),
        (
            "offheap_unreachable_bytes",
            "Memory of buffers that wait for a collection.",
            icebergs.total.unreachable_bytes,
        ),
    ] {
        out.gauge_of(name, help, bytes)?;
    }
    Ok(())
}

/// Owner, family and live bytes of those that hold most. An owner has a site for each way to it, but
/// only one series.
fn by_owner(sums: &Sums) -> Vec<(String, &'static str, u64)> {
    let mut bytes: HashMap<(String, &'static str), u64> = HashMap::new();
    for sum in &sums.sites {
        let owner = sum.site.frames.get(sum.site.owner).map(call).unwrap_or_default();
        *bytes.entry((owner, sum.site.family.name())).or_default() += sum.bytes;
    }
    let mut all: Vec<_> =
        bytes.into_iter().map(|((owner, family), bytes)| (owner, family, bytes)).collect();
    all.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.cmp(b)));
    all.truncate(SITES);
    all
}

/// The runtime's direct buffers by the names of Micrometer, then of Prometheus' own client for Java.
fn write_pool(out: &mut Metrics, pool: BufferPool) -> Result {
    let BufferPool { used_bytes, capacity_bytes, buffers } = pool;
    let used = "Memory that the JVM counts for its direct buffers.";
    let capacity = "Capacity of the JVM's direct buffers.";
    let count = "The JVM's direct buffers.";
    for (name, help, label, value) in [
        ("jvm_buffer_memory_used_bytes", used, "id", used_bytes),
        ("jvm_buffer_total_capacity_bytes", capacity, "id", capacity_bytes),
        ("jvm_buffer_count_buffers", count, "id", buffers),
        ("jvm_buffer_pool_used_bytes", used, "pool", used_bytes),
        ("jvm_buffer_pool_capacity_bytes", capacity, "pool", capacity_bytes),
        ("jvm_buffer_pool_used_buffers", count, "pool", buffers),
    ] {
        out.gauge(name, help)?;
        out.labelled(name, &[(label, "direct")], value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_escaped_as_the_format_wants_it() {
        let mut out = Metrics(String::new());
        out.labelled("a", &[("b", "x\"y\\z\n"), ("c", "")], 7).unwrap();
        assert_eq!(out.0, "a{b=\"x\\\"y\\\\z\\n\",c=\"\"} 7\n");
    }

    #[test]
    fn the_fields_names_are_there_if_a_runtime_has_told_and_else_not() {
        let report = Report::take(super::super::Ask::default());
        let pool = BufferPool { used_bytes: 3, capacity_bytes: 2, buffers: 1 };
        let with = prometheus(&report, Some(pool));
        for line in [
            "jvm_buffer_memory_used_bytes{id=\"direct\"} 3\n",
            "jvm_buffer_total_capacity_bytes{id=\"direct\"} 2\n",
            "jvm_buffer_count_buffers{id=\"direct\"} 1\n",
            "jvm_buffer_pool_used_bytes{pool=\"direct\"} 3\n",
            "jvm_buffer_pool_capacity_bytes{pool=\"direct\"} 2\n",
            "jvm_buffer_pool_used_buffers{pool=\"direct\"} 1\n",
            "offheap_live_bytes ",
        ] {
            assert!(with.contains(line), "{line:?} is not in\n{with}");
        }
        assert!(!prometheus(&report, None).contains("jvm_"));
    }
}
