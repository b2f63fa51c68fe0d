import java.lang.reflect.Method;
import java.nio.ByteBuffer;

/** Takes direct buffers from 64 bytes to 1 MiB and frees them, for so many milliseconds; prints nanoseconds a buffer. */
public final class DirectLoop {
    private DirectLoop() {}

    public static void main(String[] args) throws Exception {
        long millis = Long.parseLong(args[0]);
        int from = Integer.parseInt(args[1]);
        int to = Integer.parseInt(args[2]);
        Free free = free();
        run(free, millis, from, to);
        System.out.println(run(free, millis, from, to));
    }

    private static double run(Free free, long millis, int from, int to) throws Exception {
        long start = System.nanoTime();
        long end = start + millis * 1_000_000;
        long buffers = 0;
        long now;
        do {
            for (int size = from; size <= to; size <<= 1) {
                for (int i = 0; i < 10; i++) {
                    free.free(ByteBuffer.allocateDirect(size));
                    buffers++;
                }
            }
            now = System.nanoTime();
        } while (now < end);
        return (double) (now - start) / buffers;
    }

    interface Free {
        void free(ByteBuffer buffer) throws Exception;
    }

    private static Free free() throws Exception {
        try {
            Class<?> unsafeClass = Class.forName("sun.misc.Unsafe");
            java.lang.reflect.Field field = unsafeClass.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            Object unsafe = field.get(null);
            Method clean = unsafeClass.getMethod("invokeCleaner", ByteBuffer.class);
            java.lang.invoke.MethodHandle handle =
                    java.lang.invoke.MethodHandles.lookup().unreflect(clean).bindTo(unsafe);
            return buffer -> {
                try {
                    handle.invokeExact(buffer);
                } catch (Throwable thrown) {
                    throw new IllegalStateException(thrown);
                }
            };
        } catch (NoSuchMethodException eight) {
            Method cleaner = Class.forName("sun.nio.ch.DirectBuffer").getMethod("cleaner");
            Method clean = Class.forName("sun.misc.Cleaner").getMethod("clean");
            return buffer -> clean.invoke(cleaner.invoke(buffer));
        }
    }
}
