//! Integers in memory, in either byte order, at any address.
//!
//! `Bits.getShort`, `putLong` and their kin of the JDK. A misaligned access is not atomic.

/// `java.nio.ByteOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant byte first: the order of the network and of a fresh Java buffer.
    BigEndian,
    /// The least significant byte first: the order of x86_64 and aarch64.
    LittleEndian,
}

macro_rules! accessors {
    ($get:ident, $put:ident, $integer:ident, $bytes:literal) => {
        #[doc = concat!("Loads the ", $bytes, "-byte integer at `address`, which may be misaligned.")]
        ///
        /// # Safety
        #[doc = concat!("The ", $bytes, " bytes from `address` on are readable, and no other thread writes them during the call.")]
        #[inline]
        #[must_use]
        pub unsafe fn $get(address: *const u8, order: ByteOrder) -> $integer {
            // SAFETY: the caller guarantees the range; an unaligned read asks for nothing more.
            let value = unsafe { address.cast::<$integer>().read_unaligned() };
            match order {
                ByteOrder::BigEndian => $integer::from_be(value),
                ByteOrder::LittleEndian => $integer::from_le(value),
            }
        }

        #[doc = concat!("Stores a ", $bytes, "-byte integer at `address`, which may be misaligned.")]
        ///
        /// # Safety
        #[doc = concat!("The ", $bytes, " bytes from `address` on are writable, and no other thread uses them during the call.")]
        #[inline]
        pub unsafe fn $put(address: *mut u8, value: $integer, order: ByteOrder) {
            let value = match order {
                ByteOrder::BigEndian => value.to_be(),
                ByteOrder::LittleEndian => value.to_le(),
            };
            // SAFETY: the caller guarantees the range; an unaligned write asks for nothing more.
            unsafe { address.cast::<$integer>().write_unaligned(value) }
        }
    };
}

accessors!(get_u16, put_u16, u16, "2");
accessors!(get_u32, put_u32, u32, "4");
accessors!(get_u64, put_u64, u64, "8");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    macro_rules! properties {
        ($name:ident, $get:ident, $put:ident, $integer:ident) => {
            proptest! {
                #[test]
                fn $name(start in 0_usize..16, before: [u8; 32], value: $integer) {
                    for (order, bytes) in [
                        (ByteOrder::BigEndian, value.to_be_bytes()),
                        (ByteOrder::LittleEndian, value.to_le_bytes()),
                    ] {
                        let mut memory = before;
                        let mut expected = before;
                        expected[start..start + bytes.len()].copy_from_slice(&bytes);
                        // SAFETY: 8 bytes from any start below 16 lie in the array.
                        unsafe { $put(memory[start..].as_mut_ptr(), value, order) };
                        prop_assert_eq!(memory, expected);
                        // SAFETY: as above.
                        prop_assert_eq!(unsafe { $get(memory[start..].as_ptr(), order) }, value);
                    }
                }
            }
        };
    }

    properties!(two_bytes_are_stored_in_order_and_come_back, get_u16, put_u16, u16);
    properties!(four_bytes_are_stored_in_order_and_come_back, get_u32, put_u32, u32);
    properties!(eight_bytes_are_stored_in_order_and_come_back, get_u64, put_u64, u64);
}
