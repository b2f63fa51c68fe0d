//! One word of a span: the slots that other threads than its owner have given back, and whether it has an
//! owner, or is in its class's list for whoever wants to own it.
//!
//! A slot is given back by one compare-and-swap, which also tells the giver what follows from it. So no
//! two threads put a span into the list, and none is forgotten.

use crate::sync::AtomicU64;
use core::sync::atomic::Ordering;

/// The state as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    /// The first slot of the chain of those given back: its place and 1; 0 is an empty chain.
    const HEAD: u64 = (1 << 12) - 1;
    const COUNT: u32 = 12;
    const OWNED: u64 = 1 << 24;
    const LISTED: u64 = 1 << 25;
    /// Changes whenever the span loses its owner: what was read before is of another time.
    const VERSION: u64 = 1 << 26;

    pub(super) fn head(self) -> u32 {
        (self.0 & Self::HEAD) as u32
    }

    /// Slots in the chain.
    pub(super) fn count(self) -> u32 {
        (self.0 >> Self::COUNT & Self::HEAD) as u32
    }

    pub(super) fn is_owned(self) -> bool {
        self.0 & Self::OWNED != 0
    }

    pub(super) fn is_listed(self) -> bool {
        self.0 & Self::LISTED != 0
    }

    fn with(self, head: u32, count: u32) -> Self {
        let chain = Self::HEAD | Self::HEAD << Self::COUNT;
        Self(self.0 & !chain | u64::from(head) | u64::from(count) << Self::COUNT)
    }

    fn set(self, flag: u64, is_set: bool) -> Self {
        Self(if is_set { self.0 | flag } else { self.0 & !flag })
    }

    fn next_version(self) -> Self {
        Self(self.0.wrapping_add(Self::VERSION))
    }
}

/// What [`Shared::push`] and [`Shared::disown`] have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) now: Word,
    /// It has become listed by this: the caller has to put it into the list.
    pub(super) lists: bool,
}

pub(super) struct Shared(AtomicU64);

impl Shared {
    pub(super) fn now(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Changes the word to what `next` makes of it, unless that is nothing. Acquire and release: what
    /// threads did with slots before they gave them back has happened for whoever gets them.
    fn change(&self, mut next: impl FnMut(Word) -> Option<Word>) -> Result<Word, Word> {
        let changed = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(next(Word(word))?.0));
        changed.map(Word).map_err(Word)
    }

    /// [`Shared::change`] in any case; what was there before.
    fn replace(&self, next: impl Fn(Word) -> Word) -> Word {
        let (Ok(before) | Err(before)) = self.change(|word| Some(next(word)));
        before
    }

    /// [`Shared::change`] in any case; the answer that was put in. It is not worked out once more
    /// afterwards: what is given back is another's by then.
    fn update(&self, mut next: impl FnMut(Word) -> Done) -> Done {
        let mut done = Done { now: Word(0), lists: false };
        let _ = self.change(|word| {
            done = next(word);
            Some(done.now)
        });
        done
    }

    /// Puts a chain of `count` slots before those that are there. `link` is told which is the first of
    /// those, to let the last of the chain lead to it; perhaps more than once, but never when the slots are
    /// the caller's no more. The span becomes listed if nobody owns it and so many as `enough` says are
    /// there, then.
    pub(super) fn push(
        &self,
        first: u32,
        count: u32,
        link: impl Fn(u32),
        enough: impl Fn() -> u32,
    ) -> Done {
        self.update(|word| {
            link(word.head());
            let all = word.count() + count;
            let lists = !word.is_owned() && !word.is_listed() && all >= enough();
            let word = word.with(first, all);
            Done { now: word.set(Word::LISTED, lists || word.is_listed()), lists }
        })
    }

    /// Takes all slots; its owner only.
    pub(super) fn take_all(&self) -> Word {
        self.replace(|word| word.with(0, 0))
    }

    /// Its owner is its owner no more, if nobody has given a slot back.
    pub(super) fn disown_empty(&self) -> bool {
        let without = |word: Word| word.set(Word::OWNED, false).next_version();
        self.change(|word| (word.count() == 0).then(|| without(word))).is_ok()
    }

    /// Its owner is its owner no more. It becomes listed if so many as `enough` are there.
    pub(super) fn disown(&self, enough: u32) -> Done {
        self.update(|word| {
            let lists = word.count() >= enough;
            let now = word.set(Word::OWNED, false).set(Word::LISTED, lists).next_version();
            Done { now, lists }
        })
    }

    /// The calling thread is its owner, and takes all slots. It was in the list, and is taken out of it, or
    /// in no use.
    pub(super) fn adopt(&self) -> Word {
        self.replace(|word| word.with(0, 0).set(Word::OWNED, true).set(Word::LISTED, false))
    }

    /// Nobody's, in no list, and empty. Nobody else can reach it.
    pub(super) fn reset(&self) {
        self.replace(|word| {
            word.with(0, 0).set(Word::OWNED, false).set(Word::LISTED, false).next_version()
        });
    }
}

#[cfg(all(test, loom))]
mod models {
    //! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.

    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicU32, AtomicUsize};
    use loom::thread::{self, JoinHandle};

    /// A span of few slots, its chain and its class's list.
    struct Span {
        shared: Shared,
        next: [AtomicU32; 4],
        listed: AtomicUsize,
    }

    impl Span {
        fn owned() -> Arc<Self> {
            let shared = Shared(AtomicU64::new(Word::OWNED));
            let next = [(); 4].map(|()| AtomicU32::new(0));
            Arc::new(Self { shared, next, listed: AtomicUsize::new(0) })
        }

        fn give_back(&self, slot: u32, enough: u32) -> Done {
            let link = |head| self.next[slot as usize].store(head, Ordering::Relaxed);
            let done = self.shared.push(slot + 1, 1, link, || enough);
            if done.lists {
                self.listed.fetch_add(1, Ordering::Relaxed);
            }
            done
        }

        /// Two threads that each give a slot back.
        fn givers(span: &Arc<Self>, enough: u32) -> [JoinHandle<Done>; 2] {
            [0, 1].map(|slot| {
                let span = span.clone();
                thread::spawn(move || span.give_back(slot, enough))
            })
        }

        /// The slots of a chain, and 1.
        fn chain(&self, word: Word) -> Vec<u32> {
            let mut slots = Vec::new();
            let mut slot = word.head();
            while slot != 0 {
                slots.push(slot);
                slot = self.next[slot as usize - 1].load(Ordering::Relaxed);
            }
            assert_eq!(slots.len(), word.count() as usize);
            slots.sort_unstable();
            slots
        }
    }

    #[test]
    fn loom_slots_that_are_given_back_are_all_taken_once() {
        loom::model(|| {
            let span = Span::owned();
            let givers = Span::givers(&span, 9);
            let mut taken = span.chain(span.shared.take_all());
            let _ = givers.map(|giver| giver.join().unwrap());
            taken.extend(span.chain(span.shared.take_all()));
            taken.sort_unstable();
            assert_eq!(taken, [1, 2]);
        });
    }

    #[test]
    fn loom_a_slot_that_is_given_back_is_its_next_owners_at_once() {
        loom::model(|| {
            let span = Span::owned();
            let giver = {
                let span = span.clone();
                thread::spawn(move || span.give_back(0, 9).lists)
            };
            // By a change of the word: the model checker does not try all there is before a look at it.
            if span.shared.take_all().head() == 1 {
                // Its owner puts it into a chain of his own.
                span.next[0].store(7, Ordering::Relaxed);
                giver.join().unwrap();
                assert_eq!(span.next[0].load(Ordering::Relaxed), 7);
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
                let done = span.shared.disown(2);
                if done.lists {
                    span.listed.fetch_add(1, Ordering::Relaxed);
                }
            }
            let _ = givers.map(|giver| giver.join().unwrap());
            assert_eq!(span.listed.load(Ordering::Relaxed), 1);
            let word = span.shared.adopt();
            assert!(word.is_listed() && !word.is_owned());
            assert_eq!(span.chain(word), [1, 2]);
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
}
