//! What a thread keeps: the extent that it has given back last, of those of [`MOST`] granules or less. If it takes
//! one of the same size next, it gets that one, without a lock. If it takes another size, what it keeps goes back to
//! its arena first: so what it takes lies as low as if nothing had been kept, and a program of many sizes goes
//! through no more memory.
//!
//! The decay does not come to it: a thread that takes no extent any more keeps its last one, with its content,
//! until it ends.

use super::region::GRANULE;
use crate::ledger::home;
use crate::own::{KEEPS_NONE, Own};

/// Granules of the largest extent that is kept. What a lock takes is next to nothing of what a larger one costs to
/// fill, and idle threads would keep much.
pub(super) const MOST: usize = (64 << 10) / GRANULE;

/// Takes the kept extent if it has so many granules, which are not 0: its first.
#[inline(always)]
pub(super) fn take(own: &Own, granules: usize) -> Option<usize> {
    let kept = &own.kept;
    (kept.granules.get() as usize == granules).then(|| {
        kept.granules.set(0);
        kept.first.get() as usize
    })
}

/// Takes the kept extent, of whatever size.
pub(super) fn take_any(own: &Own) -> Option<usize> {
    match own.kept.granules.get() {
        0 | KEEPS_NONE => None,
        granules => take(own, granules as usize),
    }
}

/// Keeps an extent, if it can. Returned is what is to go back to its arena: the one kept before, or this one.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "there are fewer granules")]
pub(super) fn put(own: &Own, first: usize, granules: usize) -> Option<usize> {
    let kept = &own.kept;
    let before = kept.granules.get();
    if granules > MOST || before == KEEPS_NONE && !home::is_left_at_end() {
        return Some(first);
    }
    kept.granules.set(granules as u32);
    let other = kept.first.replace(first as u32) as usize;
    (!matches!(before, 0 | KEEPS_NONE)).then_some(other)
}

/// The thread ends, and keeps none from now on. The one that it has kept.
pub(super) fn end(own: &Own) -> Option<usize> {
    let last = take_any(own);
    own.kept.granules.set(KEEPS_NONE);
    last
}
