package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class UnsafeTest {

    private static final String ILLEGAL = "java.lang.IllegalArgumentException";

    private long block;

    @BeforeEach
    void allocate() {
        block = Unsafe.allocateMemory(64);
    }

    @AfterEach
    void free() {
        Unsafe.freeMemory(block);
    }

    @Test
    void negative_sizes_are_refused() {
        for (long size : new long[] {-1, Long.MIN_VALUE}) {
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> Unsafe.allocateMemory(size)));
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> Unsafe.reallocateMemory(block, size)));
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> set(block, size)));
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> copy(block, block, size)));
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(block, block, size, 2)));
        }
    }

    @Test
    void sizes_beyond_memory_are_what_the_jdk_makes_of_them() {
        String overflow = Jdk.VERSION >= 17 ? ILLEGAL : "java.lang.OutOfMemoryError";
        String tooBig = "java.lang.OutOfMemoryError"
                + (Jdk.VERSION >= 17 ? ": Unable to allocate " + (Long.MAX_VALUE - 7) + " bytes" : "");
        assertEquals(overflow, Jdk.thrownBy(() -> Unsafe.allocateMemory(Long.MAX_VALUE)));
        assertEquals(tooBig, Jdk.thrownBy(() -> Unsafe.allocateMemory(Long.MAX_VALUE - 7)));
        assertEquals(tooBig, Jdk.thrownBy(() -> Unsafe.allocateMemory(Long.MAX_VALUE - 10)));
        Unsafe.putLong(block, 42);
        assertEquals(tooBig, Jdk.thrownBy(() -> Unsafe.reallocateMemory(block, Long.MAX_VALUE - 7)));
        assertEquals(42, Unsafe.getLong(block), "a failed reallocation leaves the block");
    }

    @Test
    void size_zero_is_no_block() {
        assertEquals(0, Unsafe.allocateMemory(0));
        assertEquals(0, Unsafe.reallocateMemory(0, 0));
        assertEquals(0, Unsafe.reallocateMemory(Unsafe.allocateMemory(8), 0));
        Unsafe.freeMemory(0);
        Unsafe.setMemory(0, 0, (byte) 1);
        Unsafe.copyMemory(0, 0, 0);
        Unsafe.copySwapMemory(0, 0, 0, 2);
    }

    @Test
    void address_zero_is_refused_where_the_jdk_would_crash() {
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> set(0, 8)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copy(0, block, 8)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copy(block, 0, 8)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(0, block, 8, 8)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(block, 0, 8, 8)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> Unsafe.getByte(0)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> Unsafe.getDouble(0)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> {
            Unsafe.putLong(0, 1);
            return null;
        }));
    }

    @Test
    void element_sizes_and_odd_lengths_are_refused() {
        for (long element : new long[] {-2, 0, 1, 3, 16, Long.MAX_VALUE}) {
            assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(block, block, 16, element)), "element size " + element);
        }
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(block, block, 7, 2)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> copySwap(block, block, 12, 8)));
    }

    @Test
    void reallocation_keeps_the_first_bytes() {
        long small = Unsafe.allocateMemory(16);
        Unsafe.putLong(small, 0x0102030405060708L);
        Unsafe.putLong(small + 8, -1);
        long big = Unsafe.reallocateMemory(small, 1 << 20);
        assertEquals(0x0102030405060708L, Unsafe.getLong(big));
        assertEquals(-1, Unsafe.getLong(big + 8));
        Unsafe.freeMemory(big);
        long fresh = Unsafe.reallocateMemory(0, 8);
        assertNotEquals(0, fresh);
        assertEquals(0, fresh % 16);
        Unsafe.freeMemory(fresh);
    }

    @Test
    void set_fills_exactly_its_range_at_any_alignment() {
        for (int start = 1; start < 9; start++) {
            for (int size = 0; size < 24; size++) {
                Unsafe.setMemory(block, 64, (byte) 0);
                Unsafe.setMemory(block + start, size, (byte) -2);
                for (int i = 0; i < 64; i++) {
                    int expected = i >= start && i < start + size ? -2 : 0;
                    assertEquals(expected, Unsafe.getByte(block + i), "byte " + i + " of " + start + "+" + size);
                }
            }
        }
    }

    @Test
    void copies_may_overlap_both_ways() {
        for (int shift : new int[] {-9, -8, -1, 0, 1, 4, 8, 11}) {
            for (int size : new int[] {1, 7, 8, 16, 24}) {
                number();
                Unsafe.copyMemory(block + 16, block + 16 + shift, size);
                for (int i = 0; i < size; i++) {
                    assertEquals(16 + i, Unsafe.getByte(block + 16 + shift + i), shift + ", " + size + ", " + i);
                }
            }
        }
    }

    @Test
    void swapped_copies_reverse_each_element_and_may_overlap() {
        for (int element : new int[] {2, 4, 8}) {
            for (int shift : new int[] {-8, -3, 0, 5, 8}) {
                number();
                Unsafe.copySwapMemory(block + 16, block + 16 + shift, 24, element);
                for (int i = 0; i < 24; i++) {
                    int mirrored = i - i % element + (element - 1 - i % element);
                    assertEquals(16 + mirrored, Unsafe.getByte(block + 16 + shift + i), element + ", " + shift + ", " + i);
                }
            }
        }
    }

    @Test
    void every_type_comes_back_from_any_alignment() {
        for (long at = block; at < block + 9; at++) {
            Unsafe.putByte(at, Byte.MIN_VALUE);
            assertEquals(Byte.MIN_VALUE, Unsafe.getByte(at));
            Unsafe.putShort(at, (short) 0x8001);
            assertEquals((short) 0x8001, Unsafe.getShort(at));
            Unsafe.putChar(at, '\uffee');
            assertEquals('\uffee', Unsafe.getChar(at));
            Unsafe.putInt(at, 0x80000001);
            assertEquals(0x80000001, Unsafe.getInt(at));
            Unsafe.putLong(at, 0x8000000000000001L);
            assertEquals(0x8000000000000001L, Unsafe.getLong(at));
            Unsafe.putFloat(at, -1.5f);
            assertEquals(-1.5f, Unsafe.getFloat(at));
            Unsafe.putDouble(at, Math.PI);
            assertEquals(Math.PI, Unsafe.getDouble(at));
            Unsafe.putAddress(at, block);
            assertEquals(block, Unsafe.getAddress(at));
        }
    }

    private void number() {
        for (int i = 0; i < 64; i++) {
            Unsafe.putByte(block + i, (byte) i);
        }
    }

    private static Object set(long address, long bytes) {
        Unsafe.setMemory(address, bytes, (byte) 7);
        return null;
    }

    private static Object copy(long source, long destination, long bytes) {
        Unsafe.copyMemory(source, destination, bytes);
        return null;
    }

    private static Object copySwap(long source, long destination, long bytes, long element) {
        Unsafe.copySwapMemory(source, destination, bytes, element);
        return null;
    }
}
