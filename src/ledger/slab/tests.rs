use super::*;
use crate::bits::Reservation;
use crate::ledger::home::tests::{Chance, opened, pass_on};
use crate::ledger::{Family, Owner};
use crate::os::{self, pagemap::Pagemap};
use crate::own;
use core::cell::Cell;
use core::sync::atomic::AtomicBool;
use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::thread;

/// [`take`], by the calling thread.
fn take(bytes: usize) -> Option<Slot> {
    own::with(|own| super::take(own, bytes))
}

/// As `Unsafe.freeMemory` does it; the block's size, if there is one.
fn free(slot: Slot) -> Option<Size> {
    own::with(|own| {
        slot.free(own).or_else(|| {
            let size = slot.claim(slot.address(), os::thread_id())?;
            slot.give_back(own);
            Some(size)
        })
    })
}

/// Blocks that have taken room from a limit, and such as have not, go different ways.
fn block(bytes: usize) -> Block {
    let size = Size::new(bytes, Owner::Library, Some(Family::C)).unwrap();
    Block::new(if bytes.is_multiple_of(3) { size } else { size.reserved_as(Reservation::Tallied) })
}

/// A slot with a live block in it.
fn live_in(slot: Slot, bytes: usize) -> Slot {
    slot.entry().enter(&block(bytes));
    slot
}

/// A block of so many bytes, each of which has this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Filled {
    address: usize,
    bytes: usize,
    value: u8,
}

impl Filled {
    fn take(bytes: usize, value: u8) -> Self {
        let slot = live_in(take(bytes).unwrap(), bytes);
        // SAFETY: a slot of ours, of so many bytes at least.
        unsafe { slot.address().write_bytes(value, bytes) };
        Self { address: slot.address().expose_provenance(), bytes, value }
    }

    fn slot(self) -> Slot {
        find(core::ptr::with_exposed_provenance_mut(self.address)).unwrap()
    }

    /// Frees it; that nobody else has written to it is looked at before.
    fn free(self) {
        let Self { address, bytes, value } = self;
        // SAFETY: a live block of ours.
        let content = unsafe {
            core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(address), bytes)
        };
        assert!(content.iter().all(|byte| *byte == value), "{self:x?} was written to");
        let size = free(self.slot()).unwrap();
        assert_eq!((size.asked(), size.family()), (bytes, Some(Family::C)));
    }
}

fn live() -> HashSet<usize> {
    let mut live = HashSet::new();
    for_each(|address, _| assert!(live.insert(address), "{address:x} twice"));
    live
}

#[test]
fn blocks_of_all_sizes_lie_apart_and_16_aligned() {
    let _alone = opened();
    let sizes = || (0..LARGEST).map(|less| LARGEST - less).step_by(7).chain([1]);
    let sizes = sizes().chain(sizes().rev()).chain(sizes());
    let blocks: Vec<_> =
        sizes.enumerate().map(|(i, bytes)| Filled::take(bytes, i.to_le_bytes()[0])).collect();
    let live = live();
    for block in &blocks {
        assert_eq!(block.address % 16, 0);
        assert!(live.contains(&block.address));
    }
    blocks.into_iter().for_each(Filled::free);
    assert!(take(LARGEST + 1).is_none());
}

#[test]
fn an_address_leads_to_its_slot_and_no_other_does() {
    let _alone = opened();
    let own = Filled::take(100, 7);
    assert!(is_here(own.slot().address()));
    for inside in [1, 8, 16, 99] {
        assert!(find(own.slot().address().wrapping_add(inside)).is_none(), "{inside}");
    }
    own.free();
    let stack = 0_u8;
    for elsewhere in
        [0, 16, usize::MAX & !15, (&raw const stack).addr(), live as *const () as usize]
    {
        assert!(!is_here(core::ptr::without_provenance_mut(elsewhere)), "{elsewhere:x}");
        assert!(find(core::ptr::without_provenance_mut(elsewhere)).is_none(), "{elsewhere:x}");
    }
}

#[test]
fn a_block_is_freed_once_whoever_tries() {
    let _alone = opened();
    for _ in 0..1000 {
        let block = Filled::take(48, 1);
        let claims = thread::scope(|scope| {
            let claim =
                |by| scope.spawn(move || block.slot().claim(block.slot().address(), by).is_some());
            [1, 2].map(claim).map(|claim| claim.join().unwrap())
        });
        assert!(claims[0] != claims[1]);
        let left = block.slot().entry().left().unwrap();
        assert_eq!((left.block.size.asked(), left.thread), (48, if claims[0] { 1 } else { 2 }));
        assert!(block.slot().entry().look().is_none());
        own::with(|own| block.slot().give_back(own));
    }
}

#[test]
fn what_is_written_to_a_freed_block_or_beyond_one_does_not_reach_the_books() {
    let _alone = opened();
    let blocks: Vec<_> = (0..2000).map(|_| Filled::take(64, 3)).collect();
    let (first, rest) = blocks.split_first().unwrap();
    for block in rest {
        let slot = block.slot();
        block.free();
        // SAFETY: ours until now, and nobody else's memory yet: only this thread takes from its spans.
        unsafe { slot.address().write_bytes(0xFF, 64) };
    }
    let again: HashSet<_> = rest.iter().map(|_| Filled::take(64, 4)).collect();
    assert_eq!(again.len(), rest.len());
    again.into_iter().for_each(Filled::free);
    first.free();
}

#[test]
fn blocks_that_other_threads_give_back_are_taken_again() {
    let _alone = opened();
    let (to_free, take_back) = channel::<Vec<Filled>>();
    let freer = thread::spawn(move || take_back.into_iter().flatten().for_each(Filled::free));
    let mut seen = HashSet::new();
    for round in 0..200 {
        let blocks: Vec<_> = (0..500).map(|_| Filled::take(512, round)).collect();
        seen.extend(blocks.iter().map(|block| block.address));
        to_free.send(blocks).unwrap();
        // So that the freer is not left far behind.
        while round % 8 == 0
            && seen.iter().filter(|address| live().contains(address)).count() > 2000
        {
            thread::yield_now();
        }
    }
    drop(to_free);
    freer.join().unwrap();
    assert!(seen.len() < 200 * 500 / 4, "{} places", seen.len());
    assert!(live().is_disjoint(&seen));
}

#[test]
fn threads_that_take_and_free_each_others_blocks_never_meet_in_one() {
    let _alone = opened();
    let take = |chance: &mut Chance, number| Filled::take(1 + chance.below(LARGEST), number);
    pass_on(50_000, take, Filled::free, decay);
}

#[test]
fn a_thread_that_ends_leaves_its_spans_to_others() {
    let _alone = opened();
    const BYTES: usize = 896;
    let mut places = HashSet::new();
    for _ in 0..500 {
        let taken = thread::spawn(|| {
            let blocks: Vec<_> = (0..10).map(|_| Filled::take(BYTES, 5)).collect();
            blocks.iter().for_each(|block| block.free());
            blocks
        });
        places.extend(taken.join().unwrap().iter().map(|block| block.address / class::SPAN));
    }
    assert!(places.len() < 20, "{} spans", places.len());
}

#[test]
fn a_thread_that_ends_takes_no_more_slots_and_can_give_back() {
    let _alone = opened();
    static TAKES: AtomicBool = AtomicBool::new(true);
    struct Late(Cell<Option<Filled>>);
    impl Drop for Late {
        fn drop(&mut self) {
            // After `AtEnd`, which was made later.
            TAKES.store(take(48).is_some(), Ordering::Relaxed);
            self.0.take().into_iter().for_each(Filled::free);
        }
    }
    thread_local!(static LATE: Late = const { Late(Cell::new(None)) });
    let address = thread::spawn(|| {
        LATE.with(|late| {
            let block = Filled::take(48, 2);
            late.0.set(Some(block));
            block.address
        })
    })
    .join()
    .unwrap();
    assert!(!TAKES.load(Ordering::Relaxed));
    assert!(!live().contains(&address));
}

#[test]
fn memory_that_is_all_free_goes_back_to_the_kernel() {
    let _alone = opened();
    const BYTES: usize = 768;
    let blocks: Vec<_> = (0..20_000).map(|_| Filled::take(BYTES, 9)).collect();
    let spans: HashSet<_> = blocks.iter().map(|block| block.address & !(class::SPAN - 1)).collect();
    let map = Pagemap::open().unwrap();
    let page = os::page_size();
    let resident = || -> usize {
        let pages = |span: &usize| {
            let mut entries = vec![0; class::SPAN / page];
            map.have_content(*span, &mut entries).unwrap().filter(|has| *has).count()
        };
        spans.iter().map(pages).sum()
    };
    let before = resident();
    assert!(before >= 20_000 * BYTES / page, "{before}");
    thread::spawn(move || blocks.into_iter().for_each(Filled::free)).join().unwrap();
    // Those that are kept are unused for one step, in no use for another, and empty after the third.
    (0..3).for_each(|_| decay());
    // But for the span that this thread still owns.
    assert!(resident() <= class::SPAN / page, "{} of {before}", resident());
}

#[test]
fn memory_that_is_all_free_serves_other_sizes_at_once() {
    let _alone = opened();
    const BYTES: usize = 4 << 20;
    let spans = |bytes: usize| -> HashSet<usize> {
        let blocks = (0..BYTES / bytes).map(|_| Filled::take(bytes, 1)).collect::<Vec<_>>();
        blocks.iter().for_each(|block| block.free());
        blocks.iter().map(|block| block.address / class::SPAN).collect()
    };
    let first = thread::spawn(move || spans(1500)).join().unwrap();
    let second = thread::spawn(move || spans(96)).join().unwrap();
    // A step of the decay may come between.
    assert!(first.intersection(&second).count() > first.len() / 2, "{first:?} {second:?}");
    // And what their entries told of others is forgotten.
    let taken = (0..BYTES / 3000).map(|_| take(3000).unwrap()).collect::<Vec<_>>();
    for slot in taken {
        assert!(slot.entry().look().is_none());
        if let Some(left) = slot.entry().left() {
            assert!(slot.suits(left.block.size.asked()), "{}", left.block.size.asked());
        }
        free(live_in(slot, 3000)).unwrap();
    }
}

#[test]
fn what_is_told_of_slots_that_lay_elsewhere_is_forgotten_whatever_came_between() {
    let _alone = opened();
    let uses = [(750, 80), (750, 1), (96, 5)];
    loop {
        let places = uses.map(|(bytes, count)| {
            let place = begin(class::get(bytes).unwrap()).unwrap();
            for index in 0..place.class().slots {
                if let Some(left) = place.entry(index).left() {
                    assert!(place.suits(left.block.size.asked()), "{}", left.block.size.asked());
                }
            }
            for _ in 0..count {
                let slot = Slot { place, index: place.take(&Cell::new(0)).unwrap() };
                live_in(slot, bytes).claim(slot.address(), 1).unwrap();
                place.put_shared(slot.index);
            }
            place.leave(0);
            end(place);
            place.number()
        });
        // Unless the decay has come between.
        if places.iter().all(|number| *number == places[0]) {
            break;
        }
    }
}

#[test]
fn without_pages_nothing_is_taken_and_nothing_is_lost() {
    let _alone = opened();
    thread::spawn(|| {
        let blocks: Vec<_> = os::heap::failing::after(0, || {
            // Those that are opened already, then none.
            (0..MOST_TAKEN).map_while(|_| Some(live_in(take(LARGEST)?, LARGEST))).collect()
        });
        assert!(blocks.len() < MOST_TAKEN);
        let more = live_in(take(LARGEST).unwrap(), LARGEST);
        blocks.into_iter().chain([more]).for_each(|slot| assert!(free(slot).is_some()));
    })
    .join()
    .unwrap();
}

/// More slots of the largest class than are opened at a time.
const MOST_TAKEN: usize = 1 << 20;
