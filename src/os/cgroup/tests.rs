use super::{Version, mem_total, memory_limit, memory_of_machine_or_container, physical_memory};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const MIB: u64 = 1 << 20;
/// What a 64-bit kernel with 4 KiB pages writes for "no limit" in version 1.
const V1_NO_LIMIT: &str = "9223372036854771712\n";

/// A folder that looks like `/` to the code under test.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("offheap-cgroup-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let root = Self(std::env::temp_dir().join(name));
        fs::create_dir(&root.0).expect("a writable temporary folder");
        root
    }

    /// With `/proc/self/cgroup` and `/proc/self/mountinfo`.
    fn with(groups: &str, mounts: &[(Version, &str, &str)]) -> Self {
        let lines = mounts.iter().map(|(version, group, point)| match version {
            Version::Two => {
                format!("41 31 0:38 {group} {point} rw shared:9 - cgroup2 cgroup2 rw\n")
            }
            Version::One => {
                format!("35 31 0:32 {group} {point} rw,nosuid - cgroup cgroup rw,memory\n")
            }
        });
        let others = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n";
        Self::new()
            .file("proc/self/cgroup", groups)
            .file("proc/self/mountinfo", others.to_owned() + &lines.collect::<String>())
    }

    fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder made");
        fs::write(path, content).expect("a file written");
        self
    }

    fn limit(&self) -> Option<u64> {
        memory_limit(&self.0)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const V1_MEMORY: (Version, &str, &str) = (Version::One, "/", "/sys/fs/cgroup/memory");
const V2: (Version, &str, &str) = (Version::Two, "/", "/sys/fs/cgroup");

#[test]
fn version_2_has_its_limit_in_memory_max() {
    let root = Root::with("0::/system.slice/app.service\n", &[V2])
        .file("sys/fs/cgroup/system.slice/app.service/memory.max", "268435456\n");
    assert_eq!(root.limit(), Some(256 * MIB));
}

#[test]
fn version_1_has_its_limit_in_memory_limit_in_bytes() {
    let root = Root::with("3:cpu:/b\n5:hugetlb,memory:/app\n", &[V1_MEMORY])
        .file("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "134217728\n");
    assert_eq!(root.limit(), Some(128 * MIB));
}

#[test]
fn the_lowest_of_a_group_and_those_above_it_counts() {
    for (own, middle, top, lowest) in
        [("max", "3000", "5000", 3000), ("2000", "max", "9000", 2000), ("7", "6", "5", 5)]
    {
        let root = Root::with("0::/a/b\n", &[V2])
            .file("sys/fs/cgroup/a/b/memory.max", own)
            .file("sys/fs/cgroup/a/memory.max", middle)
            .file("sys/fs/cgroup/memory.max", top);
        assert_eq!(root.limit(), Some(lowest), "{own} below {middle} below {top}");
    }
    let root = Root::with("4:memory:/a/b\n", &[V1_MEMORY])
        .file("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", V1_NO_LIMIT)
        .file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4096\n");
    assert_eq!(root.limit(), Some(4096));
}

#[test]
fn a_neighbours_limit_does_not_count() {
    let root = Root::with("0::/a/b\n", &[V2])
        .file("sys/fs/cgroup/a/b/memory.max", "2000")
        .file("sys/fs/cgroup/a/c/memory.max", "1")
        .file("sys/fs/cgroup/a/b/below/memory.max", "1")
        .file("sys/fs/cgroup/memory.limit_in_bytes", "1");
    assert_eq!(root.limit(), Some(2000));
}

#[test]
fn both_versions_side_by_side_are_both_asked() {
    let mounts = [V1_MEMORY, (Version::Two, "/", "/sys/fs/cgroup/unified")];
    let groups = "4:memory:/app\n1:name=systemd:/app\n0::/app\n";
    // As systemd sets it up: the memory controller is version 1's, the unified tree has no files of it.
    let root = Root::with(groups, &mounts)
        .file("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "5000")
        .file("sys/fs/cgroup/unified/app/cgroup.procs", "1\n");
    assert_eq!(root.limit(), Some(5000));
    // The other way round.
    let root = Root::with(groups, &mounts).file("sys/fs/cgroup/unified/app/memory.max", "6000");
    assert_eq!(root.limit(), Some(6000));
}

#[test]
fn a_container_sees_its_own_group_as_the_root_of_the_mount() {
    let root = Root::with(
        "4:memory:/docker/abc/inner\n",
        &[(Version::One, "/docker/abc", "/sys/fs/cgroup/memory")],
    )
    .file("sys/fs/cgroup/memory/memory.limit_in_bytes", "8000")
    .file("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "7000");
    assert_eq!(root.limit(), Some(7000));
    let namespaced = Root::with("0::/\n", &[V2]).file("sys/fs/cgroup/memory.max", "9000");
    assert_eq!(namespaced.limit(), Some(9000));
}

#[test]
fn a_group_is_not_below_another_because_its_name_begins_alike() {
    let root = Root::with(
        "4:memory:/docker/abcd\n",
        &[V1_MEMORY, (Version::One, "/docker/abc", "/mnt/neighbour")],
    )
    .file("sys/fs/cgroup/memory/docker/abcd/memory.limit_in_bytes", "8000")
    .file("mnt/neighbour/d/memory.limit_in_bytes", "1")
    .file("mnt/neighbour/memory.limit_in_bytes", "2");
    assert_eq!(root.limit(), Some(8000));
}

#[test]
fn a_group_that_is_not_below_the_mount_has_the_limit_of_what_is_mounted() {
    for (path, mounted) in [
        ("/elsewhere", "/docker/abc"),
        // Moved out of its namespace.
        ("/../sibling", "/"),
        // The namespace was made, the file system not mounted anew.
        ("/", "/../.."),
    ] {
        let root = Root::with(&format!("0::{path}\n"), &[(Version::Two, mounted, "/cg")])
            .file("cg/memory.max", "4000")
            .file("sibling/memory.max", "1")
            .file("cg/sibling/memory.max", "1");
        assert_eq!(root.limit(), Some(4000), "{path} in a mount of {mounted}");
    }
}

#[test]
fn version_1_also_tells_of_groups_above_the_mount() {
    let root =
        Root::with("4:memory:/pod/x\n", &[(Version::One, "/pod/x", "/sys/fs/cgroup/memory")])
            .file("sys/fs/cgroup/memory/memory.limit_in_bytes", V1_NO_LIMIT)
            .file(
                "sys/fs/cgroup/memory/memory.stat",
                "cache 1\nhierarchical_memory_limit 65536\nhierarchical_memsw_limit 3\n",
            );
    assert_eq!(root.limit(), Some(65536));
}

#[test]
fn no_limit_is_none() {
    for max in ["max\n", "9223372036854771712\n", "9223372036854710272\n", "18446744073709551615\n"]
    {
        let root = Root::with("0::/a\n4:memory:/a\n", &[V2, V1_MEMORY])
            .file("sys/fs/cgroup/a/memory.max", max)
            .file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", max)
            .file("sys/fs/cgroup/memory/a/memory.stat", format!("hierarchical_memory_limit {max}"));
        assert_eq!(root.limit(), None, "{max}");
    }
}

#[test]
fn no_control_groups_are_no_limit() {
    assert_eq!(Root::new().limit(), None);
    assert_eq!(Root::with("", &[]).limit(), None);
    assert_eq!(Root::with("0::/a\n", &[]).limit(), None);
    assert_eq!(Root::with("", &[V2]).file("sys/fs/cgroup/memory.max", "5").limit(), None);
    let no_mounts = Root::new().file("proc/self/cgroup", "0::/\n");
    assert_eq!(no_mounts.file("sys/fs/cgroup/memory.max", "5").limit(), None);
}

#[test]
fn a_file_that_can_not_be_read_is_as_if_absent() {
    // A folder in its place: unreadable for the superuser, too.
    let root = Root::with("0::/a/b\n", &[V2])
        .file("sys/fs/cgroup/a/b/memory.max/x", "")
        .file("sys/fs/cgroup/a/memory.max", "5000");
    assert_eq!(root.limit(), Some(5000));
    assert_eq!(Root::new().file("proc/self/cgroup/x", "").limit(), None);
}

#[test]
fn a_malformed_limit_is_as_if_absent() {
    let malformed: [&[u8]; 9] =
        [b"", b"\n", b"-1", b"5k", b"0x10", b"1 2", b"\xff\xfe", b"99999999999999999999", b"MAX"];
    for text in malformed {
        let root = Root::with("0::/a\n4:memory:/a\n", &[V2, V1_MEMORY])
            .file("sys/fs/cgroup/a/memory.max", text)
            .file("sys/fs/cgroup/memory/a/memory.limit_in_bytes", text)
            .file("sys/fs/cgroup/memory/a/memory.stat", text)
            .file("sys/fs/cgroup/memory.max", "5000");
        assert_eq!(root.limit(), Some(5000), "{}", text.escape_ascii());
    }
}

#[test]
fn malformed_lines_are_passed_over() {
    let good = Root::with("0::/a\n", &[V2]);
    let mounts = fs::read_to_string(good.0.join("proc/self/mountinfo")).expect("the good lines");
    for line in [
        "",
        "-",
        "::",
        ":::",
        "0::",
        "0::relative",
        "41 31 0:38",
        "41 31 0:38 /a /b rw - cgroup2",
        "41 31 0:38 /a /b rw cgroup2 cgroup2 rw",
        "41 31 0:38 relative relative rw - cgroup2 cgroup2 rw",
        "41 31 0:38 \\ \\9 \\400 - cgroup2 cgroup2 rw",
    ] {
        let both = |text: &str| format!("{line}\n{text}{line}");
        let root = Root::new()
            .file("proc/self/cgroup", both("0::/a\n"))
            .file("proc/self/mountinfo", both(&mounts))
            .file("sys/fs/cgroup/a/memory.max", "5000");
        assert_eq!(root.limit(), Some(5000), "{line}");
    }
}

#[test]
fn bytes_at_random_never_panic() {
    use proptest::prelude::*;
    let line = prop::collection::vec(
        prop_oneof![
            Just(&b"/"[..]),
            Just(&b" "[..]),
            Just(&b":"[..]),
            Just(&b"-"[..]),
            Just(&b"\n"[..]),
            Just(&b"\\0"[..]),
            Just(&b"\\134"[..]),
            Just(&b".."[..]),
            Just(&b"0::"[..]),
            Just(&b"memory"[..]),
            Just(&b"- cgroup2 x rw"[..]),
            Just(&b"1 2 3 / / rw "[..]),
            Just(&b"\xff"[..]),
        ],
        0..40,
    );
    let root = Root::new();
    proptest!(ProptestConfig::with_cases(200), |(groups in line.clone(), mounts in line)| {
        fs::create_dir_all(root.0.join("proc/self")).unwrap();
        fs::write(root.0.join("proc/self/cgroup"), groups.concat()).unwrap();
        fs::write(root.0.join("proc/self/mountinfo"), mounts.concat()).unwrap();
        prop_assert_eq!(root.limit(), None);
    });
}

#[test]
fn blanks_and_backslashes_in_a_mount_are_read_as_the_kernel_writes_them() {
    let root =
        Root::with("0::/a b\\c/d\n", &[(Version::Two, r"/a\040b\134c", r"/m\011n\0401\134")])
            .file("m\tn 1\\/d/memory.max", "5000");
    assert_eq!(root.limit(), Some(5000));
}

#[test]
fn a_path_that_is_no_utf_8_is_a_path_all_the_same() {
    let mut groups = b"0::/caf".to_vec();
    groups.extend(b"\xe9:x\n");
    let root = Root::with("", &[V2])
        .file("proc/self/cgroup", groups)
        .file(Path::new("sys/fs/cgroup").join(OsStr::from_bytes(b"caf\xe9:x/memory.max")), "5000");
    assert_eq!(root.limit(), Some(5000));
}

#[test]
fn the_machines_memory_is_read_from_meminfo() {
    let root = Root::new().file("proc/meminfo", "MemTotal:       12337892 kB\nMemFree: 1 kB\n");
    assert_eq!(mem_total(&root.0), Some(12_337_892 * 1024));
    for text in ["", "MemTotal: x kB", "MemTotal: 12", "MemTotal: 18446744073709551615 kB"] {
        let root = Root::new().file("proc/meminfo", text);
        assert_eq!(mem_total(&root.0), None, "{text}");
    }
}

#[test]
fn this_process_may_use_some_memory_and_no_more_than_the_machine_has() {
    let machine = physical_memory().expect("Linux tells");
    let mine = memory_of_machine_or_container();
    assert!((MIB..=machine).contains(&mine), "{mine} of {machine}");
    assert!(memory_limit(Path::new("/")).is_none_or(|limit| mine <= limit));
}
