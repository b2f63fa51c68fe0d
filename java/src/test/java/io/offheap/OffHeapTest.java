package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.Test;

class OffHeapTest {

    /** Prints how each class answers, first and second time. */
    static final class Ask {
        public static void main(String[] args) {
            // Not with -D: the JDK itself would not start.
            System.setProperty("os.name", System.getProperty("test.os.name", "Linux"));
            System.out.println("available " + OffHeap.isAvailable());
            System.out.println("cause " + OffHeap.unavailabilityCause());
            for (int i = 0; i < 2; i++) {
                System.out.println("ensure " + Jdk.thrownBy(() -> {
                    OffHeap.ensureAvailability();
                    return null;
                }));
                System.out.println("buffer " + Jdk.thrownBy(() -> DirectByteBuffer.allocate(1)));
                System.out.println("free " + Jdk.thrownBy(() -> {
                    DirectByteBuffer.free(ByteBuffer.allocateDirect(1));
                    return null;
                }));
                System.out.println("stream " + Jdk.thrownBy(() -> new SocketOutputStream(new Socket())));
                System.out.println("unsafe " + Jdk.thrownBy(() -> Unsafe.allocateMemory(0)));
                System.out.println("bits " + Jdk.thrownBy(Bits::pageSize));
            }
        }
    }

    /** Uses every class with natives first, each from its own thread, at the same moment. */
    static final class FirstUse {
        public static void main(String[] args) throws Exception {
            CyclicBarrier barrier = new CyclicBarrier(5);
            Jdk.Task<?>[] tasks = {
                Jdk.start(() -> barrier.await() + Bits.pageSize()),
                Jdk.start(() -> barrier.await() + Unsafe.allocateMemory(0)),
                Jdk.start(() -> barrier.await() + OffHeap.version()),
                Jdk.start(() -> barrier.await() + DirectByteBuffer.allocate(1).capacity()),
                Jdk.start(() -> barrier.await() + Jdk.thrownBy(() -> new SocketInputStream(new Socket()))),
            };
            for (Jdk.Task<?> task : tasks) {
                task.await();
            }
            System.out.println("all loaded");
            System.exit(0);
        }
    }

    @Test
    void the_library_is_there_and_has_the_jars_version() {
        assertNull(OffHeap.unavailabilityCause());
        assertTrue(OffHeap.isAvailable());
        OffHeap.ensureAvailability();
        assertTrue(OffHeap.version().matches("\\d+\\.\\d+\\.\\d+.*"), OffHeap.version());
    }

    @Test
    void an_explicit_path_never_falls_back_and_every_call_is_a_link_error_with_the_cause() throws Exception {
        Jdk.Child child = Jdk.run(Ask.class, "-Dio.offheap.library=/nowhere/liboffheap.so");
        assertEquals(0, child.status, child.output);
        assertTrue(child.output.contains("available false"), child.output);
        for (String line : child.output.split("\n")) {
            if (line.matches("(ensure|buffer|free|stream) .*")) {
                assertTrue(line.contains("java.lang.UnsatisfiedLinkError: -Dio.offheap.library=/nowhere/liboffheap.so"), line);
            } else if (line.matches("(unsafe|bits) .*")) {
                assertTrue(line.contains("java.lang.UnsatisfiedLinkError"), line);
            }
        }
        assertEquals(4, child.output.split("(?m)^(unsafe|bits) ", -1).length - 1, child.output);
    }

    @Test
    void when_all_fails_one_message_has_every_cause() throws Exception {
        assumeTrue(System.getProperty("io.offheap.library") == null, "this run names its library");
        Jdk.Child child = Jdk.run(Ask.class, "-Djava.library.path=/nowhere", "-Dio.offheap.tmpdir=/nowhere/else");
        String cause = line(child, "cause ");
        assertTrue(cause.contains("java.library.path: no offheap in"), cause);
        assertTrue(cause.contains("from the jar: java.nio.file.NoSuchFileException: /nowhere/else"), cause);
        assertTrue(cause.contains("-Dio.offheap.library=PATH"), cause);
    }

    @Test
    void a_foreign_platform_is_named() throws Exception {
        assumeTrue(System.getProperty("io.offheap.library") == null, "this run names its library");
        String[] path = {"-Djava.library.path=/nowhere", null};
        path[1] = "-Dos.arch=sparc";
        assertTrue(line(Jdk.run(Ask.class, path), "cause ").contains("processor sparc is not supported"));
        path[1] = "-Dtest.os.name=Plan9";
        assertTrue(line(Jdk.run(Ask.class, path), "cause ").contains("operating system Plan9 is not supported"));
    }

    @Test
    void a_noexec_folder_is_diagnosed_with_its_cure() throws Exception {
        assumeTrue(System.getProperty("io.offheap.library") == null, "this run names its library");
        Path folder = noexecFolder();
        assumeTrue(folder != null, "no noexec mount here");
        Jdk.Child child = Jdk.run(Ask.class, "-Djava.library.path=/nowhere", "-Dio.offheap.tmpdir=" + folder);
        String cause = line(child, "cause ");
        assertTrue(cause.contains("the folder " + folder + " is mounted noexec; -Dio.offheap.tmpdir=FOLDER"), cause);
    }

    @Test
    void the_extracted_copy_does_not_stay() throws Exception {
        assumeTrue(System.getProperty("io.offheap.library") == null, "this run names its library");
        Path folder = Files.createTempDirectory("offheap-test");
        Jdk.Child child = Jdk.run(Ask.class, "-Djava.library.path=/nowhere", "-Dio.offheap.tmpdir=" + folder);
        assertTrue(child.output.contains("available true"), child.output);
        assertEquals(0, folder.toFile().list().length);
        Files.delete(folder);
    }

    @Test
    void denied_native_access_is_explained() throws Exception {
        assumeTrue(Jdk.VERSION >= 24, "Java 24 and later deny");
        Jdk.Child child = Jdk.run(Ask.class, "--illegal-native-access=deny");
        String cause = line(child, "cause ");
        assertTrue(cause.contains("--enable-native-access=io.offheap, or =ALL-UNNAMED"), cause);
        child = Jdk.run(Ask.class, "--illegal-native-access=deny", "--enable-native-access=ALL-UNNAMED");
        assertTrue(child.output.contains("available true"), child.output);
        assertFalse(child.output.contains("WARNING"), child.output);
    }

    @Test
    void threads_that_use_all_classes_first_at_once_do_not_deadlock() throws Exception {
        for (int i = 0; i < 3; i++) {
            Jdk.Child child = Jdk.run(FirstUse.class);
            assertTrue(child.output.contains("all loaded"), child.output);
        }
    }

    @Test
    void counters_grow_with_what_streams_do() throws Exception {
        OffHeap.Counters before = OffHeap.counters();
        try (Jdk.Pair pair = new Jdk.Pair()) {
            new SocketOutputStream(pair.connected).write(new byte[3000]);
            byte[] b = new byte[3000];
            SocketInputStream in = new SocketInputStream(pair.accepted);
            for (int n = 0; n < b.length; ) {
                n += in.read(b, n, b.length - n);
            }
        }
        OffHeap.Counters after = OffHeap.counters();
        assertEquals(1, after.writes() - before.writes());
        assertEquals(1, after.sends() - before.sends());
        assertEquals(3000, after.bytesSent() - before.bytesSent());
        assertEquals(3000, after.bytesReceived() - before.bytesReceived());
        assertTrue(after.reads() > before.reads() && after.receives() > before.receives(), after.toString());
    }

    private static String line(Jdk.Child child, String start) {
        for (String line : child.output.split("\n")) {
            if (line.startsWith(start)) {
                return line;
            }
        }
        return "no line \"" + start + "\" in: " + child.output;
    }

    /** A folder on a mount that lets us write but not execute; null when there is none. */
    private static Path noexecFolder() throws Exception {
        for (String mount : Files.readAllLines(Paths.get("/proc/mounts"))) {
            String[] fields = mount.split(" ");
            Path folder = Paths.get(fields[1]);
            if (fields[2].equals("tmpfs") && (',' + fields[3] + ',').contains(",noexec,") && Files.isWritable(folder)) {
                return folder;
            }
        }
        return null;
    }
}
