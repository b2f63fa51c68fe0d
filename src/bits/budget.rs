//! The budget: how much direct memory is reserved, and how much may be.
//!
//! # Promises
//!
//! - Total capacity never passes the limit. Only a limit that is lowered afterwards can be below
//!   what is reserved already.
//! - A reservation that finds room and nobody waiting is one compare-and-swap and two counters.
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

use super::tally::{Sum, Tally};
use crate::counter::Counters;
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
    /// within 256 KiB for each thread.
    pub peak_reserved_memory: i64,
    /// The most that `count` has been. What was reserved while there was no limit is in it to within 64
    /// for each thread.
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
    count: AtomicU64,
    /// What [`Snapshot`] tells of the past. Nothing is decided by it.
    history: History,
    /// What blocks have reserved while there was no limit: in none of the figures above.
    unlimited: Tally,
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

/// What has been. Not the model checker's atomics: no decision hangs on them.
struct History {
    peak_reserved: core::sync::atomic::AtomicU64,
    peak_count: core::sync::atomic::AtomicU64,
    /// Bytes and number of reservations, and number of refusals.
    ever: Counters<3>,
}

impl History {
    const RESERVED: usize = 0;
    const COUNT: usize = 1;
    const REFUSALS: usize = 2;

    const fn new() -> Self {
        use core::sync::atomic::AtomicU64;
        Self {
            peak_reserved: AtomicU64::new(0),
            peak_count: AtomicU64::new(0),
            ever: Counters::new(),
        }
    }

    /// Bytes and number that have just been reserved.
    fn reserved(&self, new: (u64, u64)) {
        own::with(|own| {
            self.ever.add_by(own, Self::RESERVED, new.0);
            self.ever.add_by(own, Self::COUNT, new.1);
        });
    }

    /// What is reserved now may be a peak.
    fn is_now(&self, now: (u64, u64)) {
        for (peak, now) in [(&self.peak_reserved, now.0), (&self.peak_count, now.1)] {
            // A load alone, as long as the peak is past.
            if peak.load(Ordering::Relaxed) < now {
                peak.fetch_max(now, Ordering::Relaxed);
            }
        }
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
                count: AtomicU64::new(0),
                history: History::new(),
                unlimited: Tally::new(),
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
        self.try_take(capacity).map_err(|_| Errno::ENOMEM)?;
        self.record(size, capacity, 1)?;
        self.note(size, 1);
        Ok(())
    }

    /// [`Budget::try_reserve_memory`] of a block that may yet not come to be: [`Budget::note`] tells
    /// that it has.
    pub(crate) fn try_reserve_block(&self, bytes: i64) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.try_take(bytes).map_err(|_| Errno::ENOMEM)?;
        self.record(bytes, bytes, 1)
    }

    /// Enters what is reserved now into the past that [`Snapshot`] tells of: `size` more bytes in
    /// `reservations` more reservations.
    pub(crate) fn note(&self, size: u64, reservations: u64) {
        self.history.reserved((size, reservations));
        self.note_peak();
    }

    #[cold]
    fn note_peak(&self) {
        let Sum { bytes, count } = self.unlimited.told();
        let count = count.saturating_add(self.count.load(Ordering::Relaxed));
        self.history.is_now((self.reserved().saturating_add(bytes), count));
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
        if self.unlimited.add(own, Sum { bytes, count: 1 }) {
            self.note_peak();
        }
    }

    /// A block of [`Budget::tally`] has become larger, or smaller, by so many bytes.
    pub(crate) fn tally_growth(&self, bytes: i64) {
        let sum = Sum { bytes: bytes.unsigned_abs(), count: 0 };
        let has_told = own::with(|own| {
            if bytes > 0 { self.unlimited.add(own, sum) } else { self.unlimited.subtract(own, sum) }
        });
        if has_told {
            self.note_peak();
        }
        if bytes < 0 {
            self.serve_after_tally();
        }
    }

    /// A block of [`Budget::tally`] is no more, by the thread whose own that is. If there is a limit by now,
    /// the block has taken room from it.
    #[inline]
    pub(crate) fn untally(&self, own: &Own, bytes: u64) {
        self.unlimited.subtract(own, Sum { bytes, count: 1 });
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
            self.grant(&mut self.lock_to_grant());
        }
    }

    /// What blocks hold of the limit though they were taken without one.
    fn tallied(&self) -> u64 {
        if self.has_tallied.load(Ordering::Relaxed) { self.unlimited.now().bytes } else { 0 }
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
        self.reserve(size, capacity, 1, policy, reclaimer)?;
        self.note(size, 1);
        Ok(())
    }

    /// [`Budget::reserve_memory`] of a block that may yet not come to be, as
    /// [`Budget::try_reserve_block`].
    pub(crate) fn reserve_block(
        &self,
        bytes: i64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.reserve(bytes, bytes, 1, policy, reclaimer)
    }

    /// Makes the reservation of a block larger, if there is room now. Never waits for room.
    pub(crate) fn try_grow_block(&self, bytes: i64) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.try_take(bytes).map_err(|_| Errno::ENOMEM)?;
        self.record(bytes, bytes, 0)
    }

    /// Makes the reservation of a block larger, as [`Budget::reserve_block`] makes a new one.
    pub(crate) fn grow_block(
        &self,
        bytes: i64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.reserve(bytes, bytes, 0, policy, reclaimer)
    }

    fn reserve(
        &self,
        size: u64,
        capacity: u64,
        reservations: u64,
        policy: Policy,
        reclaimer: &dyn Reclaimer,
    ) -> Result<(), Errno> {
        if self.try_take(capacity).is_err() {
            self.reclaim_and_take(capacity, policy, reclaimer)
                .inspect_err(|_| self.history.ever.add(History::REFUSALS, 1))?;
        }
        self.record(size, capacity, reservations)
    }

    /// `Bits.unreserveMemory`: gives a reservation back, and its room to the waiters it fits. In the
    /// JDK's order, count, size, capacity: who finds the room finds the other figures without it.
    ///
    /// # Errors
    /// `EINVAL`, and nothing changes, if either figure is negative or more than is reserved. Of calls
    /// that match no reservation, made at the same moment, more may pass, or one that is right may
    /// be refused; no figure falls below 0.
    pub fn unreserve_memory(&self, size: i64, capacity: i64) -> Result<(), Errno> {
        self.unreserve(figure(size)?, figure(capacity)?, 1)
    }

    /// Makes the reservation of a block smaller.
    pub(crate) fn shrink_block(&self, bytes: i64) -> Result<(), Errno> {
        let bytes = figure(bytes)?;
        self.unreserve(bytes, bytes, 0)
    }

    fn unreserve(&self, size: u64, capacity: u64, reservations: u64) -> Result<(), Errno> {
        // A call that matches a reservation passes: what it reserved is still counted.
        if self.count.load(Ordering::Relaxed) == 0
            || self.reserved() < size
            || self.total.load(Ordering::Relaxed) & !WAITERS < capacity
        {
            return Err(Errno::EINVAL);
        }
        // Saturating: two calls that match nothing may both have passed the check above.
        subtract(&self.count, reservations);
        self.add_extra(capacity.wrapping_sub(size));
        self.release(capacity).inspect_err(|_| {
            self.count.fetch_add(reservations, Ordering::Relaxed);
            self.add_extra(size.wrapping_sub(capacity));
        })
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
        let tallied = self.unlimited.now();
        let tallied_ever = self.unlimited.ever();
        let ever =
            |figure: usize, tallied: u64| self.history.ever.sum(figure).wrapping_add(tallied);
        let figure = |figure: u64, tallied: u64| figure.wrapping_add(tallied).cast_signed();
        let reserved = figure(self.reserved(), tallied.bytes);
        let count = figure(self.count.load(Ordering::Relaxed), tallied.count);
        let peak = |peak: &core::sync::atomic::AtomicU64, now: i64| {
            peak.load(Ordering::Relaxed).cast_signed().max(now)
        };
        Snapshot {
            max_memory: self.max_memory(),
            reserved_memory: reserved,
            total_capacity: figure(self.total.load(Ordering::Relaxed) & !WAITERS, tallied.bytes),
            count,
            peak_reserved_memory: peak(&self.history.peak_reserved, reserved),
            peak_count: peak(&self.history.peak_count, count),
            ever_reserved_memory: ever(History::RESERVED, tallied_ever.bytes),
            ever_count: ever(History::COUNT, tallied_ever.count),
            refusals: self.history.ever.sum(History::REFUSALS),
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
                break;
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

    /// Takes `capacity` if there is room that no waiter can use.
    fn try_take(&self, capacity: u64) -> Result<(), Shortfall> {
        let mut word = self.total.load(Ordering::Relaxed);
        while word & WAITERS == 0 {
            let taken = self.fit(word, capacity)?;
            match self.exchange(word, taken) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        self.fit(word, capacity)?;
        let mut locked = self.lock_to_grant();
        self.grant(&mut locked);
        self.take(capacity)
    }

    /// Takes `capacity` if there is room. Under the lock of the queue.
    fn take(&self, capacity: u64) -> Result<(), Shortfall> {
        let mut word = self.total.load(Ordering::Relaxed);
        loop {
            let taken = self.fit(word, capacity)?;
            match self.exchange(word, taken) {
                Ok(_) => return Ok(()),
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
    fn release(&self, capacity: u64) -> Result<(), Errno> {
        let word = self
            .total
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                (capacity <= word & !WAITERS).then(|| word - capacity)
            })
            .map_err(|_| Errno::EINVAL)?;
        if word & WAITERS != 0 {
            self.grant(&mut self.lock_to_grant());
        }
        Ok(())
    }

    /// Sum of sizes; at most `i64::MAX`. Read as it may be in the middle of a change, it is too much
    /// rather than too little: a reservation changes the total first, and a release last.
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
        let sum = before.cast_signed().saturating_add(extra.cast_signed());
        u64::try_from(sum).unwrap_or(0)
    }

    fn add_extra(&self, amount: u64) {
        if amount != 0 {
            self.extra.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Enters a reservation whose capacity is taken.
    fn record(&self, size: u64, capacity: u64, reservations: u64) -> Result<(), Errno> {
        let extra = size.wrapping_sub(capacity);
        let sum = |extra: u64| {
            let total = self.total.load(Ordering::Relaxed) & !WAITERS;
            total.cast_signed().checked_add(extra.cast_signed())
        };
        let enter = |before: u64| {
            let after = before.cast_signed().checked_add(extra.cast_signed())?.cast_unsigned();
            sum(after).map(|_| after)
        };
        let entered = match extra {
            0 => sum(self.extra.load(Ordering::Relaxed)).is_some(),
            _ => self.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).is_ok(),
        };
        if !entered {
            self.release(capacity)?;
            return Err(Errno::EINVAL);
        }
        if reservations != 0 {
            self.count.fetch_add(reservations, Ordering::Relaxed);
        }
        Ok(())
    }

    fn change_max(&self, max: u64, locked: &mut Locked<'_>) {
        // Counting them takes a look at every thread: only where there can be any.
        self.has_tallied.store(self.unlimited.ever().count > 0, Ordering::Relaxed);
        // Release: see `fit`.
        self.max.store(max, Ordering::Release);
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

fn subtract(sum: &AtomicU64, value: u64) {
    let saturating = |sum: u64| Some(sum.saturating_sub(value));
    // Never refused: the closure always has an answer.
    let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, saturating);
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
