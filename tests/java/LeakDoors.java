import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ExecutionException;

/**
 * Takes off-heap memory through one of a JVM's doors and keeps it, until it is refused:
 * {@code LeakDoors direct|unsafe|nocleaner|arena|temporary|library-direct|library-unsafe}.
 *
 * <p>Prints what it was refused with, and how much it held then, in MiB. A door that a JDK has not got
 * is "not possible". Exit code 1: it was given MOST and never refused.
 */
public final class LeakDoors {
    /** Four times what the harness lets it have. */
    private static final long MOST = 256L << 20;
    private static final int BLOCK = 1 << 20;

    /** Holds what was taken, so that no collection gives it back. */
    private static final List<Object> HELD = new ArrayList<>();

    private LeakDoors() {}

    /** Takes so many bytes more. */
    private interface Door {
        Object take(int bytes) throws Exception;
    }

    private static final class Impossible extends Exception {
        private static final long serialVersionUID = 1;

        Impossible(Throwable cause) {
            super(cause);
        }
    }

    public static void main(String[] args) throws Exception {
        Door door;
        try {
            door = door(args[0]);
        } catch (Impossible why) {
            System.out.println("not possible: " + why.getCause().getClass().getName());
            return;
        }
        long held = 0;
        try {
            while (held < MOST) {
                HELD.add(door.take(BLOCK));
                held += BLOCK;
            }
        } catch (OutOfMemoryError refused) {
            System.out.println("stopped: " + refused.getClass().getName() + ": " + refused.getMessage());
            System.out.println("held: " + (held >> 20) + " MiB");
            System.out.flush();
            // A pool's threads may be there still.
            System.exit(0);
        }
        System.out.println("never stopped");
        System.exit(1);
    }

    private static Door door(String name) throws Exception {
        switch (name) {
            case "direct":
                return ByteBuffer::allocateDirect;
            case "unsafe":
                return unsafe(unsafeOfJdk());
            case "nocleaner":
                return noCleaner();
            case "arena":
                return arena();
            case "temporary":
                return temporary();
            case "library-direct":
                return library("DirectByteBuffer", "allocate", int.class);
            case "library-unsafe":
                return library("Unsafe", "allocateMemory", long.class);
            default:
                throw new IllegalArgumentException(name);
        }
    }

    private static Object unsafeOfJdk() throws ReflectiveOperationException {
        Field unsafe = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
        unsafe.setAccessible(true);
        return unsafe.get(null);
    }

    private static Door unsafe(Object unsafe) throws ReflectiveOperationException {
        Method allocate = unsafe.getClass().getMethod("allocateMemory", long.class);
        return bytes -> call(allocate, unsafe, (long) bytes);
    }

    /** As Netty makes its buffers without a cleaner: memory of Unsafe's in the JDK's own buffer class. */
    private static Door noCleaner() throws Exception {
        Door memory = unsafe(unsafeOfJdk());
        Class<?> buffer = Class.forName("java.nio.DirectByteBuffer");
        Constructor<?> constructor;
        boolean capacityIsLong = false;
        try {
            try {
                constructor = buffer.getDeclaredConstructor(long.class, int.class);
            } catch (NoSuchMethodException since21) {
                constructor = buffer.getDeclaredConstructor(long.class, long.class);
                capacityIsLong = true;
            }
            constructor.setAccessible(true);
        } catch (RuntimeException closed) {
            throw new Impossible(closed);
        }
        Constructor<?> make = constructor;
        boolean asLong = capacityIsLong;
        return bytes -> {
            Object address = memory.take(bytes);
            ByteBuffer made = asLong ? (ByteBuffer) make.newInstance(address, (long) bytes)
                : (ByteBuffer) make.newInstance(address, bytes);
            made.put(0, (byte) 1).put(bytes - 1, (byte) 1);
            return made;
        };
    }

    /** java.lang.foreign: final in 22, behind a flag in 21. */
    private static Door arena() throws Exception {
        Object arena;
        Method allocate;
        try {
            Class<?> type = Class.forName("java.lang.foreign.Arena");
            arena = type.getMethod("ofShared").invoke(null);
            allocate = type.getMethod("allocate", long.class);
        } catch (ReflectiveOperationException none) {
            throw new Impossible(none);
        }
        return bytes -> call(allocate, arena, (long) bytes);
    }

    /** Each thread of a pool writes ever larger arrays; the buffer that each such write needs stays. */
    private static Door temporary() throws IOException {
        FileChannel sink = FileChannel.open(Paths.get("/dev/null"), StandardOpenOption.WRITE);
        ExecutorService[] pool = new ExecutorService[16];
        int[] sizes = new int[pool.length];
        for (int i = 0; i < pool.length; i++) {
            pool[i] = Executors.newSingleThreadExecutor();
        }
        int[] turn = {0};
        return bytes -> {
            int i = turn[0]++ % pool.length;
            sizes[i] += bytes;
            Future<Integer> written = pool[i].submit(() -> sink.write(ByteBuffer.wrap(new byte[sizes[i]])));
            try {
                return written.get();
            } catch (ExecutionException failed) {
                if (failed.getCause() instanceof OutOfMemoryError) {
                    throw (OutOfMemoryError) failed.getCause();
                }
                throw failed;
            }
        };
    }

    private static Door library(String type, String name, Class<?> size) throws Exception {
        Method allocate;
        try {
            allocate = Class.forName("io.offheap." + type).getMethod(name, size);
        } catch (ClassNotFoundException none) {
            throw new Impossible(none);
        }
        return bytes -> size == int.class ? call(allocate, null, bytes) : call(allocate, null, (long) bytes);
    }

    private static Object call(Method method, Object on, Object argument) throws Exception {
        try {
            return method.invoke(on, argument);
        } catch (InvocationTargetException failed) {
            if (failed.getCause() instanceof Error) {
                throw (Error) failed.getCause();
            }
            throw failed;
        }
    }
}
