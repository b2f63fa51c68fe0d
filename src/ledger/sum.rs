//! The live blocks added up: by site, family, pool, origin and thread.

use super::iceberg::{Reach, Seen, Walk};
use super::site::{self, Family, Origin, Pool, Site, SiteId};
use super::{BLOCKS, Block, Iceberg, Icebergs, clock, collections, home, sample};
use core::cmp::Reverse;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

/// What is live at one site, estimated from its sampled blocks. If every block is sampled, the
/// figures are exact.
#[derive(Clone, Debug)]
pub struct SiteSum {
    /// Where.
    pub site: Arc<Site>,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Sampled blocks among them: what the estimate rests on.
    pub sampled: u64,
    /// Bytes ever taken here.
    pub ever_bytes: u64,
    /// Blocks ever taken here.
    pub ever_blocks: u64,
    /// What `bytes` has changed by since the last mark.
    pub growth: i64,
    /// Age of the oldest sampled block.
    pub oldest: Duration,
    /// Age at which half of the sampled blocks are older.
    pub median: Duration,
    /// Whose buffers the program can still reach, if a walk has told.
    pub iceberg: Option<Iceberg>,
}

/// What is live of the blocks that one thread took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSum {
    /// The kernel's number of the thread, which may have ended.
    pub thread: u32,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
}

/// What is live of one kind. If a walk has told of every block, it is exact, and of the blocks that were
/// live when the walk began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilySum {
    /// The kind.
    pub family: Family,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Whether that is told from a sample.
    pub is_estimate: bool,
}

/// What a pool keeps, estimated as a [`SiteSum`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSum {
    /// Which.
    pub pool: Pool,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// By the thread that took them, most bytes first: the one they are kept for, if the pool keeps
    /// them by thread.
    pub threads: Vec<ThreadSum>,
}

/// What is live by where the owner's code came from, estimated as a [`SiteSum`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSum {
    /// Where from.
    pub origin: Origin,
    /// Live bytes.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
}

/// All live blocks in the books.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// By site, most live bytes first.
    pub sites: Vec<SiteSum>,
    /// By kind, most live bytes first.
    pub families: Vec<FamilySum>,
    /// Whether a walk has told the kind of every block that was live when it began.
    pub families_are_walks: bool,
    /// By pool, most live bytes first.
    pub pools: Vec<PoolSum>,
    /// By the code of their owners, most live bytes first.
    pub origins: Vec<OriginSum>,
    /// By thread, most live bytes first; exact.
    pub threads: Vec<ThreadSum>,
    /// Whose buffers the program can still reach, if a walk has told; exact.
    pub icebergs: Option<Icebergs>,
    /// Collections of the runtime's heap so far.
    pub collections: u32,
    /// Live bytes in the books, exactly.
    pub bytes: u64,
    /// Live blocks in the books, exactly.
    pub blocks: u64,
}

/// Bytes and blocks, each block weighing as many as it stands for.
#[derive(Clone, Copy, Default)]
struct Tally {
    bytes: f64,
    blocks: f64,
}

impl Tally {
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    fn add(&mut self, bytes: u64, weight: f64) {
        self.bytes += weight * bytes as f64;
        self.blocks += weight;
    }

    fn join(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.blocks += other.blocks;
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 on")]
    fn rounded(self) -> (u64, u64) {
        (self.bytes.round() as u64, self.blocks.round() as u64)
    }
}

/// What is found of one site.
#[derive(Default)]
struct Found {
    all: Tally,
    reachable: Tally,
    unreachable: Tally,
    /// In hundredths of a second.
    ages: Vec<u32>,
    /// Collections that unreachable buffers have survived.
    collections: Vec<u32>,
    /// Of a pool's site only.
    threads: HashMap<u32, Tally>,
}

impl Found {
    fn add_reach(&mut self, bytes: u64, weight: f64, reach: Reach, survived: u32) {
        match reach {
            Reach::Reachable => self.reachable.add(bytes, weight),
            Reach::Unreachable => {
                self.unreachable.add(bytes, weight);
                self.collections.push(survived);
            }
            Reach::NoBuffer => {}
        }
    }

    fn iceberg(&mut self) -> Iceberg {
        self.collections.sort_unstable();
        let (reachable_bytes, reachable_blocks) = self.reachable.rounded();
        let (unreachable_bytes, unreachable_blocks) = self.unreachable.rounded();
        Iceberg {
            reachable_bytes,
            reachable_blocks,
            reachable_growth: None,
            unreachable_bytes,
            unreachable_blocks,
            collections_median: self.collections.get(self.collections.len() / 2).copied(),
            collections_most: self.collections.last().copied(),
        }
    }
}

/// In hundredths of a second: no sum takes longer.
const MUCH_LATER: u32 = 100 * 3600;

/// A site as the table's blocks name it, looked up once.
struct Place {
    site: Arc<Site>,
    found: Found,
}

/// Adds up what is live. With `mark`, growth is counted from here on; `walk` says which buffers the
/// program can reach. Allocations go on meanwhile: each part of the books is looked at as it is at
/// its own moment.
#[must_use]
pub fn sums(mark: bool, walk: Option<&Walk>) -> Sums {
    let mut sum = Summing::new(walk);
    home::for_each(|address, block| sum.add(address, block));
    BLOCKS.for_each(|address, block| sum.add(address, block));
    sum.finish(mark)
}

struct Summing<'a> {
    now: u32,
    collections: u32,
    mean: u64,
    walk: Option<&'a Walk>,
    places: HashMap<SiteId, Option<Place>>,
    threads: HashMap<u32, ThreadSum>,
    /// Of the blocks whose kind their door tells, or the walk.
    known: HashMap<Family, Tally>,
    /// Of the blocks that the walk does not tell.
    untold: Tally,
    total: Found,
}

impl<'a> Summing<'a> {
    fn new(walk: Option<&'a Walk>) -> Self {
        Self {
            now: clock::exact(),
            collections: collections(),
            mean: sample::sample_mean().unwrap_or(0),
            walk,
            places: HashMap::new(),
            threads: HashMap::new(),
            known: HashMap::new(),
            untold: Tally::default(),
            total: Found::default(),
        }
    }

    fn add(&mut self, address: usize, block: &Block) {
        let size = block.size.bytes().cast_unsigned();
        let thread = self.threads.entry(block.thread).or_default();
        thread.bytes += size;
        thread.blocks += 1;
        let place = block.site.and_then(|id| {
            let look_up = || site::get(id).map(|site| Place { site, found: Found::default() });
            self.places.entry(id).or_insert_with(look_up).as_mut()
        });
        let stack = place.as_ref().map(|place| place.site.family);
        let unseen = Seen { reach: Reach::NoBuffer, family: None };
        let Seen { reach, family } =
            self.walk.map_or(unseen, |walk| walk.see(address, block, stack));
        if let Some(family) = block.size.family().or(family) {
            self.known.entry(family).or_default().add(size, 1.0);
        } else {
            self.untold.add(size, 1.0);
        }
        let survived = self.collections.wrapping_sub(block.collections);
        self.total.add_reach(size, 1.0, reach, survived);
        let Some(Place { site, found }) = place else { return };
        let weight = sample::weight(size, self.mean, block.size.doubled());
        found.all.add(size, weight);
        // A block may be younger than `now`, and the clock begins anew.
        let age = self.now.wrapping_sub(block.born);
        found.ages.push(if age > u32::MAX - MUCH_LATER { 0 } else { age });
        found.add_reach(size, weight, reach, survived);
        if site.pool.is_some() {
            found.threads.entry(block.thread).or_default().add(size, weight);
        }
    }

    fn finish(mut self, mark: bool) -> Sums {
        let places: Vec<Place> = self.places.into_values().flatten().collect();
        let mut families: HashMap<Family, (Tally, bool)> =
            self.known.into_iter().map(|(family, tally)| (family, (tally, false))).collect();
        let mut origins: HashMap<Origin, Tally> = HashMap::new();
        let mut pools: HashMap<Pool, (Tally, HashMap<u32, Tally>)> = HashMap::new();
        // A walk leaves nothing to be told by stacks but blocks that are younger than it is.
        let by_stacks = !self.walk.is_some_and(Walk::tells_families);
        for Place { site, found } in &places {
            if by_stacks && !site.is_door {
                let (tally, is_estimate) = families.entry(site.family).or_default();
                tally.join(found.all);
                *is_estimate |= self.mean != 0;
            }
            if let Some(origin) = &site.origin {
                origins.entry(origin.clone()).or_default().join(found.all);
            }
            if let Some(pool) = site.pool {
                let (tally, threads) = pools.entry(pool).or_default();
                tally.join(found.all);
                for (thread, part) in &found.threads {
                    threads.entry(*thread).or_default().join(*part);
                }
            }
        }
        let younger = if by_stacks { Tally::default() } else { self.untold };
        let (younger_bytes, younger_blocks) = younger.rounded();
        let walked = self.walk.is_some();
        let sites: Vec<SiteSum> = places.into_iter().map(|place| site_sum(place, walked)).collect();
        if mark {
            // At the others nothing is live.
            site::all().iter().for_each(|site| site.mark(0, Some(0)));
            for sum in &sites {
                let reachable = sum.iceberg.map(|iceberg| iceberg.reachable_bytes);
                sum.site.mark(sum.bytes, reachable);
            }
        }
        let threads = self.threads.into_iter().map(|(thread, sum)| ThreadSum { thread, ..sum });
        let threads = by_bytes(threads, |sum| sum.bytes);
        Sums {
            sites: by_bytes(sites.into_iter(), |sum| sum.bytes),
            families: by_bytes(families.into_iter().map(family_sum), |sum| sum.bytes),
            families_are_walks: !by_stacks,
            pools: by_bytes(pools.into_iter().map(pool_sum), |sum| sum.bytes),
            origins: by_bytes(origins.into_iter().map(origin_sum), |sum| sum.bytes),
            bytes: threads.iter().map(|sum| sum.bytes).sum(),
            blocks: threads.iter().map(|sum| sum.blocks).sum(),
            threads,
            icebergs: self.walk.map(|walk| Icebergs {
                pause: walk.pause,
                total: self.total.iceberg(),
                younger_bytes,
                younger_blocks,
            }),
            collections: self.collections,
        }
    }
}

fn by_bytes<T>(sums: impl Iterator<Item = T>, bytes: impl Fn(&T) -> u64) -> Vec<T> {
    let mut sums: Vec<T> = sums.collect();
    sums.sort_by_key(|sum| Reverse(bytes(sum)));
    sums
}

fn family_sum((family, (tally, is_estimate)): (Family, (Tally, bool))) -> FamilySum {
    let (bytes, blocks) = tally.rounded();
    FamilySum { family, bytes, blocks, is_estimate }
}

fn origin_sum((origin, tally): (Origin, Tally)) -> OriginSum {
    let (bytes, blocks) = tally.rounded();
    OriginSum { origin, bytes, blocks }
}

fn pool_sum((pool, (tally, threads)): (Pool, (Tally, HashMap<u32, Tally>))) -> PoolSum {
    let (bytes, blocks) = tally.rounded();
    let threads = threads.into_iter().map(|(thread, tally)| {
        let (bytes, blocks) = tally.rounded();
        ThreadSum { thread, bytes, blocks }
    });
    PoolSum { pool, bytes, blocks, threads: by_bytes(threads, |sum| sum.bytes) }
}

fn site_sum(Place { site, mut found }: Place, walked: bool) -> SiteSum {
    let (bytes, blocks) = found.all.rounded();
    let (before, reachable_before) = site.marked();
    let iceberg = walked.then(|| {
        let iceberg = found.iceberg();
        let grown = |before: u64| iceberg.reachable_bytes.cast_signed() - before.cast_signed();
        Iceberg { reachable_growth: reachable_before.map(grown), ..iceberg }
    });
    let (ever_bytes, ever_blocks) = site.ever();
    found.ages.sort_unstable();
    let age = |hundredths: Option<&u32>| {
        Duration::from_millis(10 * u64::from(hundredths.copied().unwrap_or(0)))
    };
    SiteSum {
        bytes,
        blocks,
        sampled: found.ages.len() as u64,
        ever_bytes,
        ever_blocks,
        growth: bytes.cast_signed() - before.cast_signed(),
        oldest: age(found.ages.last()),
        median: age(found.ages.get(found.ages.len() / 2)),
        iceberg,
        site,
    }
}
