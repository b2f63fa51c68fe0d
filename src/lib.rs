//! The JDK's off-heap half in Rust: `Unsafe`'s memory, `Bits`' accounting, `DirectByteBuffer`'s
//! life and death, the socket streams' natives.
//!
//! # Map
//!
//! | room | what lives there |
//! |---|---|
//! | [`memory`] | `Unsafe`: allocate, reallocate, free, fill, copy, swap-copy |
//! | [`bits`] | `Bits`: the budget of direct memory, page size, byte order |
//! | [`ledger`] | the live blocks: size and owner, reserved in the budget |
//! | [`direct`] | `DirectByteBuffer`: constructor and deallocator |
//! | [`net`] | the socket streams: chunked write, read with timeout, asynchronous close |
//! | [`nio`] | the channels: one system call on a raw address |
//! | [`report`] | what is told of it all: text, JSON, collapsed stacks, a page, metrics |
//! | `capi` | the C face: what `include/offheap.h` declares |
//! | `jni` | the JNI face: the Java library's natives, and some under the JDK's own symbols |
//! | `agent` | the JVM's own natives bound to ours: options, binding, report, metrics |
//! | [`error`] | errno as a type |
//! | `boundary` | the one panic guard of all faces |
//! | `os` | the only system calls |
//!
//! # Safety vocabulary
//!
//! The `# Safety` sections of this crate use these words in this sense:
//!
//! - a **live block**: an address that this library's allocation returned and that has not been
//!   freed or reallocated since;
//! - a **readable** (**writable**) **range**: all its bytes are mapped for reading (writing) for
//!   the whole call;
//! - an **owned descriptor**: a file descriptor number that no one but the caller closes, or that
//!   is closed only through this library.

pub mod bits;
pub mod direct;
pub mod error;
pub mod ledger;
pub mod memory;
pub mod net;
pub mod nio;
pub mod report;

mod agent;
mod boundary;
mod capi;
mod counter;
mod jni;
mod os;
mod own;
mod sync;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
