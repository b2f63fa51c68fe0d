//! The natives that take the place of the JDK's own, under an unmodified program.
//!
//! They answer what the originals answer. What must not be ours, heap operands of a copy for one, is
//! passed on to the original, which each native knows from when it was bound. Every function here is
//! generic over its place in the table of natives, [`Native`]: that is how it finds its original and
//! its counters.

pub(super) mod memory;
pub(super) mod net;
pub(super) mod nio;

use super::exception::Exception;
use super::natives::JDK;
use crate::counter::Counters;
use crate::own::{self, Own};
use core::ffi::c_void;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// More than there are natives in the table.
const LINKS: usize = 64;
const _: () = assert!(JDK.len() <= LINKS);

/// What a native took the place of; NULL while it did not.
static ORIGINALS: [AtomicPtr<c_void>; LINKS] = [const { AtomicPtr::new(ptr::null_mut()) }; LINKS];

/// For each native calls answered, then for each calls passed on: so those that are called most lie side by
/// side.
static CALLS: Counters<{ 2 * LINKS }> = Counters::new();

/// One native, by its place in the table.
#[derive(Clone, Copy)]
pub(super) struct Native(pub(super) usize);

impl Native {
    /// Remembers what this native takes the place of; false if that is another one already.
    pub(super) fn link(self, original: *mut c_void) -> bool {
        let Some(place) = ORIGINALS.get(self.0) else { return false };
        let (none, order) = (ptr::null_mut(), Ordering::AcqRel);
        match place.compare_exchange(none, original, order, Ordering::Acquire) {
            Ok(_) => true,
            Err(linked) => linked == original,
        }
    }

    /// Takes back [`Native::link`]: it was not bound after all.
    pub(super) fn unlink(self) {
        if let Some(place) = ORIGINALS.get(self.0) {
            place.store(ptr::null_mut(), Ordering::Release);
        }
    }

    /// Whether it takes the place of an original.
    pub(super) fn is_linked(self) -> bool {
        self.original_address().is_some()
    }

    /// Calls answered, and calls passed on to the original.
    pub(super) fn calls(self) -> (u64, u64) {
        (CALLS.sum(self.0), CALLS.sum(LINKS + self.0))
    }

    fn answered(self) {
        own::with(|own| self.answered_by(own));
    }

    /// [`Native::answered`], by the thread whose own that is.
    #[inline]
    fn answered_by(self, own: &Own) {
        CALLS.add_by(own, self.0, 1);
    }

    fn passed(self) {
        CALLS.add(LINKS + self.0, 1);
    }

    fn original_address(self) -> Option<ptr::NonNull<c_void>> {
        ptr::NonNull::new(ORIGINALS.get(self.0)?.load(Ordering::Acquire))
    }

    /// The original, to pass a call on to.
    ///
    /// # Safety
    /// `F` is the function type that JNI gives to a native of this one's signature.
    unsafe fn original<F: Copy>(self) -> Result<F, Exception> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>(), "not a function pointer") };
        let address = self.original_address().ok_or_else(|| {
            Exception::internal_error("offheap: a native without its original".to_owned())
        })?;
        // SAFETY: a function's address, and its type as the caller guarantees.
        Ok(unsafe { mem::transmute_copy::<ptr::NonNull<c_void>, F>(&address) })
    }
}
