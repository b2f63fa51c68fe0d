package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class BitsTest {

    private static final String ILLEGAL = "java.lang.IllegalArgumentException";

    private long limit;
    private long reserved;
    private long capacity;
    private long count;

    @BeforeEach
    void remember() {
        limit = Bits.maxMemory();
        reserved = Bits.reservedMemory();
        capacity = Bits.totalCapacity();
        count = Bits.count();
    }

    @AfterEach
    void restore() {
        Bits.setPolicy(Bits.Policy.BACKOFF);
        Bits.setMaxMemory(limit);
        assertEquals(reserved, Bits.reservedMemory());
        assertEquals(capacity, Bits.totalCapacity());
        assertEquals(count, Bits.count());
    }

    /** What Bits.reserveMemory throws when the budget has no room for the size. */
    static String noRoom(long size) {
        return "java.lang.OutOfMemoryError: " + (Jdk.VERSION < 17
                ? "Direct buffer memory"
                : "Cannot reserve " + size + " bytes of direct buffer memory (allocated: "
                        + Bits.reservedMemory() + ", limit: " + Bits.maxMemory() + ")");
    }

    private static String reserve(long size, long capacity) {
        return Jdk.thrownBy(() -> {
            Bits.reserveMemory(size, capacity);
            return "nothing";
        });
    }

    private static String unreserve(long size, long capacity) {
        return Jdk.thrownBy(() -> {
            Bits.unreserveMemory(size, capacity);
            return "nothing";
        });
    }

    @Test
    void negative_and_overflowing_amounts_are_refused() {
        assertEquals(ILLEGAL, reserve(-1, 0));
        assertEquals(ILLEGAL, reserve(0, -1));
        assertEquals(ILLEGAL, reserve(Long.MIN_VALUE, Long.MIN_VALUE));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> Bits.tryReserveMemory(-1, 1)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> {
            Bits.setMaxMemory(-1);
            return null;
        }));
    }

    @Test
    void giving_back_more_than_is_reserved_is_refused() {
        String tooMuch = ILLEGAL + ": negative, or more than is reserved";
        assertEquals(tooMuch, unreserve(-1, -1));
        assertEquals(tooMuch, unreserve(reserved + 1, 0));
        assertEquals(tooMuch, unreserve(0, capacity + 1));
        assertEquals(tooMuch, unreserve(Long.MAX_VALUE, Long.MAX_VALUE));
    }

    @Test
    void no_room_is_the_jdks_error_and_takes_the_jdks_time() {
        Bits.setMaxMemory(capacity + 1000);
        long start = System.nanoTime();
        assertEquals(noRoom(1002), reserve(1002, 1001));
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        assertTrue(millis >= 400 && millis < 5000, millis + " ms");
        assertEquals(noRoom(Long.MAX_VALUE), reserve(Long.MAX_VALUE, Long.MAX_VALUE));
    }

    @Test
    void limit_zero_has_room_for_zero() {
        Bits.setMaxMemory(0);
        assertEquals(0, Bits.maxMemory());
        assertFalse(Bits.tryReserveMemory(1, 1));
        Bits.setMaxMemory(capacity);
        assertTrue(Bits.tryReserveMemory(1, 0));
        Bits.unreserveMemory(1, 0);
    }

    @Test
    void the_limit_is_on_capacity_and_the_sums_follow() {
        Bits.setMaxMemory(capacity + 100);
        Bits.reserveMemory(5000, 60);
        assertEquals(reserved + 5000, Bits.reservedMemory());
        assertEquals(capacity + 60, Bits.totalCapacity());
        assertEquals(count + 1, Bits.count());
        assertFalse(Bits.tryReserveMemory(1, 41));
        assertTrue(Bits.tryReserveMemory(41, 40));
        Bits.unreserveMemory(41, 40);
        Bits.unreserveMemory(5000, 60);
    }

    @Test
    void a_release_ends_the_wait() throws Exception {
        Bits.setMaxMemory(capacity + 10);
        Bits.reserveMemory(10, 10);
        Jdk.Task<String> waiter = Jdk.start(() -> reserve(10, 10));
        Thread.sleep(50);
        Bits.unreserveMemory(10, 10);
        assertEquals("returned nothing", waiter.await());
        Bits.unreserveMemory(10, 10);
    }

    @Test
    void an_interrupt_does_not_end_the_wait_and_the_flag_stays() throws Exception {
        Bits.setMaxMemory(capacity);
        for (Bits.Policy policy : Bits.Policy.values()) {
            Bits.setPolicy(policy);
            Jdk.Task<Boolean> waiter = Jdk.start(() -> {
                Thread.currentThread().interrupt();
                String thrown = reserve(1, 1);
                assertEquals(noRoom(1), thrown);
                return Thread.currentThread().isInterrupted();
            });
            assertTrue(waiter.await(), policy.toString());
        }
    }

    @Test
    void the_legacy_policy_waits_once() {
        Bits.setPolicy(Bits.Policy.LEGACY);
        Bits.setMaxMemory(capacity);
        long start = System.nanoTime();
        assertEquals(noRoom(1), reserve(1, 1));
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        assertTrue(millis >= 90, millis + " ms");
        assertEquals("java.lang.NullPointerException", Jdk.thrownBy(() -> {
            Bits.setPolicy(null);
            return null;
        }).split(":")[0]);
    }

    @Test
    void the_page_size_is_a_power_of_two() {
        assertTrue(Bits.pageSize() >= 4096);
        assertEquals(1, Integer.bitCount(Bits.pageSize()));
    }

    @Test
    void unaligned_access_is_allowed_on_this_processor() {
        assertTrue(Bits.unaligned());
    }

    @Test
    void swap_reverses_the_bytes() {
        assertEquals((short) 0x0180, Bits.swap((short) 0x8001));
        assertEquals('\u3412', Bits.swap('\u1234'));
        assertEquals(0x78563412, Bits.swap(0x12345678));
        assertEquals(0x0807060504030201L, Bits.swap(0x0102030405060708L));
    }

    @Test
    void both_orders_at_any_alignment_are_those_of_a_byte_buffer() {
        ByteBuffer buffer = DirectByteBuffer.allocate(32);
        long address = Unsafe.allocateMemory(32);
        for (boolean big : new boolean[] {true, false}) {
            buffer.order(big ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 9; i++) {
                long at = address + i;
                Bits.putShort(at, (short) 0x80fe, big);
                buffer.putShort(i, (short) 0x80fe);
                same(buffer, address, i, 2);
                assertEquals((short) 0x80fe, Bits.getShort(at, big));
                Bits.putChar(at, '\u80fd', big);
                buffer.putChar(i, '\u80fd');
                same(buffer, address, i, 2);
                assertEquals('\u80fd', Bits.getChar(at, big));
                Bits.putInt(at, 0x81020304, big);
                buffer.putInt(i, 0x81020304);
                same(buffer, address, i, 4);
                assertEquals(0x81020304, Bits.getInt(at, big));
                Bits.putLong(at, 0x8102030405060708L, big);
                buffer.putLong(i, 0x8102030405060708L);
                same(buffer, address, i, 8);
                assertEquals(0x8102030405060708L, Bits.getLong(at, big));
                Bits.putFloat(at, -0.1f, big);
                buffer.putFloat(i, -0.1f);
                same(buffer, address, i, 4);
                assertEquals(-0.1f, Bits.getFloat(at, big));
                Bits.putDouble(at, Math.E, big);
                buffer.putDouble(i, Math.E);
                same(buffer, address, i, 8);
                assertEquals(Math.E, Bits.getDouble(at, big));
            }
        }
        Unsafe.freeMemory(address);
        DirectByteBuffer.free(buffer);
    }

    private static void same(ByteBuffer buffer, long address, int from, int size) {
        for (int i = from; i < from + size; i++) {
            assertEquals(buffer.get(i), Unsafe.getByte(address + i), "byte " + i);
        }
    }

    @Test
    void address_zero_is_refused() {
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> Bits.getLong(0, true)));
        assertEquals(ILLEGAL, Jdk.thrownBy(() -> {
            Bits.putInt(0, 1, false);
            return null;
        }));
    }
}
