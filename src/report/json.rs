//! Everything a report has, for programs. `docs/report.md` says what each figure is, and
//! `docs/report.schema.json` says it in a program's way: whoever changes this changes those.

use super::{Report, call, thread_name};
use crate::bits::Snapshot;
use crate::ledger::{FamilySum, Iceberg, Origin, OriginSum, PoolSum, SiteSum, ThreadSum};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn json(report: &Report) -> Value {
    let about = report.about.clone().unwrap_or_default();
    let Snapshot {
        max_memory,
        reserved_memory,
        count,
        peak_reserved_memory,
        peak_count,
        ever_reserved_memory,
        ever_count,
        refusals,
        ..
    } = report.memory;
    let Report { streams, channels, sums, .. } = report;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "offheap": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "taken": now.as_secs_f64(),
        "jdk": report.about.as_ref().map(|about| json!({
            "feature": about.feature,
            "version": about.version,
            "vm": about.vm,
            "vm_version": about.vm_version,
        })),
        "options": about.options,
        "memory": {
            "live_bytes": reserved_memory,
            "live_blocks": count,
            "peak_bytes": peak_reserved_memory,
            "peak_blocks": peak_count,
            "allocated_bytes": ever_reserved_memory,
            "allocated_blocks": ever_count,
            "limit": (max_memory != i64::MAX).then_some(max_memory),
            "refusals": refusals,
        },
        "history": report
            .history
            .iter()
            .map(|moment| json!({ "seconds": moment.after.as_secs_f64(), "live_bytes": moment.bytes }))
            .collect::<Vec<Value>>(),
        "sample": report.sample,
        "collections": sums.collections,
        "families": sums.families.iter().map(family).collect::<Vec<Value>>(),
        "sites": sums.sites.iter().map(site).collect::<Vec<Value>>(),
        "origins": sums.origins.iter().map(origin_sum).collect::<Vec<Value>>(),
        "pools": sums.pools.iter().map(pool).collect::<Vec<Value>>(),
        "threads": sums.threads.iter().map(thread).collect::<Vec<Value>>(),
        "icebergs": sums.icebergs.as_ref().map(|icebergs| json!({
            "pause_seconds": icebergs.pause.as_secs_f64(),
            "total": iceberg(&icebergs.total),
            "younger_bytes": icebergs.younger_bytes,
            "younger_blocks": icebergs.younger_blocks,
        })),
        "misuse": report.misuse,
        "sockets": {
            "writes": streams.writes,
            "bytes_sent": streams.bytes_sent,
            "reads": streams.reads,
            "bytes_received": streams.bytes_received,
            "blocked": streams.inside,
        },
        "channels": {
            "writes": channels.writes,
            "bytes_written": channels.bytes_written,
            "reads": channels.reads,
            "bytes_read": channels.bytes_read,
            "blocked": channels.inside,
        },
        "natives": report
            .natives
            .iter()
            .map(|native| json!({
                "class": native.class,
                "name": native.name,
                "signature": native.signature,
                "bound": native.is_bound,
                "answered": native.answered,
                "passed": native.passed,
            }))
            .collect::<Vec<Value>>(),
    })
}

fn family(sum: &FamilySum) -> Value {
    json!({
        "family": sum.family.name(),
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
        "estimated": sum.is_estimate,
    })
}

fn site(sum: &SiteSum) -> Value {
    let site = &sum.site;
    json!({
        "owner": site.frames.get(site.owner).map(call),
        "family": site.family.name(),
        "pool": site.pool.map(|pool| pool.name()),
        "origin": site.origin.as_ref().map(origin),
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
        "sampled_blocks": sum.sampled,
        "allocated_bytes": sum.ever_bytes,
        "allocated_blocks": sum.ever_blocks,
        "growth_bytes": sum.growth,
        "oldest_seconds": sum.oldest.as_secs_f64(),
        "median_seconds": sum.median.as_secs_f64(),
        "icebergs": sum.iceberg.as_ref().map(iceberg),
        "stack": site.frames.iter().map(call).collect::<Vec<String>>(),
    })
}

fn iceberg(sum: &Iceberg) -> Value {
    json!({
        "reachable_bytes": sum.reachable_bytes,
        "reachable_blocks": sum.reachable_blocks,
        "reachable_growth_bytes": sum.reachable_growth,
        "unreachable_bytes": sum.unreachable_bytes,
        "unreachable_blocks": sum.unreachable_blocks,
        "unreachable_collections_median": sum.collections_median,
        "unreachable_collections_most": sum.collections_most,
    })
}

fn origin(origin: &Origin) -> Value {
    json!({ "loader": origin.loader, "location": origin.location })
}

fn origin_sum(sum: &OriginSum) -> Value {
    json!({
        "loader": sum.origin.loader,
        "location": sum.origin.location,
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
    })
}

fn pool(sum: &PoolSum) -> Value {
    json!({
        "pool": sum.pool.name(),
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
        "threads": sum.threads.iter().map(thread).collect::<Vec<Value>>(),
    })
}

fn thread(sum: &ThreadSum) -> Value {
    json!({
        "thread": sum.thread,
        "name": thread_name(sum.thread),
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
    })
}
