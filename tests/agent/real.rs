//! Real programs, unmodified from Maven Central, on our natives: the drivers are in `tests/real`.
//!
//! `OFFHEAP_REAL=20` does twenty times the work.

use crate::common::child;
use crate::common::jdk::{self, Jdk, compiler, on_each};
use crate::pair::{Report, arguments, same};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

/// The drivers' classes and the programs' jars, as a class path.
pub(crate) static CLASS_PATH: LazyLock<String> = LazyLock::new(|| {
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real");
    let mut maven = Command::new("mvn");
    maven.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real"));
    maven.env("JAVA_HOME", compiler().home).args(["-q", "-B", "process-classes"]);
    maven.arg(format!("-Dbuild.folder={}", target.display()));
    let built = child::run(&mut maven, Duration::from_secs(600), "Maven (Debian: maven)");
    assert!(built.status.success(), "{maven:?}\n{}", built.output);
    format!("{0}/classes:{0}/lib/*", target.display())
});

/// How many times the work of the short form is asked for.
fn times() -> u32 {
    std::env::var("OFFHEAP_REAL").map_or(1, |times| times.parse().expect("OFFHEAP_REAL: a number"))
}

/// Runs a driver both ways, which must end with `end`; the numbers say how much work.
fn run(jdk: &Jdk, flags: &[&str], class: &str, work: &[u32], end: &str) -> (String, Report) {
    let mut arguments = arguments!["-cp", *CLASS_PATH, class];
    arguments.extend(work.iter().map(|&n| OsStr::new(&(n * times()).to_string()).into()));
    arguments.splice(0..0, flags.iter().map(|flag| OsStr::new(flag).into()));
    let (output, report) = same(jdk, &arguments, Duration::from_secs(120) * times());
    assert!(output.ends_with(end), "JDK {}: {output}", jdk.version);
    (output, report)
}

fn netty(jdk: &Jdk, flags: &[&str], buffers: &str) {
    let (output, report) = run(jdk, flags, "real.NettyHttp", &[300], "netty: ok\n");
    assert!(output.contains(buffers), "JDK {}: {output}", jdk.version);
    assert!(report.number("channels", "bytes_read") > 1 << 20, "JDK {}", jdk.version);
    assert!(report.number("channels", "bytes_written") > 1 << 20, "JDK {}", jdk.version);
    assert!(report.number("memory", "allocated_bytes") > 1 << 20, "JDK {}", jdk.version);
}

#[test]
fn netty_with_pooled_buffers_answers_the_same() {
    on_each(jdk::all(), |jdk| {
        netty(jdk, &["-Dio.netty.allocator.type=pooled"], "PooledUnsafeDirectByteBuf, direct true");
    });
}

#[test]
fn netty_with_unpooled_buffers_answers_the_same() {
    on_each(jdk::all(), |jdk| {
        // 0: with the JDK's cleaners, and the JDK's own limit.
        let flags = ["-Dio.netty.allocator.type=unpooled", "-Dio.netty.maxDirectMemory=0"];
        netty(jdk, &flags, "UnsafeDirectByteBuf, direct true, without cleaner false");
    });
}

#[test]
fn netty_with_buffers_without_cleaner_answers_the_same() {
    on_each(jdk::all(), |jdk| {
        let mut flags = vec![
            "-Dio.netty.allocator.type=unpooled",
            "-Dio.netty.tryReflectionSetAccessible=true",
        ];
        if jdk.version > 8 {
            flags.push("--add-opens=java.base/java.nio=ALL-UNNAMED");
        }
        if jdk.version >= 23 {
            flags.push("--sun-misc-unsafe-memory-access=allow");
        }
        netty(jdk, &flags, "NoCleanerDirectByteBuf, direct true, without cleaner true");
    });
}

/// What `java.net` sockets have moved, through whichever natives they do in this JDK.
fn assert_socket_bytes(jdk: &Jdk, report: &Report, least: u64) {
    let part = if jdk.version <= 12 { "sockets" } else { "channels" };
    let names = if jdk.version <= 12 {
        ["bytes_received", "bytes_sent"]
    } else {
        ["bytes_read", "bytes_written"]
    };
    for name in names {
        let bytes = report.number(part, name);
        assert!(bytes > least, "JDK {}: {part}.{name} {bytes}", jdk.version);
    }
}

#[test]
fn an_http_server_and_client_over_sockets_answer_the_same() {
    on_each(jdk::all(), |jdk| {
        let (_, report) = run(jdk, &[], "real.SocketHttp", &[300], "sockets: ok\n");
        assert_socket_bytes(jdk, &report, 10 << 20);
    });
}

#[test]
fn a_database_over_tcp_ends_with_the_same_tables() {
    on_each(jdk::all(), |jdk| {
        let (output, report) = run(jdk, &[], "real.Database", &[1500, 4], "database: ok\n");
        let bytes = u64::from(16 * times()) << 20;
        assert!(output.contains(&format!("pictures: {bytes} bytes")), "{output}");
        // Each picture went in, and came out once.
        assert_socket_bytes(jdk, &report, 2 * bytes);
    });
}
