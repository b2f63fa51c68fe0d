package io.offheap;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileDescriptor;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the streams do while nobody closes the socket under them. Expected texts: java.net's streams of 8 and 11. */
class SocketStreamsTest {

    private static final String CLOSED = "java.net.SocketException: Socket closed";
    private static final String RESET = "java.net.SocketException: Connection reset";

    private Jdk.Pair pair;
    private OutputStream out;
    private InputStream in;

    @BeforeEach
    void connect() throws Exception {
        pair = new Jdk.Pair();
        out = new SocketOutputStream(pair.connected);
        in = new SocketInputStream(pair.connected);
    }

    @AfterEach
    void close() throws Exception {
        pair.close();
    }

    private String write(byte[] b, int off, int len) {
        return Jdk.thrownBy(() -> {
            out.write(b, off, len);
            return "nothing";
        });
    }

    private String read(byte[] b, int off, int len) {
        return Jdk.thrownBy(() -> in.read(b, off, len));
    }

    @Test
    void bad_ranges_are_refused_in_the_jdks_words() {
        String aioobe = "java.lang.ArrayIndexOutOfBoundsException: ";
        int[][] ranges = {{-1, 2}, {0, 5}, {4, 1}, {0, -1}, {5, -1}, {Integer.MAX_VALUE, 1}, {1, Integer.MAX_VALUE},
            {Integer.MIN_VALUE, Integer.MIN_VALUE}};
        for (int[] range : ranges) {
            String where = " == " + range[1] + " off == " + range[0] + " buffer length == 4";
            assertEquals(aioobe + "len" + where, write(new byte[4], range[0], range[1]));
            assertEquals(aioobe + "length" + where, read(new byte[4], range[0], range[1]));
        }
        assertTrue(write(null, 0, 1).startsWith("java.lang.NullPointerException"));
        assertTrue(read(null, 0, 1).startsWith("java.lang.NullPointerException"));
        assertTrue(Jdk.thrownBy(() -> in.read(null)).startsWith("java.lang.NullPointerException"));
    }

    @Test
    void the_natives_take_no_descriptor_for_a_closed_socket() {
        for (FileDescriptor fd : new FileDescriptor[] {null, new FileDescriptor()}) {
            assertEquals(CLOSED, Jdk.thrownBy(() -> SocketOutputStream.socketWrite0(fd, new byte[1], 0, 1, true)));
            assertEquals(CLOSED, Jdk.thrownBy(() -> SocketInputStream.socketRead0(fd, new byte[1], 0, 1, 0, true)));
        }
    }

    @Test
    void length_zero_looks_at_nothing() throws Exception {
        assertEquals("returned nothing", write(null, 0, 0));
        assertEquals("returned nothing", write(new byte[4], 9, 0));
        assertEquals("returned 0", read(null, 0, 0));
        assertEquals("returned 0", read(new byte[4], -9, 0));
        pair.connected.close();
        assertEquals("returned nothing", write(null, 0, 0));
        assertEquals("returned 0", read(null, 0, 0));
    }

    @Test
    void bytes_arrive_as_sent_whatever_the_chunk() throws Exception {
        InputStream other = new SocketInputStream(pair.accepted);
        for (int size : new int[] {1, 65535, 65536, 65537, 131072, 131073, 300_000}) {
            byte[] data = Jdk.random(size + 7);
            Jdk.Task<Object> writer = Jdk.start(() -> {
                out.write(data, 3, size);
                return null;
            });
            byte[] received = new byte[size + 9];
            for (int n = 0; n < size; ) {
                int r = other.read(received, 4 + n, size - n);
                assertTrue(r > 0 && r <= 131072, r + " bytes at once");
                n += r;
            }
            writer.await();
            assertArrayEquals(Arrays.copyOfRange(data, 3, 3 + size), Arrays.copyOfRange(received, 4, 4 + size));
            assertEquals(0, received[3] | received[4 + size]);
        }
    }

    @Test
    void single_bytes_are_unsigned() throws Exception {
        for (int b : new int[] {0, 127, 128, 255, 256 + 7}) {
            out.write(b);
            assertEquals(b & 0xff, new SocketInputStream(pair.accepted).read());
        }
    }

    @Test
    void our_streams_and_the_jdks_share_the_socket() throws Exception {
        out.write(1);
        pair.connected.getOutputStream().write(2);
        out.write(3);
        InputStream ours = new SocketInputStream(pair.accepted);
        InputStream theirs = pair.accepted.getInputStream();
        assertEquals(1, theirs.read());
        assertEquals(2, ours.read());
        assertEquals(3, theirs.read());
    }

    @Test
    void the_end_of_the_stream_stays() throws Exception {
        pair.accepted.getOutputStream().write(new byte[] {9, 8});
        pair.accepted.shutdownOutput();
        assertEquals(9, in.read());
        assertEquals(1, in.skip(5));
        assertEquals(-1, in.read());
        assertEquals(-1, in.read(new byte[2]));
        assertEquals(0, in.available());
        pair.connected.close();
        assertEquals(-1, in.read());
    }

    @Test
    void input_that_was_shut_down_has_ended() throws Exception {
        pair.accepted.getOutputStream().write(new byte[10]);
        pair.connected.shutdownInput();
        assertEquals(-1, in.read());
        assertEquals("java.net.SocketException: Socket input is shutdown",
                Jdk.thrownBy(() -> new SocketInputStream(pair.connected)));
    }

    @Test
    void output_that_was_shut_down_is_a_broken_pipe() throws Exception {
        pair.connected.shutdownOutput();
        assertEquals("java.net.SocketException: Broken pipe (Write failed)", write(new byte[1], 0, 1));
        assertEquals("java.net.SocketException: Socket output is shutdown",
                Jdk.thrownBy(() -> new SocketOutputStream(pair.connected)));
    }

    @Test
    void a_reset_met_by_a_write_is_told_once_then_the_pipe_is_broken() throws Exception {
        pair.reset();
        assertEquals(Jdk.VERSION == 8 ? RESET : "java.net.SocketException: Connection reset by peer (Write failed)",
                write(new byte[1], 0, 1));
        assertEquals("java.net.SocketException: Broken pipe (Write failed)", write(new byte[1], 0, 1));
        assertEquals(Jdk.VERSION == 8 ? RESET : "returned -1", read(new byte[1], 0, 1));
    }

    @Test
    void a_reset_met_by_a_read_stays_for_our_stream_and_the_jdks() throws Exception {
        pair.reset();
        assertEquals(RESET, read(new byte[1], 0, 1));
        assertEquals(RESET, read(new byte[1], 0, 1));
        assertEquals(RESET, Jdk.thrownBy(() -> pair.connected.getInputStream().read()));
    }

    @Test
    void a_reset_met_by_a_timed_read_is_the_same() throws Exception {
        pair.connected.setSoTimeout(5000);
        pair.reset();
        assertEquals(RESET, read(new byte[1], 0, 1));
        assertEquals(RESET, read(new byte[1], 0, 1));
    }

    @Test
    void a_read_times_out_and_may_be_tried_again() throws Exception {
        pair.connected.setSoTimeout(60);
        long start = System.nanoTime();
        assertEquals("java.net.SocketTimeoutException: Read timed out", read(new byte[1], 0, 1));
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        assertTrue(millis >= 55 && millis < 5000, millis + " ms");
        pair.accepted.getOutputStream().write(7);
        assertEquals(7, in.read());
        pair.connected.setSoTimeout(0);
        Jdk.Task<Integer> reader = Jdk.start(in::read);
        Thread.sleep(100);
        assertFalse(reader.isDone());
        pair.accepted.getOutputStream().write(8);
        assertEquals(8, reader.await());
    }

    @Test
    void a_descriptor_the_jdk_made_non_blocking_still_blocks_us() throws Exception {
        // From 17 on a timed read leaves the descriptor non-blocking.
        pair.connected.setSoTimeout(10);
        assertEquals("java.net.SocketTimeoutException: Read timed out",
                Jdk.thrownBy(() -> pair.connected.getInputStream().read()));
        pair.connected.setSoTimeout(0);
        Jdk.Task<Integer> reader = Jdk.start(in::read);
        Thread.sleep(50);
        assertFalse(reader.isDone());
        pair.accepted.getOutputStream().write(5);
        assertEquals(5, reader.await());
        byte[] data = Jdk.random(8 << 20);
        Jdk.Task<String> writer = Jdk.start(() -> write(data, 0, data.length));
        byte[] received = new byte[data.length];
        for (int n = 0; n < received.length; ) {
            n += pair.accepted.getInputStream().read(received, n, received.length - n);
        }
        assertEquals("returned nothing", writer.await());
        assertArrayEquals(data, received);
    }

    @Test
    void a_peer_that_reads_slowly_gets_everything() throws Exception {
        pair.accepted.setReceiveBufferSize(4096);
        pair.connected.setSendBufferSize(4096);
        byte[] data = Jdk.random(500_000);
        Jdk.Task<String> writer = Jdk.start(() -> write(data, 0, data.length));
        InputStream slow = new SocketInputStream(pair.accepted);
        byte[] received = new byte[data.length];
        for (int n = 0; n < received.length; ) {
            int r = slow.read(received, n, Math.min(n < 5 ? 1 : 50_000, received.length - n));
            assertTrue(r > 0);
            n += r;
            Thread.sleep(2);
        }
        assertEquals("returned nothing", writer.await());
        assertArrayEquals(data, received);
    }

    @Test
    void a_peer_that_resets_in_the_middle_of_a_write_ends_it() throws Exception {
        Jdk.Task<String> writer = Jdk.start(() -> write(new byte[64 << 20], 0, 64 << 20));
        Thread.sleep(100);
        pair.reset();
        String thrown = writer.await();
        assertTrue(thrown.matches("java.net.SocketException: (Connection reset( by peer)?|Broken pipe)( \\(Write failed\\))?"),
                thrown);
    }

    @Test
    void an_interrupt_has_no_effect_and_the_flag_stays() throws Exception {
        Jdk.Task<String> reader = Jdk.start(() -> in.read() + " " + Thread.currentThread().isInterrupted());
        Thread.sleep(50);
        reader.thread.interrupt();
        Thread.sleep(50);
        assertFalse(reader.isDone());
        pair.accepted.getOutputStream().write(4);
        assertEquals("4 true", reader.await());
    }

    @Test
    void available_and_skip_are_those_of_the_jdk() throws Exception {
        assertEquals(0, in.available());
        assertEquals(0, in.skip(0));
        assertEquals(0, in.skip(-1));
        pair.accepted.getOutputStream().write(new byte[6000]);
        assertTrue(Jdk.eventually(() -> Jdk.thrownBy(in::available).equals("returned 6000")));
        assertEquals(5999, in.skip(5999));
        assertEquals(1, in.available());
    }

    @Test
    void after_a_close_all_say_so() throws Exception {
        Socket socket = pair.connected;
        out.close();
        assertTrue(socket.isClosed());
        out.close();
        in.close();
        assertEquals(CLOSED, write(new byte[1], 0, 1));
        assertEquals(CLOSED, read(new byte[1], 0, 1));
        assertEquals(CLOSED, Jdk.thrownBy(() -> in.skip(1)));
        assertEquals(Jdk.thrownBy(() -> pair.accepted.getInputStream().read()), "returned -1");
        boolean plain = Jdk.VERSION < 17 || System.getProperty("jdk.net.usePlainSocketImpl") != null;
        assertEquals(plain ? "java.io.IOException: Stream closed." : CLOSED, Jdk.thrownBy(in::available));
    }
}
