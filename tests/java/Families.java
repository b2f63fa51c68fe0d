import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/**
 * Holds blocks of every family that a stock JVM has, most of them too small to be sampled, in every state that they
 * can be in, and ends so. The methods that take them are named after it.
 */
public final class Families {

    private static final List<Object> KEPT = new ArrayList<>();
    private static final CountDownLatch NEVER = new CountDownLatch(1);
    private static final Object UNSAFE = theUnsafe();
    private static final int VERSION = version();

    private interface Work {
        void run() throws Exception;
    }

    private Families() {}

    public static void main(String[] args) throws Exception {
        times(300, Families::direct);
        times(50, Families::view);
        times(50, Families::readOnly);
        times(200, () -> raw(704));
        times(40, () -> wrapped(raw(3304), 3304));
        times(10, Families::freedByOwnCleaner);
        times(8, () -> inThread(Families::writer, false));
        inThread(Families::gatherer, false);
        times(5, () -> inThread(Families::reader, true));
        inThread(Families::scatterer, true);
        if (VERSION >= 13) {
            times(2, () -> inThread(Families::receiver, true));
        }
        if (VERSION >= 17) {
            arenas();
        }
        collected();
        // No collection comes after this: what has been freed is still on the heap.
        reused();
        System.exit(0);
    }

    // Direct buffers.

    private static void direct() {
        KEPT.add(ByteBuffer.allocateDirect(1000));
    }

    private static void view() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(2000);
        ((Buffer) buffer).position(400);
        KEPT.add(buffer.slice().asIntBuffer());
    }

    private static void readOnly() {
        KEPT.add(ByteBuffer.allocateDirect(2200).asReadOnlyBuffer());
    }

    /** Buffers that the collector has found, and whose cleaners have not run: the thread that runs them waits. */
    private static void collected() throws Exception {
        CountDownLatch waits = new CountDownLatch(1);
        Runnable wait = () -> {
            waits.countDown();
            forever();
        };
        cleaner().invoke(null, new Object(), wait);
        while (waits.getCount() > 0) {
            System.gc();
            Thread.sleep(10);
        }
        WeakReference<ByteBuffer> last = dropped();
        while (last.get() != null) {
            System.gc();
            Thread.sleep(10);
        }
    }

    private static WeakReference<ByteBuffer> dropped() {
        for (int i = 0; i < 99; i++) {
            ByteBuffer.allocateDirect(5000);
        }
        return new WeakReference<>(ByteBuffer.allocateDirect(5000));
    }

    // Raw memory.

    private static long raw(long bytes) throws Exception {
        return (Long) ofUnsafe("allocateMemory", long.class).invoke(UNSAFE, bytes);
    }

    /** As Netty does: a buffer whose memory somebody else frees. */
    private static ByteBuffer wrapped(long address, int bytes) throws Exception {
        Class<?> size = VERSION >= 21 ? long.class : int.class;
        Constructor<?> constructor =
                Class.forName("java.nio.DirectByteBuffer").getDeclaredConstructor(long.class, size);
        constructor.setAccessible(true);
        Object bytesOfSize = VERSION >= 21 ? (Object) Long.valueOf(bytes) : (Object) Integer.valueOf(bytes);
        ByteBuffer buffer = (ByteBuffer) constructor.newInstance(address, bytesOfSize);
        KEPT.add(buffer);
        return buffer;
    }

    /** As Spark does: the JDK's cleaner runs what is not the JDK's. */
    private static void freedByOwnCleaner() throws Exception {
        long address = raw(3400);
        ByteBuffer buffer = wrapped(address, 3400);
        Runnable free = () -> System.out.println("would free " + address);
        KEPT.add(cleaner().invoke(null, buffer, free));
    }

    /** Memory at addresses that were others', whose objects are still there. */
    private static void reused() throws Exception {
        Set<Long> were = new HashSet<>();
        List<ByteBuffer> buffers = new ArrayList<>();
        List<Object> arenas = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            buffers.add(ByteBuffer.allocateDirect(3000));
            were.add(address(buffers.get(i)));
            // Something in between, so that what is freed does not become one large piece; as large, so that
            // it lies there.
            raw(1104);
            if (VERSION >= 21) {
                arenas.add(arena("ofConfined"));
                Object segment = allocate(arenas.get(i), 2600, 1);
                were.add((Long) method("java.lang.foreign.MemorySegment", "address").invoke(segment));
                raw(1104);
            }
        }
        for (ByteBuffer buffer : buffers) {
            free(buffer);
        }
        for (Object arena : arenas) {
            method("java.lang.foreign.Arena", "close").invoke(arena);
        }
        KEPT.add(buffers);
        KEPT.add(arenas);
        int again = 0;
        for (int i = 0; i < 50; i++) {
            again += were.contains(raw(3000)) ? 1 : 0;
            again += were.contains(raw(2600)) ? 1 : 0;
        }
        if (again < were.size() / 2) {
            throw new AssertionError("only " + again + " of " + were.size() + " addresses came again");
        }
    }

    private static void free(ByteBuffer buffer) throws Exception {
        if (VERSION >= 9) {
            ofUnsafe("invokeCleaner", ByteBuffer.class).invoke(UNSAFE, buffer);
        } else {
            Object cleaner = method("sun.nio.ch.DirectBuffer", "cleaner").invoke(buffer);
            method("sun.misc.Cleaner", "clean").invoke(cleaner);
        }
    }

    private static long address(ByteBuffer buffer) throws Exception {
        Field address = Buffer.class.getDeclaredField("address");
        address.setAccessible(true);
        return address.getLong(buffer);
    }

    // Channels' buffers.

    /** A channel's buffer that is kept for the thread. */
    private static void writer() throws IOException {
        try (FileChannel channel = FileChannel.open(Paths.get("/dev/null"), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[40_000]));
        }
    }

    private static void gatherer() throws IOException {
        try (FileChannel channel = FileChannel.open(Paths.get("/dev/null"), StandardOpenOption.WRITE)) {
            channel.write(new ByteBuffer[] {ByteBuffer.wrap(new byte[30_000]), ByteBuffer.wrap(new byte[31_000])});
        }
    }

    /** A channel's buffer into which it reads what does not come. */
    private static void reader() throws IOException {
        pipe().source().read(ByteBuffer.wrap(new byte[50_000]));
    }

    private static void scatterer() throws IOException {
        pipe().source()
                .read(new ByteBuffer[] {ByteBuffer.wrap(new byte[60_000]), ByteBuffer.wrap(new byte[61_000])});
    }

    private static Pipe pipe() throws IOException {
        Pipe pipe = Pipe.open();
        synchronized (KEPT) {
            KEPT.add(pipe);
        }
        return pipe;
    }

    private static void receiver() throws IOException {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket server = new ServerSocket(0, 1, loopback);
                Socket far = new Socket(loopback, server.getLocalPort());
                Socket near = server.accept();
                InputStream in = near.getInputStream()) {
            if (in.read(new byte[70_000]) >= 0 || far.isClosed()) {
                throw new IOException("something came");
            }
        }
    }

    /** Starts a thread that does it and stays, and waits until it has, or is in a native that does not return. */
    private static void inThread(Work work, boolean stays) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
            done.countDown();
            forever();
        });
        thread.setDaemon(true);
        thread.start();
        if (!stays) {
            done.await();
            return;
        }
        for (int inside = 0; inside < 3; Thread.sleep(5)) {
            StackTraceElement[] stack = thread.getStackTrace();
            boolean reads = stack.length > 0 && stack[0].isNativeMethod() && stack[0].getMethodName().startsWith("read");
            inside = reads ? inside + 1 : 0;
        }
    }

    // Arenas: what they are differs from JDK to JDK, so all by reflection.

    private static void arenas() throws Exception {
        if (VERSION < 21) {
            Object shared = method("jdk.incubator.foreign.ResourceScope", "newSharedScope").invoke(null);
            Object confined = method("jdk.incubator.foreign.ResourceScope", "newConfinedScope").invoke(null);
            Object implicit = method("jdk.incubator.foreign.ResourceScope", "newImplicitScope").invoke(null);
            Class<?> scope = Class.forName("jdk.incubator.foreign.ResourceScope");
            Method allocate =
                    method("jdk.incubator.foreign.MemorySegment", "allocateNative", long.class, long.class, scope);
            for (int i = 0; i < 50; i++) {
                allocate.invoke(null, 1200L, 1L, shared);
                allocate.invoke(null, 1208L, 64L, confined);
                KEPT.add(allocate.invoke(null, 1400L, 1L, implicit));
            }
            KEPT.add(shared);
            KEPT.add(confined);
            return;
        }
        Object shared = arena("ofShared");
        Object confined = arena("ofConfined");
        Object implicit = arena("ofAuto");
        for (int i = 0; i < 50; i++) {
            allocate(shared, 1200, 1);
            allocate(confined, 1208, 64);
            KEPT.add(allocate(implicit, 1400, 1));
        }
        KEPT.add(shared);
        KEPT.add(confined);
    }

    private static Object arena(String kind) throws Exception {
        return method("java.lang.foreign.Arena", kind).invoke(null);
    }

    private static Object allocate(Object arena, long bytes, long alignment) throws Exception {
        return method("java.lang.foreign.Arena", "allocate", long.class, long.class).invoke(arena, bytes, alignment);
    }

    // What they need.

    private static void times(int times, Work work) throws Exception {
        for (int i = 0; i < times; i++) {
            work.run();
        }
    }

    private static void forever() {
        try {
            NEVER.await();
        } catch (InterruptedException never) {
            throw new IllegalStateException(never);
        }
    }

    private static Method method(String type, String name, Class<?>... parameters) throws Exception {
        return Class.forName(type).getMethod(name, parameters);
    }

    private static Method cleaner() throws Exception {
        String type = VERSION >= 9 ? "jdk.internal.ref.Cleaner" : "sun.misc.Cleaner";
        return method(type, "create", Object.class, Runnable.class);
    }

    private static Method ofUnsafe(String name, Class<?>... parameters) throws Exception {
        return UNSAFE.getClass().getMethod(name, parameters);
    }

    private static Object theUnsafe() {
        try {
            Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return field.get(null);
        } catch (ReflectiveOperationException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private static int version() {
        String version = System.getProperty("java.specification.version");
        return Integer.parseInt(version.startsWith("1.") ? version.substring(2) : version);
    }
}
