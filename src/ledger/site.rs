//! Where blocks are taken: the stacks of sampled allocations, each kept once.

use super::sample::{self, Doubled};
use core::num::NonZeroU16;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// More sites than any program has that one would want to read about. Blocks of further ones are
/// counted, and have no site.
const MOST: usize = u16::MAX as usize;

/// What kind of memory a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// A direct buffer.
    DirectBuffer = 1,
    /// A temporary buffer of a channel, which its thread keeps.
    TemporaryBuffer,
    /// An arena's segment.
    Arena,
    /// The runtime's raw memory, taken by the program itself.
    Unsafe,
    /// This library's, for the managed program.
    Library,
    /// This library's, for native code.
    C,
}

impl Family {
    const ALL: [Self; 6] = [
        Self::DirectBuffer,
        Self::TemporaryBuffer,
        Self::Arena,
        Self::Unsafe,
        Self::Library,
        Self::C,
    ];

    /// As reports have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DirectBuffer => "direct buffer",
            Self::TemporaryBuffer => "temporary buffer",
            Self::Arena => "arena",
            Self::Unsafe => "Unsafe",
            Self::Library => "offheap library",
            Self::C => "C caller",
        }
    }

    /// The family of that number, as `as u8` gives it.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|family| *family as u8 == number)
    }
}

/// A pool: what it keeps is no leak, though nobody seems to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// A chunk of Netty's pooled allocator.
    NettyPooled,
    /// A chunk of Netty's adaptive allocator.
    NettyAdaptive,
    /// The temporary buffers that each thread keeps for its channels.
    TemporaryBuffers,
    /// The value of a thread-local variable.
    ThreadLocal,
}

impl Pool {
    /// As reports have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NettyPooled => "Netty pooled chunks",
            Self::NettyAdaptive => "Netty adaptive chunks",
            Self::TemporaryBuffers => "temporary buffers of channels, by thread",
            Self::ThreadLocal => "thread-local values",
        }
    }
}

/// Where the code of a site's owner came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The class loader, by a name that tells it from others of its class.
    pub loader: String,
    /// The jar or folder that the class was read from.
    pub location: Option<String>,
}

/// One call of a stack, as the runtime names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The class's binary name.
    pub class: String,
    /// The method's name.
    pub method: String,
    /// The line of the source, if it is known.
    pub line: Option<u32>,
}

/// A place in the program at which blocks are taken.
#[derive(Debug)]
pub struct Site {
    /// The calls, the innermost first.
    pub frames: Vec<Frame>,
    /// The place in `frames` of the first one that is the program's own, which the site is called
    /// after; 0 if there is none.
    pub owner: usize,
    /// What is taken here.
    pub family: Family,
    /// Whether `family` is that of every block that comes by the same door, sampled or not.
    pub(super) is_door: bool,
    /// Who keeps what is taken here.
    pub pool: Option<Pool>,
    /// Where the owner's code came from.
    pub origin: Option<Origin>,
    /// Estimates of all blocks ever taken here: bytes, and thousandths of blocks.
    ever: [AtomicU64; 2],
    /// The live bytes at the last mark.
    marked: AtomicU64,
    /// Those of reachable buffers among them; [`UNKNOWN`] if nobody had looked.
    marked_reachable: AtomicU64,
}

impl Site {
    /// A site at which nothing has been taken yet.
    #[must_use]
    pub fn new(frames: Vec<Frame>, owner: usize, family: Family) -> Self {
        Self {
            frames,
            owner,
            family,
            is_door: false,
            pool: None,
            origin: None,
            ever: Default::default(),
            marked: AtomicU64::new(0),
            marked_reachable: AtomicU64::new(0),
        }
    }

    /// It came by a door that tells the family of all its blocks.
    #[must_use]
    pub fn by_door(self, door: Option<Family>) -> Self {
        Self { family: door.unwrap_or(self.family), is_door: door.is_some(), ..self }
    }

    /// Who keeps what is taken here.
    #[must_use]
    pub fn in_pool(self, pool: Option<Pool>) -> Self {
        Self { pool, ..self }
    }

    /// Where the owner's code came from.
    #[must_use]
    pub fn from_origin(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, above 0"
    )]
    fn sampled(&self, bytes: u64, doubled: Doubled) {
        let weight = sample::weight(bytes, sample::sample_mean().unwrap_or(0), doubled);
        let [ever_bytes, ever_blocks] = &self.ever;
        ever_bytes.fetch_add((weight * bytes as f64).round() as u64, Ordering::Relaxed);
        ever_blocks.fetch_add((weight * 1000.0).round() as u64, Ordering::Relaxed);
    }

    /// Estimates of the bytes and blocks ever taken here.
    #[must_use]
    pub fn ever(&self) -> (u64, u64) {
        let [bytes, blocks] = self.ever.each_ref().map(|sum| sum.load(Ordering::Relaxed));
        (bytes, (blocks + 500) / 1000)
    }

    /// The live bytes at the last mark, and those of reachable buffers among them, if somebody had
    /// looked; 0 before the first.
    pub(super) fn marked(&self) -> (u64, Option<u64>) {
        let reachable = self.marked_reachable.load(Ordering::Relaxed);
        let reachable = Some(reachable).filter(|reachable| *reachable != UNKNOWN);
        (self.marked.load(Ordering::Relaxed), reachable)
    }

    /// Growth is counted from here on.
    pub(super) fn mark(&self, live: u64, reachable: Option<u64>) {
        self.marked.store(live, Ordering::Relaxed);
        self.marked_reachable.store(reachable.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

const UNKNOWN: u64 = u64::MAX;

/// The name of a site in a block's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(NonZeroU16);

impl SiteId {
    /// As [`SiteId::of_number`] takes it; not 0.
    pub(super) fn number(self) -> u16 {
        self.0.get()
    }

    pub(super) fn of_number(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// Who can tell where the calling thread is. Called on the allocating thread, with no lock held.
pub trait Tracer: Send + Sync {
    /// The site of a block; `None` if the thread is nowhere. `door` is the block's family, if the
    /// function tells that was called.
    fn site(&self, door: Option<Family>) -> Option<SiteId>;
}

static TRACER: OnceLock<Box<dyn Tracer>> = OnceLock::new();

/// From now on sampled blocks have a site. Only the first call counts.
pub fn set_tracer(tracer: Box<dyn Tracer>) {
    // A second one would name the same places.
    let _ = TRACER.set(tracer);
}

/// The site of a sampled block of this size that the calling thread takes.
#[cold]
pub(super) fn of_block(bytes: u64, door: Option<Family>, doubled: Doubled) -> Option<SiteId> {
    let id = TRACER.get()?.site(door)?;
    if let Some(site) = get(id) {
        site.sampled(bytes, doubled);
    }
    Some(id)
}

/// Whether there is somebody who can tell where threads are.
pub(super) fn is_traced() -> bool {
    TRACER.get().is_some()
}

/// Where the calling thread is, sampled or not.
pub(super) fn id_here() -> Option<SiteId> {
    TRACER.get()?.site(None)
}

/// As [`id_here`].
pub(super) fn here() -> Option<Arc<Site>> {
    id_here().and_then(get)
}

/// All sites, and their keys.
#[derive(Default)]
struct Sites {
    by_key: HashMap<Box<[u64]>, SiteId>,
    all: Vec<Arc<Site>>,
}

static SITES: LazyLock<Mutex<Sites>> = LazyLock::new(Mutex::default);

fn sites() -> MutexGuard<'static, Sites> {
    // A panic under the lock leaves map and list whole: the list is extended first.
    SITES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The site of that key, a stack as the runtime has it; `describe` makes it, called with no lock
/// held and only the first time. `None` if there are too many.
pub fn intern(key: &[u64], describe: impl FnOnce() -> Site) -> Option<SiteId> {
    if let Some(id) = sites().by_key.get(key) {
        return Some(*id);
    }
    let site = Arc::new(describe());
    let mut sites = sites();
    // Another thread may have been faster.
    if let Some(id) = sites.by_key.get(key) {
        return Some(*id);
    }
    if sites.all.len() >= MOST {
        return None;
    }
    sites.all.push(site);
    let id = SiteId(u16::try_from(sites.all.len()).ok().and_then(NonZeroU16::new)?);
    sites.by_key.insert(key.into(), id);
    Some(id)
}

/// All sites there are.
pub(super) fn all() -> Vec<Arc<Site>> {
    sites().all.clone()
}

/// The lock, if its holder gives it up soon: for a signal's handler, whose own thread may be the holder.
pub(super) fn patiently<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..1000 {
        match lock.try_lock() {
            Ok(held) => return Some(held),
            Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}

/// As [`get`], for a signal's handler.
pub(super) fn get_patiently(id: SiteId) -> Option<Arc<Site>> {
    patiently(&SITES)?.all.get(id.index()).cloned()
}

/// The site of that name.
pub(super) fn get(id: SiteId) -> Option<Arc<Site>> {
    sites().all.get(id.index()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(method: &str) -> Site {
        let frame = Frame { class: "C".to_owned(), method: method.to_owned(), line: Some(7) };
        Site::new(vec![frame], 0, Family::Unsafe)
    }

    #[test]
    fn a_stack_is_described_once_and_found_again() {
        let first = intern(&[1, 2, 3], || site("first")).unwrap();
        let again = intern(&[1, 2, 3], || panic!("described twice"));
        let other = intern(&[1, 2], || site("other")).unwrap();
        assert_eq!(again, Some(first));
        assert_ne!(first, other);
        assert_eq!(get(other).unwrap().frames[0].method, "other");
    }

    #[test]
    fn a_mark_stays_until_the_next_and_says_if_nobody_had_looked_who_is_reachable() {
        let site = site("marked");
        assert_eq!(site.marked(), (0, Some(0)));
        site.mark(100, Some(60));
        assert_eq!(site.marked(), (100, Some(60)));
        site.mark(90, None);
        assert_eq!(site.marked(), (90, None));
    }

    #[test]
    fn threads_that_meet_a_new_stack_agree_on_its_site() {
        let ids = std::thread::scope(|scope| {
            let meet = || intern(&[77, 78], || site("met")).unwrap();
            [(); 8].map(|()| scope.spawn(meet)).map(|thread| thread.join().unwrap())
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
