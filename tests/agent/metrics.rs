//! The metrics for Prometheus: the file, the endpoint, and what clients may do to it.

use crate::common::apart::{self, Running};
use crate::common::jdk::{self, Jdk, on_each};
use crate::exposition::Exposition;
use crate::program::{LIMIT, java, run};
use crate::scratch;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a file of this name goes, without an old one.
fn file(name: &str, jdk: &Jdk) -> PathBuf {
    let file = scratch().join(format!("{name}-{}", jdk.version));
    let _ = fs::remove_file(&file);
    file
}

/// What `Pools` prints of the JVM's own figures: used, capacity, count.
fn pool(stdout: &str) -> [f64; 3] {
    let line = stdout.lines().find_map(|line| line.strip_prefix("pool ")).expect("its figures");
    let figures: Vec<f64> =
        line.split(' ').map(|figure| figure.parse().expect("a figure")).collect();
    figures.try_into().expect("three figures")
}

/// Fails unless the field's names have the JVM's own figures, and ours what they must have at least.
fn assert_tells(metrics: &Exposition, pool: [f64; 3], what: &str) {
    for (label, names) in [
        (
            "id",
            [
                "jvm_buffer_memory_used_bytes",
                "jvm_buffer_total_capacity_bytes",
                "jvm_buffer_count_buffers",
            ],
        ),
        (
            "pool",
            [
                "jvm_buffer_pool_used_bytes",
                "jvm_buffer_pool_capacity_bytes",
                "jvm_buffer_pool_used_buffers",
            ],
        ),
    ] {
        for (name, expected) in names.iter().zip(pool) {
            assert_eq!(metrics.value(name, &[(label, "direct")]), Some(expected), "{what}: {name}");
        }
    }
    let live = metrics.value("offheap_live_bytes", &[]).expect("live bytes");
    assert!(live >= pool[0], "{what}: {live} of {pool:?}");
    let buffers = [("family", "direct buffer")];
    let of_kind = metrics.value("offheap_family_live_bytes", &buffers);
    assert!(of_kind.is_some_and(|bytes| bytes >= pool[0]), "{what}: {of_kind:?}");
    let sites = metrics.all("offheap_site_live_bytes");
    let is_mains =
        |(label, owner): &(String, String)| label == "owner" && owner.starts_with("Pools.main:");
    let mains = sites.iter().filter(|(labels, _)| labels.iter().any(is_mains));
    let mains: f64 = mains.map(|(_, bytes)| bytes).sum();
    assert!(mains >= 1_234_574.0 && sites.len() <= 20, "{what}: {mains}, {sites:#?}");
}

/// `Pools` that goes on until the file is there which is returned beside it, and has printed.
fn running(jdk: &Jdk, options: &str, name: &str) -> (Running, PathBuf) {
    let end = file(&format!("{name}-end"), jdk);
    let mut java = java(jdk, Some(options));
    let mut running = apart::start(java.arg("Pools").arg(&end));
    running.wait_for_output(LIMIT, |stdout| stdout.contains("pool ") && stdout.ends_with('\n'));
    (running, end)
}

/// Waits until `find` finds it.
fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        match find() {
            Some(found) => return found,
            None => assert!(Instant::now() < deadline, "{what}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The endpoint of a program with `metrics=0`, as it is told.
fn endpoint(running: &mut Running) -> String {
    eventually("no endpoint is told", || {
        let stderr = running.stderr();
        let address =
            stderr.split_once("offheap: metrics at http://")?.1.split_once("/metrics\n")?;
        Some(address.0.to_owned())
    })
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream
}

/// What comes for a request, up to its end.
fn ask(address: &str, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn scrape(address: &str) -> Exposition {
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    Exposition::read(body).unwrap_or_else(|wrong| panic!("{wrong}\n{body}"))
}

#[test]
fn the_file_is_there_from_the_start_and_has_the_jvms_own_figures_at_the_end() {
    on_each(jdk::all(), |jdk| {
        let pattern = file("metrics-%p.prom", jdk);
        let options = format!("metrics={},sample=0,limit=1g", pattern.display());
        let (running, end) = running(jdk, &options, "file");
        let process = running.child.id().to_string();
        let file = PathBuf::from(pattern.to_str().expect("UTF-8").replace("%p", &process));
        eventually("no file", || file.exists().then_some(()));
        fs::write(&end, "").expect("the end");
        let run = running.finish(LIMIT);
        let what = format!("JDK {}: {run:?}", jdk.version);
        assert!(run.status.success(), "{what}");
        assert!(!run.stderr.contains("offheap"), "{what}");
        let text = fs::read_to_string(&file).expect("the metrics");
        fs::remove_file(&file).expect("the metrics");
        let metrics = Exposition::read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        assert_tells(&metrics, pool(&run.stdout), &what);
        assert_eq!(metrics.value("offheap_limit_bytes", &[]), Some(f64::from(1 << 30)), "{what}");
    });
}

#[test]
fn the_endpoint_has_the_jvms_own_figures_and_takes_no_number_of_the_programs_threads() {
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).arg("Pools"));
        let (mut running, end) = running(jdk, "metrics=0,sample=0", "endpoint");
        let address = endpoint(&mut running);
        let scraped: Vec<Exposition> = (0..20).map(|_| scrape(&address)).collect();
        fs::write(&end, "").expect("the end");
        let run = running.finish(LIMIT);
        let what = format!("JDK {}: {run:?}", jdk.version);
        assert!(run.status.success(), "{what}");
        // The buffers' figures are those of the JVM too.
        assert_eq!(run.stdout, stock.stdout, "{what}");
        for metrics in &scraped {
            assert_tells(metrics, pool(&run.stdout), &what);
            // There is no limit, and so no line for it.
            assert_eq!(metrics.value("offheap_limit_bytes", &[]), None, "{what}");
        }
    });
}

#[test]
fn what_is_not_a_request_for_metrics_is_told_so() {
    on_each(jdk::all(), |jdk| {
        let (mut running, end) = running(jdk, "metrics=localhost:0", "requests");
        let address = endpoint(&mut running);
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
            ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
            (&format!("GET /metrics HTTP/1.1\r\nA: {}", "x".repeat(8 << 10)), "431"),
        ] {
            let answer = ask(&address, request);
            assert_eq!(answer.split(' ').nth(1), Some(status), "JDK {}: {answer}", jdk.version);
        }
        let head = ask(&address, "HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(head.contains(" 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        fs::write(&end, "").expect("the end");
        let run = running.finish(LIMIT);
        assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
    });
}

/// A client that sends until it is stopped; the answer comes at once, so it must not be read.
fn flood(address: &str) {
    let mut stream = connect(address);
    stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        match stream.write(&[b'x'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return, // it was dropped
        }
    }
}

#[test]
fn clients_that_are_silent_slow_or_never_read_hold_nobody_up() {
    on_each(jdk::all(), |jdk| {
        let (mut running, end) = running(jdk, "metrics=0", "hostile");
        let address = endpoint(&mut running);
        let request = "GET /metrics HTTP/1.1\r\n\r\n";
        let mut clients: Vec<TcpStream> = Vec::new();
        for round in 0..10 {
            // More than are let in at once.
            for client in 0..10 {
                let mut stream = connect(&address);
                let begun = request.len() * client / 10;
                stream.write_all(&request.as_bytes()[..begun]).expect("a part");
                clients.push(stream);
            }
            let mut gone = connect(&address);
            gone.write_all(request.as_bytes()).expect("a request");
            drop(gone); // before the answer: the kernel resets the connection
            let asked = Instant::now();
            scrape(&address);
            // Those before it would be waited for five seconds each.
            assert!(asked.elapsed() < Duration::from_secs(4), "JDK {}, {round}", jdk.version);
        }
        std::thread::scope(|scope| {
            (0..3).for_each(|_| drop(scope.spawn(|| flood(&address))));
            scrape(&address);
        });
        // A silent client is told to go in the end.
        let mut last = clients.pop().expect("a client");
        assert!(matches!(last.read(&mut [0]), Ok(0) | Err(_)), "JDK {}", jdk.version);
        let threads = fs::read_dir(format!("/proc/{}/task", running.child.id())).expect("threads");
        let ours = threads.flatten().filter(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|n| n == "offheap metrics\n")
        });
        assert_eq!(ours.count(), 1, "JDK {}", jdk.version);
        scrape(&address);
        fs::write(&end, "").expect("the end");
        let run = running.finish(LIMIT);
        assert!(run.status.success(), "JDK {}: {run:?}", jdk.version);
        assert_eq!(run.stderr.matches("offheap").count(), 1, "JDK {}: {run:?}", jdk.version);
    });
}

#[test]
fn metrics_that_can_not_be_are_one_line_and_the_end_only_if_strict() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    on_each(jdk::all(), |jdk| {
        let stock = run(java(jdk, None).arg("Pools"));
        for (option, names, is_start) in [
            (format!("metrics={port}"), format!("127.0.0.1:{port}"), true),
            ("metrics=203.0.113.1:0".to_owned(), "203.0.113.1:0".to_owned(), true),
            ("metrics=/absent/metrics".to_owned(), "/absent/metrics".to_owned(), false),
        ] {
            let ours = run(java(jdk, Some(&option)).arg("Pools"));
            let what = format!("JDK {}, {option}: {ours:?}", jdk.version);
            assert_eq!((&ours.stdout, ours.status), (&stock.stdout, stock.status), "{what}");
            let said: Vec<&str> = ours.stderr.lines().filter(|l| l.contains("offheap")).collect();
            assert!(matches!(said[..], [line] if line.contains(&names)), "{what}");
            let strict = run(java(jdk, Some(&format!("{option},strict"))).arg("Pools"));
            let what = format!("JDK {}, {option}: {strict:?}", jdk.version);
            // A file may be written some other time.
            let status = if is_start { 64 } else { 0 };
            assert_eq!(strict.status.code(), Some(status), "{what}");
        }
    });
}
