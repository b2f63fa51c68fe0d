//! Fills and copies, in stores no narrower than address and size allow.

use crate::error::Errno;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The size of the elements whose bytes [`copy_swap_memory`] reverses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementSize {
    /// `short` and `char`.
    Two,
    /// `int` and `float`.
    Four,
    /// `long` and `double`.
    Eight,
}

impl TryFrom<usize> for ElementSize {
    type Error = Errno;

    fn try_from(bytes: usize) -> Result<Self, Errno> {
        match bytes {
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// `Unsafe.setMemory`: sets `bytes` bytes to `value`.
///
/// The stores are at least 8, 4, 2 or 1 bytes wide: the widest that address and size are both multiples of.
///
/// # Errors
/// `EINVAL` if `bytes` is not 0 and the range starts at NULL or wraps around the address space.
///
/// # Safety
/// The range is writable; other threads read it, if at all, by atomic loads of that width, and not at
/// all if that is 1: those stores are plain ones.
pub unsafe fn set_memory(address: *mut u8, bytes: usize, value: u8) -> Result<(), Errno> {
    check_range(address, bytes)?;
    match Width::of(address.addr() | bytes) {
        // SAFETY: the caller guarantees the range, `Width` its alignment.
        Width::Eight => unsafe { fill::<AtomicU64>(address, bytes, value) },
        // SAFETY: as above.
        Width::Four => unsafe { fill::<AtomicU32>(address, bytes, value) },
        // SAFETY: as above.
        Width::Two => unsafe { fill::<AtomicU16>(address, bytes, value) },
        // SAFETY: as above.
        Width::One => unsafe { address.write_bytes(value, bytes) },
    }
    Ok(())
}

/// `Unsafe.copyMemory`: copies `bytes` bytes; the ranges may overlap.
///
/// The loads and stores are 8, 4, 2 or 1 bytes wide: the widest that both addresses and the size
/// are multiples of.
///
/// # Errors
/// `EINVAL` if `bytes` is not 0 and a range starts at NULL or wraps around the address space.
///
/// # Safety
/// The source is readable, the destination writable; other threads write the former and use the
/// latter, if at all, by atomic accesses of that width, and not at all if that is 1: those loads and
/// stores are plain ones.
pub unsafe fn copy_memory(
    source: *const u8,
    destination: *mut u8,
    bytes: usize,
) -> Result<(), Errno> {
    check_range(source, bytes)?;
    check_range(destination, bytes)?;
    match Width::of(source.addr() | destination.addr() | bytes) {
        // SAFETY: the caller guarantees the ranges, `Width` their alignment.
        Width::Eight => unsafe { copy_units::<AtomicU64>(source, destination, bytes) },
        // SAFETY: as above.
        Width::Four => unsafe { copy_units::<AtomicU32>(source, destination, bytes) },
        // SAFETY: as above.
        Width::Two => unsafe { copy_units::<AtomicU16>(source, destination, bytes) },
        // SAFETY: as above; `copy` allows overlap.
        Width::One => unsafe { source.copy_to(destination, bytes) },
    }
    Ok(())
}

/// `Unsafe.copySwapMemory`: copies elements, the bytes of each reversed; the ranges may overlap
/// and be misaligned. An element misaligned in memory is not copied atomically.
///
/// # Errors
/// `EINVAL` if `bytes` is no multiple of the element's size, or is not 0 and a range starts at NULL
/// or wraps around the address space.
///
/// # Safety
/// The source is readable and the destination writable, and no other thread writes the former or
/// uses the latter during the call.
pub unsafe fn copy_swap_memory(
    source: *const u8,
    destination: *mut u8,
    bytes: usize,
    element: ElementSize,
) -> Result<(), Errno> {
    check_range(source, bytes)?;
    check_range(destination, bytes)?;
    match element {
        // SAFETY: the caller guarantees the ranges.
        ElementSize::Two => unsafe { swap_elements::<2>(source, destination, bytes) },
        // SAFETY: as above.
        ElementSize::Four => unsafe { swap_elements::<4>(source, destination, bytes) },
        // SAFETY: as above.
        ElementSize::Eight => unsafe { swap_elements::<8>(source, destination, bytes) },
    }
}

/// Refuses what can't be a range of memory: it starts at NULL, or ends beyond the last address.
fn check_range(start: *const u8, bytes: usize) -> Result<(), Errno> {
    let valid = bytes == 0 || (!start.is_null() && start.addr().checked_add(bytes).is_some());
    if valid { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The widest store that addresses and size allow, from the OR of them all.
enum Width {
    One,
    Two,
    Four,
    Eight,
}

impl Width {
    fn of(addresses_or_size: usize) -> Self {
        match addresses_or_size {
            bits if bits % 8 == 0 => Self::Eight,
            bits if bits % 4 == 0 => Self::Four,
            bits if bits % 2 == 0 => Self::Two,
            _ => Self::One,
        }
    }
}

/// An integer that is loaded and stored whole. Relaxed atomics are plain `mov`s to the processor;
/// to the compiler they say that no element may be split or its store repeated.
trait Unit: Sized {
    type Value;
    fn repeat(byte: u8) -> Self::Value;
    fn load(&self) -> Self::Value;
    fn store(&self, value: &Self::Value);
}

macro_rules! unit {
    ($atomic:ty, $value:ty) => {
        impl Unit for $atomic {
            type Value = $value;
            #[inline(always)]
            fn repeat(byte: u8) -> $value {
                <$value>::from_ne_bytes([byte; size_of::<$value>()])
            }
            #[inline(always)]
            fn load(&self) -> $value {
                <$atomic>::load(self, Relaxed)
            }
            #[inline(always)]
            fn store(&self, value: &$value) {
                <$atomic>::store(self, *value, Relaxed);
            }
        }
    };
}

unit!(AtomicU64, u64);
unit!(AtomicU32, u32);
unit!(AtomicU16, u16);

/// From so many bytes on the processor's own fill is faster than a loop of stores, twice as fast from
/// 2 KiB on; below, its start costs more than it saves.
const LONG: usize = 1 << 10;

/// # Safety
/// The range is writable, and address and size are multiples of the unit's size, which is 8 or less.
unsafe fn fill<U: Unit>(address: *mut u8, bytes: usize, value: u8) {
    if bytes < LONG {
        // SAFETY: the caller's own range.
        return unsafe { fill_units::<U>(address, bytes, value) };
    }
    // Multiples of the unit's size, as the address is.
    let before = address.addr().wrapping_neg() % 8;
    let words = (bytes - before) / 8 * 8;
    // SAFETY: the range up to its first whole word.
    unsafe { fill_units::<U>(address, before, value) };
    // SAFETY: the whole words in the range.
    unsafe { fill_words(address.wrapping_add(before), words, value) };
    let after = bytes - before - words;
    // SAFETY: the rest of the range.
    unsafe { fill_units::<U>(address.wrapping_add(before + words), after, value) };
}

/// # Safety
/// As [`fill`].
unsafe fn fill_units<U: Unit>(address: *mut u8, bytes: usize, value: u8) {
    let value = U::repeat(value);
    for unit in 0..bytes / size_of::<U>() {
        // SAFETY: the unit lies in the caller's range.
        let target = unsafe { address.cast::<U>().add(unit) };
        // SAFETY: aligned and writable as the caller guarantees; atomics have no padding.
        unsafe { &*target }.store(&value);
    }
}

/// `rep stosq` is a row of aligned stores of 8 bytes, each of them whole for whoever looks, in any order:
/// as relaxed stores are.
///
/// Of more than `LARGE` bytes at a time the processor may write past its own cache, and who uses the block
/// next has to fetch it: in pieces it does not.
///
/// # Safety
/// The range is writable, and address and size are multiples of 8.
#[cfg(all(target_arch = "x86_64", not(miri)))]
unsafe fn fill_words(address: *mut u8, bytes: usize, value: u8) {
    const LARGE: usize = 128 << 10;
    const PIECE: usize = 16 << 10;

    let most = if bytes > LARGE { PIECE } else { bytes };
    let (mut at, mut left) = (address, bytes);
    while left > 0 {
        let size = left.min(most);
        left -= size;
        // SAFETY: it writes a piece of the caller's range and nothing else, and leaves `at` behind it; the
        // direction flag is clear, by the ABI.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rcx") size / 8 => _,
                inout("rdi") at,
                in("rax") AtomicU64::repeat(value),
                options(nostack, preserves_flags),
            );
        }
    }
}

/// # Safety
/// The range is writable, and address and size are multiples of 8.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn fill_words(address: *mut u8, bytes: usize, value: u8) {
    // SAFETY: the caller's own range.
    unsafe { fill_units::<AtomicU64>(address, bytes, value) };
}

/// # Safety
/// The source is readable, the destination writable, and both addresses and the size are multiples
/// of the unit's size.
unsafe fn copy_units<U: Unit>(source: *const u8, destination: *mut u8, bytes: usize) {
    let copy = |unit: usize| {
        // SAFETY: the unit lies in the caller's range.
        let from = unsafe { source.cast::<U>().add(unit) };
        // SAFETY: as above.
        let to = unsafe { destination.cast::<U>().add(unit) };
        // SAFETY: aligned and readable as the caller guarantees.
        let value = unsafe { &*from }.load();
        // SAFETY: aligned and writable as the caller guarantees.
        unsafe { &*to }.store(&value);
    };
    let units = bytes / size_of::<U>();
    if must_copy_backward(source, destination, bytes) {
        (0..units).rev().for_each(copy);
    } else {
        (0..units).for_each(copy);
    }
}

/// # Safety
/// The source is readable and the destination writable.
unsafe fn swap_elements<const N: usize>(
    source: *const u8,
    destination: *mut u8,
    bytes: usize,
) -> Result<(), Errno> {
    if !bytes.is_multiple_of(N) {
        return Err(Errno::EINVAL);
    }
    let swap = |element: usize| {
        // SAFETY: the element lies in the caller's range.
        let from = unsafe { source.add(element * N) };
        // SAFETY: as above.
        let to = unsafe { destination.add(element * N) };
        // SAFETY: readable; an array of bytes needs no alignment.
        let mut value = unsafe { from.cast::<[u8; N]>().read() };
        value.reverse();
        // SAFETY: writable; an array of bytes needs no alignment.
        unsafe { to.cast::<[u8; N]>().write(value) };
    };
    let elements = bytes / N;
    if must_copy_backward(source, destination, bytes) {
        (0..elements).rev().for_each(swap);
    } else {
        (0..elements).for_each(swap);
    }
    Ok(())
}

/// True if the destination starts inside the source: a forward copy would overwrite what it has
/// yet to read.
fn must_copy_backward(source: *const u8, destination: *const u8, bytes: usize) -> bool {
    destination.addr() > source.addr() && destination.addr() - source.addr() < bytes
}

#[cfg(test)]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "the arena's pointer arithmetic")]
mod tests {
    use super::*;
    use core::ptr;
    use proptest::prelude::*;

    /// 8-aligned bytes to test in.
    #[repr(align(16))]
    #[derive(Clone, PartialEq, Debug)]
    struct Arena([u8; 256]);

    impl Arena {
        fn counting() -> Self {
            Self(core::array::from_fn(|i| u8::try_from(i).unwrap()))
        }
    }

    proptest! {
        #[test]
        fn a_fill_sets_its_range_and_nothing_else(start in 0_usize..128, bytes in 0_usize..128, value: u8) {
            let mut arena = Arena::counting();
            let mut expected = arena.clone();
            expected.0[start..start + bytes].fill(value);
            // SAFETY: the range lies in the arena.
            unsafe { set_memory(arena.0.as_mut_ptr().add(start), bytes, value) }.unwrap();
            prop_assert_eq!(arena, expected);
        }

        #[test]
        fn a_long_fill_sets_its_range_and_nothing_else(
            start in 0_usize..32, bytes in LONG - 32..2 * LONG + 32, value: u8,
        ) {
            #[repr(align(8))]
            struct Long([u8; 3 * LONG]);
            let mut arena = Long(core::array::from_fn(|i| u8::try_from(i % 251).unwrap()));
            let mut expected = arena.0;
            expected[start..start + bytes].fill(value);
            // SAFETY: the range lies in the arena.
            unsafe { set_memory(arena.0.as_mut_ptr().add(start), bytes, value) }.unwrap();
            prop_assert!(arena.0 == expected);
        }

        #[test]
        fn a_copy_is_memmove(from in 0_usize..128, to in 0_usize..128, bytes in 0_usize..128) {
            let mut arena = Arena::counting();
            let mut expected = arena.clone();
            expected.0.copy_within(from..from + bytes, to);
            let start = arena.0.as_mut_ptr();
            // SAFETY: both ranges lie in the arena.
            unsafe { copy_memory(start.add(from), start.add(to), bytes) }.unwrap();
            prop_assert_eq!(arena, expected);
        }

        #[test]
        fn a_swapping_copy_is_memmove_of_reversed_elements(
            from in 0_usize..128, to in 0_usize..128, size in prop::sample::select(vec![2_usize, 4, 8]),
            elements in 0_usize..16,
        ) {
            let bytes = size * elements;
            let mut arena = Arena::counting();
            let mut expected = arena.clone();
            let mut swapped = arena.0[from..from + bytes].to_vec();
            swapped.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            expected.0[to..to + bytes].copy_from_slice(&swapped);
            let start = arena.0.as_mut_ptr();
            let element = ElementSize::try_from(size).unwrap();
            // SAFETY: both ranges lie in the arena.
            unsafe { copy_swap_memory(start.add(from), start.add(to), bytes, element) }.unwrap();
            prop_assert_eq!(arena, expected);
        }
    }

    #[test]
    fn a_fill_in_pieces_sets_its_range_and_nothing_else() {
        let mut arena = vec![1_u8; 400_000];
        for bytes in [131_072, 131_080, 131_081, 147_456, 262_143, 300_000] {
            for start in [8, 9, 4096] {
                // SAFETY: the range lies in the arena.
                unsafe { set_memory(arena.as_mut_ptr().add(start), bytes, 0xA5) }.unwrap();
                let (before, rest) = arena.split_at_mut(start);
                let (filled, after) = rest.split_at_mut(bytes);
                assert!(filled.iter().all(|byte| *byte == 0xA5), "{bytes} from {start}");
                assert!(before.iter().chain(after.iter()).all(|byte| *byte == 1), "{bytes}");
                filled.fill(1);
            }
        }
    }

    #[test]
    fn zero_bytes_may_be_anywhere() {
        // SAFETY: nothing is accessed.
        unsafe { set_memory(ptr::null_mut(), 0, 1) }.unwrap();
        // SAFETY: nothing is accessed.
        unsafe { copy_memory(ptr::null(), ptr::null_mut(), 0) }.unwrap();
        // SAFETY: nothing is accessed.
        unsafe { copy_swap_memory(ptr::null(), ptr::null_mut(), 0, ElementSize::Two) }.unwrap();
    }

    #[test]
    fn null_and_ranges_that_wrap_are_refused() {
        let mut arena = Arena::counting();
        let start = arena.0.as_mut_ptr();
        for bytes in [1, 8, usize::MAX] {
            // SAFETY: refused before anything is accessed.
            assert_eq!(unsafe { set_memory(ptr::null_mut(), bytes, 0) }, Err(Errno::EINVAL));
            // SAFETY: as above.
            assert_eq!(unsafe { copy_memory(start, ptr::null_mut(), bytes) }, Err(Errno::EINVAL));
            // SAFETY: as above.
            assert_eq!(unsafe { copy_memory(ptr::null(), start, bytes) }, Err(Errno::EINVAL));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { set_memory(start, usize::MAX, 0) }, Err(Errno::EINVAL));
        // SAFETY: as above.
        assert_eq!(unsafe { copy_memory(start, start, usize::MAX) }, Err(Errno::EINVAL));
        // SAFETY: as above.
        let swapped = unsafe { copy_swap_memory(start, start, usize::MAX - 1, ElementSize::Two) };
        assert_eq!(swapped, Err(Errno::EINVAL));
        assert_eq!(arena, Arena::counting());
    }

    #[test]
    fn elements_have_2_4_or_8_bytes_and_are_whole() {
        for size in [0, 1, 3, 5, 16, usize::MAX] {
            assert_eq!(ElementSize::try_from(size), Err(Errno::EINVAL));
        }
        let mut arena = Arena::counting();
        let start = arena.0.as_mut_ptr();
        // SAFETY: the range lies in the arena.
        let odd = unsafe { copy_swap_memory(start, start, 6, ElementSize::Four) };
        assert_eq!(odd, Err(Errno::EINVAL));
        assert_eq!(arena, Arena::counting());
    }

    /// One thread fills with two values in turn, the other must never see a mixture.
    #[test]
    fn a_reader_never_sees_half_an_element() {
        let words: [AtomicU64; LONG / 4] = core::array::from_fn(|_| AtomicU64::new(0));
        for filled in [&words[..8], &words] {
            no_half_is_seen(filled);
        }
    }

    fn no_half_is_seen(words: &[AtomicU64]) {
        let start = words.as_ptr().cast::<u8>().cast_mut();
        let bytes = size_of_val(words);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut before = 0;
                let mut changes = 0;
                for i in (0..words.len()).cycle() {
                    let seen = words[i].load(Relaxed);
                    if seen != 0 && seen != u64::MAX {
                        return Some(seen);
                    }
                    changes += usize::from(seen != before);
                    before = seen;
                    // A count of looks alone might be over before the first change.
                    if changes == 50_000 {
                        break;
                    }
                }
                None
            });
            while !reader.is_finished() {
                // SAFETY: atomics may be written through a shared reference.
                unsafe { set_memory(start, bytes, 0xFF) }.unwrap();
                // SAFETY: as above.
                unsafe { set_memory(start, bytes, 0) }.unwrap();
            }
            assert_eq!(reader.join().unwrap(), None);
        });
    }
}
