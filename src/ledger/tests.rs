//! On the process' budget, so one test at a time, and each leaves it as it was.

use super::*;
use crate::os::heap::failing;
use core::hint;
use core::sync::atomic::{AtomicPtr, AtomicUsize};
use core::time::Duration;
use std::cell::RefCell;
use std::collections::HashSet;
use std::thread;

fn alone() -> home::tests::Alone {
    home::tests::opened()
}

/// Counts what it is asked, and takes all blocks from the library.
#[derive(Default)]
struct Recording(RefCell<Vec<(&'static str, Owner)>>);

impl Recording {
    fn record(&self, what: &'static str, owner: Owner) {
        self.0.borrow_mut().push((what, owner));
    }
}

impl Allocator for Recording {
    type Error = Errno;

    fn allocate(&self, owner: Owner, bytes: usize) -> Result<*mut u8, Errno> {
        self.record("allocate", owner);
        memory::allocate_memory(bytes)
    }

    unsafe fn reallocate(
        &self,
        owner: Owner,
        address: *mut u8,
        bytes: usize,
    ) -> Result<*mut u8, Errno> {
        self.record("reallocate", owner);
        // SAFETY: the caller guarantees the block.
        unsafe { memory::reallocate_memory(address, bytes) }
    }

    fn reaches(&self, _owner: Owner) -> bool {
        true
    }

    unsafe fn free(&self, owner: Owner, address: *mut u8) {
        self.record("free", owner);
        // SAFETY: the caller guarantees the block.
        unsafe { memory::free_memory(address) }
    }
}

/// What this thread's blocks have changed; other modules' tests use the budget too, so only
/// figures far beyond theirs mean anything.
const FAR: i64 = 1 << 33;

/// A block that lies in a slot, one that is an extent, and one of the C library's heap.
const SMALL: usize = 64;
const MEDIUM: usize = 100_000;
const LARGE: usize = (16 << 20) + 1;
const ALL: [usize; 3] = [SMALL, MEDIUM, LARGE];

fn reserved() -> i64 {
    bits::budget().snapshot().reserved_memory
}

#[test]
fn a_block_is_reserved_while_it_lives_and_goes_back_to_its_owner() {
    let _alone = alone();
    for owner in [Owner::Library, Owner::Runtime] {
        let allocator = Recording::default();
        // Never touched, so it costs address space only.
        let bytes = usize::try_from(2 * FAR).unwrap();
        let block = allocate(&allocator, owner, bytes, None).unwrap();
        assert!(reserved() >= 2 * FAR);
        // SAFETY: a live block of this thread's.
        let block =
            unsafe { reallocate(&allocator, Owner::Library, block, 64, None) }.unwrap().unwrap();
        assert!(reserved() < FAR);
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&allocator, block) }, Ok(true));
        let asked = [("allocate", owner), ("reallocate", owner), ("free", owner)];
        assert_eq!(*allocator.0.borrow(), asked);
    }
}

/// By the owner of its span and by another thread, as near to one moment as can be.
#[test]
fn a_block_that_two_threads_free_at_once_is_free_once_and_told_once() {
    let _alone = alone();
    const ROUNDS: usize = 20_000;
    let take = || allocate(&Library, Owner::Library, SMALL, None).unwrap();
    let told = misuses();
    // What the owner has taken, and of how many the other has freed theirs.
    let (block, freed) = (AtomicPtr::<u8>::default(), AtomicUsize::new(0));
    let (block, freed) = (&block, &freed);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for round in 1..=ROUNDS {
                let theirs = loop {
                    match block.swap(ptr::null_mut(), Ordering::Acquire) {
                        theirs if theirs.is_null() => hint::spin_loop(),
                        theirs => break theirs,
                    }
                };
                // SAFETY: a block of the books, which nobody uses; whether it is live is what is looked at.
                assert_eq!(unsafe { free(&Library, theirs) }, Ok(true));
                freed.store(round, Ordering::Release);
            }
        });
        let owner = scope.spawn(|| {
            for round in 1..=ROUNDS {
                let mine = take();
                block.store(mine, Ordering::Release);
                while !block.load(Ordering::Relaxed).is_null() {
                    hint::spin_loop();
                }
                // SAFETY: as above.
                assert_eq!(unsafe { free(&Library, mine) }, Ok(true));
                while freed.load(Ordering::Acquire) < round {
                    hint::spin_loop();
                }
            }
        });
        // Until they have ended, and not only done their work: then their spans are others'.
        let _ = [other, owner].map(|thread| thread.join().unwrap());
    });
    // What both have freed turns out by the time that the slot is taken again. These are more than lie in the owner's
    // last span, and in those that are kept.
    let blocks: Vec<_> = (0..1 << 14).map(|_| take()).collect();
    assert_eq!(misuses() - told, ROUNDS as u64);
    assert_eq!(blocks.iter().collect::<HashSet<_>>().len(), blocks.len());
    for block in blocks {
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&Library, block) }, Ok(true));
    }
}

#[test]
fn a_block_that_is_not_in_the_books_is_left_alone() {
    let _alone = alone();
    let allocator = Recording::default();
    // Not from the heap, which may give an address that was a block's before.
    let mut foreign = [0_u8; 64];
    let foreign = foreign.as_mut_ptr();
    // SAFETY: nothing happens to it.
    assert_eq!(unsafe { free(&allocator, foreign) }, Ok(false));
    // SAFETY: as above.
    assert_eq!(unsafe { reallocate(&allocator, Owner::Library, foreign, 8, None) }, Ok(None));
    // SAFETY: as above.
    assert_eq!(unsafe { reallocate(&allocator, Owner::Library, foreign, 0, None) }, Ok(None));
    assert!(allocator.0.borrow().is_empty());
}

#[test]
fn null_and_nothing_are_as_in_the_jdk() {
    let _alone = alone();
    let allocator = Recording::default();
    assert_eq!(allocate(&allocator, Owner::Library, 0, None), Ok(ptr::null_mut()));
    // SAFETY: NULL is allowed.
    assert_eq!(unsafe { free(&allocator, ptr::null_mut()) }, Ok(true));
    // SAFETY: NULL is allowed.
    let nothing = unsafe { reallocate(&allocator, Owner::Library, ptr::null_mut(), 0, None) };
    assert_eq!(nothing, Ok(Some(ptr::null_mut())));
    assert!(allocator.0.borrow().is_empty());
}

#[test]
fn a_step_that_fails_undoes_those_before_it() {
    let _alone = alone();
    let bytes = usize::try_from(2 * FAR).unwrap();
    // The block first, then the entry.
    for successes in 0..2 {
        let refused = failing::after(successes, || allocate(&Library, Owner::Library, bytes, None));
        assert_eq!(refused, Err(Errno::ENOMEM), "after {successes}");
        assert!(reserved() < FAR, "after {successes}");
    }
    for bytes in [usize::MAX, isize::MAX as usize] {
        assert_eq!(allocate(&Library, Owner::Library, bytes, None), Err(Errno::ENOMEM), "{bytes}");
        assert!(reserved() < FAR, "{bytes}");
    }
    for size in ALL {
        let block = allocate(&Library, Owner::Library, size, None).unwrap();
        // SAFETY: a live block of this thread's.
        let refused = failing::after(0, || unsafe {
            reallocate(&Library, Owner::Library, block, bytes, None)
        });
        assert_eq!(refused, Err(Errno::ENOMEM), "{size}");
        assert!(reserved() < FAR, "{size}");
        // SAFETY: still live, and not used again.
        assert_eq!(unsafe { free(&Library, block) }, Ok(true), "{size}");
    }
}

#[test]
fn a_second_release_is_told_and_not_obeyed() {
    let _alone = alone();
    for bytes in ALL {
        let allocator = Recording::default();
        let block = allocate(&allocator, Owner::Library, bytes, None).unwrap();
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&allocator, block) }, Ok(true));
        let before = misuses();
        allocator.0.borrow_mut().clear();
        // SAFETY: remembered as freed, so nothing happens.
        assert_eq!(unsafe { free(&allocator, block) }, Ok(true));
        // SAFETY: as above.
        let moved = unsafe { reallocate(&allocator, Owner::Library, block, 128, None) };
        assert_eq!(moved, Err(Errno::EINVAL));
        assert!(allocator.0.borrow().is_empty());
        assert!(misuses() >= before + 2);
    }
}

/// Of a block whose place another one had a moment before.
#[test]
fn of_a_second_release_no_other_blocks_way_is_told() {
    let _alone = alone();
    let site = intern(&[4711], || Site::new(Vec::new(), 0, Family::Unsafe));
    let mut born = None;
    for (site, is_known) in [(site, true), (None, false)] {
        let address = allocate(&Library, Owner::Library, SMALL, None).unwrap();
        let entry = home::find(address).unwrap().entry();
        let block = entry.look().unwrap();
        let (first, born) = *born.get_or_insert((address, block.born));
        assert_eq!(address, first);
        entry.enter(&Block { site, born, ..block });
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&Library, address) }, Ok(true));
        assert_eq!(gone_from(address).unwrap().freed.is_some(), is_known);
    }
}

#[test]
fn an_address_within_a_block_of_our_own_is_told_and_nothing_happens() {
    let _alone = alone();
    let allocator = Recording::default();
    for (bytes, places) in [(SMALL, [1, 16, 40]), (MEDIUM, [16, 4096, 65536])] {
        is_told_within(&allocator, bytes, &places);
    }
    assert!(allocator.0.borrow().is_empty());
}

fn is_told_within(allocator: &Recording, bytes: usize, places: &[usize]) {
    let block = allocate(allocator, Owner::Library, bytes, None).unwrap();
    for inside in places.iter().copied() {
        let before = misuses();
        let address = block.wrapping_add(inside);
        // SAFETY: nothing happens.
        assert_eq!(unsafe { free(allocator, address) }, Ok(true), "{inside}");
        // SAFETY: as above.
        let moved = unsafe { reallocate(allocator, Owner::Library, address, 128, None) };
        assert_eq!(moved, Err(Errno::EINVAL), "{inside}");
        assert!(misuses() >= before + 2, "{inside}");
    }
    // SAFETY: a live block of this thread's, not used again.
    assert_eq!(unsafe { free(allocator, block) }, Ok(true));
}

#[test]
fn a_block_keeps_its_content_wherever_it_moves() {
    let _alone = alone();
    let mut block = allocate(&Library, Owner::Library, 1, None).unwrap();
    // SAFETY: a live block of this thread's.
    unsafe { block.write(0xA0) };
    let mut before = 1;
    let (slot, extent) = (16 << 10, 16 << 20);
    let sizes = [20, 32, 33, 1024, 1025, 2000, 40, slot, slot + 1, 100_000, 90_000, 1 << 20]
        .into_iter()
        .chain([2000, 1, extent, extent + 1, extent + 5000, extent, 3000, extent + 1, 50, 7]);
    for bytes in sizes {
        let is_ours = home::find(block).is_some();
        // SAFETY: a live block of this thread's.
        let moved = unsafe { reallocate(&Library, Owner::Library, block, bytes, None) };
        block = moved.unwrap().unwrap();
        // A small block keeps no whole pages.
        let is_slot = matches!(home::find(block), Some(Home::Slot(_)));
        assert!(!is_ours || is_slot == (bytes <= slot), "{before} to {bytes}");
        let common = before.min(bytes);
        // SAFETY: as above, so long.
        let content = unsafe { core::slice::from_raw_parts_mut(block, bytes) };
        assert!(content[..common].iter().all(|byte| *byte == 0xA0), "{before} to {bytes}");
        content.fill(0xA0);
        before = bytes;
    }
    // SAFETY: a live block of this thread's, not used again.
    assert_eq!(unsafe { free(&Library, block) }, Ok(true));
}

#[test]
fn all_live_blocks_are_in_the_sums_wherever_they_lie() {
    let _alone = alone();
    // Nobody else's blocks have such a family, whose door the tests do not use otherwise.
    let of_family = || {
        let sums = sums(false, None);
        let family = sums.families.iter().find(|sum| sum.family == Family::Arena);
        family.map_or((0, 0), |sum| (sum.bytes, sum.blocks))
    };
    let take = |bytes| allocate(&Library, Owner::Library, bytes, Some(Family::Arena)).unwrap();
    let mut blocks: Vec<_> = (0..3000).map(|i| take(1 + i)).collect();
    let larger = [20_000, 1 << 20, 16 << 20, (16 << 20) + 1, 100 << 20];
    blocks.extend(larger.map(take));
    let bytes = 3000 * 3001 / 2 + larger.iter().sum::<usize>() as u64;
    assert_eq!(of_family(), (bytes, 3005));
    for block in blocks {
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&Library, block) }, Ok(true));
    }
    assert_eq!(of_family(), (0, 0));
}

#[test]
fn a_block_freed_behind_our_back_is_given_up_when_its_address_comes_again() {
    let _alone = alone();
    let block = allocate(&Library, Owner::Library, LARGE, None).unwrap();
    BLOCKS.remove(block);
    let far =
        Block::new(Size::new(usize::try_from(2 * FAR).unwrap(), Owner::Library, None).unwrap());
    bits::reserve_memory(2 * FAR, 2 * FAR).unwrap();
    enter(block, far).unwrap();
    enter(block, Block::new(Size::new(LARGE, Owner::Library, None).unwrap())).unwrap();
    assert!(reserved() < FAR);
    // SAFETY: a live block of this thread's, not used again.
    assert_eq!(unsafe { free(&Library, block) }, Ok(true));
}

#[test]
fn a_block_of_the_runtimes_stays_where_it_is_if_only_the_library_is_there_to_ask() {
    let _alone = alone();
    let allocator = Recording::default();
    let block = allocate(&allocator, Owner::Runtime, 64, None).unwrap();
    // SAFETY: a live block of this thread's; nothing happens to it.
    assert_eq!(unsafe { free(&Library, block) }, Err(Errno::EINVAL));
    // SAFETY: as above.
    let moved = unsafe { reallocate(&Library, Owner::Library, block, 128, None) };
    assert_eq!(moved, Err(Errno::EINVAL));
    // SAFETY: still live, and not used again.
    assert_eq!(unsafe { free(&allocator, block) }, Ok(true));
}

#[test]
fn a_block_of_somebody_elses_is_refused_and_its_reservation_left_alone() {
    let _alone = alone();
    let bytes = usize::try_from(2 * FAR).unwrap();
    let memory = memory::allocate_memory(64).unwrap();
    bits::reserve_memory(2 * FAR, 2 * FAR).unwrap();
    enter_reserved(memory, bytes, Family::C).unwrap();
    // SAFETY: a live block of this thread's; nothing happens to it.
    assert_eq!(unsafe { free(&Library, memory) }, Err(Errno::EINVAL));
    for bytes in [0, 32, 4 * bytes] {
        // SAFETY: as above.
        let moved = unsafe { reallocate(&Library, Owner::Library, memory, bytes, None) };
        assert_eq!(moved, Err(Errno::EINVAL), "{bytes}");
    }
    // Entered again, as if its owner had freed it behind our back.
    enter_reserved(memory, bytes, Family::C).unwrap();
    leave(memory);
    assert!((2 * FAR..4 * FAR).contains(&reserved()));
    // SAFETY: remembered as gone, so nothing happens.
    assert_eq!(unsafe { free(&Library, memory) }, Ok(true));
    bits::budget().unreserve_memory(2 * FAR, 2 * FAR).unwrap();
    // SAFETY: a live block of this thread's, not used again.
    unsafe { memory::free_memory(memory) };
}

#[test]
fn what_is_known_of_a_block_fits_beside_its_size() {
    for owner in [Owner::Library, Owner::Runtime, Owner::Other] {
        for door in [None, Some(Family::DirectBuffer), Some(Family::C)] {
            let size = Size::new((1 << Size::BITS) - 1, owner, door).unwrap();
            assert_eq!((size.owner(), size.family()), (owner, door));
            assert_eq!(size.bytes(), (1 << Size::BITS) - 1);
        }
    }
    for bytes in [1, 1 << 17, (1 << 17) - 1, extent::LARGEST - 1, extent::LARGEST] {
        for reservation in [Reservation::Tallied, Reservation::Taken] {
            let size = Size::new(bytes, Owner::Library, Some(Family::C)).unwrap();
            let size = size.reserved_as(reservation).sampled(Doubled(0x55));
            assert_eq!(Size::of_packed(size.packed()).0, size.0, "{bytes}");
            assert_eq!(size.packed() & !Size::PACKED, 0);
        }
    }
}

/// No other test of the library has blocks of an arena.
#[test]
fn a_walk_makes_families_exact_and_leaves_younger_blocks_out() {
    let _alone = alone();
    let take = |bytes| allocate(&Library, Owner::Library, bytes, None).unwrap();
    let old = [take(64), take(1000)];
    let walk = Walk::begin();
    let young = take(64);
    let cleanup = |block: *mut u8| Cleanup { address: block.addr(), family: Family::Arena };
    let cleanups: Vec<Cleanup> = old.into_iter().chain([young]).map(cleanup).collect();
    let arenas = |walk: &Walk| {
        let sums = sums(false, Some(walk));
        let arenas = sums.families.into_iter().find(|sum| sum.family == Family::Arena);
        (sums.families_are_walks, arenas, sums.icebergs.unwrap().younger_bytes >= 64)
    };
    let told = walk.clone().end(Vec::new(), Some(cleanups), Duration::ZERO);
    let exact = FamilySum { family: Family::Arena, bytes: 1064, blocks: 2, is_estimate: false };
    assert_eq!(arenas(&told), (true, Some(exact), true));
    let untold = walk.end(Vec::new(), None, Duration::ZERO);
    assert_eq!(arenas(&untold), (false, None, false));
    for block in old.into_iter().chain([young]) {
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&Library, block) }, Ok(true));
    }
}

/// What `set_memory` may leave to pages that are zero already, as a buffer's constructor asks for it.
#[test]
fn a_block_is_known_from_its_start_on_and_then_piece_by_piece_to_the_same_thread() {
    let _alone = alone();
    const PIECE: usize = 1 << 20;
    for bytes in [8 * PIECE, LARGE + 3 * PIECE] {
        let block = allocate(&Library, Owner::Library, bytes, None).unwrap();
        let part = |piece: usize| part_of_block(block.wrapping_add(piece * PIECE), PIECE);
        let pieces = bytes / PIECE;
        let follow = || (0..pieces).map(part).collect::<Vec<_>>();
        assert_eq!(part(1), None, "of {bytes}: nothing was asked of its start");
        assert_eq!(part_of_block(block, bytes), Some(Part::First), "{bytes}");
        assert_eq!(part_of_block(block, bytes + PIECE), None, "{bytes}");
        let parts = follow();
        assert_eq!(parts.first(), Some(&Some(Part::First)), "{bytes}");
        assert!(parts.iter().skip(1).all(|part| *part == Some(Part::Next)), "{bytes}: {parts:?}");
        assert_eq!(part(pieces), None, "{bytes}: beyond its end");
        assert_eq!((part(0), part(2)), (Some(Part::First), None), "{bytes}: one left out");
        let next = block.expose_provenance() + PIECE;
        let elsewhere = move || part_of_block(ptr::with_exposed_provenance_mut(next), PIECE);
        assert_eq!(thread::spawn(elsewhere).join().unwrap(), None, "{bytes}: another thread");
        // SAFETY: a live block of this thread's, not used again.
        assert_eq!(unsafe { free(&Library, block) }, Ok(true));
        assert!(follow().iter().all(Option::is_none), "{bytes}: freed");
    }
}
