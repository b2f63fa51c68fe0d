package bench;

import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * Takes direct buffers of sizes from one to another, each twice the one before, and frees each at once or drops it:
 * {@code DirectLoop free|drop FROM TO ROUNDS}. Prints the nanoseconds that a buffer costs, after as many rounds to
 * warm up, and once more for each line that comes.
 */
public final class DirectLoop {
    private DirectLoop() {}

    public static void main(String[] args) throws Exception {
        Consumer<ByteBuffer> release = args[0].equals("free") ? Release::free : buffer -> {};
        int from = Integer.parseInt(args[1]);
        int to = Integer.parseInt(args[2]);
        int rounds = Integer.parseInt(args[3]);
        run(release, from, to, rounds);
        Rounds.run(() -> {
            long time = System.nanoTime();
            long buffers = run(release, from, to, rounds);
            return (double) (System.nanoTime() - time) / buffers;
        });
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
