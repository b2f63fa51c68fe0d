//! Natives that the agent can't bind, and those that the program binds itself.

use crate::common::c;
use crate::common::child::{self, Finished};
use crate::common::jdk::{self, Jdk, compiler, on_each, programs};
use crate::{LIMIT, agentpath, scratch};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// A class that this JDK has not got, but which has a native of the table in others.
fn absent(jdk: &Jdk) -> (&'static str, &'static str) {
    if jdk.version < 21 { OLD_ABSENT } else { NEW_ABSENT }
}

const OLD_ABSENT: (&str, &str) = ("sun.nio.ch.UnixFileDispatcherImpl", "read0");
const NEW_ABSENT: (&str, &str) = ("java.net.SocketOutputStream", "socketWrite0");

/// A folder with both classes, each with that native, which takes and returns an `int`.
static ODD_CLASSES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = scratch().join("odd");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (class, native) in [OLD_ABSENT, NEW_ABSENT] {
        let (package, name) = class.rsplit_once('.').expect("a package");
        let source = folder.join(format!("{name}.java"));
        let text =
            format!("package {package}; class {name} {{ static native int {native}(int x); }}");
        std::fs::write(&source, text).expect("a source file");
        let mut javac = Command::new(compiler().home.join("bin/javac"));
        javac.args(["--release", "8", "-Xlint:-options", "-d"]).arg(folder.join(name)).arg(&source);
        let compiled = child::run(&mut javac, LIMIT, "a JDK");
        assert!(compiled.status.success(), "{javac:?}\n{}", compiled.output);
    }
    folder
});

static ODD_NATIVE: LazyLock<PathBuf> =
    LazyLock::new(|| c::shared_library("odd_native", scratch(), c::jni_includes()));

fn run_with_odd_native(jdk: &Jdk, options: &str) -> Finished {
    let (class, native) = absent(jdk);
    let folder = ODD_CLASSES.join(class.rsplit('.').next().expect("a name"));
    let mut java = jdk.java();
    java.env("ODD_CLASS", class.replace('.', "/")).env("ODD_NAME", native);
    if jdk.version == 8 {
        java.arg(format!("-Xbootclasspath/a:{}", folder.display()));
    } else {
        java.arg(format!("--patch-module=java.base={}", folder.display()));
    }
    java.arg(agentpath(options)).arg("-cp").arg(programs());
    java.arg("LoadLibrary").arg(&*ODD_NATIVE);
    child::run(&mut java, LIMIT, "a JDK")
}

#[test]
fn a_native_of_another_signature_is_a_warning_and_stays_as_it_is() {
    on_each(jdk::all(), |jdk| {
        let (class, native) = absent(jdk);
        let run = run_with_odd_native(jdk, "");
        let warning = format!(
            "offheap: {class}.{native} has the signature (I)I, which is not known: it stays the JVM's own\n"
        );
        assert!(run.status.success(), "JDK {}: {}", jdk.version, run.output);
        assert_eq!(
            run.output.matches("offheap: ").count(),
            1,
            "JDK {}: {}",
            jdk.version,
            run.output
        );
        assert!(run.output.contains(&warning), "JDK {}: {}", jdk.version, run.output);
        assert!(run.output.ends_with("loaded\n"), "JDK {}: {}", jdk.version, run.output);
    });
}

#[test]
fn a_native_of_another_signature_ends_the_program_if_strict() {
    on_each(jdk::all(), |jdk| {
        let run = run_with_odd_native(jdk, "strict");
        assert_eq!(run.status.code(), Some(64), "JDK {}: {}", jdk.version, run.output);
        assert!(run.output.contains("which is not known"), "JDK {}: {}", jdk.version, run.output);
        assert!(!run.output.contains("loaded"), "JDK {}: {}", jdk.version, run.output);
    });
}

#[test]
fn a_native_that_is_not_asked_for_is_left_alone() {
    on_each(jdk::all(), |jdk| {
        let run = run_with_odd_native(jdk, "strict,natives=memory");
        assert!(run.status.success(), "JDK {}: {}", jdk.version, run.output);
        assert!(!run.output.contains("offheap: "), "JDK {}: {}", jdk.version, run.output);
    });
}

#[test]
fn a_class_of_the_programs_own_is_none_of_the_jdks_whatever_its_name() {
    on_each(jdk::all(), |jdk| {
        let (class, native) = OLD_ABSENT;
        let folder = ODD_CLASSES.join(class.rsplit('.').next().expect("a name"));
        let mut java = jdk.java();
        java.env("ODD_CLASS", class.replace('.', "/")).env("ODD_NAME", native);
        java.arg(agentpath("strict")).arg("-cp").arg(programs());
        java.arg("OwnLoader").arg(folder).arg(&*ODD_NATIVE);
        let run = child::run(&mut java, LIMIT, "a JDK");
        assert!(run.status.success(), "JDK {}: {}", jdk.version, run.output);
        assert!(!run.output.contains("offheap: "), "JDK {}: {}", jdk.version, run.output);
        assert!(run.output.ends_with("loaded\n"), "JDK {}: {}", jdk.version, run.output);
    });
}
