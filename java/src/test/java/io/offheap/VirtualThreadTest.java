package io.offheap;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The streams on virtual threads: Java 21 and later. */
class VirtualThreadTest {

    private static final String CLOSED = "java.net.SocketException: Socket closed";

    @BeforeEach
    void there_are_virtual_threads() {
        assumeTrue(Jdk.VERSION >= 21, "Java 21 has them first");
    }

    private static final class Virtual<V> extends FutureTask<V> {
        final Thread thread;

        Virtual(Callable<V> work) throws Exception {
            super(work);
            thread = (Thread) Thread.class.getMethod("startVirtualThread", Runnable.class).invoke(null, this);
        }

        V await() throws Exception {
            return get(Jdk.SECONDS, TimeUnit.SECONDS);
        }
    }

    private static String write(SocketOutputStream out, byte[] data) {
        return Jdk.thrownBy(() -> {
            out.write(data);
            return "nothing";
        });
    }

    @Test
    void bytes_arrive_as_sent() throws Exception {
        try (Jdk.Pair pair = new Jdk.Pair()) {
            byte[] data = Jdk.random(8 << 20);
            SocketOutputStream out = new SocketOutputStream(pair.connected);
            SocketInputStream in = new SocketInputStream(pair.accepted);
            Virtual<String> writer = new Virtual<>(() -> write(out, data));
            Virtual<byte[]> reader = new Virtual<>(() -> {
                byte[] received = new byte[data.length];
                for (int n = 0; n < received.length; ) {
                    n += in.read(received, n, received.length - n);
                }
                return received;
            });
            assertArrayEquals(data, reader.await());
            assertEquals("returned nothing", writer.await());
            pair.connected.shutdownOutput();
            assertEquals(-1, new Virtual<>(in::read).await());
        }
    }

    @Test
    void blocked_reads_do_not_hold_their_carriers() throws Exception {
        List<Jdk.Pair> pairs = new ArrayList<>();
        List<Virtual<Integer>> readers = new ArrayList<>();
        for (int i = 0; i < 4 * Runtime.getRuntime().availableProcessors() + 4; i++) {
            Jdk.Pair pair = new Jdk.Pair();
            pairs.add(pair);
            SocketInputStream in = new SocketInputStream(pair.connected);
            readers.add(new Virtual<>(in::read));
        }
        assertEquals("ran", new Virtual<>(() -> "ran").await());
        for (int i = pairs.size() - 1; i >= 0; i--) {
            pairs.get(i).accepted.getOutputStream().write(i);
            assertEquals(i & 0xff, readers.get(i).await());
            pairs.get(i).close();
        }
    }

    @Test
    void a_close_wakes_blocked_reads_and_writes() throws Exception {
        for (int timeout : new int[] {0, 60_000}) {
            try (Jdk.Pair pair = new Jdk.Pair()) {
                pair.connected.setSoTimeout(timeout);
                SocketInputStream in = new SocketInputStream(pair.connected);
                SocketOutputStream out = new SocketOutputStream(pair.connected);
                Virtual<String> reader = new Virtual<>(() -> Jdk.thrownBy(in::read));
                Virtual<String> writer = new Virtual<>(() -> write(out, new byte[32 << 20]));
                Thread.sleep(80);
                assertFalse(reader.isDone() || writer.isDone());
                pair.connected.close();
                assertEquals(CLOSED, reader.await());
                assertEquals(CLOSED, writer.await());
            }
        }
    }

    @Test
    void a_read_times_out_and_may_be_tried_again() throws Exception {
        try (Jdk.Pair pair = new Jdk.Pair()) {
            pair.connected.setSoTimeout(60);
            InputStream in = new SocketInputStream(pair.connected);
            long start = System.nanoTime();
            assertEquals("java.net.SocketTimeoutException: Read timed out",
                    new Virtual<>(() -> Jdk.thrownBy(in::read)).await());
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            assertTrue(millis >= 55 && millis < 5000, millis + " ms");
            pair.accepted.getOutputStream().write(9);
            assertEquals(9, new Virtual<>(in::read).await());
            // The descriptor is non-blocking now; a platform thread must wait all the same.
            pair.connected.setSoTimeout(0);
            Jdk.Task<Integer> platform = Jdk.start(in::read);
            Thread.sleep(50);
            assertFalse(platform.isDone());
            pair.accepted.getOutputStream().write(10);
            assertEquals(10, platform.await());
        }
    }

    @Test
    void an_interrupt_closes_the_socket_as_in_the_jdk() throws Exception {
        try (Jdk.Pair pair = new Jdk.Pair()) {
            SocketInputStream in = new SocketInputStream(pair.connected);
            Virtual<String> reader = new Virtual<>(() -> Jdk.thrownBy(in::read));
            Thread.sleep(60);
            reader.thread.interrupt();
            assertEquals("java.net.SocketException: Closed by interrupt", reader.await());
            assertTrue(pair.connected.isClosed());
        }
    }

    @Test
    void a_reset_is_told_as_on_other_threads() throws Exception {
        try (Jdk.Pair pair = new Jdk.Pair()) {
            SocketInputStream in = new SocketInputStream(pair.connected);
            pair.reset();
            for (int i = 0; i < 2; i++) {
                assertEquals("java.net.SocketException: Connection reset",
                        new Virtual<>(() -> Jdk.thrownBy(in::read)).await());
            }
        }
    }
}
