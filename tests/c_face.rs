//! C and C++ programs against the real library: shared and static, plain, under the sanitizers,
//! under valgrind, and installed.

// So that clippy knows the helpers for test code too.
#![cfg(test)]

mod common {
    pub(crate) mod child;
    pub(crate) mod library;
}

use common::{child, library};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The programs in `tests/c` that must pass.
const PROGRAMS: [&str; 6] = ["memory", "bits", "direct", "net", "report", "header_twice"];

/// Generous: valgrind runs one thread at a time, on a machine that has other work.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
enum Language {
    C11,
    Cpp17,
}

#[derive(Clone, Copy)]
enum Linkage {
    Shared,
    Static,
}

/// A folder for one test's files, emptied.
fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_face").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder below target");
    folder
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that must succeed; its output.
fn succeed(command: &mut Command, package: &str) -> String {
    let finished = child::run(command, LIMIT, package);
    assert!(finished.status.success(), "{}: {command:?}\n{}", finished.status, finished.output);
    finished.output
}

/// Runs a command that must fail by itself, and say `reason`.
fn fail(command: &mut Command, package: &str, reason: &str) {
    let finished = child::run(command, LIMIT, package);
    assert!(
        !finished.status.success() && finished.output.contains(reason),
        "expected a failure that says {reason:?}, got {}: {command:?}\n{}",
        finished.status,
        finished.output
    );
}

/// The compiler with the strictest warnings.
fn compiler(language: Language) -> Command {
    let mut command = match language {
        Language::C11 => Command::new("gcc"),
        Language::Cpp17 => Command::new("g++"),
    };
    command.args(match language {
        Language::C11 => ["-std=c11", "-x", "c"],
        Language::Cpp17 => ["-std=c++17", "-x", "c++"],
    });
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread", "-D_GNU_SOURCE"]);
    command.arg(concat!("-DOFFHEAP_TEST_VERSION=\"", env!("CARGO_PKG_VERSION"), "\""));
    command
}

/// Compiles `tests/c/<program>.c` into `folder`.
fn compile(
    program: &str,
    folder: &Path,
    language: Language,
    linkage: Linkage,
    options: &[&str],
) -> PathBuf {
    let binary = folder.join(program);
    let mut command = compiler(language);
    command.args(options).arg("-I").arg(root().join("include")).arg("-o").arg(&binary);
    command.arg(root().join("tests/c").join(program).with_extension("c")).args(["-x", "none"]);
    match linkage {
        Linkage::Shared => {
            let libraries = shared_library(folder);
            command.arg("-L").arg(&libraries).arg("-loffheap");
            command.arg("-Wl,-rpath").arg("-Xlinker").arg(&libraries);
        }
        Linkage::Static => {
            command.arg(library::folder().join("liboffheap.a"));
            command.args(native_static_libs(folder).split_whitespace());
        }
    }
    succeed(&mut command, "gcc and g++");
    binary
}

/// A folder with the names by which linker and loader look for the library.
fn shared_library(folder: &Path) -> PathBuf {
    let libraries = folder.join("lib");
    let library = library::folder().join("liboffheap.so");
    fs::create_dir_all(&libraries).expect("a folder below target");
    for name in ["liboffheap.so", concat!("liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR"))] {
        let _ = fs::remove_file(libraries.join(name));
        symlink(&library, libraries.join(name)).expect("a link below target");
    }
    libraries
}

/// What rustc says a static library of Rust needs beside itself.
fn native_static_libs(folder: &Path) -> String {
    let source = folder.join("empty.rs");
    fs::write(&source, "").expect("a file below target");
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type", "staticlib", "--print", "native-static-libs", "-o"]);
    let output = succeed(rustc.arg(folder.join("empty.a")).arg(source), "rustup");
    let (_, libs) = output.split_once("native-static-libs: ").expect("rustc's note");
    libs.lines().next().expect("a line").to_owned()
}

fn all_programs_pass(test: &str, language: Language, linkage: Linkage) {
    let folder = scratch(test);
    for program in PROGRAMS {
        let binary = compile(program, &folder, language, linkage, &[]);
        succeed(&mut Command::new(binary), "no package: it was just built");
    }
}

#[test]
fn c11_programs_pass_with_the_shared_library() {
    all_programs_pass("c11_shared", Language::C11, Linkage::Shared);
}

#[test]
fn c11_programs_pass_with_the_static_library() {
    all_programs_pass("c11_static", Language::C11, Linkage::Static);
}

#[test]
fn cpp17_programs_pass_with_the_shared_library() {
    all_programs_pass("cpp17_shared", Language::Cpp17, Linkage::Shared);
}

#[test]
fn cpp17_programs_pass_with_the_static_library() {
    all_programs_pass("cpp17_static", Language::Cpp17, Linkage::Static);
}

const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

/// A program built with the sanitizers, ready to run with known options.
fn sanitized(program: &str, folder: &Path) -> Command {
    let binary = compile(program, folder, Language::C11, Linkage::Shared, &SANITIZERS);
    let mut command = Command::new(binary);
    // The programs ask for impossible sizes on purpose: malloc has to answer, not to abort.
    command.env("ASAN_OPTIONS", "allocator_may_return_null=1:detect_leaks=1");
    command
}

#[test]
fn programs_pass_under_the_address_and_undefined_behaviour_sanitizers() {
    let folder = scratch("sanitized");
    for program in PROGRAMS {
        succeed(&mut sanitized(program, &folder), "gcc with libasan and libubsan");
    }
}

#[test]
fn the_sanitizer_watches_our_blocks_for_overruns_and_leaks() {
    let folder = scratch("sanitized_bad");
    let package = "gcc with libasan and libubsan";
    fail(&mut sanitized("overrun", &folder), package, "heap-buffer-overflow");
    fail(&mut sanitized("leak", &folder), package, "detected memory leaks");
}

/// A program under valgrind, which fails it for an error or a block that nothing points to.
fn valgrind(program: &str, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    command.args(["--fair-sched=yes", "--show-leak-kinds=definite"]);
    command.arg(compile(program, folder, Language::C11, Linkage::Shared, &[]));
    command
}

#[test]
fn programs_pass_under_valgrind() {
    let folder = scratch("valgrind");
    for program in PROGRAMS {
        succeed(&mut valgrind(program, &folder), "valgrind");
    }
}

#[test]
fn valgrind_watches_our_blocks_for_overruns_and_leaks() {
    let folder = scratch("valgrind_bad");
    fail(&mut valgrind("overrun", &folder), "valgrind", "Invalid write of size 1");
    fail(&mut valgrind("leak", &folder), "valgrind", "definitely lost");
}

fn offheap(arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offheap"));
    command.args(arguments);
    command
}

fn install(prefix: &Path, destdir: Option<&Path>) -> String {
    let mut command = offheap(&["install".as_ref(), "--prefix".as_ref(), prefix.as_ref()]);
    if let Some(destdir) = destdir {
        command.arg("--destdir").arg(destdir);
    }
    succeed(&mut command, "no package: it was just built")
}

/// Compiles with what pkg-config says of the library installed at `prefix`, as a user's shell does.
fn build_by_pkg_config(source: &Path, binary: &Path, prefix: &Path, options: &str) {
    let mut shell = Command::new("sh");
    shell.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    shell.env("SOURCE", source).env("BINARY", binary).arg("-euc").arg(format!(
        "flags=$(pkg-config --cflags --libs {options} offheap)\n\
         eval \"gcc -std=c11 -Wall -Wextra -Werror -o \\\"$BINARY\\\" \\\"$SOURCE\\\" $flags\"",
    ));
    succeed(&mut shell, "pkg-config and gcc");
}

#[test]
fn an_installed_library_is_found_by_pkg_config_shared_and_static() {
    let folder = scratch("installed");
    let prefix = folder.join("a prefix");
    install(&prefix, None);
    // Again over the first: an update.
    install(&prefix, None);
    let source = root().join("tests/c/header_twice.c");

    let binary = folder.join("shared");
    build_by_pkg_config(&source, &binary, &prefix, "");
    succeed(Command::new(&binary).env("LD_LIBRARY_PATH", prefix.join("lib")), "");
    let soname = concat!("liboffheap.so.", env!("CARGO_PKG_VERSION_MAJOR"));
    fail(&mut Command::new(&binary), "", soname);

    // Only where there is no shared library does the linker take the archive.
    fs::remove_file(prefix.join("lib/liboffheap.so")).expect("the linker's name");
    let binary = folder.join("static");
    build_by_pkg_config(&source, &binary, &prefix, "--static");
    succeed(&mut Command::new(&binary), "");
}

#[test]
fn install_puts_its_files_below_destdir_and_the_prefix_into_the_pc_file() {
    let folder = scratch("destdir");
    install(Path::new("/opt/offheap"), Some(&folder));
    let lib = folder.join("opt/offheap/lib");
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    let version = env!("CARGO_PKG_VERSION");
    let link = |name: String| fs::read_link(lib.join(name)).expect("a link").display().to_string();
    assert_eq!(link("liboffheap.so".to_owned()), format!("liboffheap.so.{major}"));
    assert_eq!(link(format!("liboffheap.so.{major}")), format!("liboffheap.so.{version}"));
    let built = fs::read(library::folder().join("liboffheap.so")).unwrap();
    assert!(fs::read(lib.join(format!("liboffheap.so.{version}"))).unwrap() == built);
    assert!(lib.join("liboffheap.a").is_file());
    let header = fs::read_to_string(folder.join("opt/offheap/include/offheap.h")).unwrap();
    assert_eq!(header, include_str!("../include/offheap.h"));
    let pc = fs::read_to_string(lib.join("pkgconfig/offheap.pc")).unwrap();
    assert!(pc.starts_with("prefix=/opt/offheap\n"), "{pc}");
    let libs = native_static_libs(&folder);
    assert!(pc.contains(&format!("Libs.private: {libs}\n")), "rustc says {libs}\n{pc}");
    assert_eq!(fs::read_dir(&lib).unwrap().count(), 5, "something left over in {}", lib.display());
}

#[test]
fn a_bad_command_line_is_exit_code_2_and_names_the_cure() {
    for (arguments, reason) in [
        (&[][..], "a command is missing"),
        (&["instal"], "no such command: instal"),
        (&["install"], "--prefix is missing, for example --prefix /usr/local"),
        (&["install", "--prefix"], "--prefix needs a folder after it"),
        (&["install", "--prefix", ""], "--prefix needs a folder after it"),
        (&["install", "/usr"], "no such option: /usr"),
        (&["install", "--prefix", "/tmp/$x"], "choose a --prefix of plain characters"),
    ] {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let finished = child::run(&mut offheap(&arguments), LIMIT, "");
        assert_eq!(finished.status.code(), Some(2), "{arguments:?}\n{}", finished.output);
        assert!(finished.output.contains(reason), "{arguments:?}\n{}", finished.output);
        assert!(finished.output.contains("offheap --help"), "{}", finished.output);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_exit_code_1_and_named() {
    let arguments = ["install", "--prefix", "/dev/null/x"].map(OsStr::new);
    let finished = child::run(&mut offheap(&arguments), LIMIT, "");
    assert_eq!(finished.status.code(), Some(1), "{}", finished.output);
    assert!(finished.output.contains("/dev/null/x/include"), "{}", finished.output);
}

#[test]
fn help_and_version_are_exit_code_0() {
    let version = succeed(&mut offheap(&["--version".as_ref()]), "");
    assert_eq!(version, concat!("offheap ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = succeed(&mut offheap(&["--help".as_ref()]), "");
    assert!(help.contains("offheap install --prefix DIR"), "{help}");
}

#[test]
fn the_example_of_the_c_interface_does_what_it_says() {
    let folder = scratch("example");
    let prefix = folder.join("prefix");
    install(&prefix, None);
    let binary = folder.join("budget");
    build_by_pkg_config(&root().join("examples/c/budget.c"), &binary, &prefix, "");
    let output = succeed(Command::new(&binary).env("LD_LIBRARY_PATH", prefix.join("lib")), "");
    assert_eq!(
        output,
        "1048576 bytes are missing: dropping the cache\n\
         2097152 of 4194304 bytes in 1 reservation\n"
    );
}

#[test]
#[should_panic(expected = "The program comes with: some-package")]
fn a_missing_program_is_a_failure_that_names_its_package() {
    child::run(&mut Command::new("/no/such/program"), LIMIT, "some-package");
}

#[test]
#[should_panic(expected = "still running after 10ms")]
fn a_program_that_hangs_is_killed() {
    child::run(Command::new("sleep").arg("60"), Duration::from_millis(10), "coreutils");
}
