//! The live blocks added up, by site.

use super::site::{self, Site, SiteId};
use super::{BLOCKS, now, sample};
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
}

/// What is live of the blocks that one thread took, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSum {
    /// The kernel's number of the thread, which may have ended.
    pub thread: u32,
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
    /// By thread, most live bytes first.
    pub threads: Vec<ThreadSum>,
    /// Live bytes in the books, exactly.
    pub bytes: u64,
    /// Live blocks in the books, exactly.
    pub blocks: u64,
}

#[derive(Default)]
struct Sum {
    bytes: f64,
    blocks: f64,
    /// In hundredths of a second.
    ages: Vec<u32>,
}

/// Adds up what is live. With `mark`, growth is counted from here on. Allocations go on meanwhile:
/// each part of the books is looked at as it is at its own moment.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "estimates")]
pub fn sums(mark: bool) -> Sums {
    let now = now();
    let mean = sample::sample_mean().unwrap_or(0);
    let mut by_site: HashMap<SiteId, Sum> = HashMap::new();
    let mut by_thread: HashMap<u32, ThreadSum> = HashMap::new();
    BLOCKS.for_each(|block| {
        let size = block.bytes.cast_unsigned();
        let thread = by_thread.entry(block.thread).or_default();
        thread.bytes += size;
        thread.blocks += 1;
        if let Some(site) = block.site {
            let weight = sample::weight(size, mean);
            let sum = by_site.entry(site).or_default();
            sum.bytes += weight * size as f64;
            sum.blocks += weight;
            // A block may be younger than `now`.
            sum.ages.push(now.saturating_sub(block.born));
        }
    });
    let mut sites: Vec<SiteSum> = by_site
        .into_iter()
        .filter_map(|(id, sum)| Some(site_sum(site::get(id)?, sum, mark)))
        .collect();
    sites.sort_by_key(|sum| Reverse(sum.bytes));
    let named = |(thread, sum)| ThreadSum { thread, ..sum };
    let mut threads: Vec<ThreadSum> = by_thread.into_iter().map(named).collect();
    threads.sort_by_key(|sum| Reverse(sum.bytes));
    let bytes = threads.iter().map(|sum| sum.bytes).sum();
    let blocks = threads.iter().map(|sum| sum.blocks).sum();
    Sums { sites, threads, bytes, blocks }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "estimates, from 0 on")]
fn site_sum(site: Arc<Site>, mut sum: Sum, mark: bool) -> SiteSum {
    let bytes = sum.bytes.round() as u64;
    let before = site.mark(mark.then_some(bytes));
    let (ever_bytes, ever_blocks) = site.ever();
    sum.ages.sort_unstable();
    let age = |hundredths: Option<&u32>| {
        Duration::from_millis(10 * u64::from(hundredths.copied().unwrap_or(0)))
    };
    SiteSum {
        bytes,
        blocks: sum.blocks.round() as u64,
        sampled: sum.ages.len() as u64,
        ever_bytes,
        ever_blocks,
        growth: bytes.cast_signed() - before.cast_signed(),
        oldest: age(sum.ages.last()),
        median: age(sum.ages.get(sum.ages.len() / 2)),
        site,
    }
}
