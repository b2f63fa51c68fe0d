//! What the agent tells: at exit if asked to by option, and on SIGQUIT or `jcmd PID JVMTI.data_dump`.

use super::options::{Format, Target};
use super::{Agent, say};
use crate::bits::{self, Snapshot};
use crate::jni::natives::{JDK, JdkNative};
use crate::net;
use crate::nio;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// At exit: only if a place for it was given.
pub(super) fn at_exit(agent: &Agent) {
    if let Some(target) = &agent.options.report {
        write(agent, target);
    }
}

/// Somebody asks: on stderr if no other place was given.
pub(super) fn on_request(agent: &Agent) {
    write(agent, agent.options.report.as_ref().unwrap_or(&Target::Stderr));
}

fn write(agent: &Agent, target: &Target) {
    /// A request may come while the program ends.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    let format = agent.options.format.unwrap_or(match target {
        Target::Stderr => Format::Text,
        Target::File(_) => Format::Json,
    });
    let report = match format {
        Format::Text => text(agent),
        Format::Json => format!("{:#}\n", json(agent)),
    };
    let written = match target {
        // In one piece, so that nothing comes in between.
        Target::Stderr => io::Write::write_all(&mut io::stderr(), report.as_bytes()),
        Target::File(file) => replace(file, &report),
    };
    if let (Err(error), Target::File(file)) = (written, target) {
        say(&format!("the report could not be written to {}: {error}", file.display()));
    }
}

/// Under another name first: who reads the file finds a whole report, the old or the new.
fn replace(file: &Path, report: &str) -> io::Result<()> {
    if !file.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut new = file.as_os_str().to_owned();
        new.push(".new");
        return fs::write(&new, report).and_then(|()| fs::rename(&new, file));
    }
    fs::write(file, report) // a pipe or a terminal
}

/// What no limit is, in words.
pub(super) fn limit_text(limit: i64) -> String {
    if limit == i64::MAX { "none".to_owned() } else { format!("{limit} bytes") }
}

fn name(native: &JdkNative) -> String {
    String::from_utf8_lossy(native.name.to_bytes()).into_owned()
}

fn json(agent: &Agent) -> Value {
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
    } = bits::budget().snapshot();
    let streams = net::counters();
    let channels = nio::totals();
    let natives: Vec<Value> = JDK
        .iter()
        .filter(|native| agent.wants(native))
        .map(|native| {
            let (answered, passed) = native.calls();
            json!({
                "class": native.class,
                "name": name(native),
                "signature": String::from_utf8_lossy(native.signature.to_bytes()),
                "bound": native.is_bound(),
                "answered": answered,
                "passed": passed,
            })
        })
        .collect();
    json!({
        "offheap": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "jdk": {
            "feature": agent.jdk,
            "version": agent.java_version.get(),
            "vm": agent.vm_name,
            "vm_version": agent.vm_version,
        },
        "options": agent.text,
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
        "natives": natives,
    })
}

fn text(agent: &Agent) -> String {
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = write_text(&mut text, agent);
    text
}

fn write_text(out: &mut String, agent: &Agent) -> std::fmt::Result {
    let memory = bits::budget().snapshot();
    let streams = net::counters();
    let channels = nio::totals();
    writeln!(
        out,
        "\noffheap {} under JDK {} ({} {}), process {}",
        env!("CARGO_PKG_VERSION"),
        agent.java_version.get().map_or("that has not started", String::as_str),
        agent.vm_name,
        agent.vm_version,
        std::process::id()
    )?;
    writeln!(out, "\n{:<30} {:>16} {:>12}", "Memory below the heap", "bytes", "blocks")?;
    let row = |out: &mut String, what: &str, bytes: u64, blocks: u64| {
        writeln!(out, "  {what:<28} {bytes:>16} {blocks:>12}")
    };
    let figure = i64::cast_unsigned;
    row(out, "live", figure(memory.reserved_memory), figure(memory.count))?;
    row(out, "peak", figure(memory.peak_reserved_memory), figure(memory.peak_count))?;
    row(out, "allocated since the start", memory.ever_reserved_memory, memory.ever_count)?;
    writeln!(out, "  limit: {}; refused: {}", limit_text(memory.max_memory), memory.refusals)?;
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
    writeln!(out, "\n{:<56} {:>14} {:>12}", "Natives: calls", "answered here", "passed on")?;
    for native in JDK.iter().filter(|native| native.is_bound()) {
        let (answered, passed) = native.calls();
        let native = format!("{}.{}", native.class, name(native));
        writeln!(out, "  {native:<54} {answered:>14} {passed:>12}")?;
    }
    Ok(())
}
