//! How much memory this process may use: the machine's, or what its container (a control group) was
//! given of it.
//!
//! Unlike its neighbours this is more than one call: the kernel answers in files, `memory.max` in
//! version 2 of control groups and `memory.limit_in_bytes` in version 1, one for each group from the
//! process' own up to the root, and which folder is the process' own takes two more files to tell.
//! A file that is missing, unreadable or not as the kernel writes it is as if it were not there: it
//! is no reason to keep a program from starting.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// What version 1 says for "no limit": the largest `long` that is whole pages. No page is larger
/// than 64 KiB.
const NO_LIMIT: u64 = 0x7fff_ffff_ffff_0000;

/// Bytes this process may use: the lowest limit of its control group and those above it, or the
/// machine's memory if that is less.
pub(crate) fn memory_of_machine_or_container() -> u64 {
    let root = Path::new("/");
    let known = [physical_memory(), mem_total(root), memory_limit(root)];
    known.into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// The lowest memory limit set on the control group of this process or on one above it, if there is
/// one. `root` is the folder that holds `proc`, and below which mount points are looked up: `/`.
pub(crate) fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read(root.join("proc/self/mountinfo")).ok()?;
    let mounts: Vec<Mount> = lines(&mounts).filter_map(Mount::parse).collect();
    // Both versions can be mounted side by side. Only one of them has the memory controller, the
    // files of the other don't exist.
    lines(&groups).filter_map(Group::parse).filter_map(|group| group.limit(root, &mounts)).min()
}

/// `MemTotal`: a container's own idea of it, if its `proc` is not the machine's.
fn mem_total(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The machine's memory, as the kernel tells the C library (`sysconf(_SC_PHYS_PAGES)`).
fn physical_memory() -> Option<u64> {
    // SAFETY: sysconf takes no pointer and has no precondition.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    let pages = u64::try_from(pages).ok().filter(|pages| *pages > 0)?;
    pages.checked_mul(u64::try_from(super::page_size()).ok()?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A line of `/proc/self/cgroup`, `ID:CONTROLLERS:PATH`, of a hierarchy that may limit memory.
#[derive(Debug, PartialEq, Eq)]
struct Group<'a> {
    version: Version,
    path: &'a Path,
}

impl<'a> Group<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let mut names = controllers.split(|byte| *byte == b',');
        let version = match (id, controllers) {
            (b"0", b"") => Version::Two,
            _ if names.any(|name| name == b"memory") => Version::One,
            _ => return None,
        };
        Some(Self { version, path: absolute(OsStr::from_bytes(path))? })
    }

    fn limit(&self, root: &Path, mounts: &[Mount]) -> Option<u64> {
        let mine = || mounts.iter().filter(|mount| mount.version == self.version);
        let folders: Vec<_> = mine().filter_map(|mount| mount.folders_of(self.path)).collect();
        if !folders.is_empty() {
            return folders.iter().filter_map(|below| self.lowest(root, below)).min();
        }
        // The process' own folder can't be seen: it was moved since its container was set up, or
        // the mount is from outside its namespace. What is mounted is all there is to go by.
        mine().filter_map(|mount| self.lowest(root, &[&mount.point])).min()
    }

    /// The lowest limit in `folders`, the first of which is the process' own.
    fn lowest(&self, root: &Path, folders: &[impl AsRef<Path>]) -> Option<u64> {
        let seen = || folders.iter().map(|folder| below(root, folder.as_ref()));
        match self.version {
            Version::Two => seen().filter_map(|f| limit_in(&f.join("memory.max"))).min(),
            Version::One => {
                let limits = seen().filter_map(|f| limit_in(&f.join("memory.limit_in_bytes")));
                // Counts the groups above the mount, too, which a container can't see.
                let effective = seen().next().and_then(|own| hierarchical_limit(&own));
                limits.chain(effective).min()
            }
        }
    }
}

/// A line of `/proc/self/mountinfo` that mounts control groups.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that is mounted; in a container often not `/`.
    group: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL...] - TYPE SOURCE SUPER_OPTIONS`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let (group, point) = (fields.nth(3)?, fields.next()?);
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let (kind, options) = (fields.next()?, fields.nth(1)?);
        let version = match kind {
            b"cgroup2" => Version::Two,
            b"cgroup" if options.split(|byte| *byte == b',').any(|name| name == b"memory") => {
                Version::One
            }
            _ => return None,
        };
        let path = |field| absolute(&unescape(field)).map(Path::to_owned);
        Some(Self { version, group: path(group)?, point: path(point)? })
    }

    /// The folders of the group at `path` and of those above it, as far as they are mounted here.
    fn folders_of(&self, path: &Path) -> Option<Vec<PathBuf>> {
        let inside = path.strip_prefix(&self.group).ok()?;
        // `/../x` is a group outside the namespace: no folder of this mount.
        if inside.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        Some(inside.ancestors().map(|part| self.point.join(part)).collect())
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn absolute(path: &(impl AsRef<OsStr> + ?Sized)) -> Option<&Path> {
    Some(Path::new(path)).filter(|path| path.is_absolute())
}

/// `path`, absolute, as seen from `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// `mountinfo` writes blank, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    loop {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
            [] => return OsString::from_vec(bytes),
        };
    }
}

fn limit_in(file: &Path) -> Option<u64> {
    limit(&fs::read_to_string(file).ok()?)
}

/// The line `hierarchical_memory_limit N` of version 1's `memory.stat`.
fn hierarchical_limit(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join("memory.stat")).ok()?;
    text.lines().find_map(|line| limit(line.strip_prefix("hierarchical_memory_limit ")?))
}

/// A number of bytes; `max` and version 1's number for it are none.
fn limit(text: &str) -> Option<u64> {
    text.trim_end().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

#[cfg(test)]
mod tests;
