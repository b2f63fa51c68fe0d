package bench;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * Takes direct buffers of sizes from one to another, each twice the one before, and frees each at once or drops it:
 * {@code DirectLoop free|drop FROM TO ROUNDS}. Prints the nanoseconds that a buffer costs, by the clock and of the
 * processor, after as many rounds to warm up.
 */
public final class DirectLoop {
    private DirectLoop() {}

    public static void main(String[] args) {
        Consumer<ByteBuffer> release = args[0].equals("free") ? Release::free : buffer -> {};
        int from = Integer.parseInt(args[1]);
        int to = Integer.parseInt(args[2]);
        int rounds = Integer.parseInt(args[3]);
        run(release, from, to, rounds);
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long time = System.nanoTime();
        long processor = threads.getCurrentThreadCpuTime();
        long buffers = run(release, from, to, rounds);
        processor = threads.getCurrentThreadCpuTime() - processor;
        time = System.nanoTime() - time;
        System.out.println((double) time / buffers + " " + (double) processor / buffers);
    }

    private static long run(Consumer<ByteBuffer> release, int from, int to, int rounds) {
        long buffers = 0;
        for (int round = 0; round < rounds; round++) {
            for (int size = from; size <= to; size <<= 1) {
                release.accept(ByteBuffer.allocateDirect(size));
                buffers++;
            }
        }
        return buffers;
    }
}
