//! `Unsafe`'s memory: blocks outside the heap, and the fills and copies on them.
//!
//! The contract is `jdk.internal.misc.Unsafe`'s (`sun.misc.Unsafe` in JDK 8):
//!
//! - a block of 0 bytes is NULL, and NULL can be freed and reallocated;
//! - sizes are rounded up to [`HEAP_WORD_SIZE`], blocks are 16-aligned, their content is unknown;
//! - failure is `ENOMEM` and changes nothing; it never ends the process;
//! - a fill or copy whose address and size are all multiples of 8 (4, 2) is made of stores of
//!   that width, so a reader on another thread never sees half an element;
//! - copies may overlap.

mod block;
mod copy;
mod zero;

pub use block::{HEAP_WORD_SIZE, allocate_memory, allocate_zeroed, free_memory, reallocate_memory};
pub use copy::{ElementSize, copy_memory, copy_swap_memory, set_memory};
pub(crate) use zero::{Part, is_large, where_not_zero};
