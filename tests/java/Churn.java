import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Makes garbage of direct buffers: {@code Churn ALLOCATIONS [SEED]}.
 *
 * <p>Four threads allocate buffers of random sizes, each keeping the last few. All that is kept would
 * fit into a 64 MiB limit several times, so an OutOfMemoryError means that garbage was not taken back.
 */
public final class Churn {
    private static final int THREADS = 4;
    /** By each thread; the largest are 512 KiB, so at most 8 MiB are kept by all. */
    private static final int KEPT = 4;
    private static final int LARGEST = 512 << 10;

    private Churn() {}

    public static void main(String[] args) throws Exception {
        int allocations = Integer.parseInt(args[0]);
        long seed = args.length > 1 ? Long.parseLong(args[1]) : 1;
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread[] threads = new Thread[THREADS];
        for (int i = 0; i < THREADS; i++) {
            Random random = new Random(seed * THREADS + i);
            threads[i] = new Thread(() -> {
                try {
                    churn(next, allocations, random);
                } catch (Throwable problem) {
                    System.err.println("after " + next.get() + " allocations:");
                    problem.printStackTrace();
                    failure.compareAndSet(null, problem);
                }
            });
            threads[i].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        if (failure.get() != null) {
            System.exit(1);
        }
        System.out.println("churn: " + allocations + " allocations ok");
    }

    private static void churn(AtomicInteger next, int allocations, Random random) {
        ByteBuffer[] kept = new ByteBuffer[KEPT];
        int turn;
        while ((turn = next.getAndIncrement()) < allocations) {
            int size = size(random);
            ByteBuffer buffer = ByteBuffer.allocateDirect(size);
            byte mark = (byte) random.nextInt();
            buffer.put(0, mark).put(size - 1, mark);
            int slot = turn % KEPT;
            ByteBuffer old = kept[slot];
            if (old != null && old.get(0) != old.get(old.capacity() - 1)) {
                throw new IllegalStateException("a buffer's two ends are not as written");
            }
            kept[slot] = buffer;
        }
    }

    /** Most are small, as in programs, up to 128 KiB; one in a thousand is up to the largest. */
    private static int size(Random random) {
        int bound = random.nextInt(1000) == 0 ? LARGEST : 1 << 4 + random.nextInt(14);
        return 1 + random.nextInt(bound);
    }
}
