//! Icebergs: a small object on a managed heap, much memory below it. Which of them the program can
//! still reach, and which only wait for a collection that may be long in coming.

use super::Block;
use super::site::Family;
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
}

/// What a walk of the managed heap has found.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// By address.
    buffers: Vec<Buffer>,
    /// When it began, see [`super::now`]. Of younger blocks it knows nothing.
    began: u32,
    /// Collections before it began.
    collections: u32,
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
}

impl Walk {
    /// A walk that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            buffers: Vec::new(),
            began: super::now(),
            collections: super::collections(),
            pause: Duration::ZERO,
        }
    }

    /// It has found these buffers, in any order, and stopped the program for so long.
    #[must_use]
    pub fn end(self, mut buffers: Vec<Buffer>, pause: Duration) -> Self {
        buffers.sort_unstable();
        Self { buffers, pause, ..self }
    }

    pub(super) fn reach(&self, address: usize, block: &Block, family: Option<Family>) -> Reach {
        let end = address.saturating_add(usize::try_from(block.size.bytes()).unwrap_or(0));
        let first = self.buffers.partition_point(|buffer| buffer.address < address);
        let mut inside = self
            .buffers
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|buffer| buffer.address < end)
            .peekable();
        if self.began.wrapping_sub(block.born).cast_signed() < 0 {
            return Reach::NoBuffer;
        }
        if inside.peek().is_some() {
            let mut owner = false;
            for buffer in inside {
                if buffer.is_reachable {
                    return Reach::Reachable;
                }
                owner |= buffer.is_owner;
            }
            return if owner { Reach::Unreachable } else { Reach::NoBuffer };
        }
        // Its buffer has been collected, and its cleaner has not run. One that has none yet is younger
        // than the last collection.
        match family {
            Some(Family::DirectBuffer) if block.collections != self.collections => {
                Reach::Unreachable
            }
            _ => Reach::NoBuffer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, Size};
    use super::*;

    fn block(bytes: usize) -> Block {
        Block::new(Size::new(bytes, Owner::Library, None).unwrap())
    }

    fn walk(buffers: &[(usize, bool, bool)]) -> Walk {
        let buffer =
            |&(address, is_reachable, is_owner)| Buffer { address, is_reachable, is_owner };
        Walk::begin().end(buffers.iter().map(buffer).collect(), Duration::ZERO)
    }

    #[test]
    fn a_block_is_reachable_by_any_buffer_in_it_and_waits_only_if_its_owner_does() {
        let block = block(100);
        let reach = |buffers| walk(buffers).reach(1000, &block, None);
        assert_eq!(reach(&[(1000, true, true)]), Reach::Reachable);
        assert_eq!(reach(&[(1000, false, true)]), Reach::Unreachable);
        assert_eq!(reach(&[(1000, false, true), (1099, true, false)]), Reach::Reachable);
        // A dead wrapper of memory that is somebody else's to free.
        assert_eq!(reach(&[(1000, false, false), (1000, false, false)]), Reach::NoBuffer);
        assert_eq!(reach(&[(999, true, true), (1100, false, true)]), Reach::NoBuffer);
        assert_eq!(reach(&[]), Reach::NoBuffer);
    }

    #[test]
    fn a_direct_buffers_block_without_a_buffer_waits_for_its_cleaner_if_a_collection_came_between()
    {
        let block = block(100);
        let mut walk = walk(&[]);
        let direct = Some(Family::DirectBuffer);
        walk.collections = block.collections;
        assert_eq!(walk.reach(1000, &block, direct), Reach::NoBuffer, "being made");
        walk.collections = block.collections.wrapping_add(1);
        assert_eq!(walk.reach(1000, &block, direct), Reach::Unreachable);
        assert_eq!(walk.reach(1000, &block, Some(Family::Unsafe)), Reach::NoBuffer);
        walk.began = block.born.wrapping_sub(1);
        assert_eq!(walk.reach(1000, &block, direct), Reach::NoBuffer, "younger than the walk");
    }
}
