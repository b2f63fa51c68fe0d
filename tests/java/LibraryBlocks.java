import io.offheap.DirectByteBuffer;
import io.offheap.Unsafe;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;

/** Keeps blocks of the Java library, and tries to give one back by doors that are not its own. */
public final class LibraryBlocks {

    private static final List<ByteBuffer> KEPT = new ArrayList<>();

    private static void direct() {
        for (int i = 0; i < 100; i++) {
            KEPT.add(DirectByteBuffer.allocate(30_000));
        }
    }

    private static void raw() {
        for (int i = 0; i < 10; i++) {
            Unsafe.allocateMemory(50_000);
        }
    }

    public static void main(String[] args) throws Exception {
        direct();
        raw();
        ByteBuffer last = DirectByteBuffer.allocate(1000);
        Field field = Buffer.class.getDeclaredField("address");
        field.setAccessible(true);
        long address = field.getLong(last);
        refused("io.offheap freeMemory", () -> {
            Unsafe.freeMemory(address);
            return null;
        });
        refused("io.offheap reallocateMemory", () -> Unsafe.reallocateMemory(address, 2000));
        refused("freeMemory", () -> ofTheJdk("freeMemory", address));
        refused("reallocateMemory", () -> ofTheJdk("reallocateMemory", address, 2000L));
        last.putInt(996, 7);
        DirectByteBuffer.free(last);
        System.out.println("LibraryBlocks: ok, " + KEPT.size());
    }

    /** Calls a method of the JDK's own class, whose arguments are all long. */
    private static Object ofTheJdk(String name, Object... arguments) throws Exception {
        Class<?> type = Class.forName("sun.misc.Unsafe");
        Field theUnsafe = type.getDeclaredField("theUnsafe");
        theUnsafe.setAccessible(true);
        Class<?>[] types = new Class<?>[arguments.length];
        Arrays.fill(types, long.class);
        try {
            return type.getMethod(name, types).invoke(theUnsafe.get(null), arguments);
        } catch (InvocationTargetException thrown) {
            throw (Exception) thrown.getCause();
        }
    }

    private static void refused(String what, Callable<?> call) throws Exception {
        try {
            throw new AssertionError(what + " returned " + call.call());
        } catch (IllegalArgumentException refused) {
            System.out.println(what + " was refused");
        }
    }
}
