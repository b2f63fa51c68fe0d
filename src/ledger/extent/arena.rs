//! An arena: chunks, each divided into extents without a gap, used and free ones in turn. Two free ones
//! never lie side by side.

use super::fit::Fit;
use super::region::{CHUNK, Chunk, GRANULE, GRANULES, Granule, REGION, UNIT};
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

/// One thread at a time.
pub(super) struct Arena {
    free: Fit,
}

/// When something was given back, in steps of the decay; never 0.
pub(super) type Tick = u8;

/// Bytes that go back to the kernel while whoever wants the arena waits: a tenth of a millisecond or two.
const AT_ONCE: usize = 4 << 20;

const PER_UNIT: usize = UNIT / GRANULE;

/// The end of a granule's chunk.
fn end(granule: usize) -> usize {
    (granule / GRANULES + 1) * GRANULES
}

/// What is known of the extent that begins there, unless the chunk ends there.
fn beside(first: usize, granules: usize) -> Option<&'static Granule> {
    let next = first + granules;
    if next < end(first) { REGION.granule(next) } else { None }
}

impl Arena {
    pub(super) const fn new() -> Self {
        Self { free: Fit::new() }
    }

    /// Takes a chunk that has just been opened for it.
    pub(super) fn add(&mut self, chunk: usize) {
        let first = chunk * GRANULES;
        if let Some(extent) = REGION.granule(first) {
            self.set_free(first, extent, GRANULES);
        }
    }

    fn set_free(&mut self, first: usize, extent: &Granule, granules: usize) {
        extent.set_granules(granules);
        extent.set_free(true);
        if let Some(next) = beside(first, granules) {
            next.set_before(granules);
        }
        self.free.insert(first, extent);
    }

    /// An extent of so many granules: its first.
    pub(super) fn take(&mut self, granules: usize) -> Option<usize> {
        let first = self.free.find(granules)?;
        let extent = REGION.granule(first)?;
        self.free.remove(extent);
        self.set_used(first, extent, granules);
        Some(first)
    }

    /// Uses the first granules of an extent in no bin; the rest of it is free.
    fn set_used(&mut self, first: usize, extent: &Granule, granules: usize) {
        let rest = extent.granules() - granules;
        extent.set_free(false);
        extent.set_granules(granules);
        if rest > 0
            && let Some(other) = beside(first, granules)
        {
            other.set_before(granules);
            self.set_free(first + granules, other, rest);
        }
    }

    /// Takes an extent back; what is free beside it is one with it.
    pub(super) fn put(&mut self, first: usize, now: Tick) {
        let Some(mut extent) = REGION.granule(first) else { return };
        let (mut first, mut granules) = (first, extent.granules());
        stamp(first, granules, now);
        if let Some(next) = beside(first, granules)
            && next.is_free()
        {
            self.free.remove(next);
            granules += next.granules();
        }
        let before = extent.before();
        if before > 0
            && let Some(previous) = REGION.granule(first - before)
            && previous.is_free()
        {
            self.free.remove(previous);
            (first, granules, extent) = (first - before, granules + before, previous);
        }
        self.set_free(first, extent, granules);
    }

    /// Makes a used extent longer or shorter where it is; false if there is no room.
    pub(super) fn resize(&mut self, first: usize, granules: usize, now: Tick) -> bool {
        let Some(extent) = REGION.granule(first) else { return false };
        let old = extent.granules();
        let next = beside(first, old);
        if granules > old {
            let has_room = |next: &&Granule| next.is_free() && old + next.granules() >= granules;
            let Some(next) = next.filter(has_room) else { return false };
            self.free.remove(next);
            extent.set_granules(old + next.granules());
            if let Some(other) = beside(first, extent.granules()) {
                other.set_before(extent.granules());
            }
            self.set_used(first, extent, granules);
        } else if granules < old
            && let Some(rest) = beside(first, granules)
        {
            extent.set_granules(granules);
            rest.set_before(granules);
            rest.set_granules(old - granules);
            rest.set_free(false);
            if let Some(next) = next {
                next.set_before(old - granules);
            }
            self.put(first + granules, now);
        }
        true
    }

    /// Looks at the used extents of one of its chunks.
    pub(super) fn for_each(&self, chunk: usize, mut look: impl FnMut(usize, &Granule)) {
        each(chunk, |first, extent| {
            if !extent.is_free() {
                look(first, extent);
            }
            ControlFlow::Continue(())
        });
    }

    /// Whether a granule lies in a live block, and does not begin it.
    pub(super) fn is_inside(&self, granule: usize) -> bool {
        let mut is_inside = false;
        each(granule / GRANULES, |first, extent| {
            if granule < first + extent.granules() {
                is_inside = first < granule && extent.entry.look().is_some();
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        is_inside
    }

    /// Gives back to the kernel what has been free in one of its chunks since before the last tick; not
    /// more at a time than [`AT_ONCE`]. True if there may be more.
    pub(super) fn purge(&mut self, number: usize, now: Tick) -> bool {
        let Some(chunk) = REGION.chunk(number) else { return false };
        if !chunk.is_dirty.swap(false, Ordering::Relaxed) {
            return false;
        }
        let (mut work, mut looked_at, mut is_full) = (0, GRANULES, false);
        each(number, |first, extent| {
            if !extent.is_free() {
                return ControlFlow::Continue(());
            }
            let first = first % GRANULES;
            for (from, to) in old_parts(chunk, first, first + extent.granules(), now) {
                let to = to.min(from + (AT_ONCE - work) / GRANULE);
                // SAFETY: granules of a free extent; the arena is locked, as the caller has it.
                unsafe { REGION.forget(number * GRANULES + from, to - from) };
                // The least of them is a system call too.
                work += ((to - from) * GRANULE).next_multiple_of(UNIT);
                if work >= AT_ONCE {
                    (looked_at, is_full) = (to, true);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        let mut is_young = false;
        for (unit, given_back) in chunk.given_back.iter().enumerate() {
            if (unit + 1) * PER_UNIT > looked_at {
                break;
            }
            let tick = given_back.load(Ordering::Relaxed);
            if is_old(tick, now) {
                given_back.store(0, Ordering::Relaxed);
            } else {
                is_young |= tick != 0;
            }
        }
        if is_young || is_full {
            chunk.is_dirty.store(true, Ordering::Relaxed);
        }
        is_full
    }
}

/// Notes when something of an extent's units was given back, or put to the others.
fn stamp(first: usize, granules: usize, now: Tick) {
    let Some(chunk) = REGION.chunk(first / GRANULES) else { return };
    let first = first % GRANULES;
    let units = first / PER_UNIT..(first + granules).div_ceil(PER_UNIT);
    chunk.given_back.get(units).unwrap_or_default().iter().for_each(|unit| {
        unit.store(now, Ordering::Relaxed);
    });
    chunk.is_dirty.store(true, Ordering::Relaxed);
}

fn is_old(tick: Tick, now: Tick) -> bool {
    tick != 0 && tick != now && tick != before(now)
}

/// The tick before.
fn before(tick: Tick) -> Tick {
    if tick <= 1 { Tick::MAX } else { tick - 1 }
}

/// The tick after.
pub(super) fn after(tick: Tick) -> Tick {
    tick.checked_add(1).unwrap_or(1)
}

/// Of the granules of a free extent, counted from the beginning of its chunk, those in old units, in parts
/// as long as can be.
fn old_parts(
    chunk: &Chunk,
    first: usize,
    end: usize,
    now: Tick,
) -> impl Iterator<Item = (usize, usize)> {
    let is_old_at = move |granule: usize| {
        let unit = chunk.given_back.get(granule / PER_UNIT);
        unit.is_some_and(|unit| is_old(unit.load(Ordering::Relaxed), now))
    };
    let unit_end = move |granule: usize| ((granule / PER_UNIT + 1) * PER_UNIT).min(end);
    let mut at = first;
    core::iter::from_fn(move || {
        while at < end && !is_old_at(at) {
            at = unit_end(at);
        }
        let from = at;
        while at < end && is_old_at(at) {
            at = unit_end(at);
        }
        (from < at).then_some((from, at))
    })
}

/// Looks at the extents of a chunk, in the order of their addresses, until that is enough.
fn each(chunk: usize, mut look: impl FnMut(usize, &Granule) -> ControlFlow<()>) {
    let mut first = chunk * GRANULES;
    while let Some(extent) = REGION.granule(first) {
        if look(first, extent).is_break() {
            break;
        }
        let next = first + extent.granules();
        if next >= end(first) || next == first {
            break;
        }
        first = next;
    }
}

const _: () = assert!(
    CHUNK.is_multiple_of(UNIT) && UNIT.is_multiple_of(GRANULE) && AT_ONCE.is_multiple_of(UNIT)
);

#[cfg(test)]
impl Arena {
    /// That the extents of a chunk lie side by side without a gap, know their neighbours, and are in a bin
    /// if they are free. How many there are.
    pub(super) fn check(&self, chunk: usize) -> usize {
        let (mut count, mut next, mut before, mut was_free) = (0, chunk * GRANULES, 0, false);
        let mut free = Vec::new();
        each(chunk, |first, extent| {
            assert_eq!((first, extent.before()), (next, before));
            assert!(!(was_free && extent.is_free()), "two free ones side by side at {first}");
            (count, next, before) = (count + 1, first + extent.granules(), extent.granules());
            was_free = extent.is_free();
            if was_free {
                free.push((first, extent.granules()));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(next, (chunk + 1) * GRANULES);
        let mut listed = self.free.all();
        listed.retain(|(first, _)| first / GRANULES == chunk);
        listed.sort_unstable();
        assert_eq!(listed, free);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_before_the_last_tick_is_old_whenever_the_ticks_begin_anew() {
        let mut now = 1;
        for _ in 0..600 {
            assert_ne!(now, 0);
            assert!(!is_old(0, now) && !is_old(now, now) && !is_old(now, after(now)));
            assert!(is_old(now, after(after(now))));
            assert_eq!(before(after(now)), now);
            now = after(now);
        }
    }
}
