//! The buffer between a caller's bytes and the socket: on the stack, or beyond
//! [`MAX_BUFFER_LEN`] on the heap; or one that all threads share, of a [`Pool`].

use crate::os::{self, heap};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;
use std::sync::{LazyLock, Mutex, MutexGuard, TryLockError};
use std::thread;

/// Up to this many bytes the buffer is on the stack.
pub const MAX_BUFFER_LEN: usize = if cfg!(target_pointer_width = "64") { 65536 } else { 8192 };

/// No buffer is larger than this many bytes.
pub const MAX_HEAP_BUFFER_LEN: usize =
    if cfg!(target_pointer_width = "64") { 131_072 } else { 65536 };

/// The buffers that threads share have so many bytes: while the next ones are copied the peer may fall asleep, and
/// to wake it costs more than to copy. Twice as many would save another tenth of the time of a write of 4 MiB.
pub(super) const SHARED_BUFFER_LEN: usize = 524_288;

/// A frame of [`MAX_BUFFER_LEN`] touches that many pages of the stack; short transfers get a
/// small one.
pub(super) const SMALL_BUFFER_LEN: usize = 4096;

/// Runs `work` with a buffer of `len` bytes, or [`MAX_HEAP_BUFFER_LEN`] if that is less, or
/// [`MAX_BUFFER_LEN`] if there is no memory for it. Its content is unknown.
pub(super) fn with_buffer<R>(len: usize, work: impl FnOnce(&mut [MaybeUninit<u8>]) -> R) -> R {
    if len <= SMALL_BUFFER_LEN {
        return on_stack::<SMALL_BUFFER_LEN, R>(len, work);
    }
    if len > MAX_BUFFER_LEN
        && let Ok(mut buffer) = HeapBuffer::new(len.min(MAX_HEAP_BUFFER_LEN))
    {
        return work(buffer.as_mut());
    }
    on_stack::<MAX_BUFFER_LEN, R>(len, work)
}

static POOL: LazyLock<Pool> =
    LazyLock::new(|| Pool::new(thread::available_parallelism().map_or(1, usize::from)));

/// Runs `work` with a buffer of `len` bytes, or [`SHARED_BUFFER_LEN`] if that is less, which nobody else
/// has meanwhile; with [`SMALL_BUFFER_LEN`] if none is to be had. Its content is unknown. `work` should
/// not block: there are few.
pub(super) fn with_shared_buffer<R>(
    len: usize,
    work: impl FnOnce(&mut [MaybeUninit<u8>]) -> R,
) -> R {
    if len > SMALL_BUFFER_LEN
        && let Some(mut place) = POOL.take(os::thread::processor())
        && let Some(buffer) = &mut *place
    {
        let (buffer, _) = buffer.as_mut().split_at_mut(len.min(SHARED_BUFFER_LEN));
        return work(buffer);
    }
    on_stack::<SMALL_BUFFER_LEN, R>(len, work)
}

/// Buffers that stay, made when they are first needed. As many as there are processors: so many threads
/// can copy and send at a time, however many there are.
struct Pool(Box<[Mutex<Option<HeapBuffer>>]>);

impl Pool {
    fn new(places: usize) -> Self {
        Self((0..places).map(|_| Mutex::default()).collect())
    }

    /// A place with a buffer that is the caller's until it is dropped: the one that `processor` has in its
    /// cache, or else any that is free. `None` if there is none, or no memory for the first of it. Nobody
    /// waits for another thread here.
    fn take(&self, processor: usize) -> Option<MutexGuard<'_, Option<HeapBuffer>>> {
        let (before, after) = self.0.split_at(processor.checked_rem(self.0.len()).unwrap_or(0));
        let mut place = after.iter().chain(before).find_map(|place| match place.try_lock() {
            Ok(place) => Some(place),
            // Whatever was left in it is no worse than what is in it anyway.
            Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        })?;
        if place.is_none() {
            *place = HeapBuffer::new(SHARED_BUFFER_LEN).ok();
        }
        place.is_some().then_some(place)
    }
}

/// Not inlined: only who needs the buffer has it in his frame.
#[inline(never)]
pub(super) fn on_stack<const N: usize, R>(
    len: usize,
    work: impl FnOnce(&mut [MaybeUninit<u8>]) -> R,
) -> R {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; N];
    let (buffer, _) = buffer.split_at_mut(len.min(N));
    work(buffer)
}

/// A block of the C library's heap, freed also when `work` panics.
struct HeapBuffer {
    block: NonNull<MaybeUninit<u8>>,
    len: usize,
}

// SAFETY: a block of the heap is any thread's who has it.
unsafe impl Send for HeapBuffer {}

impl HeapBuffer {
    fn new(len: usize) -> Result<Self, crate::error::Errno> {
        Ok(Self { block: heap::malloc(len)?.cast(), len })
    }

    fn as_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the block has `len` bytes, is this value's alone, and any content is valid.
        unsafe { slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }
    }
}

impl Drop for HeapBuffer {
    fn drop(&mut self) {
        // SAFETY: malloc's block, not freed before, and not used after.
        unsafe { heap::free(self.block.as_ptr().cast()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{POOL, Pool, SHARED_BUFFER_LEN};
    use crate::os::heap::failing;

    pub(in crate::net) fn all_shared_buffers_are_free() -> bool {
        let taken: Vec<_> = (0..POOL.0.len()).map(|place| POOL.take(place)).collect();
        taken.iter().all(Option::is_some)
    }

    #[test]
    fn a_buffer_is_one_callers_and_there_are_no_more_than_places() {
        let pool = Pool::new(2);
        let mut first = pool.take(1).unwrap();
        let second = pool.take(1).unwrap();
        let address = first.as_mut().unwrap().as_mut().as_ptr();
        assert_eq!(first.as_mut().unwrap().as_mut().len(), SHARED_BUFFER_LEN);
        assert_ne!(second.as_ref().unwrap().block.as_ptr().cast_const(), address);
        assert!(pool.take(0).is_none());
        drop(first);
        let again = pool.take(usize::MAX).unwrap();
        assert_eq!(again.as_ref().unwrap().block.as_ptr().cast_const(), address, "it stays");
        assert!(Pool::new(0).take(3).is_none());
    }

    #[test]
    fn a_processor_finds_the_buffer_that_it_had() {
        let pool = Pool::new(4);
        for processor in [0, 3, 2, 7] {
            drop(pool.take(processor).unwrap());
        }
        let made: Vec<_> = pool.0.iter().map(|place| place.lock().unwrap().is_some()).collect();
        assert_eq!(made, [true, false, true, true]);
    }

    #[test]
    fn without_memory_there_is_no_buffer_and_the_place_is_free_again() {
        let pool = Pool::new(1);
        assert!(failing::after(0, || pool.take(0).is_none()));
        assert!(pool.take(0).is_some());
    }

    #[test]
    fn a_panic_gives_the_buffer_back() {
        let pool = Pool::new(1);
        let work = || {
            let _taken = pool.take(0);
            panic!("on purpose");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        assert!(pool.take(0).is_some());
    }
}
