package io.offheap;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** What the tests need to know of the JVM they run on, and what they do again and again. */
final class Jdk {

    /** 8, 11, 17, ... */
    static final int VERSION = version();

    /** Long enough for anything that is not a hang. */
    static final long SECONDS = 20;

    private Jdk() {}

    private static int version() {
        String version = System.getProperty("java.specification.version");
        return Integer.parseInt(version.startsWith("1.") ? version.substring(2) : version);
    }

    static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random().nextBytes(bytes);
        return bytes;
    }

    /** Runs on a thread of its own; {@code get} with a limit makes a hang a failure. */
    static final class Task<V> extends FutureTask<V> {
        final Thread thread;

        private Task(Callable<V> work) {
            super(work);
            thread = new Thread(this, "test-task");
            thread.setDaemon(true);
            thread.start();
        }

        V await() throws Exception {
            return get(SECONDS, TimeUnit.SECONDS);
        }
    }

    static <V> Task<V> start(Callable<V> work) {
        return new Task<>(work);
    }

    /** The class and message of what the work throws, as in "java.net.SocketException: Socket closed". */
    static String thrownBy(Callable<?> work) {
        try {
            return "returned " + work.call();
        } catch (Throwable thrown) {
            return thrown.toString();
        }
    }

    static boolean eventually(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            Thread.sleep(5);
        }
        return true;
    }

    /** Two ends of a loopback connection: one made by connect, one by accept. */
    static final class Pair implements AutoCloseable {
        final Socket connected;
        final Socket accepted;

        Pair() throws Exception {
            try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                connected = new Socket(server.getInetAddress(), server.getLocalPort());
                accepted = server.accept();
            }
        }

        /** Makes the accepted end reset the connection, and waits until the other can know. */
        void reset() throws Exception {
            accepted.setSoLinger(true, 0);
            accepted.close();
            Thread.sleep(50);
        }

        @Override
        public void close() throws IOException {
            connected.close();
            accepted.close();
        }
    }

    /** What a child JVM printed, both streams, and its exit status. */
    static final class Child {
        final String output;
        final int status;

        private Child(String output, int status) {
            this.output = output;
            this.status = status;
        }
    }

    /** Runs a class of these tests in a JVM of its own, the same as this one. */
    static Child run(Class<?> main, String... options) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Paths.get(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx64m");
        command.add("-cp");
        command.add(location(OffHeap.class) + File.pathSeparator + location(Jdk.class));
        for (String name : new String[] {"io.offheap.library", "java.library.path"}) {
            String value = System.getProperty(name);
            if (value != null && Arrays.stream(options).noneMatch(option -> option.startsWith("-D" + name))) {
                command.add("-D" + name + "=" + value);
            }
        }
        command.addAll(Arrays.asList(options));
        command.add(main.getName());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        Task<String> output = start(() -> text(process.getInputStream()));
        try {
            String text = output.get(60, TimeUnit.SECONDS);
            return new Child(text, process.waitFor());
        } finally {
            process.destroyForcibly();
        }
    }

    private static String location(Class<?> type) throws Exception {
        return Paths.get(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    }

    private static String text(InputStream in) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] buffer = new byte[4096];
        for (int n; (n = in.read(buffer)) > 0; ) {
            out.write(buffer, 0, n);
        }
        return new String(out.toByteArray(), StandardCharsets.UTF_8);
    }
}
