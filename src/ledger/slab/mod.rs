//! Small blocks: memory and books in one.
//!
//! A slab allocator (Bonwick, The slab allocator, 1994), whose slots each have an entry of the ledger
//! beside the memory and not in it: so an address tells where its entry is, nothing is hashed or locked,
//! and a program that writes beyond a block, or to one that it has freed, does not reach the books.
//!
//! Slots of a size class lie in *spans*. A thread owns one span of each class that it takes from, and
//! takes from it and gives back to it without any other thread's knowing; without a locked instruction,
//! too, if the block has taken no room from a limit ([`entry`](super::entry)). Everybody else claims a
//! block by its entry, and gives back by one compare-and-swap ([`shared`]). A span that is used up has no
//! owner; when a quarter of it is free again it is in its class's list, for the next thread that needs
//! one; when all of it is, any class may have it, but for a few that each class keeps. Its memory goes
//! back to the kernel when nobody has wanted it for a while ([`background`]).
//!
//! The addresses are set aside by [`open`] at once. What does not fit, and what is larger than
//! [`class::LARGEST`], is not taken here.

mod chain;
mod class;
mod region;
mod shared;
mod span;

use super::entry::Entry;
use super::home::{is_left_at_end, locked};
use super::{Block, Size, background, clock};
use crate::error::Errno;
use crate::os;
use crate::own::Own;
pub(super) use class::LARGEST;
use class::{CLASSES, Class};
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use region::REGION;
use span::{Place, Span, Twice};
use std::sync::{Mutex, MutexGuard};

/// Sets the addresses aside; before that nothing is taken.
///
/// # Errors
/// There are not so many: there are no slots.
pub(super) fn open() -> Result<(), Errno> {
    REGION.reserve()
}

/// A slot in use: a block's memory and its entry.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    place: Place,
    index: u32,
}

/// A slot for so many bytes, not in the books yet, for the thread whose own that is. There is none for 0.
#[inline]
pub(super) fn take(own: &Own, bytes: usize) -> Option<Slot> {
    if !(1..=LARGEST).contains(&bytes) {
        return None;
    }
    let class = class::of(bytes);
    let mine = own.spans.get(class)?;
    if let Some(place) = Place::owned(mine)
        && let Some(index) = place.take(&mine.chain)
    {
        return Some(Slot { place, index });
    }
    take_elsewhere(own, class)
}

/// Whether nobody but this module can have a block there.
pub(super) fn is_here(address: *mut u8) -> bool {
    REGION.contains(address)
}

/// The slot that begins at an address.
#[inline]
pub(super) fn find(address: *mut u8) -> Option<Slot> {
    let place = Place::at(address)?;
    Some(Slot { place, index: place.index_of(address)? })
}

/// Looks at every live block. Others come and go meanwhile.
pub(super) fn for_each(mut look: impl FnMut(usize, &Block)) {
    let spans = (0..USED.load(Ordering::Acquire)).filter_map(Place::of);
    spans.for_each(|place| place.for_each(&mut look));
}

impl Slot {
    pub(super) fn address(self) -> *mut u8 {
        self.place.address(self.index)
    }

    #[inline]
    pub(super) fn entry(self) -> &'static Entry {
        self.place.entry(self.index)
    }

    /// The chain of the thread whose own that is, if it owns the slot's span.
    #[inline]
    fn chain(self, own: &Own) -> Option<&Cell<u32>> {
        let mine = own.spans.get(self.place.class_number())?;
        self.place.is_owned(mine).then_some(&mine.chain)
    }

    /// Frees the block in it, in the case that is plain and common: it has taken no room from a limit, and its span
    /// is the thread's whose own that is. `None` is any other case, and nothing was done.
    #[inline]
    pub(super) fn free(self, own: &Own) -> Option<Size> {
        self.place.free(self.index, os::thread_id_of(own), self.chain(own)?)
    }

    /// Takes the block at the slot's address out of the books: it is freed by `thread`, or moved. `None`:
    /// there is none.
    pub(super) fn claim(self, address: *mut u8, thread: u32) -> Option<Size> {
        let entry = self.entry();
        let size = entry.claim_slot(thread)?;
        // While the caller was on his way from the address to here, a program that frees twice may have
        // had the span put to another use. Now it can't be.
        if self.address() == address {
            return Some(size);
        }
        entry.unclaim();
        None
    }

    /// Whether a block of that size would be put into such a slot.
    pub(super) fn suits(self, bytes: usize) -> bool {
        self.place.suits(bytes)
    }

    /// Gives the memory back, by the thread whose own that is. The block was claimed.
    pub(super) fn give_back(self, own: &Own) {
        match self.chain(own) {
            Some(chain) => self.place.put(self.index, chain),
            None => self.give_back_to_another(),
        }
    }

    fn give_back_to_another(self) {
        let done = self.place.put_shared(self.index);
        if done.lists {
            list(self.place);
        } else if done.now.is_listed() && self.place.is_unused() {
            retire(self.place);
        }
    }
}

/// Takes a slot that others have given back to the thread's span of the class, which is used up, or one of
/// another span.
#[cold]
fn take_elsewhere(own: &Own, class: usize) -> Option<Slot> {
    let mine = own.spans.get(class)?;
    // When all chains are whole it is told of what was freed twice: that may take blocks itself.
    let slot = |place: Place, twice: Vec<Twice>| {
        let index = place.take(&mine.chain);
        twice.into_iter().for_each(Twice::tell);
        Some(Slot { place, index: index? })
    };
    if let Some(place) = Place::owned(mine) {
        if !place.leave_empty() {
            let twice = place.take_shared(&mine.chain);
            return slot(place, twice);
        }
        Place::disown(mine);
    }
    if !REGION.is_reserved() || !is_left_at_end() {
        return None;
    }
    let of = class::ALL.get(class)?;
    let listed = listed(of).pop();
    let (place, twice) = match listed {
        Some(place) => (place, place.adopt(&mine.chain)),
        None => (begin(of)?, Vec::new()),
    };
    place.own(mine);
    slot(place, twice)
}

/// Gives up a thread's spans.
pub(super) fn leave(own: &Own) {
    for mine in &own.spans {
        if let Some(place) = Place::owned(mine) {
            Place::disown(mine);
            if place.leave(mine.chain.take()).lists {
                list(place);
            }
        }
    }
}

/// The spans of a class that nobody owns and of which enough is free, newest first.
struct List {
    first: Link,
    /// Those of them that are unused.
    kept: [Link; MOST_KEPT],
}

/// So many unused spans of each class are kept, so that a thread which takes and gives back over and over
/// finds its entries as they were.
const MOST_KEPT: usize = 4;

/// A span's number and 1; 0 is none.
type Link = u32;

static LISTS: [Mutex<List>; CLASSES] =
    [const { Mutex::new(List { first: 0, kept: [0; MOST_KEPT] }) }; CLASSES];

fn listed(class: &Class) -> MutexGuard<'static, List> {
    locked(LISTS.get(usize::from(class.number)).unwrap_or(&LISTS[0]))
}

fn linked(link: Link) -> Option<Place> {
    Place::of(link.checked_sub(1)? as usize)
}

fn link(place: Place) -> Link {
    u32::try_from(place.number() + 1).unwrap_or(0)
}

impl List {
    fn push(&mut self, place: Place) {
        let links = place.links();
        links.previous.store(0, Ordering::Relaxed);
        links.next.store(self.first, Ordering::Relaxed);
        links.list.store(place.class().number + 1, Ordering::Relaxed);
        if let Some(next) = linked(self.first) {
            next.links().previous.store(link(place), Ordering::Relaxed);
        }
        self.first = link(place);
    }

    fn remove(&mut self, place: Place) {
        let links = place.links();
        let (previous, next) =
            (links.previous.load(Ordering::Relaxed), links.next.load(Ordering::Relaxed));
        match linked(previous) {
            Some(previous) => previous.links().next.store(next, Ordering::Relaxed),
            None => self.first = next,
        }
        if let Some(next) = linked(next) {
            next.links().previous.store(previous, Ordering::Relaxed);
        }
        links.list.store(0, Ordering::Relaxed);
        if let Some(kept) = self.kept.iter_mut().find(|kept| **kept == link(place)) {
            *kept = 0;
        }
    }

    fn pop(&mut self) -> Option<Place> {
        let place = linked(self.first)?;
        self.remove(place);
        Some(place)
    }

    /// Takes a span of the list out if it is unused, and not to be kept.
    fn take_unused(&mut self, place: Place) -> bool {
        let own = link(place);
        if !place.is_unused() || self.kept.contains(&own) {
            return false;
        }
        if let Some(free) = self.kept.iter_mut().find(|kept| **kept == 0) {
            *free = own;
            place.links().is_idle.store(false, Ordering::Relaxed);
            return false;
        }
        self.remove(place);
        true
    }

    /// Takes the spans out that have been kept unused since the last call.
    fn take_idle(&mut self) -> [Option<Place>; MOST_KEPT] {
        self.kept.map(|kept| {
            let place = linked(kept)?;
            let was_idle = place.links().is_idle.swap(true, Ordering::Relaxed);
            was_idle.then(|| self.remove(place)).map(|()| place)
        })
    }
}

/// Puts a span into the list of its class, which has just become listed, by the caller.
#[cold]
fn list(place: Place) {
    let mut list = listed(place.class());
    list.push(place);
    end_if_unused(list, place);
}

/// Ends the use of a span if it is still unused, and in its class's list: whoever has put it there may
/// be on his way, and looks himself.
#[cold]
fn retire(place: Place) {
    let class = place.class();
    let list = listed(class);
    // It may have been put to another use since it was looked at; while it is in this list, it can't.
    if place.links().list.load(Ordering::Relaxed) == class.number + 1 {
        end_if_unused(list, place);
    }
}

/// Ends the use of a span of the list if it is unused, and not to be kept.
fn end_if_unused(mut list: MutexGuard<'_, List>, place: Place) {
    let unused = list.take_unused(place);
    drop(list);
    if unused {
        end(place);
    }
}

/// The spans in no use that have been used: chains, the last one first.
struct Unused {
    /// With content, since the last step of the decay.
    new: Link,
    /// With content, since before.
    old: Link,
    /// Without content.
    empty: Link,
}

static UNUSED: Mutex<Unused> = Mutex::new(Unused { new: 0, old: 0, empty: 0 });
/// From this number on spans have never been used.
static USED: AtomicUsize = AtomicUsize::new(0);

impl Unused {
    fn pop(&mut self) -> Option<usize> {
        let Self { new, old, empty } = self;
        let first = [new, old, empty].into_iter().find(|first| **first != 0)?;
        let span = first.checked_sub(1)? as usize;
        *first = REGION.span(span)?.links().next.load(Ordering::Relaxed);
        Some(span)
    }
}

/// Puts a span to use for the calling thread.
fn begin(class: &'static Class) -> Option<Place> {
    let mut unused = locked(&UNUSED);
    let span = match unused.pop() {
        Some(span) => span,
        None => {
            let span = USED.load(Ordering::Relaxed);
            REGION.open(span + 1).ok()?;
            USED.store(span + 1, Ordering::Release);
            span
        }
    };
    drop(unused);
    background::begin();
    Place::begin(span, class)
}

/// Ends the use of an unused span that is in no list.
fn end(place: Place) {
    let (links, link) = (place.links(), link(place));
    place.end();
    let mut unused = locked(&UNUSED);
    links.next.store(unused.new, Ordering::Relaxed);
    unused.new = link;
}

/// A step of time has gone by: spans that nobody has wanted since the last one lose their content.
pub(super) fn decay() {
    for list in &LISTS {
        let idle = locked(list).take_idle();
        idle.into_iter().flatten().for_each(end);
    }
    let mut unused = locked(&UNUSED);
    let Unused { new, old, .. } = &mut *unused;
    let mut chain = core::mem::replace(old, core::mem::take(new));
    drop(unused);
    while let Some(span) = chain.checked_sub(1)
        && let Some(links) = REGION.span(span as usize).map(Span::links)
    {
        // SAFETY: in no use, and in no chain from which it could be put to use.
        unsafe { Place::forget(span as usize) };
        clock::end();
        let next = links.next.load(Ordering::Relaxed);
        let mut unused = locked(&UNUSED);
        links.next.store(unused.empty, Ordering::Relaxed);
        unused.empty = chain;
        drop(unused);
        chain = next;
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod tests;
