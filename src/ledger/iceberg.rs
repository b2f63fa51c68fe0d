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
}

/// What a walk of the managed heap has found.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// By address.
    buffers: Vec<Buffer>,
    /// When it began, see [`super::now`]. Of younger blocks it knows nothing.
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

/// The blocks of buffers that the program can reach, and of those that it can't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Iceberg {
    /// Live bytes of reachable buffers.
    pub reachable_bytes: u64,
    /// Live blocks of reachable buffers.
    pub reachable_blocks: u64,
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
        Self { buffers: Vec::new(), began: super::now(), pause: Duration::ZERO }
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
        let age_at_walk = self.began.wrapping_sub(block.born).cast_signed();
        if age_at_walk < 0 {
            return Reach::NoBuffer;
        }
        if inside.peek().is_some() {
            let reachable = inside.any(|buffer| buffer.is_reachable);
            return if reachable { Reach::Reachable } else { Reach::Unreachable };
        }
        // Its buffer has been collected, and its cleaner has not run; or it is so young that it has
        // none yet.
        match family {
            Some(Family::DirectBuffer) if age_at_walk > 1 => Reach::Unreachable,
            _ => Reach::NoBuffer,
        }
    }
}
