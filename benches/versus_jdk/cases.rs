//! What is measured, and what is to be reached.

use std::ops::Range;

/// One line of the table.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// On which feature versions.
    pub(crate) jdks: Range<u32>,
    pub(crate) target: Option<Target>,
    pub(crate) how: How,
}

impl Case {
    /// As it is printed: the unit belongs to the name, the figures are bare.
    pub(crate) fn title(&self) -> String {
        format!("{}, {}", self.name, self.unit.name)
    }
}

/// How a figure is shown.
#[derive(Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// From what a program prints to what is shown.
    pub(crate) show: fn(f64) -> f64,
}

/// What is to be reached.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Ours is at most so many times the stock JVM's figure.
    Ratio(f64),
    /// Ours is at most so much.
    Ours(f64),
    /// Ours is at most by so much more than the stock JVM's.
    More(f64),
}

/// Who measures.
pub(crate) enum How {
    /// A JMH benchmark in package `bench`; arguments for JMH, as `-p` and `-t`, and flags for our JVM alone.
    Jmh { benchmark: &'static str, arguments: Vec<String>, flags: &'static [&'static str] },
    /// A Java program that prints one figure.
    Program(Program),
    /// The time that a JVM takes from its start to its end.
    Start,
    /// Our budget, by as many threads, against `bench.ThreeCounters`.
    Budget { threads: usize },
}

#[derive(Default)]
pub(crate) struct Program {
    pub(crate) main: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) flags: &'static [&'static str],
    /// More options for the agent, with a comma before each.
    pub(crate) options: &'static str,
    /// A limit of direct memory: the JVM's own, or else the agent's.
    pub(crate) limit: Option<&'static str>,
    /// Prints one more figure for each line that it gets, so that both sides can be asked in turn, so often.
    pub(crate) rounds: Option<usize>,
    /// All of both sides' threads on the same processor.
    pub(crate) is_on_one_processor: bool,
    /// The port of an [`OtherEnd`](crate::other_end::OtherEnd) is its last argument.
    pub(crate) has_other_end: bool,
}

const NS: Unit = Unit { name: "ns", show: |ns| ns };
const US_OF_NS: Unit = Unit { name: "us", show: |ns| ns / 1e3 };
const US: Unit = Unit { name: "us", show: |us| us };
const US_OF_RATE: Unit = Unit { name: "us", show: |per_second| 1e6 / per_second };
const MS: Unit = Unit { name: "ms", show: |ms| ms };
const KIB: Unit = Unit { name: "KiB", show: |kib| kib };

const NEWEST: u32 = u32::MAX;
/// Where `java.net.Socket` has the native `socketWrite0`.
const STREAMS: Range<u32> = 8..13;

/// Where compiled code does what `Unsafe.setMemory0` does, and does not call it.
const SETS_BY_ITSELF: Range<u32> = 23..NEWEST;

const KIBI: u64 = 1 << 10;
const MIBI: u64 = 1 << 20;

/// Sizes of buffers, and the ratio that is to be reached when nobody touches the buffer.
const SIZES: [(u64, f64); 9] = [
    (64, 1.0),
    (256, 1.0),
    (KIBI, 1.0),
    (4 * KIBI, 1.0),
    (16 * KIBI, 1.0),
    (64 * KIBI, 1.0),
    (MIBI, 0.5),
    (16 * MIBI, 0.05),
    (256 * MIBI, 0.001),
];

/// Sizes of writes to a stream, and the ratio that is to be reached.
const WRITES: [(u64, f64); 10] = [
    (1, 1.0),
    (64, 1.0),
    (KIBI, 1.0),
    (8 * KIBI, 1.0),
    (64 * KIBI, 1.0),
    (128 * KIBI, 0.7),
    (256 * KIBI, 0.7),
    (512 * KIBI, 0.7),
    (MIBI, 0.7),
    (4 * MIBI, 0.7),
];

/// The ways of a stream's write, and the agent's options for them.
const MODES: [(&str, &str); 2] = [("socketWrite0", ""), ("lean socketWrite0", ",socket=lean")];

/// The peers, and their names in `bench.Peers`.
const PEERS: [(&str, &str); 8] = [
    ("allocateDirect", "JDK"),
    ("Netty pooled", "NETTY_POOLED"),
    ("Netty adaptive", "NETTY_ADAPTIVE"),
    ("Netty unpooled", "NETTY_UNPOOLED"),
    ("Arena, confined", "ARENA"),
    ("LWJGL, jemalloc", "LWJGL_JEMALLOC"),
    ("LWJGL, rpmalloc", "LWJGL_RPMALLOC"),
    ("LWJGL, malloc", "LWJGL_SYSTEM"),
];

/// What the names of the peers' cases begin with: they are shown apart.
pub(crate) const PEER: &str = "peer: ";

/// All of them, in the order of the document; with little work for a test.
pub(crate) fn cases(is_test: bool) -> Vec<Case> {
    let mut cases = buffers();
    cases.push(burst(if is_test { 16 } else { 512 }));
    cases.extend(sockets(if is_test { 4 } else { 20_000 }));
    cases.extend(blocked(if is_test { (4, 5) } else { (100, 10_000) }));
    cases.push(waiter(if is_test { 1 } else { 9 }));
    cases.extend([("1 thread", 1), ("2 threads", 2)].map(|(name, threads)| Case {
        name: format!("reserve + unreserve, {name}"),
        unit: NS,
        jdks: 8..NEWEST,
        target: Some(Target::Ratio(1.0)),
        how: How::Budget { threads },
    }));
    cases.push(netty(if is_test { 800 } else { 20_000 }));
    cases.push(Case {
        name: "start and end of a JVM".to_owned(),
        unit: MS,
        jdks: 8..NEWEST,
        target: Some(Target::More(20.0)),
        how: How::Start,
    });
    cases.extend(peers());
    cases
}

fn buffers() -> Vec<Case> {
    let case = |name: &str, benchmark, flags, size: u64, target| Case {
        name: format!("{name}, {}", bytes(size)),
        unit: if size < MIBI { NS } else { US_OF_NS },
        jdks: 8..NEWEST,
        target: Some(Target::Ratio(target)),
        how: How::Jmh {
            benchmark,
            arguments: vec!["-p".to_owned(), format!("size={size}")],
            flags,
        },
    };
    let untouched = SIZES
        .map(|(size, target)| case("allocateDirect + free", "Direct.untouched", &[], size, target));
    let called = SIZES.map(|(size, target)| {
        let name = "allocateDirect + free, no _setMemory";
        let flags = &["-XX:+UnlockDiagnosticVMOptions", "-XX:DisableIntrinsic=_setMemory"];
        Case { jdks: SETS_BY_ITSELF, ..case(name, "Direct.untouched", flags, size, target) }
    });
    let written = SIZES
        .map(|(size, _)| case("allocateDirect + write + free", "Direct.written", &[], size, 1.0));
    let churn = case("churn among 16 live", "Direct.churn", &[], MIBI, 1.0);
    untouched.into_iter().chain(called).chain(written).chain([churn]).collect()
}

fn burst(megabytes: u32) -> Case {
    Case {
        name: "resident after a burst".to_owned(),
        unit: KIB,
        jdks: 8..NEWEST,
        target: Some(Target::Ratio(0.5)),
        how: How::Program(Program {
            main: "bench.Burst",
            arguments: vec![megabytes.to_string()],
            // The heap is all there from the start, so that it is not what grows.
            flags: &[
                "-XX:+UseSerialGC",
                "-Xms128m",
                "-Xmx128m",
                "-XX:+AlwaysPreTouch",
                "-XX:MaxDirectMemorySize=1g",
            ],
            ..Program::default()
        }),
    }
}

/// Calls of a socket; at most so many in a batch.
fn sockets(most: u64) -> Vec<Case> {
    let case = |name: String, options, how: &str, size: u64, jdks, target| Case {
        name,
        unit: NS,
        jdks,
        target: Some(Target::Ratio(target)),
        how: How::Program(Program {
            main: "bench.SocketCalls",
            arguments: vec![
                how.to_owned(),
                size.to_string(),
                (64 * MIBI / size).min(most).to_string(),
            ],
            flags: &["-XX:+UseSerialGC", "-Xmx64m"],
            options,
            has_other_end: true,
            rounds: Some(30),
            ..Program::default()
        }),
    };
    let streams = MODES.iter().flat_map(|(name, options)| {
        WRITES.map(|(size, target)| {
            let name = format!("CPU of {name}, {}", bytes(size));
            case(name, *options, "stream", size, STREAMS, target)
        })
    });
    // On 8 and 11 too, where a stream's write is to be compared with it.
    let writes = [KIBI, 64 * KIBI, MIBI].map(|size| {
        case(
            format!("CPU of a channel's write of {}", bytes(size)),
            "",
            "write",
            size,
            8..NEWEST,
            1.0,
        )
    });
    let others = [("read of 1 KiB", "read"), ("gather of 16", "gather")].map(|(name, how)| {
        case(format!("CPU of a channel's {name}"), "", how, KIBI, 17..NEWEST, 1.0)
    });
    streams.chain(writes).chain(others).collect()
}

/// Threads that are blocked: some, and many.
fn blocked((some, many): (u32, u32)) -> Vec<Case> {
    let case = |threads: u32, name: &str, options, how: &str, jdks| {
        let who = if threads == some { "a thread" } else { "each of 10,000 threads" };
        Case {
            name: format!("held by {who} in {name} of 1 MiB"),
            unit: KIB,
            jdks,
            target: Some(Target::Ours(16.0)),
            how: How::Program(Program {
                main: "bench.BlockedWrites",
                arguments: [how.to_owned(), threads.to_string(), MIBI.to_string()].into(),
                flags: &[
                    "-XX:+UseSerialGC",
                    "-Xms64m",
                    "-Xmx64m",
                    "-XX:+AlwaysPreTouch",
                    "-XX:MaxDirectMemorySize=1g",
                ],
                options,
                has_other_end: true,
                ..Program::default()
            }),
        }
    };
    let streams = MODES.map(|(name, options)| case(some, name, options, "stream", STREAMS));
    let [_, (lean, options)] = MODES;
    let many = case(many, lean, options, "stream", STREAMS);
    let channel = case(some, "a channel's write", "", "channel", 17..NEWEST);
    streams.into_iter().chain([many, channel]).collect()
}

fn waiter(rounds: u32) -> Case {
    Case {
        name: "release to waiter at the limit".to_owned(),
        unit: US,
        jdks: 8..NEWEST,
        target: Some(Target::Ours(100.0)),
        how: How::Program(Program {
            main: "bench.Waiter",
            arguments: vec![rounds.to_string()],
            flags: &["-XX:+UseSerialGC", "-Xmx64m"],
            limit: Some("4m"),
            ..Program::default()
        }),
    }
}

fn netty(messages: u32) -> Case {
    Case {
        name: "Netty echo, a message".to_owned(),
        unit: US_OF_RATE,
        jdks: 8..NEWEST,
        // 0.99 of the throughput.
        target: Some(Target::Ratio(1.0 / 0.99)),
        how: How::Program(Program {
            main: "bench.NettyEcho",
            arguments: vec![messages.to_string()],
            flags: &["-Xmx256m"],
            rounds: Some(30),
            is_on_one_processor: true,
            ..Program::default()
        }),
    }
}

fn peers() -> Vec<Case> {
    let sizes = [64, 4 * KIBI, MIBI];
    let case = |(name, peer): (&str, &str), size: u64| Case {
        name: format!("{PEER}{name}, {}", bytes(size)),
        unit: NS,
        // All of them are there: `Arena` is the youngest, a preview in 21.
        jdks: 22..NEWEST,
        target: None,
        how: How::Jmh {
            benchmark: "Peers.allocateAndFree",
            arguments: [
                "-p".to_owned(),
                format!("peer={peer}"),
                "-p".to_owned(),
                format!("size={size}"),
            ]
            .into(),
            flags: &[],
        },
    };
    sizes.iter().flat_map(|size| PEERS.map(|peer| case(peer, *size))).collect()
}

/// 64 B, 16 KiB, 1 MiB.
fn bytes(size: u64) -> String {
    match size {
        MIBI.. => format!("{} MiB", size / MIBI),
        KIBI.. => format!("{} KiB", size / KIBI),
        _ => format!("{size} B"),
    }
}
