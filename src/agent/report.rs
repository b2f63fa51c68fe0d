//! What the agent tells: at exit if asked to by option, and on SIGQUIT or `jcmd PID JVMTI.data_dump`.

use super::options::{Format, Target};
use super::{Agent, say};
use crate::bits::{self, Snapshot};
use crate::jni::natives::{JDK, JdkNative};
use crate::ledger::{self, Family, Frame, SiteSum, Sums};
use crate::net;
use crate::nio;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// At exit: only if a place for it was given.
pub(super) fn at_exit(agent: &Agent) {
    if let Some(target) = &agent.options.report {
        write(agent, target, false);
    }
}

/// Somebody asks: on stderr if no other place was given. The next report tells growth from here on.
pub(super) fn on_request(agent: &Agent) {
    write(agent, agent.options.report.as_ref().unwrap_or(&Target::Stderr), true);
}

fn write(agent: &Agent, target: &Target, mark: bool) {
    /// A request may come while the program ends.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    let format = agent.options.format.unwrap_or(match target {
        Target::Stderr => Format::Text,
        Target::File(_) => Format::Json,
    });
    let sums = ledger::sums(mark);
    let report = match format {
        Format::Text => text(agent, &sums),
        Format::Json => format!("{:#}\n", json(agent, &sums)),
        Format::Collapsed => collapsed(&sums),
    };
    let written = match target {
        // In one piece, so that nothing comes in between.
        Target::Stderr => io::stderr().write_all(report.as_bytes()),
        Target::File(file) => put(file, &report),
    };
    if let (Err(error), Target::File(file)) = (written, target) {
        say(&format!("the report could not be written to {}: {error}", file.display()));
    }
}

/// A plain file is replaced: who reads it finds a whole report, the old or the new, also when two
/// JVMs write to one. To anything else (a pipe, a terminal, what a link names: `/dev/stdout` is one,
/// and the program's own output behind it) the report is added, and nothing is taken away.
fn put(file: &Path, report: &str) -> io::Result<()> {
    if file.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut open = fs::OpenOptions::new();
        // Without waiting: a pipe that nobody reads must not keep the program from ending.
        open.append(true).custom_flags(libc::O_NONBLOCK);
        return open.open(file)?.write_all(report.as_bytes());
    }
    let mut new = file.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let written = fs::write(&new, report).and_then(|()| fs::rename(&new, file));
    written.inspect_err(|_| {
        // Half a report is of no use; that it could not be written is what is told.
        let _ = fs::remove_file(&new);
    })
}

/// What no limit is, in words.
pub(super) fn limit_text(limit: i64) -> String {
    if limit == i64::MAX { "none".to_owned() } else { format!("{limit} bytes") }
}

fn name(native: &JdkNative) -> String {
    String::from_utf8_lossy(native.name.to_bytes()).into_owned()
}

fn json(agent: &Agent, sums: &Sums) -> Value {
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
        "sample": ledger::sample_mean(),
        "sites": sums.sites.iter().map(site_json).collect::<Vec<Value>>(),
        "threads": sums
            .threads
            .iter()
            .map(|sum| {
                json!({
                    "thread": sum.thread,
                    "name": thread_name(sum.thread),
                    "live_bytes": sum.bytes,
                    "live_blocks": sum.blocks,
                })
            })
            .collect::<Vec<Value>>(),
    })
}

fn site_json(sum: &SiteSum) -> Value {
    json!({
        "owner": sum.site.frames.get(sum.site.owner).map(call),
        "family": family(sum.site.family),
        "live_bytes": sum.bytes,
        "live_blocks": sum.blocks,
        "sampled_blocks": sum.sampled,
        "allocated_bytes": sum.ever_bytes,
        "allocated_blocks": sum.ever_blocks,
        "growth_bytes": sum.growth,
        "oldest_seconds": sum.oldest.as_secs_f64(),
        "median_seconds": sum.median.as_secs_f64(),
        "stack": sum.site.frames.iter().map(call).collect::<Vec<String>>(),
    })
}

/// A call as stack traces have it: `app.Cache.load:17`.
fn call(frame: &Frame) -> String {
    let Frame { class, method, line } = frame;
    match line {
        Some(line) => format!("{class}.{method}:{line}"),
        None => format!("{class}.{method}"),
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::DirectBuffer => "direct buffer",
        Family::TemporaryBuffer => "temporary buffer",
        Family::Arena => "arena",
        Family::Unsafe => "Unsafe",
        Family::Library => "offheap library",
    }
}

/// What the kernel calls the thread: the first 15 bytes of its Java name. `None` if it has ended.
fn thread_name(thread: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// One line a site, `outermost;...;innermost bytes`: what flame graphs are made of.
fn collapsed(sums: &Sums) -> String {
    let mut text = String::new();
    for sum in &sums.sites {
        let calls: Vec<String> = sum.site.frames.iter().rev().map(call).collect();
        // A String takes whatever is written to it.
        let _ = writeln!(text, "{} {}", calls.join(";"), sum.bytes);
    }
    text
}

fn text(agent: &Agent, sums: &Sums) -> String {
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = write_text(&mut text, agent, sums);
    text
}

/// Sites and threads in a report for reading; JSON has them all.
const MOST: usize = 10;
/// Calls of a site, from its owner outwards.
const CALLS: usize = 6;

/// Who holds what is live.
fn write_sites(out: &mut String, sums: &Sums) -> std::fmt::Result {
    let how = match ledger::sample_mean() {
        None => return Ok(()),
        Some(0) => "every block is known".to_owned(),
        Some(mean) => format!("estimates from a sample, one in {mean} bytes"),
    };
    let shown = sums.sites.iter().take(MOST);
    writeln!(out, "\nWhere it was taken: {} of {} sites, {how}", shown.len(), sums.sites.len())?;
    writeln!(
        out,
        "{:>16} {:>10} {:>12} {:>10} {:>10}  kind, and who took it",
        "live bytes", "blocks", "growth", "oldest", "median"
    )?;
    for sum in shown {
        let kind = family(sum.site.family);
        let owner = sum.site.frames.iter().skip(sum.site.owner);
        let mut calls = owner.take(CALLS).map(call);
        writeln!(
            out,
            "{:>16} {:>10} {:>+12} {:>9.1}s {:>9.1}s  {kind}: {}",
            sum.bytes,
            sum.blocks,
            sum.growth,
            sum.oldest.as_secs_f64(),
            sum.median.as_secs_f64(),
            calls.next().unwrap_or_default()
        )?;
        for call in calls {
            writeln!(out, "{:>65} {call}", "at")?;
        }
    }
    writeln!(out, "\n{:<30} {:>16} {:>12}", "Threads that took it", "live bytes", "blocks")?;
    for sum in sums.threads.iter().take(MOST) {
        let name = thread_name(sum.thread).unwrap_or_else(|| "ended".to_owned());
        let thread = format!("{} ({name})", sum.thread);
        writeln!(out, "  {thread:<28} {:>16} {:>12}", sum.bytes, sum.blocks)?;
    }
    Ok(())
}

fn write_text(out: &mut String, agent: &Agent, sums: &Sums) -> std::fmt::Result {
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
    write_sites(out, sums)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder of this test's, empty.
    fn folder(name: &str) -> std::path::PathBuf {
        let folder =
            std::env::temp_dir().join(format!("offheap-report-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_plain_file_is_replaced_and_nothing_else_is_left_behind() {
        let folder = folder("plain");
        let file = folder.join("report");
        for report in ["the first", "another"] {
            put(&file, report).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), report);
        }
        // A folder can't be replaced by a file.
        let taken = folder.join("taken");
        fs::create_dir_all(taken.join("by")).unwrap();
        put(&taken, "x").unwrap_err();
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["report", "taken"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_wait() {
        let pipe = std::env::temp_dir().join(format!("offheap-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let written = put(&pipe, "report");
        fs::remove_file(&pipe).unwrap();
        assert_eq!(written.unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }

    #[test]
    fn a_link_stays_a_link_and_what_it_names_keeps_its_content() {
        let folder = folder("link");
        let (file, link) = (folder.join("output"), folder.join("stdout"));
        fs::write(&file, "the program's\n").unwrap();
        symlink(&file, &link).unwrap();
        put(&link, "a report\n").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "the program's\na report\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
