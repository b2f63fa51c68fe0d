package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** The owner closes the socket while a stream of ours is in use. */
class SocketCloseTest {

    private static final String CLOSED = "java.net.SocketException: Socket closed";

    /** How a socket comes to the test. */
    private enum State {
        FRESH, TIMED, ONCE_TIMED;

        void prepare(Socket socket) throws Exception {
            if (this != FRESH) {
                socket.setSoTimeout(20);
                assertEquals("java.net.SocketTimeoutException: Read timed out",
                        Jdk.thrownBy(() -> socket.getInputStream().read()));
                socket.setSoTimeout(this == TIMED ? 60_000 : 0);
            }
        }
    }

    private interface Check {
        void run(Socket ours, Socket peer) throws Exception;
    }

    private static void onBothEndsInEveryState(Check check) throws Exception {
        for (State state : State.values()) {
            for (boolean connected : new boolean[] {true, false}) {
                try (Jdk.Pair pair = new Jdk.Pair()) {
                    Socket ours = connected ? pair.connected : pair.accepted;
                    state.prepare(ours);
                    check.run(ours, connected ? pair.accepted : pair.connected);
                }
            }
        }
    }

    @Test
    void a_close_wakes_a_blocked_read_and_the_peer_sees_the_end() throws Exception {
        onBothEndsInEveryState((ours, peer) -> {
            SocketInputStream in = new SocketInputStream(ours);
            Jdk.Task<String> reader = Jdk.start(() -> Jdk.thrownBy(in::read));
            Thread.sleep(60);
            assertFalse(reader.isDone());
            ours.close();
            assertEquals(CLOSED, reader.await());
            peer.setSoTimeout(5000);
            assertEquals(-1, peer.getInputStream().read());
        });
    }

    @Test
    void a_close_wakes_a_blocked_write_and_the_peer_sees_the_end() throws Exception {
        onBothEndsInEveryState((ours, peer) -> {
            SocketOutputStream out = new SocketOutputStream(ours);
            Jdk.Task<String> writer = Jdk.start(() -> Jdk.thrownBy(() -> {
                out.write(new byte[32 << 20]);
                return "nothing";
            }));
            Thread.sleep(60);
            assertFalse(writer.isDone());
            ours.close();
            assertEquals(CLOSED, writer.await());
            peer.setSoTimeout(5000);
            InputStream in = peer.getInputStream();
            byte[] buffer = new byte[1 << 16];
            while (in.read(buffer) > 0) {
                // What was sent before the close.
            }
        });
    }

    @Test
    void closing_one_stream_wakes_the_other() throws Exception {
        onBothEndsInEveryState((ours, peer) -> {
            SocketInputStream in = new SocketInputStream(ours);
            Jdk.Task<String> reader = Jdk.start(() -> Jdk.thrownBy(in::read));
            Thread.sleep(40);
            new SocketOutputStream(ours).close();
            assertEquals(CLOSED, reader.await());
        });
    }

    @Test
    void a_close_wakes_reader_and_writer_and_the_jdks_own_stream() throws Exception {
        try (Jdk.Pair pair = new Jdk.Pair()) {
            SocketInputStream in = new SocketInputStream(pair.connected);
            SocketOutputStream out = new SocketOutputStream(pair.connected);
            InputStream jdk = pair.connected.getInputStream();
            Jdk.Task<?>[] tasks = {
                Jdk.start(() -> Jdk.thrownBy(in::read)),
                Jdk.start(() -> Jdk.thrownBy(jdk::read)),
                Jdk.start(() -> Jdk.thrownBy(() -> {
                    out.write(new byte[32 << 20]);
                    return "nothing";
                }))};
            Thread.sleep(100);
            pair.connected.close();
            for (Jdk.Task<?> task : tasks) {
                assertEquals(CLOSED, task.await());
            }
        }
    }

    /**
     * Each connection carries its own number only. Closed at any moment, with new ones taking the freed descriptors,
     * no number may turn up on another connection, and no thread may stay behind.
     */
    @Test
    void in_a_storm_of_closes_no_byte_reaches_another_connection() throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
        AtomicLong numbers = new AtomicLong();
        AtomicInteger connections = new AtomicInteger();
        Jdk.Task<?>[] workers = new Jdk.Task<?>[4];
        for (int w = 0; w < workers.length; w++) {
            workers[w] = Jdk.start(() -> {
                while (System.nanoTime() < end) {
                    oneConnection(numbers.incrementAndGet());
                    connections.incrementAndGet();
                }
                return null;
            });
        }
        for (Jdk.Task<?> worker : workers) {
            worker.await();
        }
        assertTrue(connections.get() > 20, connections + " connections");
    }

    private static void oneConnection(long number) throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket sender = new Socket(server.getInetAddress(), server.getLocalPort());
                Socket receiver = server.accept()) {
            byte[] chunk = new byte[8 * 1024];
            ByteBuffer numbers = ByteBuffer.wrap(chunk);
            while (numbers.hasRemaining()) {
                numbers.putLong(number);
            }
            SocketOutputStream out = new SocketOutputStream(sender);
            SocketInputStream in = new SocketInputStream(receiver);
            SocketInputStream idle = new SocketInputStream(sender);
            Jdk.Task<String> writer = Jdk.start(() -> {
                while (true) {
                    out.write(chunk);
                }
            });
            Jdk.Task<String> waiter = Jdk.start(() -> "returned " + idle.read());
            Jdk.Task<String> reader = Jdk.start(() -> readAll(in, number));
            Thread.sleep(ThreadLocalRandom.current().nextInt(8));
            sender.close();
            assertEquals(CLOSED, Jdk.thrownBy(() -> ended(writer)));
            assertEquals(CLOSED, Jdk.thrownBy(() -> ended(waiter)));
            assertEquals("end", ended(reader));
        }
    }

    private static String ended(Jdk.Task<String> task) throws Exception {
        try {
            return task.await();
        } catch (java.util.concurrent.ExecutionException e) {
            throw (Exception) e.getCause();
        }
    }

    private static String readAll(SocketInputStream in, long number) throws Exception {
        byte[] buffer = new byte[16 * 1024];
        long at = 0;
        while (true) {
            int n;
            try {
                n = in.read(buffer);
            } catch (SocketException reset) {
                return reset.getMessage().equals("Connection reset") ? "end" : reset.toString();
            }
            if (n < 0) {
                return "end";
            }
            for (int i = 0; i < n; i++, at++) {
                byte expected = (byte) (number >>> (56 - 8 * (at & 7)));
                if (buffer[i] != expected) {
                    return "connection " + number + " got a foreign byte at " + at;
                }
            }
        }
    }
}
