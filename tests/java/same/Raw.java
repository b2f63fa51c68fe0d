package same;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;

/**
 * {@code sun.misc.Unsafe}, which a compiler for Java 8 does not show.
 *
 * <p>Constant method handles, so that compiled code calls its methods as directly as a program's own would.
 */
final class Raw {
    private static final Object UNSAFE = unsafe();
    private static final MethodHandle ALLOCATE = method("allocateMemory", long.class, long.class);
    private static final MethodHandle REALLOCATE = method("reallocateMemory", long.class, long.class, long.class);
    private static final MethodHandle FREE = method("freeMemory", void.class, long.class);
    private static final MethodHandle SET = method("setMemory", void.class, long.class, long.class, byte.class);
    private static final MethodHandle SET_IN =
            method("setMemory", void.class, Object.class, long.class, long.class, byte.class);
    private static final MethodHandle COPY = method("copyMemory", void.class, long.class, long.class, long.class);
    private static final MethodHandle COPY_IN =
            method("copyMemory", void.class, Object.class, long.class, Object.class, long.class, long.class);
    private static final MethodHandle GET_BYTE = method("getByte", byte.class, long.class);
    private static final MethodHandle PUT_BYTE = method("putByte", void.class, long.class, byte.class);
    private static final MethodHandle GET_LONG = method("getLong", long.class, long.class);
    private static final MethodHandle PUT_LONG = method("putLong", void.class, long.class, long.class);
    private static final MethodHandle GET_LONG_IN = method("getLong", long.class, Object.class, long.class);
    private static final MethodHandle BASE = method("arrayBaseOffset", int.class, Class.class);
    private static final MethodHandle OFFSET = method("objectFieldOffset", long.class, Field.class);

    private Raw() {
    }

    private static Object unsafe() {
        try {
            Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return field.get(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    static MethodHandle method(String name, Class<?> result, Class<?>... parameters) {
        try {
            MethodType type = MethodType.methodType(result, parameters);
            return MethodHandles.lookup().findVirtual(UNSAFE.getClass(), name, type).bindTo(UNSAFE);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    static long allocate(long bytes) throws Throwable {
        return (long) ALLOCATE.invokeExact(bytes);
    }

    static long reallocate(long address, long bytes) throws Throwable {
        return (long) REALLOCATE.invokeExact(address, bytes);
    }

    static void free(long address) throws Throwable {
        FREE.invokeExact(address);
    }

    static void set(long address, long bytes, byte value) throws Throwable {
        SET.invokeExact(address, bytes, value);
    }

    static void set(Object base, long offset, long bytes, byte value) throws Throwable {
        SET_IN.invokeExact(base, offset, bytes, value);
    }

    static void copy(long source, long destination, long bytes) throws Throwable {
        COPY.invokeExact(source, destination, bytes);
    }

    static void copy(Object source, long from, Object destination, long to, long bytes) throws Throwable {
        COPY_IN.invokeExact(source, from, destination, to, bytes);
    }

    static byte getByte(long address) throws Throwable {
        return (byte) GET_BYTE.invokeExact(address);
    }

    static void putByte(long address, byte value) throws Throwable {
        PUT_BYTE.invokeExact(address, value);
    }

    static long getLong(long address) throws Throwable {
        return (long) GET_LONG.invokeExact(address);
    }

    static void putLong(long address, long value) throws Throwable {
        PUT_LONG.invokeExact(address, value);
    }

    /** Where the elements of an array of this class start. */
    static long base(Class<?> array) throws Throwable {
        return (int) BASE.invokeExact((Class<?>) array);
    }

    /** The address of a direct buffer's first byte. */
    static long address(java.nio.Buffer buffer) throws Throwable {
        long offset = (long) OFFSET.invokeExact(java.nio.Buffer.class.getDeclaredField("address"));
        return (long) GET_LONG_IN.invokeExact((Object) buffer, offset);
    }

    static void write(long address, byte[] bytes) throws Throwable {
        for (int i = 0; i < bytes.length; i++) {
            putByte(address + i, bytes[i]);
        }
    }

    static byte[] read(long address, int length) throws Throwable {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = getByte(address + i);
        }
        return bytes;
    }
}
