package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.lang.ref.WeakReference;
import java.lang.reflect.InvocationTargetException;
import java.net.Socket;
import java.nio.ByteBuffer;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

/** The library once more in the same process, from the jar, for the classes of another class loader. */
class ClassLoaderTest {

    /** Defines the classes of this package anew, but for one that it can't find. */
    private static final class Another extends ClassLoader {
        private final String absent;

        Another(String absent) {
            super(Another.class.getClassLoader());
            this.absent = absent;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                if (name.equals(absent)) {
                    throw new ClassNotFoundException(name);
                }
                Class<?> loaded = findLoadedClass(name);
                if (loaded == null) {
                    loaded = name.startsWith("io.offheap.") ? define(name) : super.loadClass(name, resolve);
                }
                return loaded;
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (InputStream in = getResourceAsStream(name.replace('.', '/') + ".class")) {
                for (int b; (b = in.read()) >= 0; ) {
                    bytes.write(b);
                }
            } catch (IOException failure) {
                throw new ClassNotFoundException(name, failure);
            }
            return defineClass(name, bytes.toByteArray(), 0, bytes.size());
        }

        Throwable cause() throws Exception {
            return (Throwable) loadClass("io.offheap.OffHeap").getMethod("unavailabilityCause").invoke(null);
        }
    }

    @Test
    void a_second_copy_does_not_put_the_streams_of_the_first_to_sleep() throws Exception {
        assumeTrue(Jdk.VERSION < 13, "Java 12 has them last");
        try (Jdk.Pair first = new Jdk.Pair(); Jdk.Pair second = new Jdk.Pair()) {
            SocketInputStream in = new SocketInputStream(first.connected);
            Jdk.Task<String> reader = Jdk.start(() -> Jdk.thrownBy(in::read));
            Class<?> stream = new Another(null).loadClass("io.offheap.SocketInputStream");
            String refused = Jdk.thrownBy(() -> {
                try {
                    return stream.getConstructor(Socket.class).newInstance(second.connected);
                } catch (InvocationTargetException thrown) {
                    throw (Exception) thrown.getCause();
                }
            });
            assertTrue(refused.contains("another class loader"), refused);
            Thread.sleep(60);
            assertFalse(reader.isDone());
            first.connected.close();
            assertEquals("java.net.SocketException: Socket closed", reader.await());
        }
    }

    @Test
    void an_interrupted_thread_can_load_it() throws Exception {
        Thread.currentThread().interrupt();
        Throwable cause = new Another(null).cause();
        assertTrue(Thread.interrupted());
        assertEquals(null, cause);
    }

    @Test
    void what_the_native_library_misses_is_in_the_message() throws Exception {
        String message = new Another("io.offheap.SocketAccess").cause().getMessage();
        assertTrue(message.contains("from the jar") && message.contains("io.offheap.SocketAccess"), message);
    }

    @Test
    void an_idle_library_does_not_keep_its_class_loader() throws Exception {
        System.setProperty("io.offheap.cleaner.idle", "20");
        try {
            WeakReference<ClassLoader> loader = used(new Another(null));
            for (int i = 0; i < 1000 && loader.get() != null; i++) {
                System.gc();
                Thread.sleep(10);
            }
            assertNull(loader.get());
        } finally {
            System.clearProperty("io.offheap.cleaner.idle");
        }
    }

    @Test
    void its_bean_has_a_name_of_its_own() throws Exception {
        assertEquals("io.offheap:type=OffHeap", OffHeap.registerMXBean());
        Class<?> another = new Another(null).loadClass("io.offheap.OffHeap");
        for (int i = 0; i < 2; i++) {
            Object name = another.getMethod("registerMXBean").invoke(null);
            assertEquals("io.offheap:type=OffHeap,loader=2", name);
        }
        ObjectName name = new ObjectName("io.offheap:type=OffHeap,loader=2");
        Object version = ManagementFactory.getPlatformMBeanServer().getAttribute(name, "Version");
        assertEquals(OffHeap.version(), version);
    }

    private static WeakReference<ClassLoader> used(ClassLoader loader) throws Exception {
        Class<?> buffers = loader.loadClass("io.offheap.DirectByteBuffer");
        Object buffer = buffers.getMethod("allocate", int.class).invoke(null, 100);
        buffers.getMethod("free", ByteBuffer.class).invoke(null, buffer);
        return new WeakReference<>(loader);
    }
}
