package bench;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.IntConsumer;

/**
 * Four threads take direct buffers of mixed sizes, 64 bytes to 1 MiB, write all of them, and free each other's in a
 * random order: {@code Burst MEGABYTES}. Prints by how many kilobytes more is resident four seconds afterwards than
 * before: who gives memory back when nobody has wanted it for a while has had the time.
 */
public final class Burst {
    private static final int THREADS = 4;

    private Burst() {}

    public static void main(String[] args) throws Exception {
        Failure.endsAll();
        long bytes = Long.parseLong(args[0]) << 20;
        // Threads, classes and compiled code are there before the memory is looked at.
        burst(Math.min(bytes, 8 << 20));
        burst(Math.min(bytes, 8 << 20));
        long before = Resident.kilobytes();
        burst(bytes);
        System.gc();
        Thread.sleep(4000);
        // A page at least: there is to be a ratio to it.
        System.out.println(Math.max(4, Resident.kilobytes() - before));
    }

    private static void burst(long bytes) throws InterruptedException {
        List<List<ByteBuffer>> taken = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            taken.add(new ArrayList<>());
        }
        inThreads(thread -> take(taken.get(thread), bytes / THREADS, new Random(thread)));
        inThreads(thread -> taken.get((thread + 1) % THREADS).forEach(Release::free));
    }

    private static void take(List<ByteBuffer> taken, long bytes, Random random) {
        byte[] content = new byte[1 << 20];
        for (long left = bytes; left > 0; ) {
            // As many between 64 and 128 bytes as between 512 KiB and 1 MiB.
            int size = (int) (64 * Math.pow(2, 14 * random.nextDouble()));
            ByteBuffer buffer = ByteBuffer.allocateDirect(size);
            buffer.put(content, 0, size);
            taken.add(buffer);
            left -= size;
        }
        Collections.shuffle(taken, random);
    }

    private static void inThreads(IntConsumer work) throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            int number = i;
            Thread thread = new Thread(() -> work.accept(number));
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
