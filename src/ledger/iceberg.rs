//! Icebergs: a small object on a managed heap, much memory below it. Which of them the program can
//! still reach, and which only wait for a collection that may be long in coming; and what kind of memory
//! each block is, which the objects that belong to it tell of blocks that were not sampled too.

use super::site::Family;
use super::{Block, clock};
use core::time::Duration;

/// A buffer object that a walk of the managed heap has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Buffer {
    /// The memory it refers to: the beginning of a block, or a place in it.
    pub address: usize,
    /// Whether the program can reach it, in any way that keeps a collection from taking it.
    pub is_reachable: bool,
    /// Whether its memory goes when it does. Others only show a part of somebody else's.
    pub is_owner: bool,
    /// Whether it is a channel's, which keeps it for a thread or works with it.
    pub is_temporary: bool,
}

/// An object that will give a block back: a buffer's, which outlives it until it has, or an arena's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cleanup {
    /// Where the block begins.
    pub address: usize,
    /// What it is.
    pub family: Family,
}

/// What a walk of the managed heap has found.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// By address.
    buffers: Vec<Buffer>,
    /// By address. `None` if the walk could not tell them: it then says nothing of families.
    cleanups: Option<Vec<Cleanup>>,
    /// When it began, see [`clock`]. Of younger blocks it knows nothing.
    began: u32,
    /// For how long it stopped the program.
    pub(super) pause: Duration,
}

/// What a walk knows of a block's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The program can reach one.
    Reachable,
    /// It can't: it waits for a collection, or for its cleaner.
    Unreachable,
    /// The block is no buffer's, or younger than the walk.
    NoBuffer,
}

/// What a walk knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) reach: Reach,
    /// `None`: the block is younger than the walk, or the walk does not tell.
    pub(super) family: Option<Family>,
}

/// The blocks of buffers that the program can reach, and of those that it can't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Iceberg {
    /// Live bytes of reachable buffers.
    pub reachable_bytes: u64,
    /// Live blocks of reachable buffers.
    pub reachable_blocks: u64,
    /// What the reachable bytes of a site have changed by since the last mark, if somebody looked then.
    pub reachable_growth: Option<i64>,
    /// Live bytes of buffers that only wait for a collection.
    pub unreachable_bytes: u64,
    /// Live blocks of buffers that only wait for a collection.
    pub unreachable_blocks: u64,
    /// How many collections half of the unreachable buffers have survived, at least.
    pub collections_median: Option<u32>,
    /// The most that one of them has survived.
    pub collections_most: Option<u32>,
}

/// What a walk says of all live blocks, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Icebergs {
    /// For how long the walk stopped the program.
    pub pause: Duration,
    /// Of all blocks.
    pub total: Iceberg,
    /// Live bytes of blocks that were taken since it began, of which it knows nothing: not those whose
    /// family is known without it.
    pub younger_bytes: u64,
    /// How many blocks those are.
    pub younger_blocks: u64,
}

impl Walk {
    /// A walk that begins when this returns, at most some hundredths of a second later: no block that is
    /// taken from then on looks as old as those that the walk knows. It also gives a thread that has just
    /// taken a block the time to make the object that tells what it is.
    #[must_use]
    pub fn begin() -> Self {
        Self { began: clock::pass(), ..Self::default() }
    }

    /// It has found these, in any order, and stopped the program for so long. Without `cleanups` it says
    /// nothing of families.
    #[must_use]
    pub fn end(
        self,
        mut buffers: Vec<Buffer>,
        mut cleanups: Option<Vec<Cleanup>>,
        pause: Duration,
    ) -> Self {
        buffers.sort_unstable();
        if let Some(cleanups) = &mut cleanups {
            cleanups.sort_unstable();
        }
        Self { buffers, cleanups, pause, ..self }
    }

    /// Whether it says of every block that it knows what kind of memory it is.
    pub(super) fn tells_families(&self) -> bool {
        self.cleanups.is_some()
    }

    /// `stack`: the block's family as the stack says that took it.
    pub(super) fn see(&self, address: usize, block: &Block, stack: Option<Family>) -> Seen {
        if self.began.wrapping_sub(block.born).cast_signed() < 0 {
            return Seen { reach: Reach::NoBuffer, family: None };
        }
        let end = address.saturating_add(usize::try_from(block.size.bytes()).unwrap_or(0));
        let first = self.buffers.partition_point(|buffer| buffer.address < address);
        let inside = self.buffers.get(first..).unwrap_or_default();
        let inside =
            inside.get(..inside.partition_point(|buffer| buffer.address < end)).unwrap_or_default();
        let freed_by = self.freed_by(address);
        let reach = reach(inside, freed_by);
        if !self.tells_families() {
            return Seen { reach, family: None };
        }
        let family = match (stack, freed_by) {
            // A stack is of the block's birth. It knows a channel's buffer at a moment at which nothing
            // else does, a direct buffer that is filled with zeros and has no cleaner yet, and an
            // arena's block that nobody will free.
            (Some(family), _) if family != Family::Unsafe => family,
            (_, Some(Family::Arena)) => Family::Arena,
            // From 25 on a channel's buffer has no cleaner: its thread frees it.
            _ if inside.iter().any(|buffer| buffer.is_temporary) => Family::TemporaryBuffer,
            // Who frees a block is the better witness where the stack has only seen `Unsafe`: all are
            // taken by that in the end, and a library may do by reflection what the JDK does.
            (_, Some(family)) => family,
            // Raw memory, also that which somebody has put a buffer without a cleaner around, as Netty
            // does: he frees it himself.
            (_, None) => Family::Unsafe,
        };
        Seen { reach, family: Some(family) }
    }

    /// The family of the object that will give the block back.
    fn freed_by(&self, address: usize) -> Option<Family> {
        let cleanups = self.cleanups.as_deref()?;
        let found = cleanups.binary_search_by_key(&address, |cleanup| cleanup.address).ok()?;
        cleanups.get(found).map(|cleanup| cleanup.family)
    }
}

/// `inside`: the buffers whose address lies in the block.
fn reach(inside: &[Buffer], freed_by: Option<Family>) -> Reach {
    if inside.iter().any(|buffer| buffer.is_reachable) {
        Reach::Reachable
    } else if inside.iter().any(|buffer| buffer.is_owner)
        // Its buffer has been collected, and its cleaner has not run.
        || freed_by == Some(Family::DirectBuffer)
    {
        Reach::Unreachable
    } else {
        Reach::NoBuffer
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, Size};
    use super::*;

    fn block(bytes: usize) -> Block {
        Block::new(Size::new(bytes, Owner::Library, None).unwrap())
    }

    const NOTHING: Buffer =
        Buffer { address: 1000, is_reachable: false, is_owner: false, is_temporary: false };

    fn walk(buffers: &[Buffer], cleanups: &[(usize, Family)]) -> Walk {
        let cleanup = |&(address, family)| Cleanup { address, family };
        let cleanups = cleanups.iter().map(cleanup).collect();
        // As if it had begun a second later.
        let walk = Walk { began: clock::exact().wrapping_add(100), ..Walk::default() };
        walk.end(buffers.to_vec(), Some(cleanups), Duration::ZERO)
    }

    #[test]
    fn a_block_is_reachable_by_any_buffer_in_it_and_waits_only_if_its_owner_does() {
        let block = block(100);
        let reach = |buffers: &[(usize, bool, bool)]| {
            let buffer = |&(address, is_reachable, is_owner)| Buffer {
                address,
                is_reachable,
                is_owner,
                ..NOTHING
            };
            let buffers: Vec<Buffer> = buffers.iter().map(buffer).collect();
            walk(&buffers, &[]).see(1000, &block, None).reach
        };
        assert_eq!(reach(&[(1000, true, true)]), Reach::Reachable);
        assert_eq!(reach(&[(1000, false, true)]), Reach::Unreachable);
        assert_eq!(reach(&[(1000, false, true), (1099, true, false)]), Reach::Reachable);
        // A dead wrapper of memory that is somebody else's to free.
        assert_eq!(reach(&[(1000, false, false), (1000, false, false)]), Reach::NoBuffer);
        assert_eq!(reach(&[(999, true, true), (1100, false, true)]), Reach::NoBuffer);
        assert_eq!(reach(&[]), Reach::NoBuffer);
    }

    #[test]
    fn a_block_without_a_buffer_waits_for_its_cleaner_if_it_has_one() {
        let block = block(100);
        let direct = walk(&[], &[(1000, Family::DirectBuffer)]);
        assert_eq!(direct.see(1000, &block, None).reach, Reach::Unreachable);
        assert_eq!(direct.see(1016, &block, None).reach, Reach::NoBuffer, "another block's");
        let arena = walk(&[], &[(1000, Family::Arena)]);
        assert_eq!(arena.see(1000, &block, None).reach, Reach::NoBuffer);
    }

    #[test]
    fn who_frees_a_block_tells_what_it_is_unless_its_stack_has_told_more() {
        use Family::{Arena, DirectBuffer, TemporaryBuffer, Unsafe};
        let block = block(100);
        let plain = Buffer { is_reachable: true, is_owner: true, ..NOTHING };
        let temporary = Buffer { is_temporary: true, ..plain };
        let wrapper = Buffer { is_owner: false, ..plain };
        // The buffer in the block, who frees it, what the stack has said, and what it is.
        for (buffer, freed_by, stack, expected) in [
            (Some(plain), Some(DirectBuffer), None, DirectBuffer),
            (Some(temporary), Some(DirectBuffer), None, TemporaryBuffer),
            (None, Some(DirectBuffer), None, DirectBuffer),
            (None, Some(Arena), None, Arena),
            (None, None, None, Unsafe),
            // A channel's from 25 on.
            (Some(temporary), None, None, TemporaryBuffer),
            // As Netty does.
            (Some(wrapper), None, None, Unsafe),
            (Some(wrapper), None, Some(Unsafe), Unsafe),
            // An arena's segment that is shown as a buffer.
            (Some(wrapper), Some(Arena), None, Arena),
            // A channel works with it.
            (Some(plain), Some(DirectBuffer), Some(TemporaryBuffer), TemporaryBuffer),
            // Filled with zeros; of the global arena.
            (None, None, Some(DirectBuffer), DirectBuffer),
            (None, None, Some(Arena), Arena),
            (Some(plain), Some(DirectBuffer), Some(Unsafe), DirectBuffer),
        ] {
            let buffers: Vec<Buffer> = buffer.into_iter().collect();
            let cleanups: Vec<_> = freed_by.map(|family| (1000, family)).into_iter().collect();
            let seen = walk(&buffers, &cleanups).see(1000, &block, stack);
            assert_eq!(seen.family, Some(expected), "{buffer:?}, {freed_by:?}, {stack:?}");
        }
    }

    #[test]
    fn a_walk_knows_no_block_that_is_younger_and_no_family_where_it_can_not_tell() {
        let old = block(100);
        let begun = Walk::begin();
        let young = block(100);
        let buffer = Buffer { is_reachable: true, is_owner: true, ..NOTHING };
        let cleanup = Cleanup { address: 1000, family: Family::DirectBuffer };
        let walk = begun.end(vec![buffer], Some(vec![cleanup]), Duration::ZERO);
        let seen = walk.see(1000, &old, None);
        assert_eq!(seen, Seen { reach: Reach::Reachable, family: Some(Family::DirectBuffer) });
        let seen = walk.see(1000, &young, Some(Family::DirectBuffer));
        assert_eq!(seen, Seen { reach: Reach::NoBuffer, family: None });
        let walk = walk.end(vec![buffer], None, Duration::ZERO);
        let seen = walk.see(1000, &old, Some(Family::DirectBuffer));
        assert_eq!(seen, Seen { reach: Reach::Reachable, family: None });
        assert!(!walk.tells_families());
    }
}
