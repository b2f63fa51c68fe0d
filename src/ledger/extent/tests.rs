use super::*;
use crate::ledger::home::tests::{Chance, opened, pass_on};
use crate::ledger::slab::LARGEST as SMALL;
use crate::ledger::{Family, Owner};
use crate::os::pagemap::Pagemap;
use crate::own;
use core::ptr::{with_exposed_provenance_mut, without_provenance_mut};
use std::thread;

/// All extents are as they must be; how many there are, with none that the calling thread keeps.
fn check() -> usize {
    let_go();
    // Who opens a chunk tells of it before it is an arena's.
    let _opening = home::locked(&OPENING);
    (0..REGION.opened()).map(|chunk| locked(REGION.owner(chunk)).check(chunk)).sum()
}

/// As many between one power of two and the next as between others.
fn size(chance: &mut Chance) -> usize {
    let bytes = SMALL << chance.below(10);
    (bytes + 1 + chance.below(bytes)).min(LARGEST)
}

fn give_back(extent: Extent) {
    own::with(|own| extent.give_back(own));
}

fn let_go() {
    own::with(kept::take_any).into_iter().for_each(put);
}

/// A block with a value of its own in a byte of each page, and in its last.
struct Filled {
    address: usize,
    bytes: usize,
    value: u8,
}

impl Filled {
    fn take(bytes: usize, value: u8) -> Self {
        let extent = own::with(|own| take(own, bytes)).unwrap();
        let size = Size::new(bytes, Owner::Library, Some(Family::C)).unwrap();
        extent.entry().enter(&Block::new(size));
        let filled = Self { address: extent.address().expose_provenance(), bytes, value };
        filled.write();
        filled
    }

    fn places(&self) -> impl Iterator<Item = *mut u8> {
        let pages = (0..self.bytes).step_by(GRANULE).chain([self.bytes - 1]);
        pages.map(|offset| with_exposed_provenance_mut(self.address + offset))
    }

    fn write(&self) {
        for place in self.places() {
            // SAFETY: within a live block of ours.
            unsafe { place.write(self.value) };
        }
    }

    fn check(&self) {
        for place in self.places() {
            // SAFETY: as above.
            assert_eq!(unsafe { place.read() }, self.value, "{:x} was written to", self.address);
        }
    }

    fn extent(&self) -> Extent {
        find(with_exposed_provenance_mut(self.address)).unwrap()
    }

    fn claim(&self) {
        let size = self.extent().claim(1).unwrap();
        assert_eq!((size.asked(), size.family()), (self.bytes, Some(Family::C)));
    }

    fn free(self) {
        self.check();
        self.claim();
        give_back(self.extent());
    }

    /// True if it has the new size.
    fn resize(&mut self, bytes: usize) -> bool {
        self.check();
        self.claim();
        let is_resized = self.extent().resize(bytes);
        if is_resized {
            let kept = self.bytes.min(bytes);
            self.bytes = (kept - 1) / GRANULE * GRANULE + 1;
            self.check();
            self.bytes = bytes;
        }
        let size = Size::new(self.bytes, Owner::Library, Some(Family::C)).unwrap();
        self.extent().entry().enter(&Block::new(size));
        self.write();
        is_resized
    }
}

#[test]
fn what_comes_and_goes_by_chance_never_meets_and_leaves_no_gap() {
    let _alone = opened();
    let mut chance = Chance(1);
    let mut live: Vec<Filled> = Vec::new();
    let mut resized = [0, 0];
    for round in 0..20_000_usize {
        match chance.below(8) {
            0..4 if live.iter().map(|block| block.bytes).sum::<usize>() < 200 << 20 => {
                live.push(Filled::take(size(&mut chance), round.to_le_bytes()[0]));
            }
            4 if !live.is_empty() => {
                let block = chance.below(live.len());
                let bytes = size(&mut chance);
                resized[usize::from(live[block].resize(bytes))] += 1;
            }
            _ if !live.is_empty() => {
                let block = chance.below(live.len());
                live.swap_remove(block).free();
            }
            _ => {}
        }
        if round % 100 == 0 {
            check();
            decay();
        }
    }
    assert!(resized.iter().all(|count| *count > 100), "{resized:?}");
    live.into_iter().for_each(Filled::free);
    // One free extent a chunk.
    assert_eq!(check(), REGION.opened());
}

#[test]
fn an_address_leads_to_its_block_and_no_other_does() {
    let _alone = opened();
    let own = Filled::take(100_000, 7);
    let block = own.extent().entry().look().unwrap();
    assert_eq!((block.size.asked(), block.thread), (100_000, os::thread_id()));
    assert_eq!(own.address % GRANULE, 0);
    for inside in [1, 16, 4095, 4096, 65536] {
        let inside = own.extent().address().wrapping_add(inside);
        assert!(is_here(inside));
        assert!(find(inside).is_none_or(|extent| extent.claim(1).is_none()));
    }
    let mut seen = 0;
    for_each(|address, block| {
        if address == own.address {
            assert_eq!(block.size.asked(), 100_000);
            seen += 1;
        }
    });
    assert_eq!(seen, 1);
    own.claim();
    let left = own.extent().left().unwrap();
    assert_eq!((left.block.size.asked(), left.thread), (100_000, 1));
    assert!(own.extent().claim(2).is_none(), "freed already");
    give_back(own.extent());
    assert!(own.extent().claim(2).is_none(), "free");
    for_each(|address, _| assert_ne!(address, own.address));
    assert!(own.extent().left().is_some(), "it still tells");
    let stack = 0_u8;
    for elsewhere in [0, GRANULE, usize::MAX & !(GRANULE - 1), (&raw const stack).addr()] {
        assert!(!is_here(without_provenance_mut(elsewhere)), "{elsewhere:x}");
        assert!(find(without_provenance_mut(elsewhere)).is_none(), "{elsewhere:x}");
    }
    for none in [0, LARGEST + 1, usize::MAX] {
        assert!(own::with(|own| take(own, none)).is_none());
    }
}

#[test]
fn the_same_memory_serves_whatever_is_taken_after_it_was_freed() {
    let _alone = opened();
    let first = Filled::take(200_000, 1);
    let address = first.address;
    first.free();
    for bytes in [1 << 20, SMALL + 1, 140_000, LARGEST, 3 << 20] {
        let block = Filled::take(bytes, 2);
        assert_eq!(block.address, address, "{bytes}");
        block.free();
    }
}

/// Pages that have a content.
fn resident(address: usize, bytes: usize) -> usize {
    let mut entries = vec![0; bytes / os::page_size()];
    let map = Pagemap::open().unwrap();
    map.have_content(address, &mut entries).unwrap().filter(|has| *has).count()
}

#[test]
fn free_memory_goes_back_to_the_kernel_after_a_while_and_no_other() {
    let _alone = opened();
    let pages = |bytes: usize| bytes / os::page_size();
    let mut was_kept = false;
    while !was_kept {
        let blocks: Vec<_> = (0..12).map(|_| Filled::take(10 << 20, 9)).collect();
        let places: Vec<_> = blocks.iter().map(|block| block.address).collect();
        let count = || places.iter().map(|at| resident(*at, 10 << 20)).sum::<usize>();
        assert_eq!(count(), 12 * pages(10 << 20));
        let before = now();
        let mut small = Vec::new();
        for block in blocks {
            block.free();
            // What is live between the free ones.
            small.push(Filled::take(SMALL + 1, 3));
        }
        decay();
        let kept = count();
        // Unless the thread of the decay has come between.
        was_kept = now() == after(before);
        assert!(!was_kept || kept >= 11 * pages(10 << 20), "{kept}");
        decay();
        decay();
        assert!(count() <= 12 * pages(2 * SMALL), "{}", count());
        small.into_iter().for_each(Filled::free);
    }
}

#[test]
fn small_parts_among_live_blocks_go_back_too_a_piece_at_a_time() {
    let _alone = opened();
    // Of every second one, each of which is a part of some units.
    const BYTES: usize = 5 * GRANULE;
    let blocks: Vec<_> = (0..2000).map(|_| Filled::take(BYTES, 4)).collect();
    let (mut free, mut kept) = (Vec::new(), Vec::new());
    for (index, block) in blocks.into_iter().enumerate() {
        if index % 2 == 0 { free.push(block) } else { kept.push(block) }
    }
    let places: Vec<_> = free.iter().map(|block| block.address).collect();
    free.into_iter().for_each(Filled::free);
    let have_content = || {
        (0..3).for_each(|_| decay());
        places.iter().filter(|at| resident(**at, BYTES) > 0).count()
    };
    assert_eq!(have_content(), 1, "the last one is kept by the thread");
    let_go();
    assert_eq!(have_content(), 0);
    kept.into_iter().for_each(Filled::free);
}

#[test]
fn a_block_is_freed_or_resized_once_whoever_tries() {
    let _alone = opened();
    for round in 0..2000_usize {
        let own = Filled::take(SMALL + 1 + round, 1);
        let place = own.extent();
        let claims = thread::scope(|scope| {
            let free = |by| scope.spawn(move || place.claim(by).map(|_| give_back(place)));
            let resize = scope.spawn(move || {
                place.claim(3).map(|_| {
                    place.resize(4 * SMALL);
                    give_back(place);
                })
            });
            [free(1), free(2), resize].map(|thread| thread.join().unwrap().is_some())
        });
        assert_eq!(claims.into_iter().filter(|won| *won).count(), 1);
        assert!(place.entry().look().is_none());
    }
    assert_eq!(check(), REGION.opened());
}

/// Whether it is its arena's.
fn is_free(address: usize) -> bool {
    find(with_exposed_provenance_mut(address)).unwrap().granule.is_free()
}

const KEPT: usize = kept::MOST * GRANULE;

#[test]
fn what_a_thread_has_freed_last_it_takes_again() {
    let _alone = opened();
    for bytes in [SMALL + 1, KEPT - GRANULE + 1, KEPT] {
        let [low, between, high, end] = [(); 4].map(|()| Filled::take(bytes, 1));
        let places = [low.address, high.address];
        low.free();
        high.free();
        assert_eq!(places.map(is_free), [true, false], "only the last one is kept");
        // Of the same size, to the granule.
        let again = Filled::take(bytes.next_multiple_of(GRANULE), 2);
        assert_eq!(again.address, places[1], "{bytes}");
        [again, between, end].into_iter().for_each(Filled::free);
        assert_eq!(check(), REGION.opened());
    }
    let large = Filled::take(KEPT + 1, 1);
    let address = large.address;
    large.free();
    assert!(is_free(address), "it is too large");
}

#[test]
fn what_a_thread_keeps_goes_back_before_it_takes_another_size() {
    let _alone = opened();
    for bytes in [SMALL + 1, KEPT - GRANULE, LARGEST] {
        let block = Filled::take(KEPT, 1);
        let address = block.address;
        block.free();
        let other = Filled::take(bytes, 2);
        assert_eq!(other.address, address, "{bytes}");
        assert_eq!(own::with(kept::take_any), None, "{bytes}");
        other.free();
    }
}

#[test]
fn what_a_thread_keeps_goes_back_to_the_arena_it_came_from() {
    let _alone = opened();
    let own_arena = os::thread_id() as usize % ARENAS;
    let mut is_anothers = false;
    while !is_anothers {
        let block = thread::spawn(|| Filled::take(KEPT, 1)).join().unwrap();
        let address = block.address;
        is_anothers = owner(block.extent().first) != own_arena;
        block.free();
        assert!(!is_free(address), "it is kept here");
        let again = Filled::take(KEPT, 2);
        assert_eq!(again.address, address);
        again.free();
        let other = Filled::take(SMALL + 1, 3);
        assert!(!is_anothers || is_free(address));
        check();
        other.free();
    }
    assert_eq!(check(), REGION.opened());
}

#[test]
fn what_a_thread_keeps_goes_back_when_it_ends() {
    thread_local! {
        static LATE: Late = const { Late };
    }
    /// Takes and frees when what the thread has kept went back already.
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            Filled::take(KEPT, 2).free();
        }
    }
    let _alone = opened();
    let work = || {
        LATE.with(|_| ());
        let block = Filled::take(KEPT, 1);
        let address = block.address;
        block.free();
        assert!(!is_free(address), "it is kept");
    };
    thread::spawn(work).join().unwrap();
    assert_eq!(check(), REGION.opened());
}

#[test]
fn a_block_that_is_kept_is_freed_once_and_no_longer_seen() {
    let _alone = opened();
    let block = Filled::take(KEPT, 1);
    let place = block.extent();
    block.free();
    assert!(!place.granule.is_free(), "it is kept");
    assert!(place.claim(2).is_none(), "freed already");
    assert_eq!(place.left().unwrap().thread, 1);
    for_each(|address, _| assert_ne!(address, place.address().addr()));
}

#[test]
fn a_block_grows_into_all_that_is_free_beside_it() {
    let _alone = opened();
    let mut blocks = [(); 3].map(|()| Filled::take(5 * GRANULE, 1));
    let [first, second, third] = [0, 1, 2].map(|block: usize| blocks[block].address);
    assert_eq!((second - first, third - second), (5 * GRANULE, 5 * GRANULE));
    for rest in [0, 1] {
        blocks[1].claim();
        give_back(blocks[1].extent());
        assert!(!blocks[0].resize(11 * GRANULE), "more than there is");
        assert!(blocks[0].resize((10 - rest) * GRANULE));
        check();
        assert!(blocks[0].resize(5 * GRANULE));
        check();
        blocks[1] = Filled::take(5 * GRANULE, 2);
        assert_eq!(blocks[1].address, second);
    }
    // What was freed bit by bit is one room.
    let [mut first, second, third] = blocks;
    second.free();
    check();
    third.free();
    assert!(first.resize(15 * GRANULE));
    first.free();
}

#[test]
fn of_a_place_within_a_block_nothing_is_told() {
    let _alone = opened();
    let first = Filled::take(5 * GRANULE, 1);
    let second = Filled::take(5 * GRANULE, 1);
    assert_eq!(second.address, first.address + 5 * GRANULE);
    let inside = second.extent();
    [first, second].into_iter().for_each(Filled::free);
    assert!(inside.left().is_some(), "nothing lies there");
    check();
    let over = Filled::take(20 * GRANULE, 2);
    assert!(inside.left().is_none());
    over.free();
    assert!(inside.left().is_some(), "nothing lies there any more");
}

#[test]
fn blocks_that_threads_pass_on_to_each_other_stay_whole() {
    let _alone = opened();
    let take = |chance: &mut Chance, number| Filled::take(size(chance).min(1 << 20), number);
    pass_on(4000, take, Filled::free, || {
        decay();
        check();
    });
    assert_eq!(check(), REGION.opened());
}

#[test]
fn without_pages_nothing_is_taken_and_nothing_is_lost() {
    let _alone = opened();
    let take_all =
        || -> Vec<_> { (0..1 << 16).map_while(|_| own::with(|own| take(own, LARGEST))).collect() };
    // Those that are opened already, then none.
    let mut blocks = os::heap::failing::after(0, take_all);
    assert_eq!(blocks.len(), REGION.opened() * GRANULES * GRANULE / LARGEST);
    // All that is left, in parts.
    give_back(blocks.pop().unwrap());
    let parts: Vec<_> = os::heap::failing::after(0, || {
        (0..LARGEST / (8 * SMALL)).map(|_| Filled::take(8 * SMALL, 1)).collect()
    });
    parts.into_iter().for_each(Filled::free);
    let again = os::heap::failing::after(0, take_all);
    assert_eq!(again.len(), 1);
    let more = own::with(|own| take(own, LARGEST)).unwrap();
    blocks.into_iter().chain(again).chain([more]).for_each(give_back);
    assert_eq!(check(), REGION.opened());
}
