package bench;

import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Threads that are blocked because nobody reads what they write: {@code BlockedWrites stream|channel THREADS SIZE PORT}.
 * Prints the kilobytes that are resident for each, beyond what a thread has anyway that has an open connection and has
 * written a byte to it: the JVM's own memory for a thread comes with its first calls.
 */
public final class BlockedWrites {

    interface Write {
        void run(byte[] content) throws Exception;
    }

    private BlockedWrites() {}

    public static void main(String[] args) throws Exception {
        Failure.endsAll();
        int threads = Integer.parseInt(args[1]);
        int port = Integer.parseInt(args[3]);
        // One for all: the heap is not what is looked at.
        byte[] content = new byte[Integer.parseInt(args[2])];
        AtomicLong writes = new AtomicLong();
        block(1, args[0], content, port, writes).countDown();
        settled(writes);
        CountDownLatch start = block(threads, args[0], content, port, writes);
        long before = settled(writes);
        start.countDown();
        System.out.println((double) (settled(writes) - before) / threads);
        Runtime.getRuntime().halt(0);
    }

    /** Threads that have a connection, and begin to write to it at the latch's word. */
    private static CountDownLatch block(int threads, String how, byte[] content, int port, AtomicLong writes)
            throws Exception {
        CountDownLatch ready = new CountDownLatch(threads);
        CountDownLatch start = new CountDownLatch(1);
        for (int i = 0; i < threads; i++) {
            Write write = how.equals("stream") ? stream(port) : channel(port);
            new Thread(() -> {
                try {
                    write.run(new byte[1]);
                    ready.countDown();
                    start.await();
                    while (true) {
                        writes.incrementAndGet();
                        write.run(content);
                    }
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }).start();
        }
        ready.await();
        return start;
    }

    private static Write stream(int port) throws Exception {
        OutputStream out = OtherEnd.HOLDS.socket(port).getOutputStream();
        return out::write;
    }

    private static Write channel(int port) throws Exception {
        SocketChannel channel = OtherEnd.HOLDS.channel(port);
        return content -> channel.write(ByteBuffer.wrap(content));
    }

    /** The resident kilobytes, once nobody writes any more and they have stayed the same for a while. */
    private static long settled(AtomicLong writes) throws Exception {
        long last = -1;
        long resident = -1;
        for (int same = 0; same < 5; ) {
            Thread.sleep(50);
            boolean isSame = last == writes.get() && resident == Resident.kilobytes();
            same = isSame ? same + 1 : 0;
            last = writes.get();
            resident = Resident.kilobytes();
        }
        return resident;
    }
}
