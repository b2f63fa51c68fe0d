import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;

/**
 * Misuses raw memory in the way that its argument says, from methods whose names say what they do. Ends with {@code
 * went on}, if it comes to that.
 */
public final class Misuse {

    private static final Object UNSAFE = unsafe();

    private Misuse() {}

    public static void main(String[] args) throws Exception {
        // So that the blocks' addresses are not the first of their kind.
        for (int i = 0; i < 1000; i++) {
            first(allocate(100));
        }
        long block = take();
        switch (args[0]) {
            case "double-free":
                first(block);
                second(block);
                break;
            case "foreign":
                foreign(block);
                first(block);
                break;
            case "after-free":
                first(block);
                read(block + 17);
                break;
            case "overrun":
                write(block + 256);
                break;
            case "small-overrun":
                long small = allocate(248);
                write(small + 248);
                first(small);
                first(block);
                break;
            case "underrun":
                write(block - 1);
                first(block);
                break;
            case "nothing":
                write(block);
                read(block + 255);
                block = (Long) call("reallocateMemory", new Class<?>[] {long.class, long.class}, block, 100_000L);
                if (get(block) != 7) {
                    throw new IllegalStateException("not copied");
                }
                write(block + 99_999);
                first(block);
                break;
            default:
                throw new IllegalArgumentException(args[0]);
        }
        System.out.println("went on");
        System.exit(0);
    }

    private static long take() {
        return allocate(256);
    }

    private static void first(long block) {
        free(block);
    }

    private static void second(long block) {
        free(block);
    }

    /** The inside of a block, at which none begins. */
    private static void foreign(long block) {
        free(block + 64);
    }

    private static void read(long address) {
        if (get(address) == 99) {
            System.out.println("99");
        }
    }

    private static void write(long address) {
        call("putByte", new Class<?>[] {long.class, byte.class}, address, (byte) 7);
    }

    private static long allocate(long bytes) {
        return (Long) call("allocateMemory", new Class<?>[] {long.class}, bytes);
    }

    private static void free(long block) {
        call("freeMemory", new Class<?>[] {long.class}, block);
    }

    private static byte get(long address) {
        return (Byte) call("getByte", new Class<?>[] {long.class}, address);
    }

    private static Object call(String method, Class<?>[] types, Object... arguments) {
        try {
            return UNSAFE.getClass().getMethod(method, types).invoke(UNSAFE, arguments);
        } catch (InvocationTargetException thrown) {
            throw new IllegalStateException(thrown.getCause());
        } catch (ReflectiveOperationException failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static Object unsafe() {
        try {
            Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return field.get(null);
        } catch (ReflectiveOperationException failure) {
            throw new IllegalStateException(failure);
        }
    }
}
