//! The terminal while `top` has it, and as it was afterwards.

use super::screen::{Line, Look};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    BeginSynchronizedUpdate, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use std::io::{self, Write as _};

/// The whole terminal, until dropped: also when a panic or an error ends the work.
pub(super) struct Terminal(());

impl Terminal {
    pub(super) fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        let taken = Self(());
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide)?;
        Ok(taken)
    }

    /// In one piece, over what is there: nothing is wiped first, so nothing flickers.
    pub(super) fn draw(&self, lines: &[Line]) -> io::Result<()> {
        let mut out = Vec::new();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in (0_u16..).zip(lines) {
            let look = match line.look {
                Look::Plain => Attribute::Reset,
                Look::Bold => Attribute::Bold,
                Look::Reverse => Attribute::Reverse,
            };
            queue!(out, MoveTo(0, row), SetAttribute(look))?;
            out.extend(line.text.as_bytes());
            queue!(out, SetAttribute(Attribute::Reset))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whatever fails, the rest is tried; a terminal that has gone needs nothing.
        let _ = execute!(io::stdout(), Show, EnableLineWrap, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
