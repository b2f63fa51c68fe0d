package same;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

/**
 * What programs reach only if the JVM was told to open it: {@code jdk.internal.misc.Unsafe}, and its like in JDK 8.
 *
 * <p>Needs {@code --add-opens java.base/jdk.internal.misc=ALL-UNNAMED} from JDK 9 on.
 */
final class Internal {
    private static final Class<?>[] SWAP = {
        Object.class, long.class, Object.class, long.class, long.class, long.class,
    };

    private final Object unsafe;
    private final Method allocate;
    private final Method swap;

    private Internal(Object unsafe, Method allocate, Method swap) {
        this.unsafe = unsafe;
        this.allocate = allocate;
        this.swap = swap;
    }

    static Internal get() throws ReflectiveOperationException {
        boolean old = System.getProperty("java.specification.version").equals("1.8");
        Class<?> type = Class.forName(old ? "sun.misc.Unsafe" : "jdk.internal.misc.Unsafe");
        java.lang.reflect.Field field = type.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        // JDK 8 has the swap where its only user is.
        Method swap = (old ? Class.forName("java.nio.Bits") : type).getDeclaredMethod("copySwapMemory", SWAP);
        swap.setAccessible(true);
        return new Internal(field.get(null), type.getMethod("allocateMemory", long.class), swap);
    }

    long allocate(long bytes) throws Throwable {
        return (long) call(allocate, bytes);
    }

    void swap(Object source, long from, Object target, long to, long bytes, long element) throws Throwable {
        call(swap, source, from, target, to, bytes, element);
    }

    private Object call(Method method, Object... arguments) throws Throwable {
        try {
            return method.invoke(unsafe, arguments);
        } catch (InvocationTargetException thrown) {
            throw thrown.getCause();
        }
    }
}
