//! What the tests of slots and of extents have in common.

use super::*;
use crate::own;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::thread;

/// One test at a time, so that each knows who has what. Its thread ends some time after it: what it keeps goes
/// back before.
pub(in super::super) struct Alone(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Drop for Alone {
    fn drop(&mut self) {
        own::with(extent::leave);
    }
}

/// As [`open`], which is for once.
pub(in super::super) fn opened() -> Alone {
    static ONCE: Once = Once::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = Alone(locked(&ALONE));
    ONCE.call_once(open);
    for bytes in [1, slab::LARGEST + 1] {
        let taken = own::with(|own| take(own, bytes).map(|home| home.give_back(own)));
        assert!(taken.is_some(), "a limit of addresses (ulimit -v)?");
    }
    alone
}

/// Numbers that look like chance, the same in each run.
pub(in super::super) struct Chance(pub(in super::super) u64);

impl Chance {
    pub(in super::super) fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Four threads each take so many blocks, by a number of their own, and free them or each other's;
/// `meanwhile` runs again and again. What they had when they ended is freed after.
pub(in super::super) fn pass_on<B: Send + 'static>(
    blocks: usize,
    take: fn(&mut Chance, u8) -> B,
    free: fn(B),
    meanwhile: impl Fn(),
) {
    const THREADS: u8 = 4;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel::<B>()).collect();
    let ends: Vec<_> = receivers
        .into_iter()
        .zip(1_u8..)
        .map(|(receiver, number)| {
            let others = senders.clone();
            thread::spawn(move || {
                let mut chance = Chance(u64::from(number));
                for _ in 0..blocks {
                    let block = take(&mut chance, number);
                    match chance.below(16) {
                        to @ 0..8 => others[to % usize::from(THREADS)].send(block).unwrap(),
                        _ => free(block),
                    }
                    if let Ok(block) = receiver.try_recv() {
                        free(block);
                    }
                }
                drop(others);
                receiver
            })
        })
        .collect();
    drop(senders);
    while !ends.iter().all(thread::JoinHandle::is_finished) {
        meanwhile();
    }
    let receivers: Vec<_> = ends.into_iter().map(|end| end.join().unwrap()).collect();
    receivers.into_iter().flatten().for_each(free);
}
