//! Where a report is put.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts a report in place of what the file holds.
///
/// A plain file is replaced: who reads it finds a whole report, the old or the new, also when two
/// JVMs write to one. To anything else (a pipe, a terminal, what a link names: `/dev/stdout` is one,
/// and the program's own output behind it) the report is added, and nothing is taken away.
///
/// # Errors
/// The system's; a plain file is then as it was.
pub fn put(file: &Path, report: &str) -> io::Result<()> {
    if file.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut open = fs::OpenOptions::new();
        // Without waiting: a pipe that nobody reads must not keep the program from ending.
        open.append(true).custom_flags(libc::O_NONBLOCK);
        return open.open(file)?.write_all(report.as_bytes());
    }
    let mut new = file.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let written = fs::write(&new, report).and_then(|()| fs::rename(&new, file));
    written.inspect_err(|_| {
        // Half a report is of no use; that it could not be written is what is told.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder of this test's, empty.
    fn folder(name: &str) -> std::path::PathBuf {
        let folder =
            std::env::temp_dir().join(format!("offheap-report-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_plain_file_is_replaced_and_nothing_else_is_left_behind() {
        let folder = folder("plain");
        let file = folder.join("report");
        for report in ["the first", "another"] {
            put(&file, report).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), report);
        }
        // A folder can't be replaced by a file.
        let taken = folder.join("taken");
        fs::create_dir_all(taken.join("by")).unwrap();
        put(&taken, "x").unwrap_err();
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["report", "taken"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_wait() {
        let pipe = std::env::temp_dir().join(format!("offheap-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let written = put(&pipe, "report");
        fs::remove_file(&pipe).unwrap();
        assert_eq!(written.unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }

    #[test]
    fn a_link_stays_a_link_and_what_it_names_keeps_its_content() {
        let folder = folder("link");
        let (file, link) = (folder.join("output"), folder.join("stdout"));
        fs::write(&file, "the program's\n").unwrap();
        symlink(&file, &link).unwrap();
        put(&link, "a report\n").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "the program's\na report\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
