package io.offheap;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DirectByteBufferTest {

    private static final String REFUSED = "java.lang.IllegalArgumentException: not a live buffer";
    private static final int MIB = 1 << 20;

    private long limit;
    private long reserved;
    private long capacity;

    @BeforeEach
    void remember() throws Exception {
        collectUntilReserved(0);
        limit = Bits.maxMemory();
        reserved = Bits.reservedMemory();
        capacity = Bits.totalCapacity();
    }

    @AfterEach
    void nothing_leaks() throws Exception {
        Bits.setMaxMemory(limit);
        collectUntilReserved(reserved);
    }

    /** Other tests of this JVM may have left buffers to the collector. */
    private static void collectUntilReserved(long bytes) throws Exception {
        assertTrue(Jdk.eventually(() -> {
            if (Bits.reservedMemory() <= bytes) {
                return true;
            }
            System.gc();
            return false;
        }), () -> Bits.reservedMemory() + " bytes stay reserved, expected " + bytes);
    }

    private static String free(ByteBuffer buffer) {
        String thrown = Jdk.thrownBy(() -> {
            DirectByteBuffer.free(buffer);
            return null;
        });
        return thrown.startsWith(REFUSED) ? REFUSED : thrown;
    }

    @Test
    void a_negative_capacity_is_refused_in_the_jdks_words() {
        String minusOne = Jdk.VERSION == 8 ? "Negative capacity: -1" : "capacity < 0: (-1 < 0)";
        assertEquals("java.lang.IllegalArgumentException: " + minusOne, Jdk.thrownBy(() -> DirectByteBuffer.allocate(-1)));
        assertEquals("java.lang.IllegalArgumentException: " + minusOne,
                Jdk.thrownBy(() -> DirectByteBuffer.allocate(-1, true)));
        String min = Jdk.VERSION == 8 ? "Negative capacity: -2147483648" : "capacity < 0: (-2147483648 < 0)";
        assertEquals("java.lang.IllegalArgumentException: " + min,
                Jdk.thrownBy(() -> DirectByteBuffer.allocate(Integer.MIN_VALUE)));
    }

    @Test
    void without_room_it_is_the_jdks_error_and_nothing_is_left_behind() {
        long count = Bits.count();
        Bits.setMaxMemory(capacity + MIB);
        assertEquals(BitsTest.noRoom(MIB + 1), Jdk.thrownBy(() -> DirectByteBuffer.allocate(MIB + 1)));
        assertEquals(BitsTest.noRoom(MIB + 1 + Bits.pageSize()),
                Jdk.thrownBy(() -> DirectByteBuffer.allocate(MIB + 1, true)));
        assertEquals(BitsTest.noRoom(Integer.MAX_VALUE), Jdk.thrownBy(() -> DirectByteBuffer.allocate(Integer.MAX_VALUE)));
        assertEquals(count, Bits.count());
        assertEquals(reserved, Bits.reservedMemory());
    }

    @Test
    void only_the_buffer_itself_can_be_freed_and_only_once() {
        assertEquals("java.lang.NullPointerException", free(null).split(":")[0]);
        assertEquals(REFUSED, free(ByteBuffer.allocate(8)));
        assertEquals(REFUSED, free(ByteBuffer.allocateDirect(8)));
        ByteBuffer buffer = DirectByteBuffer.allocate(8);
        assertEquals(REFUSED, free(buffer.duplicate()));
        assertEquals(REFUSED, free(buffer.slice()));
        assertEquals(REFUSED, free(buffer.asReadOnlyBuffer()));
        assertEquals("returned null", free(buffer));
        assertEquals(REFUSED, free(buffer));
    }

    @Test
    void a_stale_buffer_does_not_free_the_new_one_at_its_address() {
        ByteBuffer stale = DirectByteBuffer.allocate(4096);
        DirectByteBuffer.free(stale);
        for (int i = 0; i < 100; i++) {
            ByteBuffer fresh = DirectByteBuffer.allocate(4096);
            assertEquals(REFUSED, free(stale));
            fresh.put(0, (byte) i);
            DirectByteBuffer.free(fresh);
        }
    }

    @Test
    void a_new_buffer_is_direct_big_endian_zero_and_at_its_start() {
        for (int size : new int[] {0, 1, 7, 4096, MIB + 3}) {
            ByteBuffer buffer = DirectByteBuffer.allocate(size);
            assertTrue(buffer.isDirect());
            assertFalse(buffer.isReadOnly());
            assertEquals(ByteOrder.BIG_ENDIAN, buffer.order());
            assertEquals(0, buffer.position());
            assertEquals(size, buffer.limit());
            assertEquals(size, buffer.capacity());
            for (int i = 0; i < size; i++) {
                assertEquals(0, buffer.get(i));
            }
            assertEquals(Math.max(1, size), Bits.reservedMemory() - reserved);
            assertEquals(size, Bits.totalCapacity() - capacity);
            DirectByteBuffer.free(buffer);
        }
    }

    @Test
    void a_page_aligned_buffer_takes_one_page_more() {
        for (int size : new int[] {0, 1000, 4096}) {
            ByteBuffer buffer = DirectByteBuffer.allocate(size, true);
            assertEquals(size, buffer.capacity());
            assertEquals(size + Bits.pageSize(), Bits.reservedMemory() - reserved);
            assertEquals(size, Bits.totalCapacity() - capacity);
            if (Jdk.VERSION >= 9 && size > 0) {
                assertEquals(0, alignment(buffer));
            }
            assertEquals("returned null", free(buffer));
        }
    }

    /** ByteBuffer.alignmentOffset(0, 4096), which Java 8 has not. */
    private static int alignment(ByteBuffer buffer) {
        try {
            return (int) ByteBuffer.class.getMethod("alignmentOffset", int.class, int.class).invoke(buffer, 0, 4096);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void views_of_all_types_and_orders_see_the_same_memory() {
        ByteBuffer buffer = DirectByteBuffer.allocate(64);
        ByteBuffer model = ByteBuffer.allocate(64);
        for (ByteOrder order : new ByteOrder[] {ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN}) {
            for (int start = 0; start < 3; start++) {
                for (ByteBuffer b : new ByteBuffer[] {buffer, model}) {
                    b.clear();
                    b.position(start);
                    ByteBuffer view = b.slice().order(order);
                    view.asShortBuffer().put(0, (short) 0x8102);
                    view.asCharBuffer().put(1, '\u8304');
                    view.asIntBuffer().put(1, 0x85060708);
                    view.asLongBuffer().put(1, 0x890a0b0c0d0e0f00L);
                    view.asFloatBuffer().put(4, -1.25f);
                    view.asDoubleBuffer().put(3, -Math.E);
                    view.asLongBuffer().put(4, view.asReadOnlyBuffer().order(order).getLong(8));
                    LongBuffer longs = view.duplicate().order(order).asLongBuffer();
                    longs.position(5);
                    longs.put(new long[] {1, -2});
                }
                buffer.clear();
                model.clear();
                assertEquals(model, buffer, order + " from " + start);
            }
        }
        DirectByteBuffer.free(buffer);
    }

    @Test
    void a_view_keeps_the_memory_alive() throws Exception {
        ByteBuffer slice = sliceOfADroppedBuffer();
        LongBuffer longs = slice.slice().order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
        slice = null;
        for (int i = 0; i < 5; i++) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(MIB, Bits.reservedMemory() - reserved);
        assertEquals(42, longs.get(0));
        longs = null;
        collectUntilReserved(reserved);
    }

    private static ByteBuffer sliceOfADroppedBuffer() {
        ByteBuffer buffer = DirectByteBuffer.allocate(MIB);
        buffer.position(8);
        ByteBuffer slice = buffer.slice();
        slice.put(0, (byte) 42);
        return slice;
    }

    @Test
    void dropped_buffers_make_room_when_the_limit_is_reached() {
        Bits.setMaxMemory(capacity + 4 * MIB);
        for (int i = 0; i < 64; i++) {
            assertEquals(0, DirectByteBuffer.allocate(MIB).get(0));
        }
    }

    @Test
    void threads_that_free_the_same_buffer_free_it_once() throws Exception {
        for (int i = 0; i < 200; i++) {
            ByteBuffer buffer = DirectByteBuffer.allocate(64);
            CountDownLatch go = new CountDownLatch(1);
            Jdk.Task<String> other = Jdk.start(() -> {
                go.await();
                return free(buffer);
            });
            go.countDown();
            String mine = free(buffer);
            String theirs = other.await();
            assertTrue(mine.equals(REFUSED) ^ theirs.equals(REFUSED), mine + " and " + theirs);
        }
        assertEquals(reserved, Bits.reservedMemory());
    }

    @Test
    void frees_race_with_the_cleaner_and_every_byte_comes_back() throws Exception {
        Bits.setMaxMemory(capacity + MIB);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
        Jdk.Task<?>[] tasks = new Jdk.Task<?>[3];
        for (int t = 0; t < tasks.length; t++) {
            byte mark = (byte) (t + 1);
            tasks[t] = Jdk.start(() -> {
                while (System.nanoTime() < end) {
                    int size = ThreadLocalRandom.current().nextInt(1, 100_000);
                    ByteBuffer buffer = DirectByteBuffer.allocate(size);
                    assertEquals(0, buffer.get(size - 1));
                    buffer.put(0, mark).put(size - 1, mark);
                    assertEquals(mark, buffer.get(0), "another has this memory");
                    if (ThreadLocalRandom.current().nextInt(4) > 0) {
                        DirectByteBuffer.free(buffer);
                    } // else the cleaner
                }
                return null;
            });
        }
        for (Jdk.Task<?> task : tasks) {
            task.await();
        }
    }

    @Test
    void any_channel_takes_it() throws Exception {
        Path file = Files.createTempFile("offheap", ".bin");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            through(channel, channel, () -> channel.position(0));
        } finally {
            Files.delete(file);
        }
        Pipe pipe = Pipe.open();
        through(pipe.sink(), pipe.source(), () -> { });
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress(loopback, 0));
                SocketChannel out = SocketChannel.open(server.getLocalAddress());
                SocketChannel in = server.accept()) {
            through(out, in, () -> { });
        }
        try (DatagramChannel in = DatagramChannel.open().bind(new InetSocketAddress(loopback, 0));
                DatagramChannel out = DatagramChannel.open().bind(new InetSocketAddress(loopback, 0))) {
            in.connect(out.getLocalAddress());
            out.connect(in.getLocalAddress());
            through(out, in, () -> { });
        }
    }

    private interface Rewind {
        void run() throws Exception;
    }

    private static void through(WritableByteChannel out, ReadableByteChannel in, Rewind rewind) throws Exception {
        byte[] data = Jdk.random(10_000);
        ByteBuffer source = DirectByteBuffer.allocate(data.length);
        source.put(data);
        source.flip();
        while (source.hasRemaining()) {
            out.write(source);
        }
        rewind.run();
        ByteBuffer sink = DirectByteBuffer.allocate(data.length, true);
        while (sink.hasRemaining()) {
            assertTrue(in.read(sink) > 0);
        }
        byte[] received = new byte[data.length];
        sink.flip();
        sink.get(received);
        assertArrayEquals(data, received, out.getClass().getName());
        DirectByteBuffer.free(source);
        DirectByteBuffer.free(sink);
    }
}
