import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;

/**
 * Keeps a known number of blocks from known methods among many others that it drops: direct buffers, a thread's
 * temporary buffer, and raw memory. Prints what it keeps, as {@code method bytes blocks}.
 */
public final class KnownLeak {

    private static final List<ByteBuffer> KEPT = new ArrayList<>();

    private KnownLeak() {}

    public static void main(String[] args) throws Exception {
        int dropped = Integer.parseInt(args[0]);
        for (int i = 0; i < dropped; i++) {
            drop(i);
            if (i % (dropped / 1000) == 0) {
                session();
            }
            if (i % (dropped / 100) == 0) {
                cache();
            }
        }
        raw();
        Thread writer = new Thread(KnownLeak::write, "writer");
        writer.start();
        writer.join();
        // The dropped ones go when their memory is needed; here nobody needs it, so they are asked to.
        for (int i = 0; i < 50 || (DirectPool.used() > 23_100_000 && i < 3000); i++) {
            System.gc();
            Thread.sleep(10);
        }
        System.out.println("session 3000000 1000");
        System.out.println("cache 20000000 100");
        System.out.println("raw 7000000 7");
        System.out.println(KEPT.size() + " kept");
        System.exit(0);
    }

    private static void drop(int i) {
        ByteBuffer.allocateDirect(64 + i % 5000);
    }

    private static void session() {
        KEPT.add(ByteBuffer.allocateDirect(3000));
    }

    private static void cache() {
        KEPT.add(ByteBuffer.allocateDirect(200_000));
    }

    private static void raw() throws Exception {
        java.lang.reflect.Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
        field.setAccessible(true);
        Object unsafe = field.get(null);
        java.lang.reflect.Method allocate = unsafe.getClass().getMethod("allocateMemory", long.class);
        for (int i = 0; i < 7; i++) {
            allocate.invoke(unsafe, 1_000_000L);
        }
    }

    /** Writes an array through a channel: the JDK copies it to a buffer that it keeps for the thread. */
    private static void write() {
        try (FileChannel channel = FileChannel.open(Paths.get("/dev/null"), java.nio.file.StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[500_000]));
        } catch (java.io.IOException failure) {
            throw new IllegalStateException(failure);
        }
    }
}
