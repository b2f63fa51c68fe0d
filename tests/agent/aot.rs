//! A cache of linked classes (`-XX:AOTCache`, from 24 on) stays usable, which it would not with an
//! agent that asks for early events.

use crate::common::child;
use crate::common::jdk::{self, compiler, programs};
use crate::{LIMIT, agentpath, scratch};
use std::process::Command;

#[test]
fn a_jvm_with_a_cache_of_linked_classes_starts_and_has_our_natives() {
    // The cache is made in one step from 25 on.
    let jdks = jdk::all().iter().filter(|jdk| jdk.version >= 25);
    let jar = scratch().join("linked.jar");
    let mut make = Command::new(compiler().home.join("bin/jar"));
    make.arg("cf").arg(&jar).arg("-C").arg(programs()).arg("same");
    let made = child::run(&mut make, LIMIT, "a JDK");
    assert!(made.status.success(), "{make:?}\n{}", made.output);
    for jdk in jdks {
        let cache = scratch().join(format!("linked-{}.aot", jdk.version));
        let java = |flags: &[&str]| {
            let mut java = jdk.java();
            java.args(flags).arg("-cp").arg(&jar).args(["same.Exits", "return"]);
            let run = child::run(&mut java, LIMIT, "a JDK");
            assert!(run.status.success(), "{java:?}\n{}", run.output);
            run.output
        };
        java(&[&format!("-XX:AOTCacheOutput={}", cache.display())]);
        let use_it = format!("-XX:AOTCache={}", cache.display());
        let stock = java(&[&use_it, "-XX:AOTMode=on"]);
        let ours = java(&[&use_it, "-XX:AOTMode=on", &agentpath("strict")]);
        assert_eq!(ours, stock, "JDK {}", jdk.version);
    }
}
