//! What a span's owner does to its slots while others give them back, in every order:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.

use super::chain;
use super::shared::{Done, Shared, Word};
use crate::bits::Reservation;
use crate::ledger::entry::Entry;
use crate::ledger::{Block, Owner, Size};
use core::cell::Cell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};

/// A span of few slots, a live block in each, and its class's list.
struct Span {
    shared: Shared,
    entries: [Entry; 2],
    listed: AtomicUsize,
}

const OWNER: u32 = 1;
const OTHER: u32 = 2;

impl Span {
    fn owned() -> Arc<Self> {
        let size = Size::new(64, Owner::Library, None).unwrap().reserved_as(Reservation::Tallied);
        let block = Block { size, site: None, born: 0, thread: OWNER, collections: 0 };
        let entries = [(); 2].map(|()| {
            let entry = Entry::new();
            entry.enter(&block);
            entry
        });
        Arc::new(Self { shared: Shared::owned(), entries, listed: AtomicUsize::new(0) })
    }

    fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    fn give_back(&self, slot: u32, enough: u32) -> Done {
        let link = |head| self.entry(slot).give(head);
        let done = self.shared.push(slot + 1, link, || enough);
        if done.lists {
            self.listed.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Frees the block in a slot, not as its owner. False: it is free.
    fn free(&self, slot: u32, enough: u32) -> bool {
        let is_live = self.entry(slot).claim_slot(OTHER).is_some();
        if is_live {
            self.give_back(slot, enough);
        }
        is_live
    }

    /// Frees it as the owner does.
    fn free_own(&self, slot: u32, chain: &Cell<u32>) -> bool {
        let is_live = self.entry(slot).free(OWNER, chain.get()).is_some();
        if is_live {
            chain.set(slot + 1);
        }
        is_live
    }

    /// Two threads that each free the block in a slot of their own.
    fn givers(span: &Arc<Self>, enough: u32) -> [JoinHandle<Done>; 2] {
        [0, 1].map(|slot| {
            let span = span.clone();
            thread::spawn(move || {
                assert!(span.entry(slot).claim_slot(OTHER).is_some());
                span.give_back(slot, enough)
            })
        })
    }

    /// Another thread that frees the block in the first slot, and whether it was live.
    fn other(span: &Arc<Self>) -> JoinHandle<bool> {
        let span = span.clone();
        thread::spawn(move || span.free(0, 9))
    }

    /// Takes all slots of a chain.
    fn taken(&self, chain: &Cell<u32>) -> Vec<u32> {
        core::iter::from_fn(|| chain::pop(chain, |index| self.entry(index))).collect()
    }

    /// Takes all slots that are given back, which are so many as the word says but for `left`, those of the last
    /// owner; how many of them were freed twice.
    fn settled(&self, word: Word, left: u32, chain: &Cell<u32>) -> usize {
        let before =
            |slot: &u32| Some(self.entry(slot - 1).given_before()).filter(|slot| *slot != 0);
        let given = core::iter::successors(Some(word.head()).filter(|slot| *slot != 0), before);
        assert_eq!(given.count(), (word.count() - left) as usize);
        chain::settle(word.head(), chain, |index| self.entry(index)).len()
    }
}

#[test]
fn loom_slots_that_are_given_back_are_all_taken_once() {
    loom::model(|| {
        let span = Span::owned();
        let givers = Span::givers(&span, 9);
        let chain = Cell::new(0);
        assert_eq!(span.settled(span.shared.take_all(), 0, &chain), 0);
        let mut taken = span.taken(&chain);
        let _ = givers.map(|giver| giver.join().unwrap());
        assert_eq!(span.settled(span.shared.take_all(), 0, &chain), 0);
        taken.extend(span.taken(&chain));
        taken.sort_unstable();
        assert_eq!(taken, [0, 1]);
    });
}

#[test]
fn loom_a_slot_that_is_given_back_is_its_next_owners_at_once() {
    loom::model(|| {
        let span = Span::owned();
        let giver = Span::other(&span);
        // By a change of the word: the model checker does not try all there is before a look at it.
        let given = span.shared.take_all();
        if given.head() == 1 {
            // Its owner puts it into a chain of his own.
            let chain = Cell::new(7);
            assert_eq!(span.settled(given, 0, &chain), 0);
            giver.join().unwrap();
            assert_eq!(
                (chain.get(), span.entry(0).next(), span.entry(0).is_given()),
                (1, 7, false)
            );
        } else {
            giver.join().unwrap();
        }
    });
}

#[test]
fn loom_a_span_that_loses_its_owner_is_listed_once_when_enough_is_there() {
    loom::model(|| {
        let span = Span::owned();
        let givers = Span::givers(&span, 2);
        if !span.shared.disown_empty() {
            let done = span.shared.disown(0, 2);
            if done.lists {
                span.listed.fetch_add(1, Ordering::Relaxed);
            }
        }
        let _ = givers.map(|giver| giver.join().unwrap());
        assert_eq!(span.listed.load(Ordering::Relaxed), 1);
        let word = span.shared.adopt();
        assert!(word.is_listed() && !word.is_owned());
        let chain = Cell::new(0);
        assert_eq!(span.settled(word, 0, &chain), 0);
        let mut taken = span.taken(&chain);
        taken.sort_unstable();
        assert_eq!(taken, [0, 1]);
        assert!(span.shared.now().is_owned());
    });
}

#[test]
fn loom_who_gives_the_last_slot_back_knows() {
    loom::model(|| {
        let span = Span::owned();
        span.shared.disown_empty();
        let last = Span::givers(&span, 1).map(|giver| giver.join().unwrap().now.count() == 2);
        assert!(last[0] != last[1]);
    });
}

#[test]
fn loom_of_two_others_that_free_a_block_one_does() {
    loom::model(|| {
        let span = Span::owned();
        let other = Span::other(&span);
        let mine = span.free(0, 9);
        assert!(mine != other.join().unwrap());
        let word = span.shared.take_all();
        let chain = Cell::new(0);
        assert_eq!((word.count(), span.settled(word, 0, &chain)), (1, 0));
        assert_eq!(span.taken(&chain), [0]);
    });
}

/// An owner and another thread free a block at the same moment: both may think that they have, but its slot is
/// free once, and that both did turns out.
#[test]
fn loom_a_block_that_its_owner_frees_as_well_is_free_once() {
    loom::model(|| {
        let span = Span::owned();
        let other = Span::other(&span);
        let chain = Cell::new(0);
        let mine = span.free_own(0, &chain);
        let theirs = other.join().unwrap();
        let mut taken = span.taken(&chain);
        let word = span.shared.take_all();
        let twice = span.settled(word, 0, &chain);
        taken.extend(span.taken(&chain));
        assert_eq!(taken, [0]);
        assert_eq!(usize::from(mine) + usize::from(theirs), 1 + twice);
        assert_eq!(word.count(), u32::from(theirs));
    });
}

/// The same, and the owner leaves the span at once. What its word counts is what is free, or somebody would think
/// that all of it is while there is a live block. If the owner was the first and the other is about to take its claim
/// back, the slot may be in neither.
#[test]
fn loom_a_slot_that_is_in_both_chains_is_left_in_one_at_most() {
    loom::model(|| {
        let span = Span::owned();
        let other = Span::other(&span);
        let chain = Cell::new(0);
        let mine = span.free_own(0, &chain);
        let (left, count) = chain::leave(chain.get(), |index| span.entry(index));
        span.shared.disown(count, 9);
        let theirs = other.join().unwrap();
        let word = span.shared.adopt();
        let chain = Cell::new(left);
        let twice = span.settled(word, count, &chain);
        let taken = span.taken(&chain);
        assert_eq!(taken.len(), word.count() as usize);
        assert!(taken == [0] || taken.is_empty() && mine && !theirs, "{taken:?}");
        assert_eq!(usize::from(mine) + usize::from(theirs), 1 + twice);
    });
}

/// What a looker may see of the first slot: size, age and collections of one block, never of two.
fn looker(span: &Arc<Span>) -> JoinHandle<Option<(usize, u32, u32)>> {
    let span = span.clone();
    let of = |block: Block| (block.size.asked(), block.born, block.collections);
    thread::spawn(move || span.entry(0).look().map(of))
}

fn next_block() -> Block {
    let size = Size::new(48, Owner::Library, None).unwrap();
    Block { size, site: None, born: 1, thread: OWNER, collections: 1 }
}

#[test]
fn loom_a_look_sees_one_block_or_none() {
    loom::model(|| {
        let span = Span::owned();
        let looker = looker(&span);
        assert!(span.free(0, 9));
        let chain = Cell::new(0);
        assert_eq!(span.settled(span.shared.take_all(), 0, &chain), 0);
        assert_eq!(span.taken(&chain), [0]);
        span.entry(0).enter(&next_block());
        assert!([None, Some((64, 0, 0)), Some((48, 1, 1))].contains(&looker.join().unwrap()));
    });
}

#[test]
fn loom_a_look_sees_a_block_as_it_was_before_it_changed_its_size_or_after() {
    loom::model(|| {
        let span = Span::owned();
        let looker = looker(&span);
        assert!(span.entry(0).claim_slot(OTHER).is_some());
        span.entry(0).enter_again(&next_block());
        assert!([None, Some((64, 0, 0)), Some((48, 1, 1))].contains(&looker.join().unwrap()));
    });
}
