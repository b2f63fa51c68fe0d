//! Wrong releases: a block that was freed before, or that never was one.
//!
//! The table of live blocks remembers the last that left it, for as long as there is room. What the
//! C library would do with such an address is undefined: to end the process at once, or to give the
//! memory that somebody else has by now to a third.

use super::guard::Damage;
use super::site::{self, Frame, Site};
use super::{Block, SiteId, Size, clock};
use crate::os;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::io::Write;
use std::sync::Arc;

/// What is done about a wrong release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Misuse {
    /// Nothing is told: it goes to the allocator as it came. Where only blocks of this library's lie, nothing
    /// happens.
    Ignore,
    /// A second release is told on stderr and not obeyed. What never was in the books goes to the
    /// allocator; from then on second releases do, too, since they may be of such blocks. Where only blocks
    /// of this library's lie, both are told and neither is obeyed.
    Known,
    /// Both are told, and neither is obeyed.
    Warn,
    /// Both are told, and the process ends by `abort`.
    Abort,
}

/// This many are told in full; further ones are counted only.
const MOST: u64 = 100;

static POLICY: AtomicU8 = AtomicU8::new(Misuse::Known as u8);
static FOUND: AtomicU64 = AtomicU64::new(0);

/// What is to be done from now on.
pub fn set_misuse(policy: Misuse) {
    POLICY.store(policy as u8, Ordering::Relaxed);
}

fn policy() -> Misuse {
    let policy = POLICY.load(Ordering::Relaxed);
    [Misuse::Ignore, Misuse::Warn, Misuse::Abort]
        .into_iter()
        .find(|known| *known as u8 == policy)
        .unwrap_or(Misuse::Known)
}

/// Wrong releases found so far.
#[must_use]
pub fn misuses() -> u64 {
    FOUND.load(Ordering::Relaxed)
}

/// A block that has left the table.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    pub(super) block: Block,
    /// By whom: the kernel's number of the thread.
    pub(super) thread: u32,
    /// When and where, if the block was a sampled one.
    pub(super) freed: Option<Freed>,
}

/// When and where a block was freed.
#[derive(Clone, Copy)]
pub(super) struct Freed {
    at: u32,
    site: Option<SiteId>,
}

impl Freed {
    pub(super) fn here() -> Self {
        Self { at: clock::now(), site: site::id_here() }
    }
}

impl Gone {
    /// One that the calling thread frees; when and where may be added.
    pub(super) fn new(block: Block) -> Self {
        Self { block, thread: os::thread_id(), freed: None }
    }
}

/// What is wrong with a release.
pub(super) enum Wrong {
    /// It is the second one.
    Twice(Gone),
    /// Two threads have freed it at the same moment, as it turns out later.
    AtOnce(Size),
    /// No such block was ever in the books, or it has been forgotten.
    Foreign,
    /// Its bytes were written to beyond its ends.
    Damaged(Block, Damage),
}

/// Tells of it, as the policy says. True if the release is not to be obeyed.
pub(super) fn found(address: *mut u8, wrong: &Wrong) -> bool {
    let policy = policy();
    let is_told = is_told(policy, wrong);
    if is_told {
        tell(policy, address, wrong);
    }
    is_told
}

/// [`found`] at an address at which nobody but this library can have a block: there is no doubt.
pub(super) fn found_ours(address: *mut u8, wrong: &Wrong) {
    let policy = policy();
    if policy != Misuse::Ignore {
        tell(policy, address, wrong);
    }
}

fn tell(policy: Misuse, address: *mut u8, wrong: &Wrong) {
    let before = FOUND.fetch_add(1, Ordering::Relaxed);
    if before < MOST || policy == Misuse::Abort {
        let here = site::here();
        say(&format!("{}", Told { address, wrong, here }));
        if before + 1 == MOST {
            say("offheap: further wrong releases are counted only\n");
        }
    }
    if policy == Misuse::Abort {
        std::process::abort();
    }
}

fn is_told(policy: Misuse, wrong: &Wrong) -> bool {
    /// The program has blocks of others freed here, so one that stands where a freed one stood may be
    /// such a block.
    static MIXES: AtomicBool = AtomicBool::new(false);
    match (policy, wrong) {
        (Misuse::Ignore, _) => false,
        (Misuse::Known, Wrong::Foreign) => {
            // A block that the runtime took before there were books is none of the program's.
            if !MIXES.load(Ordering::Relaxed) && site::is_traced() {
                MIXES.store(true, Ordering::Relaxed);
            }
            false
        }
        (Misuse::Known, Wrong::Twice(_)) => !MIXES.load(Ordering::Relaxed),
        _ => true,
    }
}

/// In one piece, so that nothing comes in between; a closed stderr has no readers.
pub(super) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

struct Told<'a> {
    address: *mut u8,
    wrong: &'a Wrong,
    here: Option<Arc<Site>>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, wrong, ref here } = *self;
        let thread = os::thread_id();
        match wrong {
            Wrong::Twice(gone) => {
                let bytes = gone.block.size.bytes();
                writeln!(
                    f,
                    "offheap: double free of {address:p}, a block of {bytes} bytes; it is not freed again"
                )?;
                writeln!(f, "  freed again by thread {thread}, at")?;
                stack(f, here.as_deref())?;
                match gone.freed {
                    Some(freed) => {
                        writeln!(f, "  freed {} ago by thread {}, at", Ago(freed.at), gone.thread)?;
                        stack(f, freed.site.and_then(site::get).as_deref())?;
                    }
                    None => {
                        writeln!(f, "  freed by thread {}, at", gone.thread)?;
                        stack(f, None)?;
                    }
                }
                taken(f, &gone.block)
            }
            Wrong::AtOnce(size) => {
                let bytes = size.bytes();
                writeln!(
                    f,
                    "offheap: double free of {address:p}, a block of {bytes} bytes, by two threads at the same moment; \
                     it is freed once"
                )
            }
            Wrong::Foreign => {
                writeln!(
                    f,
                    "offheap: free of {address:p}, which is no block of anyone's here; it is not freed"
                )?;
                writeln!(f, "  by thread {thread}, at")?;
                stack(f, here.as_deref())
            }
            Wrong::Damaged(block, damage) => {
                let bytes = block.size.bytes();
                let what = if damage.offset < 0 { "underrun" } else { "overrun" };
                writeln!(
                    f,
                    "offheap: {what} of {address:p}, a block of {bytes} bytes: byte {} was written to",
                    damage.offset
                )?;
                writeln!(f, "  seen when thread {thread} freed it, at")?;
                stack(f, here.as_deref())?;
                taken(f, block)
            }
        }
    }
}

/// Who took the block.
pub(super) fn taken(f: &mut impl fmt::Write, block: &Block) -> fmt::Result {
    writeln!(f, "  taken {} ago by thread {}, at", Ago(block.born), block.thread)?;
    stack(f, block.site.and_then(site::get).as_deref())
}

/// The calls of a site, as stack traces have them.
pub(super) fn stack(f: &mut impl fmt::Write, site: Option<&Site>) -> fmt::Result {
    let Some(site) = site else {
        return writeln!(
            f,
            "      a place that was not recorded: not in the sample (sample=0 records all)"
        );
    };
    for Frame { class, method, line } in &site.frames {
        match line {
            Some(line) => writeln!(f, "      {class}.{method}:{line}")?,
            None => writeln!(f, "      {class}.{method}")?,
        }
    }
    Ok(())
}

/// How long ago it was, by [`clock`].
pub(super) struct Ago(pub(super) u32);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = clock::exact().wrapping_sub(self.0);
        write!(f, "{}.{:02} s", hundredths / 100, hundredths % 100)
    }
}
