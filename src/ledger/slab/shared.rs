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

    /// Slots in the chain; while nobody owns the span, those that the last owner has left, too.
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
    /// Of a span that has an owner, who has given all.
    #[cfg(all(test, loom))]
    pub(super) fn owned() -> Self {
        Self(AtomicU64::new(Word::OWNED))
    }

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

    /// Puts a slot before those that are there. `link` is told which is the first of those, to let the slot
    /// lead to it; perhaps more than once, but never when the slot is the caller's no more. The span becomes
    /// listed if nobody owns it and so many as `enough` says are there, then.
    pub(super) fn push(&self, slot: u32, link: impl Fn(u32), enough: impl Fn() -> u32) -> Done {
        self.update(|word| {
            link(word.head());
            let all = word.count() + 1;
            let lists = !word.is_owned() && !word.is_listed() && all >= enough();
            let word = word.with(slot, all);
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

    /// Its owner is its owner no more, and leaves `count` slots of his own. It becomes listed if so many as
    /// `enough` are there.
    pub(super) fn disown(&self, count: u32, enough: u32) -> Done {
        self.update(|word| {
            let all = word.count() + count;
            let word = word.with(word.head(), all).set(Word::OWNED, false).next_version();
            let lists = all >= enough;
            Done { now: word.set(Word::LISTED, lists), lists }
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
