//! What the core's functions cost, without any JVM: `cargo bench --bench core -- [FILTER]`.
//!
//! A time depends on the machine's mood, a number of instructions does not. This is that of a thousand
//! calls, here of `set` below, with 64 bytes (the line `I refs`):
//!
//! ```sh
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=core::set" cargo bench --bench core -- 'fill::64$' --sample-count 1
//! ```

use divan::{Bencher, black_box};
use offheap::bits::Budget;
use offheap::memory;

const SIZES: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];

fn main() {
    // By its first call divan would judge a budget too slow to be called more than once for a time.
    divan::Divan::default().sample_size(1000).config_with_args().main();
}

#[divan::bench(args = SIZES)]
fn allocate_free(bencher: Bencher<'_, '_>, size: usize) {
    bencher.bench_local(|| allocate(black_box(size)));
}

#[divan::bench(args = SIZES)]
fn allocate_zeroed_free(bencher: Bencher<'_, '_>, size: usize) {
    bencher.bench_local(|| allocate_zeroed(black_box(size)));
}

#[divan::bench(args = SIZES)]
fn fill(bencher: Bencher<'_, '_>, size: usize) {
    let mut block = vec![0; size];
    bencher.bench_local(|| set(&mut block));
}

#[divan::bench(args = SIZES)]
fn copy(bencher: Bencher<'_, '_>, size: usize) {
    let (from, mut to) = (vec![1; size], vec![0; size]);
    bencher.bench_local(|| copy_all(&from, &mut to));
}

#[divan::bench(threads = [1, 2])]
fn reserve_unreserve(bencher: Bencher<'_, '_>) {
    let budget = Budget::new(1 << 40);
    bencher.bench(|| reserve(&budget));
}

// What is measured. Never inlined, so that callgrind can tell it from the benchmark around it.

#[inline(never)]
fn allocate(size: usize) {
    let block = memory::allocate_memory(size).unwrap_or_default();
    // SAFETY: a live block, or NULL; nobody else has it.
    unsafe { memory::free_memory(black_box(block)) }
}

#[inline(never)]
fn allocate_zeroed(size: usize) {
    let block = memory::allocate_zeroed(size).unwrap_or_default();
    // SAFETY: as above.
    unsafe { memory::free_memory(black_box(block)) }
}

#[inline(never)]
fn set(block: &mut [u8]) {
    // SAFETY: a writable range.
    let _ = black_box(unsafe { memory::set_memory(block.as_mut_ptr(), block.len(), 7) });
}

#[inline(never)]
fn copy_all(from: &[u8], to: &mut [u8]) {
    let bytes = from.len().min(to.len());
    // SAFETY: a readable and a writable range.
    let _ = black_box(unsafe { memory::copy_memory(from.as_ptr(), to.as_mut_ptr(), bytes) });
}

#[inline(never)]
fn reserve(budget: &Budget) {
    let _ = black_box(budget.try_reserve_memory(4096, 4096));
    let _ = black_box(budget.unreserve_memory(4096, 4096));
}
