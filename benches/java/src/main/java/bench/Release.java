package bench;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;

/** Gives a direct buffer's memory back at once, as Netty and others do it, on every JDK. */
final class Release {
    /** Constant, so that a JIT compiler sees through it: nothing but the JDK's own code is measured. */
    private static final MethodHandle FREE = find();

    private Release() {}

    static void free(ByteBuffer buffer) {
        try {
            FREE.invokeExact(buffer);
        } catch (Throwable impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static MethodHandle find() {
        MethodHandles.Lookup lookup = MethodHandles.lookup();
        MethodType type = MethodType.methodType(void.class, ByteBuffer.class);
        try {
            Class<?> unsafe = Class.forName("sun.misc.Unsafe");
            try {
                Field field = unsafe.getDeclaredField("theUnsafe");
                field.setAccessible(true);
                return lookup.findVirtual(unsafe, "invokeCleaner", type).bindTo(field.get(null));
            } catch (NoSuchMethodException eight) {
                Class<?> cleaner = Class.forName("sun.misc.Cleaner");
                MethodHandle get = lookup.findVirtual(
                    Class.forName("sun.nio.ch.DirectBuffer"), "cleaner", MethodType.methodType(cleaner));
                MethodHandle clean = lookup.findVirtual(cleaner, "clean", MethodType.methodType(void.class));
                return MethodHandles.filterReturnValue(get, clean).asType(type);
            }
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }
}
