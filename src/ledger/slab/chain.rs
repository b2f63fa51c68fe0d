//! Slots of a span that are free, each of which leads to the next: the owner's chain, and what becomes of the
//! chain of those that others have given back.
//!
//! A slot is named by its place and 1; 0 ends a chain. `entry` is the entry of a place.

use crate::ledger::Size;
use crate::ledger::entry::Entry;
use crate::sync::fence;
use core::cell::Cell;
use core::sync::atomic::Ordering;

/// Takes the first slot out of the owner's chain.
#[inline]
pub(super) fn pop<'e>(chain: &Cell<u32>, entry: impl Fn(u32) -> &'e Entry) -> Option<u32> {
    while let Some(index) = chain.get().checked_sub(1) {
        let of = entry(index);
        chain.set(of.next());
        // Else it is in the chain of the others, too: see `ledger::entry`.
        if !of.is_given() {
            return Some(index);
        }
    }
    None
}

/// Makes the owner's chain one that others may take over, and how many slots are in it.
pub(super) fn leave<'e>(chain: u32, entry: impl Fn(u32) -> &'e Entry) -> (u32, u32) {
    // Whoever has given back one of them, too, is seen from here on, or sees that it is free.
    fence(Ordering::SeqCst);
    let (mut count, mut left, chain) = (0, 0, Cell::new(chain));
    while let Some(index) = pop(&chain, &entry) {
        entry(index).set_next(left);
        (count, left) = (count + 1, index + 1);
    }
    (left, count)
}

/// Puts slots that others have given back into the owner's chain; whoever is alone with both. Those that the owner
/// of that time has freed as well.
pub(super) fn settle<'e>(
    given: u32,
    chain: &Cell<u32>,
    entry: impl Fn(u32) -> &'e Entry,
) -> Vec<(u32, Size)> {
    let mut twice = Vec::new();
    let mut slot = given;
    while let Some(index) = slot.checked_sub(1) {
        let of = entry(index);
        slot = of.given_before();
        if let Err(size) = of.settle(chain.get()) {
            twice.push((index, size));
        }
        chain.set(index + 1);
    }
    twice
}
