//! A terminal for a program: a pseudo terminal, and the screen that a person would see.

use crate::{LIMIT, wait_until};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

/// A program with a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    /// The side of the keys and the screen.
    near: File,
    /// The program's side, for its settings.
    far: File,
    settings: Settings,
    screen: Arc<Mutex<vt100::Parser>>,
}

/// Speed apart, what a program may have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings(u32, u32, u32, u32, [u8; 32]);

impl Settings {
    fn of(terminal: &File) -> Self {
        // SAFETY: integers, for all of which zero is a value.
        let mut settings: libc::termios = unsafe { core::mem::zeroed() };
        // SAFETY: the out-parameter is writable.
        let got = unsafe { libc::tcgetattr(terminal.as_raw_fd(), &raw mut settings) };
        assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
        let libc::termios { c_iflag, c_oflag, c_cflag, c_lflag, c_cc, .. } = settings;
        Self(c_iflag, c_oflag, c_cflag, c_lflag, c_cc)
    }
}

fn size(columns: u16, rows: u16) -> libc::winsize {
    libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn some(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a number above 0")
}

/// A new pseudo terminal: near and far side.
fn open(columns: u16, rows: u16) -> (File, File) {
    let (mut near, mut far) = (-1, -1);
    let mut size = size(columns, rows);
    let none = core::ptr::null_mut();
    // SAFETY: the out-parameters are writable, the size is readable, and no name is asked for.
    let opened =
        unsafe { libc::openpty(&raw mut near, &raw mut far, none, none.cast(), &raw mut size) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    [near, far]
        // SAFETY: the call has just opened them for us.
        .map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
        .into()
}

impl Terminal {
    /// Starts the command in a window of that size.
    pub(crate) fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let (near, far) = open(columns, rows);
        let settings = Settings::of(&far);
        let handle = || Stdio::from(far.try_clone().expect("a second handle"));
        command.stdin(handle()).stdout(handle()).stderr(handle()).env("LANG", "C.UTF-8");
        command.env_remove("LC_ALL").env_remove("LC_CTYPE").env("TERM", "xterm-256color");
        let take = || {
            // SAFETY: no precondition; a new child is no leader of a group.
            unsafe { libc::setsid() };
            // SAFETY: no pointer goes in. Its input is the terminal, which becomes its own.
            match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: two system calls, which are safe between fork and exec.
        unsafe { command.pre_exec(take) };
        let child = command.spawn().unwrap_or_else(|error| panic!("{error}: {command:?}"));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), 0)));
        let (mut output, shown) = (near.try_clone().expect("a second handle"), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("no panic under the lock").process(&bytes[..count]);
            }
        });
        Self { child, near, far, settings, screen }
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().expect("no panic under the lock").screen().contents()
    }

    /// The row that the bar is on.
    pub(crate) fn bar(&self) -> String {
        let parser = self.screen.lock().expect("no panic under the lock");
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let is_bar = |row: &u16| screen.cell(*row, 0).is_some_and(vt100::Cell::inverse);
        // The last one is the line that names the keys.
        let row = (0..u16::from(rows) - 1).find(is_bar);
        let text = row.and_then(|row| screen.rows(0, columns.into()).nth(row.into()));
        text.unwrap_or_default()
    }

    /// Waits until the screen is so.
    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        wait_until(
            what,
            || self.screen().lines().map(str::to_owned).collect::<Vec<_>>(),
            |lines| is_so(&lines.join("\n")),
        )
        .join("\n")
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.near.write_all(keys.as_bytes()).expect("a terminal");
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut parser = self.screen.lock().expect("no panic under the lock");
        parser.set_size(some(rows), some(columns));
        drop(parser);
        let size = size(columns, rows);
        // SAFETY: the size is readable.
        let set = unsafe { libc::ioctl(self.near.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits for the command's end, and looks that the terminal is as it was; its status, and what
    /// is on the screen.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = crate::child::wait(&mut self.child, LIMIT);
        let status = status.unwrap_or_else(|| panic!("still running\n{}", self.screen()));
        assert_eq!(Settings::of(&self.far), self.settings, "the terminal's settings");
        // What is written here comes after all that the command wrote: once it has been shown, so
        // has all of that.
        self.far.write_all(b"\x1b[?2004h").expect("a terminal");
        let seen = |is_so: fn(&vt100::Screen) -> bool| {
            is_so(self.screen.lock().expect("no panic under the lock").screen())
        };
        wait_until("all that it wrote", || seen(vt100::Screen::bracketed_paste), |shown| *shown);
        assert!(!seen(vt100::Screen::alternate_screen), "the screen is not restored");
        assert!(!seen(vt100::Screen::hide_cursor), "the cursor is hidden");
        (status, self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
