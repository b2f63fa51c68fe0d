//! Reports for C.

use super::{status, text};
use crate::error::Errno;
use crate::report::{self, Ask, Format};
use core::ffi::{c_char, c_int};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Writes a report of this moment: how much is live, of which kind, the limit, what has gone
/// through the sockets; in a process with a JVM and offheap as its agent, the JVM's blocks too, and
/// who took them.
///
/// `file` is where to; NULL is stderr. A plain file is replaced, so that who reads it finds a whole
/// report, the old or the new; to anything else (a pipe, a link) the report is added. `format` is
/// "text", "json", "collapsed" (a line for each site, for flame graphs) or "prometheus" (metrics in
/// its text format); NULL is "text". Both texts stay the caller's.
///
/// Returns 0, or, a plain file being as it was:
/// - EINVAL: no such format;
/// - what the system said of the file: ENOENT, EACCES, ENOSPC, ...
///
/// Any thread. Allocations go on meanwhile. JDK: jcmd PID VM.native_memory.
#[unsafe(no_mangle)]
unsafe extern "C" fn offheap_report(file: *const c_char, format: *const c_char) -> c_int {
    status(|| {
        // SAFETY: the C caller guarantees NULL or a text that ends with a NUL.
        let format = unsafe { text(format) }
            .map_or(Some(Format::Text), |name| name.to_str().ok().and_then(Format::named));
        let report = report::report(format.ok_or(Errno::EINVAL)?, Ask::default());
        // SAFETY: as above.
        let written = match unsafe { text(file) } {
            Some(file) => report::put(Path::new(OsStr::from_bytes(file.to_bytes())), &report),
            // In one piece, so that nothing comes in between.
            None => io::stderr().write_all(report.as_bytes()),
        };
        written.map_err(|error| Errno::new(error.raw_os_error().unwrap_or(libc::EIO)))
    })
}
