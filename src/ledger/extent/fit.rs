//! Which free extents there are: the two-level segregated fit (Masmano, Ripoll, Crespo and Real, TLSF: A new
//! dynamic memory allocator for real-time systems, 2004). An extent that is large enough is found, taken
//! out and put in without a search.
//!
//! Extents are known by the numbers of their first granules; their links are in [`Granule`]s.

use super::region::{CHUNK, GRANULE, Granule, REGION};
use core::sync::atomic::Ordering;

/// Below so many granules each size has a bin; above, a doubling of sizes has so many.
const FINE: usize = 8;
const FINE_LOG: u32 = FINE.ilog2();

/// An extent has at most so many granules.
pub(super) const MOST: usize = CHUNK / GRANULE;

const BINS: usize = bin(MOST) + 1;

/// The bin of free extents of that size.
const fn bin(granules: usize) -> usize {
    if granules < FINE {
        return granules;
    }
    let log = granules.ilog2();
    let eighth = (granules >> (log - FINE_LOG)) % FINE;
    FINE * (log - FINE_LOG + 1) as usize + eighth
}

/// The first bin whose extents all have so many granules.
fn sufficient_bin(granules: usize) -> usize {
    if granules < FINE {
        return granules;
    }
    bin(granules + (1 << (granules.ilog2() - FINE_LOG)) - 1)
}

/// A granule's number and 1; 0 is none.
type Link = u32;

/// Free extents by size.
pub(super) struct Fit {
    /// Which bins are not empty.
    filled: u128,
    bins: [Link; BINS],
}

const _: () = assert!(BINS <= u128::BITS as usize);

fn linked(link: Link) -> Option<&'static Granule> {
    REGION.granule(link.checked_sub(1)? as usize)
}

#[expect(clippy::cast_possible_truncation, reason = "there are fewer granules")]
fn link(granule: usize) -> Link {
    granule as Link + 1
}

impl Fit {
    pub(super) const fn new() -> Self {
        Self { filled: 0, bins: [0; BINS] }
    }

    /// Puts a free extent in.
    pub(super) fn insert(&mut self, first: usize, extent: &Granule) {
        let number = bin(extent.granules());
        let Some(bin) = self.bins.get_mut(number) else { return };
        extent.next.store(*bin, Ordering::Relaxed);
        extent.previous.store(0, Ordering::Relaxed);
        if let Some(next) = linked(*bin) {
            next.previous.store(link(first), Ordering::Relaxed);
        }
        *bin = link(first);
        self.filled |= 1 << number;
    }

    /// Takes one of those out that were put in, its size as it was then.
    pub(super) fn remove(&mut self, extent: &Granule) {
        let number = bin(extent.granules());
        let Some(bin) = self.bins.get_mut(number) else { return };
        let (next, previous) =
            (extent.next.load(Ordering::Relaxed), extent.previous.load(Ordering::Relaxed));
        match linked(previous) {
            Some(previous) => previous.next.store(next, Ordering::Relaxed),
            None => *bin = next,
        }
        if let Some(next) = linked(next) {
            next.previous.store(previous, Ordering::Relaxed);
        }
        if *bin == 0 {
            self.filled &= !(1 << number);
        }
    }

    /// An extent of so many granules or more, which stays in: of the smallest sizes that surely do, the
    /// last put in.
    pub(super) fn find(&self, granules: usize) -> Option<usize> {
        let sufficient = self.filled.checked_shr(u32::try_from(sufficient_bin(granules)).ok()?)?;
        if sufficient == 0 {
            return None;
        }
        let bin = sufficient_bin(granules) + sufficient.trailing_zeros() as usize;
        Some(self.bins.get(bin)?.checked_sub(1)? as usize)
    }
}

#[cfg(test)]
impl Fit {
    /// All free extents, each of which is in the bin of its size: where they begin, and their granules.
    pub(super) fn all(&self) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for (number, first) in self.bins.iter().enumerate() {
            assert_eq!(self.filled >> number & 1 == 1, *first != 0);
            let mut at = *first;
            while let Some(extent) = linked(at) {
                assert_eq!(bin(extent.granules()), number);
                all.push((at as usize - 1, extent.granules()));
                at = extent.next.load(Ordering::Relaxed);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_bin_and_what_lies_in_a_sufficient_one_suffices() {
        for granules in 1..=MOST {
            assert!(bin(granules) < BINS);
            assert!(granules == 1 || bin(granules) - bin(granules - 1) <= 1, "{granules}");
            let sufficient = sufficient_bin(granules);
            assert!(sufficient >= bin(granules) && sufficient <= bin(granules) + 1);
            // The smallest of that bin.
            let smallest = (1..=2 * MOST).find(|size| bin(*size) == sufficient).unwrap();
            assert!(smallest >= granules, "{granules}: {smallest}");
        }
    }
}
