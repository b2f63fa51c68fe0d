package bench;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.concurrent.Exchanger;
import java.util.Random;

/**
 * One thread waits for room at the limit of direct memory, another one makes it: {@code Waiter ROUNDS}. Prints the
 * microseconds from the release until the waiter has its buffer, the median. The limit is set from outside.
 */
public final class Waiter {
    private static final int SIZE = 1 << 16;
    /** One of them is not what the waiter lacks. */
    private static final int SMALL = 1 << 10;

    private Waiter() {}

    public static void main(String[] args) throws Exception {
        Failure.endsAll();
        // Compiled: it is the waiting that is looked at.
        for (int i = 0; i < 20_000; i++) {
            Release.free(ByteBuffer.allocateDirect(SIZE));
        }
        ArrayDeque<ByteBuffer> small = new ArrayDeque<>();
        small.push(ByteBuffer.allocateDirect(SMALL));
        small.push(ByteBuffer.allocateDirect(SMALL));
        ArrayDeque<ByteBuffer> held = fill();
        int rounds = Integer.parseInt(args[0]);
        Exchanger<ByteBuffer> exchanger = new Exchanger<>();
        long[] got = new long[1];
        Thread waiter = new Thread(() -> {
            try {
                while (true) {
                    exchanger.exchange(null);
                    ByteBuffer buffer = ByteBuffer.allocateDirect(SIZE);
                    got[0] = System.nanoTime();
                    exchanger.exchange(buffer);
                }
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        waiter.setDaemon(true);
        waiter.start();
        Random random = new Random(1);
        double[] waited = new double[rounds];
        for (int i = 0; i < rounds; i++) {
            exchanger.exchange(null);
            // After the collection that comes first, before the JDK gives up, and not in step with its pauses.
            Thread.sleep(100 + random.nextInt(300));
            // Who releases is at work, and has its code in the cache: it is the way to the waiter that is looked at.
            for (int j = 0; j < 1000; j++) {
                Release.free(small.pop());
                small.push(ByteBuffer.allocateDirect(SMALL));
            }
            long released = System.nanoTime();
            Release.free(held.pop());
            held.push(exchanger.exchange(null));
            waited[i] = (got[0] - released) / 1e3;
        }
        Arrays.sort(waited);
        System.out.println(waited[rounds / 2]);
    }

    /** Buffers up to the limit. */
    private static ArrayDeque<ByteBuffer> fill() {
        ArrayDeque<ByteBuffer> held = new ArrayDeque<>();
        try {
            while (held.size() < 1 << 16) {
                held.push(ByteBuffer.allocateDirect(SIZE));
            }
        } catch (OutOfMemoryError full) {
            return held;
        }
        throw new IllegalStateException("no limit");
    }
}
