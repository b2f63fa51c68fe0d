//! One descriptor number: who is in a system call on it, and the close that waits for them.
//!
//! The protocol, apart from descriptors and signals, so that the model checker can run it:
//!
//! - an operation **enters** before its first system call on the number and **leaves** after its
//!   last one; its node lies on its own stack, so entering needs no memory and cannot fail for
//!   want of it;
//! - a **detach** (close, or dup2 onto the number) first refuses newcomers, then interrupts
//!   those inside, waits until the last one has left, and only then gives the number away, still
//!   under the lock. So no operation that entered before uses the number afterwards.
//!
//! To interrupt is to set a flag and to send a signal. A signal that comes just before the
//! system call starts, or that the kernel has no room to queue, ends nothing: so it is sent
//! again, at growing intervals, until its receiver has left. The JDK sends it once, and puts a
//! shut-down socket in the number's place for those who come to their system call afterwards;
//! that needs a descriptor, and does not help against a full queue.

use crate::error::Errno;
use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::PoisonError;

/// The first interval between two signals to the same thread, and the longest.
const SIGNAL_AGAIN: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(100));

/// The state of one descriptor number; `T` names a thread.
pub(super) struct Entry<T> {
    inside: Mutex<Inside<T>>,
    /// Told when the last operation leaves an entry that is being detached.
    left: Condvar,
}

struct Inside<T> {
    /// The operations inside, linked by their nodes.
    first: *const Operation<T>,
    /// A detach is under way: nobody enters.
    closing: bool,
}

// SAFETY: the pointers are followed only under the entry's lock, see `operations`; the names of
// the threads go with them from thread to thread.
unsafe impl<T: Send> Send for Inside<T> {}

/// An operation inside an entry, on the stack of its thread.
pub(super) struct Operation<T> {
    thread: T,
    interrupted: AtomicBool,
    /// Belongs to the entry's lock.
    next: Cell<*const Operation<T>>,
}

impl<T> Operation<T> {
    /// Whether the number has been detached, or somebody else has taken it away: the operation
    /// must not use it again.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }
}

impl<T> Inside<T> {
    fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    fn operations(&self) -> impl Iterator<Item = &Operation<T>> {
        let mut at = self.first;
        core::iter::from_fn(move || {
            // SAFETY: a node is linked from `enter` until `Leave` has unlinked it, both under the
            // lock that the caller holds to have `self`, and lives in `enter`'s frame for longer.
            let operation = unsafe { at.as_ref() }?;
            at = operation.next.get();
            Some(operation)
        })
    }

    fn push(&mut self, operation: &Operation<T>) {
        operation.next.set(self.first);
        self.first = operation;
    }

    fn remove(&mut self, operation: &Operation<T>) {
        let next = operation.next.get();
        let before = self.operations().find(|other| ptr::eq(other.next.get(), operation));
        match before {
            Some(before) => before.next.set(next),
            None => self.first = next,
        }
    }
}

impl<T: Copy> Entry<T> {
    pub(super) fn new() -> Self {
        Self {
            inside: Mutex::new(Inside { first: ptr::null(), closing: false }),
            left: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        // A panic under the lock can only be that of `take_away`, which comes between two whole
        // states of the list.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` as an operation of `thread`, which is the calling one.
    ///
    /// # Errors
    /// `EBADF` if the entry is being detached; `work` has not run then.
    pub(super) fn enter<R>(
        &self,
        thread: T,
        work: impl FnOnce(&Operation<T>) -> R,
    ) -> Result<R, Errno> {
        struct Leave<'e, T: Copy>(&'e Entry<T>, &'e Operation<T>);
        impl<T: Copy> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                let mut inside = self.0.lock();
                inside.remove(self.1);
                if inside.closing && inside.is_empty() {
                    // All: `interrupt` may be waiting here too, for its own reason.
                    self.0.left.notify_all();
                }
            }
        }

        let operation =
            Operation { thread, interrupted: AtomicBool::new(false), next: Cell::new(ptr::null()) };
        {
            let mut inside = self.lock();
            if inside.closing {
                return Err(Errno::EBADF);
            }
            inside.push(&operation);
        }
        let _leave = Leave(self, &operation);
        Ok(work(&operation))
    }

    /// Interrupts all operations, waits until they have left, and runs `give_away` while nobody
    /// can enter. `signal` ends one system call of the thread; it is tried again until it has,
    /// and at the longest intervals together with `insist`, which needs no signal.
    ///
    /// # Errors
    /// `EBADF` if another detach is under way; `give_away` has not run then.
    pub(super) fn detach<R>(
        &self,
        signal: impl Fn(T) -> bool,
        insist: impl Fn(),
        give_away: impl FnOnce() -> R,
    ) -> Result<R, Errno> {
        let mut inside = self.lock();
        if inside.closing {
            return Err(Errno::EBADF);
        }
        inside.flag();
        inside.closing = true;
        let (mut interval, longest) = SIGNAL_AGAIN;
        while !inside.is_empty() {
            inside.signal(&signal);
            if interval == longest {
                insist();
            }
            inside = self.wait(inside, interval);
            interval = (interval * 2).min(longest);
        }
        let result = give_away();
        inside.closing = false;
        Ok(result)
    }

    /// Runs `take_away`, somebody else's way of closing the number, and interrupts all operations
    /// that are inside meanwhile; does not wait for them to leave.
    pub(super) fn interrupt<R>(
        &self,
        signal: impl Fn(T) -> bool,
        take_away: impl FnOnce() -> R,
    ) -> R {
        let mut inside = self.lock();
        // The flags first: who meets what `take_away` leaves in the number's place knows why.
        inside.flag();
        let result = take_away();
        while !inside.signal(&signal) {
            inside = self.wait(inside, SIGNAL_AGAIN.0);
        }
        result
    }

    /// How many operations are inside.
    #[cfg(test)]
    pub(super) fn operations(&self) -> usize {
        self.lock().operations().count()
    }

    fn wait<'e>(
        &self,
        inside: MutexGuard<'e, Inside<T>>,
        interval: Duration,
    ) -> MutexGuard<'e, Inside<T>> {
        self.left.wait_timeout(inside, interval).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<T: Copy> Inside<T> {
    fn flag(&self) {
        for operation in self.operations() {
            operation.interrupted.store(true, Ordering::Release);
        }
    }

    /// Signals every interrupted operation; false if one of the signals could not be sent.
    fn signal(&self, signal: impl Fn(T) -> bool) -> bool {
        let mut all = true;
        for operation in self.operations().filter(|operation| operation.is_interrupted()) {
            all &= signal(operation.thread);
        }
        all
    }
}

/// The protocol under every interleaving: `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.
#[cfg(loom)]
#[cfg(test)]
mod loom_tests {
    use super::{Entry, Operation};
    use crate::error::Errno;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    /// What a number refers to: the file of the test, or the next owner's.
    const OURS: usize = 0;
    const NEXT_OWNERS: usize = 1;

    /// A kernel with one descriptor number, on which every call blocks until a signal.
    struct Kernel {
        file: AtomicUsize,
        /// One per thread. A signal stays until a call takes it: the model's stand-in for sending
        /// it again.
        signals: [Mutex<bool>; 2],
        came: [Condvar; 2],
    }

    impl Kernel {
        fn new() -> Self {
            Self {
                file: AtomicUsize::new(OURS),
                signals: [Mutex::new(false), Mutex::new(false)],
                came: [Condvar::new(), Condvar::new()],
            }
        }

        fn blocking_call(&self, thread: usize) {
            assert_eq!(self.file.load(Ordering::SeqCst), OURS, "the number is somebody else's");
            let mut signal = self.signals[thread].lock().unwrap();
            while !*signal {
                signal = self.came[thread].wait(signal).unwrap();
            }
        }

        fn signal(&self, thread: usize) -> bool {
            *self.signals[thread].lock().unwrap() = true;
            self.came[thread].notify_one();
            true
        }

        fn give_away(&self) {
            self.file.store(NEXT_OWNERS, Ordering::SeqCst);
        }
    }

    /// Calls until interrupted, as the real operations do.
    fn block(kernel: &Kernel, operation: &Operation<usize>) {
        while !operation.is_interrupted() {
            kernel.blocking_call(operation.thread);
        }
    }

    #[test]
    fn a_close_ends_all_operations_and_none_meets_the_numbers_next_owner() {
        let mut model = loom::model::Builder::new();
        // All interleavings take half a minute; with up to three preemptions, a second.
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new((Entry::new(), Kernel::new()));
            let workers: Vec<_> = [0, 1]
                .into_iter()
                .map(|name| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        let (entry, kernel) = &*shared;
                        // Who comes after the close would be on the next owner's number, which is
                        // its own affair: it looks first, and the entry must make that safe.
                        let _ = entry.enter(name, |operation| {
                            if kernel.file.load(Ordering::SeqCst) == OURS {
                                block(kernel, operation);
                                assert_eq!(kernel.file.load(Ordering::SeqCst), OURS);
                            }
                        });
                    })
                })
                .collect();
            let (entry, kernel) = &*shared;
            let closed = entry.detach(|thread| kernel.signal(thread), || (), || kernel.give_away());
            assert_eq!(closed, Ok(()));
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }

    #[test]
    fn of_two_closes_one_at_a_time_gives_the_number_away() {
        loom::model(|| {
            let shared = Arc::new((Entry::<usize>::new(), AtomicUsize::new(0)));
            let close = |shared: &(Entry<usize>, AtomicUsize)| {
                shared.0.detach(
                    |_| true,
                    || (),
                    || {
                        assert_eq!(shared.1.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        shared.1.fetch_sub(1, Ordering::SeqCst);
                    },
                )
            };
            let other = thread::spawn({
                let shared = Arc::clone(&shared);
                move || close(&shared)
            });
            let results = [close(&shared), other.join().unwrap()];
            assert!(results.contains(&Ok(())));
            assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(Errno::EBADF))));
        });
    }

    #[test]
    fn an_interrupt_ends_the_operation_that_is_inside() {
        loom::model(|| {
            let shared = Arc::new((Entry::new(), Kernel::new()));
            let worker = thread::spawn({
                let shared = Arc::clone(&shared);
                move || {
                    let (entry, kernel) = &*shared;
                    entry.enter(0, |operation| {
                        if kernel.file.load(Ordering::SeqCst) == OURS {
                            // Not `blocking_call`: the number may be taken away at any time.
                            while !operation.is_interrupted() {
                                let mut signal = kernel.signals[0].lock().unwrap();
                                while !*signal {
                                    signal = kernel.came[0].wait(signal).unwrap();
                                }
                            }
                        }
                    })
                }
            });
            let (entry, kernel) = &*shared;
            entry.interrupt(|thread| kernel.signal(thread), || kernel.give_away());
            assert_eq!(worker.join().unwrap(), Ok(()));
        });
    }
}
