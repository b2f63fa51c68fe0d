//! Large blocks are zero, and until somebody writes to them they are not there.

use crate::common::jdk::{self, Jdk, on_each, programs};
use crate::pair::{Arguments, arguments, ours, stock_but};
use crate::program::LIMIT;

/// What the program takes.
const BYTES: u64 = 256 << 20;

/// Whether compiled code does what `Unsafe.setMemory0` does, and does not call it.
pub(crate) fn sets_memory_by_itself(jdk: &Jdk) -> bool {
    jdk.version >= 23
}

/// The program, with so many small buffers before the large ones.
fn untouched(flags: &[&str], warm: &str) -> Box<Arguments> {
    let mut all = arguments!["-XX:MaxDirectMemorySize=264m"];
    all.extend(flags.iter().flat_map(|flag| arguments![flag]));
    all.extend(arguments!["-cp", programs(), "Untouched", warm]);
    all.into_boxed_slice()
}

/// By how many bytes the process has become more resident, if all were zero.
fn resident(output: &str) -> u64 {
    let lines: Vec<_> = output.lines().collect();
    let [resident, "zero: ok"] = lines[..] else { panic!("{output}") };
    let kib = resident.strip_prefix("resident: ").and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("{output}")) << 10
}

#[test]
fn large_buffers_are_zero_and_not_there_until_they_are_written_to() {
    on_each(jdk::all(), |jdk| {
        // Compiled in the foreground, so that it is compiled when the large ones come.
        let (first, compiled) = (untouched(&[], "0"), untouched(&["-Xbatch"], "30000"));
        let mut not_there = vec![first];
        if sets_memory_by_itself(jdk) {
            let zeros = resident(&ours(jdk, "", &compiled, LIMIT).0);
            assert!(zeros > BYTES / 10 * 9, "JDK {}: {zeros} bytes: say so in README", jdk.version);
            let unlock = "-XX:+UnlockDiagnosticVMOptions";
            let called = ["-Xbatch", unlock, "-XX:DisableIntrinsic=_setMemory"];
            not_there.push(untouched(&called, "30000"));
        } else {
            not_there.push(compiled);
        }
        for program in not_there {
            let stock = resident(&stock_but(jdk, &program, LIMIT, |_| false));
            let ours = resident(&ours(jdk, "", &program, LIMIT).0);
            let what = format!("JDK {}: {program:?}: {ours} bytes, stock {stock}", jdk.version);
            assert!(stock > BYTES / 10 * 9, "{what}: nothing is shown");
            assert!(ours < BYTES / 10, "{what}");
        }
    });
}
