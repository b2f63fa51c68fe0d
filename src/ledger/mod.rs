//! The live blocks: each one that was taken through this library while it keeps books, with its
//! size, since when, by which thread, and who must take it back; and for a sample of them, by bytes,
//! the stack of the call that took it.
//!
//! Books are kept from `keep` on, which is called before the first block is taken, or never. Then
//! `allocate`, `reallocate` and `free` do what `Unsafe`'s methods do, and besides
//!
//! - every block is reserved in the process' budget, its size as size and capacity, from before it
//!   is taken until after it is given back; at the limit that reclaims and waits, as
//!   [`bits::reserve_memory`] does, and a refusal is no memory;
//! - a block is given back to the owner it came from, whoever asks;
//! - a step that fails undoes those before it.
//!
//! A block that is not in the books is nobody's business: it was taken before, or by other code of
//! the process through other functions, and the caller is told so.

mod background;
mod clock;
mod entry;
mod extent;
mod guard;
mod home;
mod iceberg;
mod live;
mod misuse;
mod region;
mod sample;
mod settings;
mod site;
mod slab;
mod sum;

use crate::bits::{self, Amount, Reservation};
use crate::error::Errno;
use crate::memory::{self, Part};
use crate::os;
use crate::own::{self, Own};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering;
use entry::Left;
pub(crate) use guard::guard_share;
pub use guard::{explain, may_explain};
use home::Home;
pub use iceberg::{Buffer, Cleanup, Iceberg, Icebergs, Walk};
pub(crate) use live::Live;
use misuse::{Freed, Gone, Wrong};
pub use misuse::{Misuse, misuses, set_misuse};
use sample::Doubled;
pub(crate) use sample::{at_most, sample_every, sample_mean};
use settings::SETTINGS;
pub use site::{Family, Frame, Origin, Pool, Site, SiteId, Tracer, intern, set_tracer};
use slab::Slot;
pub use sum::{FamilySum, OriginSum, PoolSum, SiteSum, Sums, ThreadSum, sums};

/// Whose allocator a block came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This library's: [`memory`].
    Library,
    /// The allocator of the managed runtime that this library is loaded in.
    Runtime,
    /// Nobody's that an [`Allocator`] reaches: the block is only told of here.
    Other,
}

/// The allocators of both owners, as one call can reach them.
pub(crate) trait Allocator {
    /// Why there is no block.
    type Error: From<Errno>;

    /// A block of `bytes` bytes, which is not 0; never NULL.
    ///
    /// # Errors
    /// There is no such block to be had.
    fn allocate(&self, owner: Owner, bytes: usize) -> Result<*mut u8, Self::Error>;

    /// The block at `address` with `bytes` bytes, which is not 0; never NULL.
    ///
    /// # Errors
    /// The block is as it was.
    ///
    /// # Safety
    /// `address` is a live block of `owner`, which no other thread uses during the call.
    unsafe fn reallocate(
        &self,
        owner: Owner,
        address: *mut u8,
        bytes: usize,
    ) -> Result<*mut u8, Self::Error>;

    /// Whether this caller can reach that owner's allocator.
    fn reaches(&self, owner: Owner) -> bool;

    /// Gives the block back.
    ///
    /// # Safety
    /// `address` is a live block of `owner`, which is reached, and no one uses it from here on.
    unsafe fn free(&self, owner: Owner, address: *mut u8);
}

/// [`memory`] alone, for callers that have no way to the runtime's allocator.
pub(crate) struct Library;

impl Allocator for Library {
    type Error = Errno;

    fn allocate(&self, owner: Owner, bytes: usize) -> Result<*mut u8, Errno> {
        match owner {
            Owner::Library => memory::allocate_memory(bytes),
            Owner::Runtime | Owner::Other => Err(Errno::EINVAL),
        }
    }

    unsafe fn reallocate(
        &self,
        owner: Owner,
        address: *mut u8,
        bytes: usize,
    ) -> Result<*mut u8, Errno> {
        match owner {
            // SAFETY: the caller guarantees the block.
            Owner::Library => unsafe { memory::reallocate_memory(address, bytes) },
            Owner::Runtime | Owner::Other => Err(Errno::EINVAL),
        }
    }

    fn reaches(&self, owner: Owner) -> bool {
        owner == Owner::Library
    }

    unsafe fn free(&self, _owner: Owner, address: *mut u8) {
        // SAFETY: the caller guarantees the block, and that it is the library's.
        unsafe { memory::free_memory(address) }
    }
}

/// A block in the books.
#[derive(Clone, Copy)]
struct Block {
    size: Size,
    /// Of a sampled block.
    site: Option<SiteId>,
    /// When it was taken, by [`mod@clock`].
    born: u32,
    /// Who took it: the kernel's number of the thread.
    thread: u32,
    /// Collections of the runtime's heap before it was taken.
    collections: u32,
}

// Beside it in the table stands the address, and a byte of the table's own.
const _: () = assert!(size_of::<Block>() <= 24);

impl Block {
    /// One that the calling thread takes now.
    fn new(size: Size) -> Self {
        own::with(|own| Self::taken_by(own, size))
    }

    /// One that is taken now, by the thread whose own that is.
    fn taken_by(own: &Own, size: Size) -> Self {
        match sample::is_sampled(own, size.bytes().cast_unsigned()) {
            Some(doubled) => Self::sampled(own, size, doubled),
            None => Self::unsampled(own, size),
        }
    }

    #[inline(always)]
    fn unsampled(own: &Own, size: Size) -> Self {
        let (born, thread) = (clock::now(), os::thread_id_of(own));
        Self { size, site: None, born, thread, collections: collections() }
    }

    #[cold]
    fn sampled(own: &Own, size: Size, doubled: Doubled) -> Self {
        let site = site::of_block(size.bytes().cast_unsigned(), size.family(), doubled);
        let size = if site.is_some() { size.sampled(doubled) } else { size };
        Self { site, ..Self::unsampled(own, size) }
    }
}

// See `Size::PACKED`.
const _: () = assert!(extent::LARGEST < 1 << 25 && slab::LARGEST < extent::LARGEST);

/// A block's size, and what little else is known of each: its owner, its family if the function tells
/// that took it, and of a sampled one how far apart points lay.
#[derive(Clone, Copy)]
struct Size(u64);

impl Size {
    /// No block is larger: an address has fewer bits.
    const BITS: u32 = 48;
    const SAMPLED: u32 = 48;
    const FAMILY: u32 = 56;
    const RUNTIMES: u64 = 1 << 63;
    const OTHERS: u64 = 1 << 62;
    const GUARDED: u64 = 1 << 61;
    const TALLIED: u64 = 1 << 55;
    /// Where [`Size::packed`] has that.
    const PACKED_TALLIED: u64 = Self::TALLIED >> Self::SAMPLED << Self::PACKED_KIND;
    /// Of a block of our own the bytes have 25 bits, its owner is known, and it is not guarded: so 38 bits
    /// say all, and leave 26 to its entry.
    const PACKED: u64 = ((1 << 30) - 1) | (0xFF << Self::PACKED_HIGH);
    const PACKED_LOW: u64 = (1 << Self::PACKED_KIND) - 1;
    const PACKED_KIND: u32 = 17;
    const PACKED_HIGH: u32 = 44;

    /// # Errors
    /// `ENOMEM`: no memory is that large.
    fn new(bytes: usize, owner: Owner, door: Option<Family>) -> Result<Self, Errno> {
        let bytes = u64::try_from(bytes).ok().filter(|bytes| bytes >> Self::BITS == 0);
        let family = door.map_or(0, |family| u64::from(family as u8));
        let owner = match owner {
            Owner::Library => 0,
            Owner::Runtime => Self::RUNTIMES,
            Owner::Other => Self::OTHERS,
        };
        Ok(Self(bytes.ok_or(Errno::ENOMEM)? | family << Self::FAMILY | owner))
    }

    fn bytes(self) -> i64 {
        (self.0 & ((1 << Self::BITS) - 1)).cast_signed()
    }

    /// This size, and what else is known of `other`.
    fn of_kind(self, other: Self) -> Self {
        let size = (1 << Self::BITS) - 1;
        Self(self.0 & size | other.0 & !size)
    }

    fn owner(self) -> Owner {
        match self.0 & (Self::RUNTIMES | Self::OTHERS) {
            0 => Owner::Library,
            Self::RUNTIMES => Owner::Runtime,
            _ => Owner::Other,
        }
    }

    fn family(self) -> Option<Family> {
        Family::of_number((self.0 >> Self::FAMILY) as u8 & 0x1F)
    }

    fn sampled(self, Doubled(doubled): Doubled) -> Self {
        Self(self.0 & !(0x7F << Self::SAMPLED) | u64::from(doubled & 0x7F) << Self::SAMPLED)
    }

    fn doubled(self) -> Doubled {
        Doubled((self.0 >> Self::SAMPLED & 0x7F) as u8)
    }

    fn reserved_as(self, reservation: Reservation) -> Self {
        match reservation {
            Reservation::Tallied => Self(self.0 | Self::TALLIED),
            Reservation::Taken => Self(self.0 & !Self::TALLIED),
        }
    }

    fn reservation(self) -> Reservation {
        if self.0 & Self::TALLIED == 0 { Reservation::Taken } else { Reservation::Tallied }
    }

    /// One that lies where [`guard`] has put it.
    fn guarded(self) -> Self {
        Self(self.0 | Self::GUARDED)
    }

    /// One that lies where its owner has put it.
    fn plain(self) -> Self {
        Self(self.0 & !Self::GUARDED)
    }

    fn is_guarded(self) -> bool {
        self.0 & Self::GUARDED != 0
    }

    /// Of a block of our own, all that is known, in the bits of [`Size::PACKED`].
    fn packed(self) -> u64 {
        let kind = self.0 >> Self::SAMPLED & 0x1FFF;
        let high = self.0 >> Self::PACKED_KIND & 0xFF;
        self.0 & Self::PACKED_LOW | kind << Self::PACKED_KIND | high << Self::PACKED_HIGH
    }

    fn of_packed(packed: u64) -> Self {
        let kind = packed >> Self::PACKED_KIND & 0x1FFF;
        let high = packed >> Self::PACKED_HIGH & 0xFF;
        Self(packed & Self::PACKED_LOW | kind << Self::SAMPLED | high << Self::PACKED_KIND)
    }

    /// As it was asked for.
    fn asked(self) -> usize {
        usize::try_from(self.bytes()).unwrap_or(0)
    }
}

/// The managed runtime has collected its heap: what is live has survived one more collection.
pub(crate) fn note_collection() {
    SETTINGS.collections.fetch_add(1, Ordering::Relaxed);
}

fn collections() -> u32 {
    SETTINGS.collections.load(Ordering::Relaxed)
}

static BLOCKS: Live<Block, Gone> = Live::new();

/// From now on, books are kept. Blocks taken before are not in them.
pub(crate) fn keep() {
    home::open();
    SETTINGS.is_kept.store(true, Ordering::Relaxed);
}

/// Whether books are kept.
pub(crate) fn is_kept() -> bool {
    SETTINGS.is_kept.load(Ordering::Relaxed)
}

/// From now on [`owner`] is the runtime, so that its own memory tracking counts new blocks.
pub(crate) fn take_from_runtime() {
    SETTINGS.is_runtimes.store(true, Ordering::Relaxed);
}

/// Whose new blocks are, which the managed program takes.
#[inline]
pub(crate) fn owner() -> Owner {
    if SETTINGS.is_runtimes.load(Ordering::Relaxed) { Owner::Runtime } else { Owner::Library }
}

/// [`allocate`] from [`owner`] in the case that is plain and common: a block of our own, without limit; by the
/// thread whose own that is. `None` is any other case, and nothing was done.
#[inline(always)] // its callers are few, and each is a native
pub(crate) fn allocate_plain(own: &Own, bytes: usize) -> Option<*mut u8> {
    let is_plain = home::is_for(bytes) && !bits::BUDGET.is_limited() && owner() == Owner::Library;
    let size = Size::new(bytes, Owner::Library, None).ok().filter(|_| is_plain)?;
    take_own(own, size.reserved_as(Reservation::Tallied))
}

/// A block of our own, if it is one for that; it is reserved already.
#[inline(always)]
fn take_own(own: &Own, size: Size) -> Option<*mut u8> {
    if guard::is_on() {
        return None;
    }
    Some(match home::take(own, size.asked())? {
        // A case of its own: no step has to ask which of the two it is.
        Home::Slot(slot) => enter_own(own, size, Home::Slot(slot)),
        extent @ Home::Extent(_) => enter_extent(own, size, extent),
    })
}

#[inline(always)]
fn enter_own(own: &Own, size: Size, home: Home) -> *mut u8 {
    match sample::is_sampled(own, size.bytes().cast_unsigned()) {
        // Not by `Block::taken_by`: of a block that is known to be plain little is left to put together.
        None => home.entry().enter(&Block::unsampled(own, size)),
        Some(doubled) => enter_sampled(own, size, home, doubled),
    }
    note(own, size);
    home.address()
}

#[cold]
#[inline(never)]
fn enter_sampled(own: &Own, size: Size, home: Home, doubled: Doubled) {
    home.entry().enter(&Block::sampled(own, size, doubled));
}

#[inline(never)]
fn enter_extent(own: &Own, size: Size, extent: Home) -> *mut u8 {
    enter_own(own, size, extent)
}

/// `Unsafe.allocateMemory`: a block of `bytes` bytes from `owner`, reserved and in the books. 0 bytes
/// is NULL. `door` is its family, if the function tells that the caller has called.
///
/// # Errors
/// The allocator's; `ENOMEM` if the budget has no room, or the books no memory for the entry.
pub(crate) fn allocate<A: Allocator>(
    allocator: &A,
    owner: Owner,
    bytes: usize,
    door: Option<Family>,
) -> Result<*mut u8, A::Error> {
    if bytes == 0 {
        return Ok(ptr::null_mut());
    }
    let size = Size::new(bytes, owner, door)?;
    let size = size.reserved_as(bits::reserve_block(size.bytes())?);
    own::with(|own| {
        if owner == Owner::Library
            && let Some(block) = take_own(own, size)
        {
            return Ok(block);
        }
        let taken = match owner {
            // Its own memory has been tried.
            Owner::Library if !guard::is_on() => allocator.allocate(owner, bytes).map(Taken::Plain),
            _ => take(own, allocator, owner, bytes),
        };
        let entered = taken.and_then(|taken| {
            // SAFETY: no one but us has seen the block.
            unsafe { enter_or_give_back(own, allocator, taken, size) }.map_err(A::Error::from)
        });
        let block = entered.inspect_err(|_| abandon(size))?;
        note(own, size);
        Ok(block)
    })
}

/// A block's memory, and where its entry goes.
enum Taken {
    Home(Home),
    Guarded(*mut u8),
    /// Of the owner's allocator.
    Plain(*mut u8),
}

impl Taken {
    fn address(&self) -> *mut u8 {
        match self {
            Self::Home(home) => home.address(),
            Self::Guarded(block) | Self::Plain(block) => *block,
        }
    }

    /// What the books say of such a block.
    fn marked(&self, size: Size) -> Size {
        if matches!(self, Self::Guarded(_)) { size.guarded() } else { size.plain() }
    }
}

/// Memory for a block, which is in no books yet.
fn take<A: Allocator>(
    own: &Own,
    allocator: &A,
    owner: Owner,
    bytes: usize,
) -> Result<Taken, A::Error> {
    if guard::is_chosen()
        && let Some(block) = guard::allocate(bytes)
    {
        return Ok(Taken::Guarded(block));
    }
    if owner == Owner::Library
        && let Some(home) = home::take(own, bytes)
    {
        return Ok(Taken::Home(home));
    }
    allocator.allocate(owner, bytes).map(Taken::Plain)
}

/// Puts a block into the books, or gives it back if there is no memory for its entry.
///
/// # Safety
/// No one uses the block yet.
unsafe fn enter_or_give_back<A: Allocator>(
    own: &Own,
    allocator: &A,
    taken: Taken,
    size: Size,
) -> Result<*mut u8, Errno> {
    let block = Block::taken_by(own, taken.marked(size));
    let address = taken.address();
    match taken {
        Taken::Home(home) => home.entry().enter(&block),
        Taken::Guarded(_) | Taken::Plain(_) => enter(address, block).inspect_err(|_| {
            // SAFETY: the caller guarantees the block, which is its owner's, as it has just come.
            unsafe { give_back(own, allocator, address, Out::Table(block)) };
        })?,
    }
    Ok(address)
}

/// `Unsafe.reallocateMemory`: the block at `address` with `bytes` bytes. NULL is [`allocate`] from
/// `owner`; 0 bytes frees it and is NULL. `None`: no such block is in the books, and nothing was
/// done.
///
/// # Errors
/// As [`allocate`]; the block is as it was.
///
/// # Safety
/// `address` is NULL or a live block, which no other thread uses during the call.
pub(crate) unsafe fn reallocate<A: Allocator>(
    allocator: &A,
    owner: Owner,
    address: *mut u8,
    bytes: usize,
    door: Option<Family>,
) -> Result<Option<*mut u8>, A::Error> {
    if address.is_null() {
        return allocate(allocator, owner, bytes, door).map(Some);
    }
    if bytes == 0 {
        // SAFETY: the caller guarantees the block.
        let freed = unsafe { free(allocator, address) }?;
        return Ok(freed.then_some(ptr::null_mut()));
    }
    let size = Size::new(bytes, owner, door)?;
    // Out of the books first: once it has moved, the address may be another thread's new block.
    let Some(out) = take_out(address) else {
        return if is_refused(address) { Err(Errno::EINVAL.into()) } else { Ok(None) };
    };
    let old = out.block().size;
    let size = size.of_kind(old);
    let moved = regrow(old, size).map_err(A::Error::from).and_then(|size| {
        // SAFETY: the caller guarantees the block, and the books how it lies.
        let moved = unsafe { renew(allocator, address, out, size) };
        moved.map(|block| (block, size)).inspect_err(|_| undo_regrow(old, size))
    });
    match moved {
        Ok((block, size)) => {
            note_regrown(old, size);
            Ok(Some(block))
        }
        Err(error) => {
            out.put_back(address);
            Err(error)
        }
    }
}

/// The block at `address`, which is out of the books, with another size and in them again, perhaps at
/// another place.
///
/// # Errors
/// The allocator's: the block is as it was, and not in the books.
///
/// # Safety
/// `address` is the live block of `out`, which no other thread uses during the call.
unsafe fn renew<A: Allocator>(
    allocator: &A,
    address: *mut u8,
    out: Out,
    size: Size,
) -> Result<*mut u8, A::Error> {
    let (owner, bytes) = (size.owner(), size.asked());
    match out {
        Out::Home(home, _) if home.resize(bytes) => {
            home.entry().enter_again(&Block::new(size));
            return Ok(address);
        }
        Out::Table(old) if !old.size.is_guarded() => {
            // SAFETY: the caller guarantees the block, and the books the owner.
            let block = unsafe { allocator.reallocate(owner, address, bytes) }?;
            enter_again(block, Block::new(size));
            return Ok(block);
        }
        Out::Home(..) | Out::Table(_) => {}
    }
    own::with(|own| {
        let taken = take(own, allocator, owner, bytes)?;
        let common = out.block().size.asked().min(bytes);
        // SAFETY: both are live, so long, and apart. It can't fail: neither wraps around.
        let _ = unsafe { memory::copy_memory(address, taken.address(), common) };
        // SAFETY: no one but us has seen the new block.
        let block = unsafe { enter_or_give_back(own, allocator, taken, size) }?;
        // SAFETY: the caller guarantees the old one.
        let damage = unsafe { give_back(own, allocator, address, out) };
        tell(address, out.block(), damage);
        Ok(block)
    })
}

/// `Unsafe.freeMemory`: gives the block back to its owner, and its reservation to the budget. NULL
/// is freed already. False: no such block is in the books, and nothing was done.
///
/// # Errors
/// `EINVAL` if the block's owner can't be reached: it stays as it was.
///
/// # Safety
/// `address` is NULL or a live block, which no one uses from here on.
pub(crate) unsafe fn free<A: Allocator>(allocator: &A, address: *mut u8) -> Result<bool, Errno> {
    if address.is_null() {
        return Ok(true);
    }
    own::with(|own| {
        if let Some(home) = home::find(address) {
            return Ok(free_own(own, address, home) || is_refused(address));
        }
        // Out of the books first, see `reallocate`.
        let Some(block) = BLOCKS.remove_and_remember(address, |block| Gone::new(*block)) else {
            return Ok(is_refused(address));
        };
        if !block.size.is_guarded() && !allocator.reaches(block.size.owner()) {
            enter_again(address, block);
            return Err(Errno::EINVAL);
        }
        if block.site.is_some() {
            // Where it goes is remembered of those of which it is known where they came from; before the
            // address may be another's.
            let freed = Some(Freed::here());
            BLOCKS.with_gone(address, |gone| gone.freed = freed);
        }
        // SAFETY: the caller guarantees the block, and the books the owner.
        let damage = unsafe { give_back(own, allocator, address, Out::Table(block)) };
        tell(address, block, damage);
        unreserve(own, block.size);
        Ok(true)
    })
}

/// [`free`] in the case that is plain and common: an address of our own; by the thread whose own that is. `None`
/// is any other case, and nothing was done.
///
/// # Safety
/// As [`free`].
#[inline(always)] // as `allocate_plain`
pub(crate) unsafe fn free_plain(own: &Own, address: *mut u8) -> Option<()> {
    let home = home::find(address)?;
    // That there is no block is settled: a moment later there may be one, of another's.
    if !free_own(own, address, home) {
        is_refused(address);
    }
    Some(())
}

/// [`free`] of a block of our own. False: there is none, and nothing was done.
#[inline(always)]
fn free_own(own: &Own, address: *mut u8, home: Home) -> bool {
    match home {
        Home::Slot(slot) => leave_slot(own, address, slot),
        extent @ Home::Extent(_) => leave_claimed(own, address, extent),
    }
}

/// [`free_own`] of a slot: by the owner of its span in a few instructions.
#[inline(always)]
fn leave_slot(own: &Own, address: *mut u8, slot: Slot) -> bool {
    let Some(size) = slot.free(own) else { return leave_claimed(own, address, Home::Slot(slot)) };
    // Only this thread can take it again.
    if slot.entry().site().is_some() {
        remember(address, Home::Slot(slot));
    }
    bits::BUDGET.untally(own, size.bytes().cast_unsigned());
    true
}

/// [`free_own`] of a block that whoever frees it has to claim.
#[inline(never)]
fn leave_claimed(own: &Own, address: *mut u8, home: Home) -> bool {
    let Some(size) = home.claim(address, os::thread_id_of(own)) else { return false };
    if home.entry().site().is_some() {
        remember(address, home);
    }
    home.give_back(own);
    unreserve(own, size);
    true
}

/// Two threads have freed a block at the same moment, one of them the owner of its span, and each has taken it out of
/// the budget.
#[cold]
fn freed_at_once(address: *mut u8, size: Size) {
    bits::BUDGET.tally_again(own::get(), size.bytes().cast_unsigned());
    misuse::found_ours(address, &Wrong::AtOnce(size));
}

/// Remembers where a block goes of which it is known where it came from.
#[cold]
fn remember(address: *mut u8, home: Home) {
    if let Some(Left { block, .. }) = home.left() {
        let freed = Some(Freed::here());
        BLOCKS.remember(address, Gone { freed, ..Gone::new(block) });
    }
}

/// `Unsafe.setMemory`. Zeros for a whole block in the books, as a direct buffer's constructor wants them,
/// are not written to pages that are zero already.
///
/// # Errors
/// As [`memory::set_memory`].
///
/// # Safety
/// As [`memory::set_memory`].
pub unsafe fn set_memory(address: *mut u8, bytes: usize, value: u8) -> Result<(), Errno> {
    // SAFETY: the caller guarantees the range, and each part of it.
    let set = |at, len| unsafe { memory::set_memory(at, len, value) };
    if value != 0 {
        return set(address, bytes);
    }
    let mut outcome = Ok(());
    zero_memory_by(address, bytes, |at, len| outcome = outcome.and(set(at, len)));
    outcome
}

/// [`set_memory`] to 0 by `fill`, which gets address and length of each part that has to be filled; all of
/// it, if nothing is known of the range.
#[inline]
pub(crate) fn zero_memory_by(address: *mut u8, bytes: usize, mut fill: impl FnMut(*mut u8, usize)) {
    if memory::is_large(bytes)
        && let Some(part) = part_of_block(address, bytes)
    {
        memory::where_not_zero(part, address, bytes, fill);
    } else {
        fill(address, bytes);
    }
}

/// Which part of a live block in the books the range is: its beginning, or what follows that of which this thread
/// has asked just before. (`DirectByteBuffer` of 25 is zeroed by one MiB after the other.) Blocks in the table are
/// of the C library's heap, or a guard's, ours are pages of our own: all private anonymous memory.
fn part_of_block(address: *mut u8, bytes: usize) -> Option<Part> {
    thread_local! {
        /// Where that block starts, and how much of it has been asked of.
        static LAST: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }
    if block_from(address, bytes) {
        LAST.set((address.addr(), bytes));
        return Some(Part::First);
    }
    let (start, before) = LAST.get();
    let end = before.checked_add(bytes)?;
    let follows = address.addr().checked_sub(start) == Some(before);
    (follows && block_from(address.with_addr(start), end)).then(|| {
        LAST.set((start, end));
        Part::Next
    })
}

/// Whether a live block in the books starts there, and has so many bytes.
fn block_from(start: *mut u8, bytes: usize) -> bool {
    match home::find(start).and_then(|home| home.entry().look()) {
        Some(block) => block.size.asked() >= bytes,
        None if os::heap::is_the_c_librarys() => {
            BLOCKS.with(start, |block| block.size.asked() >= bytes) == Some(true)
        }
        None => false,
    }
}

/// [`memory::allocate_memory`], in the books if they are kept.
///
/// # Errors
/// As [`allocate`].
pub(crate) fn allocate_memory(bytes: usize, door: Family) -> Result<*mut u8, Errno> {
    if !is_kept() {
        return memory::allocate_memory(bytes);
    }
    allocate(&Library, Owner::Library, bytes, Some(door))
}

/// [`memory::reallocate_memory`], in the books if they are kept.
///
/// # Errors
/// As [`reallocate`]; `EINVAL` if the block is the runtime's.
///
/// # Safety
/// As [`memory::reallocate_memory`].
pub(crate) unsafe fn reallocate_memory(
    address: *mut u8,
    bytes: usize,
    door: Family,
) -> Result<*mut u8, Errno> {
    if is_kept() {
        // SAFETY: the caller guarantees the block.
        let moved = unsafe { reallocate(&Library, Owner::Library, address, bytes, Some(door)) }?;
        if let Some(block) = moved {
            return Ok(block);
        }
    }
    // SAFETY: the caller guarantees the block; it is not in the books.
    unsafe { memory::reallocate_memory(address, bytes) }
}

/// [`memory::free_memory`], out of the books if it is in them.
///
/// # Errors
/// `EINVAL` if the block is the runtime's: it stays as it was.
///
/// # Safety
/// As [`memory::free_memory`].
pub(crate) unsafe fn free_memory(address: *mut u8) -> Result<(), Errno> {
    // SAFETY: the caller guarantees the block.
    if is_kept() && unsafe { free(&Library, address) }? {
        return Ok(());
    }
    // SAFETY: the caller guarantees the block; it is not in the books.
    unsafe { memory::free_memory(address) };
    Ok(())
}

/// A block that has been taken out of the books.
#[derive(Clone, Copy)]
enum Out {
    Home(Home, Block),
    Table(Block),
}

impl Out {
    fn block(&self) -> Block {
        let (Self::Home(_, block) | Self::Table(block)) = *self;
        block
    }

    /// Nothing has happened to it after all.
    fn put_back(self, address: *mut u8) {
        match self {
            Self::Home(home, block) => home.entry().enter_again(&block),
            Self::Table(block) => enter_again(address, block),
        }
    }
}

/// Takes the block at `address` out of the books, which remember it for a while; of several threads that
/// ask for the same one, one gets it.
fn take_out(address: *mut u8) -> Option<Out> {
    match home::find(address) {
        Some(home) => {
            let block = home.entry().look()?;
            let size = home.claim(address, os::thread_id())?;
            Some(Out::Home(home, Block { size, ..block }))
        }
        None => BLOCKS.remove_and_remember(address, |block| Gone::new(*block)).map(Out::Table),
    }
}

/// Gives the block back to where it came from; what was written to beyond its ends, if that is known.
///
/// # Safety
/// `address` is the live block of `out`, which no one uses from here on, and whose owner is reached.
unsafe fn give_back<A: Allocator>(
    own: &Own,
    allocator: &A,
    address: *mut u8,
    out: Out,
) -> Option<guard::Damage> {
    match out {
        Out::Home(home, _) => home.give_back(own),
        Out::Table(block) if block.size.is_guarded() => {
            // SAFETY: the caller guarantees the block.
            return unsafe { guard::free(address, block.size.asked()) };
        }
        // SAFETY: the caller guarantees the block, and the books the owner.
        Out::Table(block) => unsafe { allocator.free(block.size.owner(), address) },
    }
    None
}

/// What is wrong with a release of an address at which there is no block. True if it is not to be obeyed.
#[cold]
fn is_refused(address: *mut u8) -> bool {
    if !home::is_here(address) {
        let gone = BLOCKS.with_gone(address, |gone| *gone);
        return misuse::found(address, &gone.map_or(Wrong::Foreign, Wrong::Twice));
    }
    misuse::found_ours(address, &gone_from(address).map_or(Wrong::Foreign, Wrong::Twice));
    // Nobody else has blocks there.
    true
}

/// The last block at an address of our own, if it is no more.
fn gone_from(address: *mut u8) -> Option<Gone> {
    let Left { block, thread } = home::find(address)?.left()?;
    // Where it went is remembered apart, if it is known where it came from.
    let known = BLOCKS.with_gone(address, |gone| *gone);
    let of = |block: &Block| (block.site, block.born);
    let same = |gone: &Gone| of(&gone.block) == of(&block) && gone.thread == thread;
    Some(known.filter(same).unwrap_or(Gone { block, thread, freed: None }))
}

fn tell(address: *mut u8, block: Block, damage: Option<guard::Damage>) {
    if let Some(damage) = damage {
        misuse::found(address, &Wrong::Damaged(block, damage));
    }
}

/// Enters a block whose memory and reservation are the caller's, whether books are kept or not. It
/// stays in them until he takes it out by [`leave`]: no [`Allocator`] reaches it, so [`free`] and
/// [`reallocate`] refuse it.
///
/// # Errors
/// `ENOMEM`: it is not in the books.
pub(crate) fn enter_reserved(address: *mut u8, bytes: usize, door: Family) -> Result<(), Errno> {
    enter(address, Block::new(Size::new(bytes, Owner::Other, Some(door))?))
}

/// Takes a block of [`enter_reserved`] out of the books, before its memory goes back and its address
/// may come again.
pub(crate) fn leave(address: *mut u8) {
    BLOCKS.remove_and_remember(address, |block| Gone::new(*block));
}

fn enter(address: *mut u8, block: Block) -> Result<(), Errno> {
    BLOCKS.insert(address, block).map(give_up)
}

/// Enters a block that was in the books a moment ago. Without memory for its entry it is one that
/// nobody counts from here on.
fn enter_again(address: *mut u8, block: Block) {
    let size = block.size;
    match BLOCKS.put_back(address, block) {
        Ok(stale) => give_up(stale),
        Err(_) => unreserve_ours(size),
    }
}

/// The allocator gives no address twice: the block that stood where a new one is entered has been
/// given back behind our back, by the C library's `free` perhaps.
fn give_up(stale: Option<Block>) {
    if let Some(stale) = stale {
        unreserve_ours(stale.size);
    }
}

/// Unless the reservation is somebody else's.
fn unreserve_ours(size: Size) {
    if size.owner() != Owner::Other {
        own::with(|own| unreserve(own, size));
    }
}

// The budget refuses to give back only what is not reserved. All of the below is.

/// A block is no more.
#[inline(always)]
fn unreserve(own: &Own, size: Size) {
    let bytes = size.bytes().cast_unsigned();
    match size.reservation() {
        Reservation::Tallied => bits::BUDGET.untally(own, bytes),
        Reservation::Taken => unreserve_taken(own, bytes),
    }
}

#[inline(never)] // apart, so that the plain case does not make room for it
fn unreserve_taken(own: &Own, bytes: u64) {
    let _ = bits::BUDGET.unreserve_block(own, Amount { bytes, count: 1 });
}

/// A block has not come to be.
fn abandon(size: Size) {
    if size.reservation() == Reservation::Taken {
        let _ = bits::BUDGET.abandon_block(size.bytes());
    }
}

/// A block has come to be.
#[inline(always)]
fn note(own: &Own, size: Size) {
    let bytes = size.bytes().cast_unsigned();
    match size.reservation() {
        Reservation::Tallied => bits::BUDGET.tally(own, bytes),
        Reservation::Taken => note_taken(own, bytes),
    }
}

#[inline(never)] // apart, so that the plain case does not make room for it
fn note_taken(own: &Own, bytes: u64) {
    bits::BUDGET.note(own, Amount { bytes, count: 1 });
}

/// Reserves what a block of `old` needs to become one of `new`, which is `new` with how it is reserved. If
/// it grows and has taken nothing from the limit yet, that is all of it.
fn regrow(old: Size, new: Size) -> Result<Size, Errno> {
    let growth = new.bytes() - old.bytes();
    match old.reservation() {
        Reservation::Tallied if growth > 0 => {
            Ok(new.reserved_as(bits::reserve_block(new.bytes())?))
        }
        Reservation::Taken if growth > 0 => bits::take_block(growth).map(|()| new),
        Reservation::Tallied | Reservation::Taken => Ok(new),
    }
}

/// It has stayed the old one.
fn undo_regrow(old: Size, new: Size) {
    let growth = new.bytes() - old.bytes();
    match old.reservation() {
        Reservation::Tallied => abandon(new),
        Reservation::Taken if growth > 0 => {
            let _ = bits::BUDGET.abandon_block(growth);
        }
        Reservation::Taken => {}
    }
}

/// It has become the new one.
fn note_regrown(old: Size, new: Size) {
    let growth = new.bytes() - old.bytes();
    let by = Amount { bytes: growth.unsigned_abs(), count: 0 };
    own::with(|own| match (old.reservation(), new.reservation()) {
        (Reservation::Tallied, Reservation::Tallied) => bits::BUDGET.tally_growth(own, growth),
        (Reservation::Tallied, Reservation::Taken) => {
            let [old, new] = [old, new].map(|size| size.bytes().cast_unsigned());
            bits::BUDGET.note_limited(own, old, new);
        }
        (Reservation::Taken, _) if growth > 0 => bits::BUDGET.note(own, by),
        (Reservation::Taken, _) => {
            let _ = bits::BUDGET.unreserve_block(own, by);
        }
    });
}

#[cfg(test)]
mod tests;
