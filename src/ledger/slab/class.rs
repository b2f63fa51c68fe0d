//! Size classes: of which sizes slots are, and how many lie in a span.

use crate::own::SPANS;

/// Bytes of the largest block that is a slot: of larger ones a page that is used in part is a small share.
pub(in crate::ledger) const LARGEST: usize = 16 << 10;

/// Up to here classes lie 16 bytes apart, above it four to a doubling: at most a fifth of a slot is
/// unused.
const FINE: usize = 128;
const STEP: usize = 16;

/// The smallest slot, which is what the C library's smallest block takes.
const SMALLEST: usize = 32;

const FINE_CLASSES: usize = (FINE - SMALLEST) / STEP + 1;

/// How many there are.
pub(super) const CLASSES: usize = FINE_CLASSES + 4 * (LARGEST / FINE).ilog2() as usize;

/// Bytes of a span. Spans begin at multiples of it.
pub(super) const SPAN: usize = 64 << 10;

/// The most slots that a span may have.
pub(super) const MOST_SLOTS: usize = SPAN / SMALLEST;

/// A size class.
pub(super) struct Class {
    /// Its place in [`ALL`].
    pub(super) number: u8,
    /// Bytes of a slot, a multiple of 16.
    pub(super) bytes: u32,
    /// Slots in a span.
    pub(super) slots: u32,
    /// 2^[`SHIFT`] divided by `bytes`, rounded up: to divide by it.
    pub(super) inverse: u64,
}

/// An offset in a span is below 2^16, and a slot has at most 2^14 bytes: the rounding of the inverse adds less
/// than 2^16 to the product, too little to reach the next quotient, 2^18 away at least.
const SHIFT: u32 = 32;

impl Class {
    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    const fn new(number: usize, bytes: usize) -> Self {
        Self {
            number: number as u8,
            bytes: bytes as u32,
            slots: (SPAN / bytes) as u32,
            inverse: (1_u64 << SHIFT).div_ceil(bytes as u64),
        }
    }

    /// The place of the slot that begins so many bytes behind the span's beginning; `None` if none does.
    #[inline]
    pub(super) fn index_of(&self, offset: usize) -> Option<u32> {
        let index = u32::try_from((offset as u64 * self.inverse) >> SHIFT).ok()?;
        let begins = index as usize * self.bytes as usize == offset;
        (begins && index < self.slots).then_some(index)
    }
}

/// All classes, the smallest first.
pub(super) static ALL: [Class; CLASSES] = {
    let mut all = [const { Class::new(0, SMALLEST) }; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        let bytes = if class < FINE_CLASSES {
            SMALLEST + STEP * class
        } else {
            let (doubling, quarter) = ((class - FINE_CLASSES) / 4, (class - FINE_CLASSES) % 4);
            (FINE << doubling) / 4 * (5 + quarter)
        };
        #[expect(clippy::indexing_slicing, reason = "when compiled, if at all")]
        {
            all[class] = Class::new(class, bytes);
        }
        class += 1;
    }
    all
};

const _: () = assert!(CLASSES <= SPANS);

const _: () =
    assert!(ALL[CLASSES - 1].bytes as usize == LARGEST && ALL[0].slots as usize == MOST_SLOTS);

/// [`of`], as a class; `None` if no slot holds so many.
pub(super) fn get(bytes: usize) -> Option<&'static Class> {
    if bytes == 0 || bytes > LARGEST { None } else { ALL.get(of(bytes)) }
}

/// The class of the smallest slots that hold so many bytes, from 1 to [`LARGEST`].
#[inline]
pub(super) fn of(bytes: usize) -> usize {
    if bytes <= FINE {
        return bytes.saturating_sub(SMALLEST).div_ceil(STEP);
    }
    let last = bytes - 1;
    // The quarter of its doubling that the last byte lies in.
    let log = last.ilog2();
    let quarter = (last >> (log - 2)) & 3;
    FINE_CLASSES + 4 * (log - FINE.ilog2()) as usize + quarter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_the_smallest_class_that_holds_it() {
        for bytes in 1..=LARGEST {
            let class = of(bytes);
            assert!(ALL[class].bytes as usize >= bytes, "{bytes}");
            assert!(class == 0 || (ALL[class - 1].bytes as usize) < bytes, "{bytes}");
        }
    }

    #[test]
    fn slots_are_16_aligned_and_waste_a_fifth_at_most() {
        for pair in ALL.windows(2) {
            let (smaller, larger) = (pair[0].bytes as usize, pair[1].bytes as usize);
            assert!(smaller < larger && larger % 16 == 0);
            assert!(larger <= FINE || (larger - smaller) * 5 <= larger + 5, "{larger}");
        }
    }

    #[test]
    fn every_slot_is_found_by_its_beginning_and_by_nothing_else() {
        for class in &ALL {
            for offset in 0..SPAN {
                let begins = offset % class.bytes as usize == 0;
                let index = u32::try_from(offset).unwrap() / class.bytes;
                let slot = (begins && index < class.slots).then_some(index);
                assert_eq!(class.index_of(offset), slot, "{offset} of {}", class.bytes);
            }
        }
    }
}
