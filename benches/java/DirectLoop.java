import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;

/**
 * Takes direct buffers of sizes from one to another, each twice the one before, and frees each at once or drops it:
 * {@code DirectLoop free|drop FROM TO ROUNDS}. Prints the nanoseconds that a buffer costs, by the clock and of the
 * processor, after as many rounds to warm up.
 */
public final class DirectLoop {

    interface Release {
        void release(ByteBuffer buffer) throws Exception;
    }

    private DirectLoop() {}

    public static void main(String[] args) throws Exception {
        Release release = args[0].equals("free") ? free() : buffer -> {};
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

    private static long run(Release release, int from, int to, int rounds) throws Exception {
        long buffers = 0;
        for (int round = 0; round < rounds; round++) {
            for (int size = from; size <= to; size <<= 1) {
                release.release(ByteBuffer.allocateDirect(size));
                buffers++;
            }
        }
        return buffers;
    }

    private static Release free() throws Exception {
        try {
            Class<?> unsafe = Class.forName("sun.misc.Unsafe");
            java.lang.reflect.Field field = unsafe.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            Method clean = unsafe.getMethod("invokeCleaner", ByteBuffer.class);
            Object instance = field.get(null);
            return buffer -> clean.invoke(instance, buffer);
        } catch (NoSuchMethodException eight) {
            Method cleaner = Class.forName("sun.nio.ch.DirectBuffer").getMethod("cleaner");
            Method clean = Class.forName("sun.misc.Cleaner").getMethod("clean");
            return buffer -> clean.invoke(cleaner.invoke(buffer));
        }
    }
}
