//! The JDKs to test on, and the Java library built for them.

use super::child;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How to get the JDKs, for the messages of failures.
const CURE: &str = "name JDKs (JAVA_HOMEs, separated by colons) in OFFHEAP_JDKS, or install one \
                    (Debian: apt install openjdk-17-jdk-headless); CONTRIBUTING.md says more";

/// A Java runtime.
#[derive(Clone, Debug)]
pub(crate) struct Jdk {
    pub(crate) home: PathBuf,
    /// Feature version: 8, 11, 17, ...
    pub(crate) version: u32,
}

impl Jdk {
    fn at(home: &Path) -> Option<Self> {
        let home = home.canonicalize().ok()?;
        let java = home.join("bin/java");
        if !java.is_file() {
            return None;
        }
        let output = Command::new(&java).arg("-version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let quoted = text.split('"').nth(1)?;
        let mut numbers = quoted.split(['.', '_', '-', '+']).map(str::parse::<u32>);
        let version = match numbers.next()?.ok()? {
            1 => numbers.next()?.ok()?,
            version => version,
        };
        Some(Self { home, version })
    }

    /// What makes the JDK's sockets those with the native `socketWrite0`. From 17 on the JVM says on
    /// stdout that natives of its own are bound anew; that is not the program's output.
    pub(crate) fn socket_write0_flags(&self) -> &'static [&'static str] {
        match self.version {
            13..=17 => &["-Djdk.net.usePlainSocketImpl", "-Xlog:jni+resolve=off"],
            _ => &[],
        }
    }

    /// A command that runs `java` with the flags every test has.
    pub(crate) fn java(&self) -> Command {
        let mut java = Command::new(self.home.join("bin/java"));
        without_cargos_path(&mut java);
        // Two cores and many JVMs: no more threads and memory than a test needs.
        java.args(["-Xmx512m", "-XX:+UseSerialGC"]);
        if self.version >= 17 {
            java.arg("--enable-native-access=ALL-UNNAMED");
        }
        java
    }
}

/// All JDKs: those of `OFFHEAP_JDKS`, else those of the machine. None at all is a failure.
pub(crate) fn all() -> &'static [Jdk] {
    static ALL: OnceLock<Vec<Jdk>> = OnceLock::new();
    ALL.get_or_init(|| {
        let jdks = match std::env::var_os("OFFHEAP_JDKS") {
            Some(list) => std::env::split_paths(&list)
                .map(|home| {
                    Jdk::at(&home)
                        .unwrap_or_else(|| panic!("OFFHEAP_JDKS: no JDK at {}", home.display()))
                })
                .collect(),
            None => installed(),
        };
        assert!(!jdks.is_empty(), "no JDK found; {CURE}");
        jdks
    })
}

/// The JDKs on which `java.net.SocketOutputStream` is the JDK's own native `socketWrite0`: by
/// default up to 12, if asked for up to 17.
pub(crate) fn with_socket_write0() -> Vec<Jdk> {
    let jdks: Vec<Jdk> = all().iter().filter(|jdk| jdk.version <= 17).cloned().collect();
    assert!(
        jdks.iter().any(|jdk| jdk.version <= 12),
        "this test compares with JDK 8 or 11, and there is none; {CURE}"
    );
    jdks
}

/// One that has a compiler.
pub(crate) fn compiler() -> Jdk {
    let mut jdks = all().to_vec();
    jdks.extend(installed());
    jdks.into_iter()
        .find(|jdk| jdk.version >= 11 && jdk.home.join("bin/javac").is_file())
        .unwrap_or_else(|| panic!("no JDK from 11 on with a compiler; {CURE}"))
}

fn installed() -> Vec<Jdk> {
    let mut homes: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    let folders = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    homes.extend(folders.map(|folder| folder.path()));
    let mut jdks: Vec<Jdk> = homes.iter().filter_map(|home| Jdk::at(home)).collect();
    jdks.sort_by_key(|jdk| (jdk.version, jdk.home.clone()));
    jdks.dedup_by_key(|jdk| jdk.home.clone());
    jdks
}

/// The jar of the Java library, with the native library under test inside. Beside it is what Maven
/// has made of the library's tests. Built once for a run of the tests.
pub(crate) fn java_library() -> &'static Path {
    static JAR: OnceLock<PathBuf> = OnceLock::new();
    JAR.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("java");
        let native = super::library::folder().join("liboffheap.so");
        let mut maven = Command::new("mvn");
        maven.current_dir(&folder).env("JAVA_HOME", compiler().home);
        maven.args(["-q", "-B", "package", "-DskipTests"]);
        maven.arg(format!("-Doffheap.library={}", native.display()));
        // Not the folder of `mvn package`: that jar is the user's.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jvm/maven");
        maven.arg(format!("-Dbuild.folder={}", target.display()));
        let built = child::run(&mut maven, Duration::from_secs(600), "Maven (Debian: maven)");
        assert!(built.status.success(), "{maven:?}\n{}", built.output);
        target.join(format!("offheap-{}.jar", env!("CARGO_PKG_VERSION")))
    })
}

/// The programs in `tests/java`, compiled for Java 8.
pub(crate) fn programs() -> &'static Path {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jvm/programs");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java");
        let mut javac = Command::new(compiler().home.join("bin/javac"));
        javac.args(["--release", "8", "-Xlint:all,-options", "-Werror", "-d"]).arg(&classes);
        javac.arg("-cp").arg(java_library());
        for source in std::fs::read_dir(sources).expect("tests/java") {
            javac.arg(source.expect("an entry").path());
        }
        let compiled = child::run(&mut javac, Duration::from_secs(120), "a JDK");
        assert!(compiled.status.success(), "{javac:?}\n{}", compiled.output);
        classes
    })
}

/// Cargo puts the built library's folder on `LD_LIBRARY_PATH`, which Java takes for its own library
/// path: it would be loaded from there, and the one in the jar never.
pub(crate) fn without_cargos_path(command: &mut Command) {
    command.env_remove("LD_LIBRARY_PATH");
}

/// A class path.
pub(crate) fn class_path(entries: &[&Path]) -> std::ffi::OsString {
    std::env::join_paths(entries).expect("paths without colons")
}

/// Runs `test` on each of the JDKs, two at a time, and fails with what all of them said.
pub(crate) fn on_each(jdks: &[Jdk], test: impl Fn(&Jdk) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(jdk) = jdks.get(index) else { return };
                    let run = std::panic::AssertUnwindSafe(|| test(jdk));
                    if std::panic::catch_unwind(run).is_err() {
                        failed.lock().expect("no panic under the lock").push(jdk.clone());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic under the lock");
    assert!(failed.is_empty(), "failed, as said above, on {failed:?}");
}
