//! The budget: how much direct memory is reserved, and how much may be.
//!
//! # Promises
//!
//! - Total capacity never passes the limit. Only a limit that is lowered afterwards can be below
//!   what is reserved already.
//! - A reservation that finds room and nobody waiting, or a release, is one compare-and-swap, and one
//!   more if size and capacity differ. How many reservations there are and have been is counted by each
//!   thread for itself, and decides nothing.
//! - A waiter is woken by the release that makes room for it: the release takes the room in the
//!   waiter's name, so nobody can come in between, and a wake-up means that the wait is over.
//!
//! # How no wake-up is lost
//!
//! Total capacity and the flag [`WAITERS`] are one word, so every release learns from its own
//! change of the total whether somebody waits. A waiter raises the flag first and looks for room
//! after. In the order of that word's changes a release is either before the flag, and the waiter
//! sees its room, or after it, and the release sees the flag and serves the queue. The limit is
//! another word; it is written, and read by waiters, under the queue's lock. What is taken while there is
//! no limit is counted apart ([`Budget::tally`]); if one is set later, the end of such a block looks for the
//! flag after a fence, and a waiter for the room after another.
//!
//! # Who goes first
//!
//! Waiters are served in the order they came, each that fits: a small reservation may pass a large
//! one that does not fit yet, as in the JDK, whose waiters have no order at all. A newcomer can't
//! take room from a waiter that fits.

use super::tally::{Amount, Count, Tally, not_below_0};
use crate::error::Errno;
use crate::own::{self, Own};
use crate::sync::{self, AtomicU64, Condvar, Mutex, MutexGuard, const_but_for_loom};
use core::sync::atomic::{AtomicBool, Ordering, fence};
use std::mem;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

/// What a reservation does when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// As current JDKs: help the reclaimer while that frees something, collect once, then wait up to
    /// 511 ms, helping again at 0, 1, 3, 7, ... 255 ms.
    #[default]
    Backoff,
    /// As early JDK 8: collect once, then wait up to 100 ms.
    Legacy,
}

impl Policy {
    /// The waits after the collection, in milliseconds.
    fn pauses(self) -> &'static [u64] {
        match self {
            Self::Backoff => &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            Self::Legacy => &[100],
        }
    }
}

/// Who can free direct memory that nobody uses any more.
///
/// Called on the reserving thread, with no lock of the budget held: it may reserve and unreserve.
pub trait Reclaimer: Send + Sync {
    /// Frees what it can, or starts to. `shortfall` is the capacity in bytes, above 0, that the
    /// reservation lacks.
    fn collect(&self, shortfall: i64);

    /// Runs deallocations that are pending now; true if there were any.
    fn help(&self) -> bool {
        false
    }

    /// Runs `wait`, which blocks the calling thread for up to a quarter of a second; once, and does
    /// nothing else that takes long. A runtime that has more threads than the system may let another
    /// one run meanwhile: it may be the one that is waited for.
    fn while_waiting(&self, wait: &mut dyn FnMut()) {
        wait();
    }
}

/// How the reservation of a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// Its capacity is taken from the limit.
    Taken,
    /// There was no limit when it was made: it is only counted.
    Tallied,
}

/// The figures of a [`Budget`]. Each is exact, but for the peaks; together they are not one moment's if
/// other threads reserve meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The limit of `total_capacity`, in bytes.
    pub max_memory: i64,
    /// The sum of the sizes reserved, in bytes: capacities and what page alignment costs.
    pub reserved_memory: i64,
    /// The sum of the capacities reserved, in bytes.
    pub total_capacity: i64,
    /// The number of reservations.
    pub count: i64,
    /// The most that `reserved_memory` has been. What was reserved while there was no limit is in it to
    /// within 256 KiB for each thread; by how much sizes differ from capacities, as it was a moment later.
    pub peak_reserved_memory: i64,
    /// The most that `count` has been, to within 128 for each thread.
    pub peak_count: i64,
    /// The sum of the sizes ever reserved, in bytes.
    pub ever_reserved_memory: u64,
    /// The number of reservations ever made.
    pub ever_count: u64,
    /// The number of reservations that were refused for want of room.
    pub refusals: u64,
}

/// Set in [`Budget::total`] while the queue holds a waiter. Capacities have 63 bits.
const WAITERS: u64 = 1 << 63;

/// Waiters share this many condition variables: one each would have to be allocated, one for all
/// would wake every waiter for each grant.
const BELLS: usize = if cfg!(loom) { 1 } else { 16 };

/// A limit, and what is reserved under it.
#[repr(C)]
pub struct Budget {
    /// Written under the lock of `queue` only. First, and apart from what changes often: without a limit
    /// nothing else of it is looked at for a block.
    max: AtomicU64,
    /// There is a limit, and there may be blocks that were taken without.
    has_tallied: AtomicBool,
    queue: Mutex<Queue>,
    bells: [Condvar; BELLS],
    /// Total capacity, and [`WAITERS`].
    total: AtomicU64,
    /// By how much the sum of sizes is more than the total capacity, or less: two's complement. Sizes
    /// are capacities but for page alignment, so most reservations leave it alone.
    extra: AtomicU64,
    /// The reservations in `total` and `extra`, but for those of blocks that have not come to be yet. Nothing
    /// is decided by it.
    taken: Count,
    /// What blocks have reserved while there was no limit: in none of the figures above.
    unlimited: Tally,
    history: History,
}

struct Queue {
    /// In order of arrival. A waiter that is no longer here has been granted its capacity.
    waiters: Vec<Waiter>,
    next_ticket: usize,
    /// The limit was set on purpose: a default does not replace it.
    max_is_set: bool,
}

struct Waiter {
    ticket: usize,
    capacity: u64,
}

/// The queue, under its lock. Who is granted something is woken when the lock is free again: woken
/// before, it would run into the lock, and go back to sleep for it.
struct Locked<'b> {
    queue: MutexGuard<'b, Queue>,
    /// Dropped after the guard: fields go in this order.
    ringing: Ringing<'b>,
}

/// Bells that are rung when this is dropped, a bit each.
struct Ringing<'b> {
    bells: &'b [Condvar; BELLS],
    which: u16,
}

const _: () = assert!(BELLS <= 16, "more bells than bits");

impl Ringing<'_> {
    fn add(&mut self, ticket: usize) {
        self.which |= 1 << (ticket % BELLS);
    }
}

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        for (bell, condvar) in self.bells.iter().enumerate() {
            if self.which & 1 << bell != 0 {
                condvar.notify_all();
            }
        }
    }
}

/// What [`Snapshot`] tells of the past, besides what `taken` and `unlimited` know. Not the model checker's atomics: no
/// decision hangs on them.
struct History {
    peak: [core::sync::atomic::AtomicU64; 2],
    /// What was counted as come once too often: blocks that were taken without a limit, and grew under one, and such
    /// as two threads have freed.
    twice: [core::sync::atomic::AtomicU64; 2],
    refusals: core::sync::atomic::AtomicU64,
}

impl History {
    const fn new() -> Self {
        use core::sync::atomic::AtomicU64;
        Self {
            peak: [const { AtomicU64::new(0) }; 2],
            twice: [const { AtomicU64::new(0) }; 2],
            refusals: AtomicU64::new(0),
        }
    }

    /// What is reserved now may be a peak: bytes and number, in two's complement. A load of each alone, as
    /// long as the peak is past.
    #[inline]
    fn is_now(&self, now: Amount) {
        let peak = self.peak();
        let is_above = |now: u64, peak: u64| now.cast_signed() > peak.cast_signed();
        if is_above(now.bytes, peak.bytes) || is_above(now.count, peak.count) {
            self.is_peak(now);
        }
    }

    #[cold]
    fn is_peak(&self, now: Amount) {
        for (peak, now) in self.peak.iter().zip([now.bytes, now.count]) {
            peak.fetch_max(not_below_0(now), Ordering::Relaxed);
        }
    }

    fn peak(&self) -> Amount {
        Amount::load(&self.peak, Ordering::Relaxed)
    }

    /// Told of what has been counted.
    #[cold]
    fn came_twice(&self, Amount { bytes, count }: Amount) {
        for (twice, more) in self.twice.iter().zip([bytes, count]) {
            twice.fetch_add(more, Ordering::Release);
        }
    }

    /// What is seen here is seen in what has come, if that is looked at later.
    fn twice(&self) -> Amount {
        Amount::load(&self.twice, Ordering::Acquire)
    }
}

/// The capacity that a reservation lacks.
struct Shortfall(u64);

/// Refuses a negative figure.
fn figure(value: i64) -> Result<u64, Errno> {
    u64::try_from(value).map_err(|_| Errno::EINVAL)
}

impl Budget {
    const_but_for_loom! {
        /// An empty budget of `max` bytes; a negative limit is 0.
        #[must_use]
        pub fn new(max: i64) -> Self {
            Self {
                max: AtomicU64::new(if max < 0 { 0 } else { max.cast_unsigned() }),
                has_tallied: AtomicBool::new(false),
                queue: Mutex::new(Queue { waiters: Vec::new(), next_ticket: 0, max_is_set: false }),
                bells: sync::condvars(),
                total: AtomicU64::new(0),
                extra: AtomicU64::new(0),
                taken: Count::new(),
                unlimited: Tally::new(),
                history: History::new(),
            }
        }
    }

    /// `Bits.tryReserveMemory`: reserves if there is room now. Never waits for room.
    ///
    /// `size` is the bytes of the block, `capacity` those of the buffer in it; `capacity` counts
    /// against the limit.
    ///
    /// # Errors
    /// `EINVAL` if either is negative, or the sum of sizes would pass `i64::MAX`; `ENOMEM` if there
    /// is no room. Nothing is reserved then.
    pub fn try_reserve_memory(&self, size: i64, capacity: i64) -> Result<(), Errno> {
        let (size, capacity) = (figure(size)?, figure(capacity)?);
        let total = self.try_take(capacity).map_err(|_| Errno::ENOMEM)?;
        let reserved = self.enter_extra(size, capacity, total)?;
        own::with(|own| self.note_at(own, Amount { bytes: size, count: 1 }, reserved));
        Ok(())
    }

    /// [`Budget::try_reserve_memory`] of a block, or of what it grows by, which may yet not come to be:
    /// [`Budget::note`] tells that it has.
    pub(crate) fn try_reserve_block(&self, bytes: i64) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        let total = self.try_take(bytes).map_err(|_| Errno::ENOMEM)?;
        self.enter_extra(bytes, bytes, total).map(drop)
    }

    /// What was reserved has come to be; told by the thread whose own that is.
    #[inline]
    pub(crate) fn note(&self, own: &Own, new: Amount) {
        self.note_at(own, new, self.reserved());
    }

    /// [`Budget::note`], when so many bytes are reserved.
    #[inline]
    fn note_at(&self, own: &Own, new: Amount, reserved: u64) {
        let count = self.taken.add(own, new);
        self.note_now(reserved, count);
    }

    /// So much is reserved, besides what threads have told of [`Budget::tally`].
    #[inline]
    fn note_now(&self, reserved: u64, count: u64) {
        let tallied = self.unlimited.told();
        self.history.is_now(Amount {
            bytes: reserved.wrapping_add(tallied.bytes),
            count: count.wrapping_add(tallied.count),
        });
    }

    /// A block of [`Budget::tally`] has grown to `new` bytes, which it has taken from the limit.
    #[cold]
    pub(crate) fn note_limited(&self, own: &Own, old: u64, new: u64) {
        self.untally(own, old);
        self.note(own, Amount { bytes: new, count: 1 });
        self.history.came_twice(Amount { bytes: old, count: 1 });
    }

    /// A block has been taken out twice by [`Budget::untally`].
    #[cold]
    pub(crate) fn tally_again(&self, own: &Own, bytes: u64) {
        self.tally(own, bytes);
        self.history.came_twice(Amount { bytes, count: 1 });
    }

    #[cold]
    fn note_told(&self) {
        self.note_now(self.reserved(), self.taken.told());
    }

    /// Whether there is a limit.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.max.load(Ordering::Relaxed) < i64::MAX.cast_unsigned()
    }

    /// A block has come to be that has reserved nothing, [`Reservation::Tallied`]; by the thread whose own
    /// that is.
    #[inline]
    pub(crate) fn tally(&self, own: &Own, bytes: u64) {
        if self.unlimited.add(own, Amount { bytes, count: 1 }) {
            self.note_told();
        }
        if self.is_limited() {
            self.tallied_late();
        }
    }

    /// A limit has been set since the block was let in without one.
    #[cold]
    fn tallied_late(&self) {
        self.has_tallied.store(true, Ordering::Relaxed);
    }

    /// A block of [`Budget::tally`] has become larger, or smaller, by so many bytes.
    pub(crate) fn tally_growth(&self, own: &Own, bytes: i64) {
        let sum = Amount { bytes: bytes.unsigned_abs(), count: 0 };
        if bytes < 0 {
            self.unlimited.subtract(own, sum);
            self.serve_after_tally();
        } else if self.unlimited.add(own, sum) {
            self.note_told();
        }
    }

    /// A block of [`Budget::tally`] is no more, by the thread whose own that is. If there is a limit by now,
    /// the block has taken room from it.
    #[inline]
    pub(crate) fn untally(&self, own: &Own, bytes: u64) {
        self.unlimited.subtract(own, Amount { bytes, count: 1 });
        self.serve_after_tally();
    }

    /// Room that did not come by a change of the total: who has raised the flag sees it, or is seen here.
    #[inline]
    fn serve_after_tally(&self) {
        if self.is_limited() {
            self.serve();
        }
    }

    #[cold]
    fn serve(&self) {
        fence(Ordering::SeqCst);
        if self.total.load(Ordering::Relaxed) & WAITERS != 0 {
            self.lock_and_grant();
        }
    }

    /// What blocks hold of the limit though they were taken without one.
    #[inline]
    fn tallied(&self) -> u64 {
        #[cold]
        fn now(tally: &Tally) -> u64 {
            // Of a block that was freed twice it may be below 0 until that turns out.
            not_below_0(tally.now().bytes)
        }
        if self.has_tallied.load(Ordering::Relaxed) { now(&self.unlimited) } else { 0 }
    }

    /// `Bits.reserveMemory`: reserves; if there is no room, `reclaimer` makes some, and the call
    /// waits for it, both as `policy` says.
    ///
    /// `size` and `capacity` are as for [`Budget::try_reserve_memory`].
    ///
    /// # Errors
    /// `EINVAL` if either is negative, or the sum of sizes would pass `i64::MAX`; `ENOMEM` if there
    /// was no room until the end. Nothing is reserved then, nor if the reclaimer panics.
    pub fn reserve_memory(
        &self,
        size: i64,
        capacity: i64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let (size, capacity) = (figure(size)?, figure(capacity)?);
        self.reserve(size, capacity, policy, reclaimer)?;
        own::with(|own| self.note(own, Amount { bytes: size, count: 1 }));
        Ok(())
    }

    /// [`Budget::reserve_memory`] for [`Budget::try_reserve_block`].
    pub(crate) fn reserve_block(
        &self,
        bytes: i64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.reserve(bytes, bytes, policy, reclaimer)
    }

    fn reserve(
        &self,
        size: u64,
        capacity: u64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let total = match self.try_take(capacity) {
            Ok(total) => total,
            Err(_) => {
                self.reclaim_and_take(capacity, policy, reclaimer).inspect_err(|_| {
                    self.history.refusals.fetch_add(1, Ordering::Relaxed);
                })?;
                self.total.load(Ordering::Relaxed) & !WAITERS
            }
        };
        self.enter_extra(size, capacity, total).map(drop)
    }

    /// `Bits.unreserveMemory`: gives a reservation back, and its room to the waiters it fits. In the
    /// JDK's order, count, size, capacity: who finds the room finds the other figures without it.
    ///
    /// # Errors
    /// `EINVAL`, and nothing changes, if either figure is negative or more than is reserved. Of calls
    /// that match no reservation, made at the same moment, more may pass, or one that is right may
    /// be refused; no figure falls below 0. Such a call that passes leaves the number of reservations
    /// one too low, as in the JDK.
    pub fn unreserve_memory(&self, size: i64, capacity: i64) -> Result<(), Errno> {
        let (size, capacity) = (figure(size)?, figure(capacity)?);
        // The sums can't tell whether there is a reservation of nothing.
        if size | capacity == 0 && not_below_0(self.taken.now()) == 0 {
            return Err(Errno::EINVAL);
        }
        own::with(|own| self.unreserve(own, size, capacity, 1))
    }

    /// Gives back what a block has reserved that is no more, or so much smaller.
    pub(crate) fn unreserve_block(&self, own: &Own, old: Amount) -> Result<(), Errno> {
        self.unreserve(own, old.bytes, old.bytes, old.count)
    }

    /// Gives back what was reserved for what has not come to be.
    pub(crate) fn abandon_block(&self, bytes: i64) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        own::with(|own| self.unreserve(own, bytes, bytes, 0))
    }

    /// `noted`: of so many reservations [`Budget::note`] has been told.
    #[inline]
    fn unreserve(&self, own: &Own, size: u64, capacity: u64, noted: u64) -> Result<(), Errno> {
        // A call that matches a reservation passes: what it reserved is still in both.
        let total = self.total.load(Ordering::Acquire) & !WAITERS;
        let extra = self.extra.load(Ordering::Acquire);
        // Of different moments they may make any sum.
        let is_less = total.wrapping_add(extra).cast_signed() < size.cast_signed();
        if total < capacity || is_less && self.reserved() < size {
            return Err(Errno::EINVAL);
        }
        self.taken.subtract(own, noted);
        self.add_extra(capacity.wrapping_sub(size));
        match self.release(capacity) {
            Ok(()) => Ok(()),
            // Calls that match nothing have passed the check above.
            Err(error) => {
                self.taken.subtract(own, noted.wrapping_neg());
                self.add_extra(size.wrapping_sub(capacity));
                Err(error)
            }
        }
    }

    /// Sets the limit, in bytes of total capacity. A higher one lets waiters in. A lower one takes
    /// nothing back, and a reservation under way at that moment may still go by the old one.
    ///
    /// # Errors
    /// `EINVAL` if negative.
    pub fn set_max_memory(&self, max: i64) -> Result<(), Errno> {
        let max = figure(max)?;
        let mut locked = self.lock_to_grant();
        locked.queue.max_is_set = true;
        self.change_max(max, &mut locked);
        Ok(())
    }

    /// [`Budget::set_max_memory`], unless that has been called before: the limit of a process whose
    /// owner did not choose one.
    ///
    /// # Errors
    /// `EINVAL` if negative.
    pub fn set_default_max_memory(&self, max: i64) -> Result<(), Errno> {
        let max = figure(max)?;
        let mut locked = self.lock_to_grant();
        if !locked.queue.max_is_set {
            self.change_max(max, &mut locked);
        }
        Ok(())
    }

    /// `VM.maxDirectMemory`: the limit, in bytes of total capacity.
    #[must_use]
    pub fn max_memory(&self) -> i64 {
        self.max.load(Ordering::Relaxed).cast_signed()
    }

    /// All figures.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let twice = self.history.twice();
        let (taken, tallied) = (self.taken.now(), self.unlimited.now());
        let (taken_ever, tallied_ever) = (self.taken.ever(), self.unlimited.ever());
        let peak = self.history.peak();
        // Below 0 after a release that matched no reservation, or a second one.
        let sum = |taken: u64, tallied: u64| taken.wrapping_add(tallied).cast_signed().max(0);
        let ever =
            |taken: u64, tallied: u64, twice: u64| taken.wrapping_add(tallied).wrapping_sub(twice);
        let reserved =
            self.reserved().cast_signed().saturating_add(tallied.bytes.cast_signed()).max(0);
        let count = sum(taken, tallied.count);
        Snapshot {
            max_memory: self.max_memory(),
            reserved_memory: reserved,
            total_capacity: sum(self.total.load(Ordering::Relaxed) & !WAITERS, tallied.bytes),
            count,
            peak_reserved_memory: peak.bytes.cast_signed().max(reserved),
            peak_count: peak.count.cast_signed().max(count),
            ever_reserved_memory: ever(taken_ever.bytes, tallied_ever.bytes, twice.bytes),
            ever_count: ever(taken_ever.count, tallied_ever.count, twice.count),
            refusals: self.history.refusals.load(Ordering::Relaxed),
        }
    }

    /// The slow half of [`Budget::reserve_memory`].
    #[cold]
    fn reclaim_and_take(
        &self,
        capacity: u64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let help = || policy == Policy::Backoff && reclaimer.help();
        while help() {
            if self.try_take(capacity).is_ok() {
                return Ok(());
            }
        }
        let Err(Shortfall(shortfall)) = self.try_take(capacity) else { return Ok(()) };
        reclaimer.collect(i64::try_from(shortfall).unwrap_or(i64::MAX));

        let mut deadline = Instant::now();
        let waiting = self.enqueue(capacity)?;
        for pause in policy.pauses() {
            deadline += Duration::from_millis(*pause);
            // What help() frees is granted to the queue, so it may come to us.
            while !waiting.is_granted() && help() {}
            let mut granted = false;
            reclaimer.while_waiting(&mut || granted = waiting.wait_until(deadline));
            if granted {
                waiting.keep();
                return Ok(());
            }
        }
        if waiting.leave() { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// The word of `total` once `capacity` is taken, if the limit allows it.
    fn fit(&self, word: u64, capacity: u64) -> Result<u64, Shortfall> {
        let total = word & !WAITERS;
        // Acquire: who sees the limit sees whether blocks that came before it count.
        let max = self.max.load(Ordering::Acquire).saturating_sub(self.tallied());
        // Both are below 2^63.
        match (total + capacity).checked_sub(max) {
            None | Some(0) => Ok(word + capacity),
            Some(missing) => Err(Shortfall(missing)),
        }
    }

    /// Takes `capacity` if there is room that no waiter can use; total capacity after that.
    #[inline]
    fn try_take(&self, capacity: u64) -> Result<u64, Shortfall> {
        let mut word = self.total.load(Ordering::Relaxed);
        while word & WAITERS == 0 {
            let taken = self.fit(word, capacity)?;
            match self.exchange(word, taken) {
                Ok(_) => return Ok(taken),
                Err(now) => word = now,
            }
        }
        self.try_take_from_waiters(word, capacity)
    }

    #[cold]
    fn try_take_from_waiters(&self, word: u64, capacity: u64) -> Result<u64, Shortfall> {
        self.fit(word, capacity)?;
        let mut locked = self.lock_to_grant();
        self.grant(&mut locked);
        self.take(capacity)
    }

    /// Takes `capacity` if there is room; total capacity after that. Under the lock of the queue.
    fn take(&self, capacity: u64) -> Result<u64, Shortfall> {
        let mut word = self.total.load(Ordering::Relaxed);
        loop {
            let taken = self.fit(word, capacity)?;
            match self.exchange(word, taken) {
                Ok(_) => return Ok(taken & !WAITERS),
                Err(now) => word = now,
            }
        }
    }

    /// Acquire: what a thread did before it released the room has happened for the one that takes
    /// it.
    fn exchange(&self, word: u64, new: u64) -> Result<u64, u64> {
        self.total.compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Gives `capacity` back, and to the waiters it fits. `EINVAL` if so much is not taken.
    #[inline]
    fn release(&self, capacity: u64) -> Result<(), Errno> {
        let word = self
            .total
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                (capacity <= word & !WAITERS).then(|| word - capacity)
            })
            .map_err(|_| Errno::EINVAL)?;
        if word & WAITERS != 0 {
            self.lock_and_grant();
        }
        Ok(())
    }

    #[cold]
    fn lock_and_grant(&self) {
        self.grant(&mut self.lock_to_grant());
    }

    /// Sum of sizes; at most `i64::MAX`. Read as it may be in the middle of a change, it is too much
    /// rather than too little: a reservation changes the total first, and a release last.
    #[inline(never)] // for the sake of what calls it
    fn reserved(&self) -> u64 {
        let total = || self.total.load(Ordering::Acquire) & !WAITERS;
        // Acquire: with a release that is seen its change of the extra is. And again, if a reservation
        // came between, whose extra may be below 0; but not for ever.
        let mut before = total();
        let mut extra = self.extra.load(Ordering::Acquire);
        for _ in 0..8 {
            let after = total();
            if after == before {
                break;
            }
            before = after;
            extra = self.extra.load(Ordering::Acquire);
        }
        not_below_0(before.cast_signed().saturating_add(extra.cast_signed()).cast_unsigned())
    }

    fn add_extra(&self, amount: u64) {
        if amount != 0 {
            self.extra.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Enters by how much the size of a reservation differs from its capacity, which is taken: `total` is
    /// the total capacity since. The sum of sizes after that, in two's complement.
    #[inline]
    fn enter_extra(&self, size: u64, capacity: u64, total: u64) -> Result<u64, Errno> {
        let entered = match size.wrapping_sub(capacity) {
            0 => sum_of_sizes(total, self.extra.load(Ordering::Relaxed)),
            extra => self.change_extra(extra),
        };
        entered.ok_or(Errno::EINVAL).inspect_err(|_| self.undo(capacity))
    }

    /// What has just been taken can be released.
    #[cold]
    #[inline(never)]
    fn undo(&self, capacity: u64) {
        let _ = self.release(capacity);
    }

    #[cold]
    fn change_extra(&self, by: u64) -> Option<u64> {
        let total = || self.total.load(Ordering::Relaxed) & !WAITERS;
        let enter = |before: u64| {
            let after = before.cast_signed().checked_add(by.cast_signed())?.cast_unsigned();
            sum_of_sizes(total(), after).map(|_| after)
        };
        let before = self.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        // It is entered, whatever others do meanwhile.
        Some(total().wrapping_add(before).wrapping_add(by))
    }

    fn look_for_tallied(&self) {
        if self.unlimited.ever().count > 0 {
            self.has_tallied.store(true, Ordering::Relaxed);
        }
    }

    fn change_max(&self, max: u64, locked: &mut Locked<'_>) {
        // Counting them takes a look at every thread: only where there can be any.
        self.look_for_tallied();
        // Release: see `fit`.
        self.max.store(max, Ordering::Release);
        // And again: a block that is counted only now was let in by the old limit, or sees the new one.
        fence(Ordering::SeqCst);
        self.look_for_tallied();
        self.grant(locked);
    }

    /// No code of ours panics under this lock, and each step under it leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_to_grant(&self) -> Locked<'_> {
        Locked { queue: self.lock(), ringing: Ringing { bells: &self.bells, which: 0 } }
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
    fn bell(&self, ticket: usize) -> &Condvar {
        &self.bells[ticket % BELLS]
    }

    /// Queues for `capacity`, which may be granted at once. `ENOMEM` if the queue can't grow.
    fn enqueue(&self, capacity: u64) -> Result<Waiting<'_>, Errno> {
        let mut locked = self.lock_to_grant();
        let queue = &mut *locked.queue;
        queue.waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let ticket = queue.next_ticket;
        queue.next_ticket = ticket.wrapping_add(1);
        queue.waiters.push(Waiter { ticket, capacity });
        self.total.fetch_or(WAITERS, Ordering::Relaxed);
        // See `serve_after_tally`.
        fence(Ordering::SeqCst);
        self.grant(&mut locked);
        Ok(Waiting { budget: self, ticket, capacity })
    }

    /// Takes capacity in the name of each waiter that fits; it is woken when the lock is free.
    fn grant(&self, Locked { queue, ringing }: &mut Locked<'_>) {
        queue.waiters.retain(|waiter| {
            let waits = self.take(waiter.capacity).is_err();
            if !waits {
                ringing.add(waiter.ticket);
            }
            waits
        });
        self.lower_flag_if_empty(queue);
    }

    fn lower_flag_if_empty(&self, queue: &Queue) {
        if queue.waiters.is_empty() {
            self.total.fetch_and(!WAITERS, Ordering::Relaxed);
        }
    }
}

/// In two's complement, if there is one.
#[inline]
fn sum_of_sizes(total: u64, extra: u64) -> Option<u64> {
    total.cast_signed().checked_add(extra.cast_signed()).map(i64::cast_unsigned)
}

/// A place in the queue, or the capacity granted to it. Dropped, it gives up either.
struct Waiting<'b> {
    budget: &'b Budget,
    ticket: usize,
    capacity: u64,
}

impl Waiting<'_> {
    fn is_granted(&self) -> bool {
        self.is_granted_in(&self.budget.lock())
    }

    fn is_granted_in(&self, queue: &Queue) -> bool {
        queue.waiters.iter().all(|waiter| waiter.ticket != self.ticket)
    }

    /// Waits until the grant or the deadline; true if granted.
    fn wait_until(&self, deadline: Instant) -> bool {
        let mut queue = self.budget.lock();
        while !self.is_granted_in(&queue) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let bell = self.budget.bell(self.ticket);
            (queue, _) = bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Ends a wait of which it is known that the capacity was granted. Nothing of it is in the queue any more.
    fn keep(self) {
        mem::forget(self);
    }

    /// Ends the wait; true if the capacity is the caller's now.
    fn leave(self) -> bool {
        let granted = self.withdraw();
        mem::forget(self);
        granted
    }

    /// The last try, and out of the queue.
    fn withdraw(&self) -> bool {
        let mut locked = self.budget.lock_to_grant();
        // A release may have made room and not yet come to the lock.
        self.budget.grant(&mut locked);
        let granted = self.is_granted_in(&locked.queue);
        locked.queue.waiters.retain(|waiter| waiter.ticket != self.ticket);
        self.budget.lower_flag_if_empty(&locked.queue);
        granted
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.withdraw() {
            // What was granted is taken, so this can't be refused.
            let _ = self.budget.release(self.capacity);
        }
    }
}
