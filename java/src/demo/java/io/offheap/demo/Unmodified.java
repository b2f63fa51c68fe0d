package io.offheap.demo;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;

/**
 * A plain Java program: direct buffers, sockets by stream and by channel, files. It knows nothing of
 * this library, and prints the same lines on every run, on every JVM, whoever its natives are.
 */
public final class Unmodified {
    private static final int KIB = 1024;
    private static final int BYTES = 8 * KIB * KIB;
    private static final int BUFFERS = 4000;
    private static final int TIMEOUT_MILLIS = 30_000;

    private Unmodified() {}

    /**
     * Runs it all.
     *
     * @param args ignored
     * @throws Exception if anything does not work
     */
    public static void main(String[] args) throws Exception {
        byte[] content = new byte[BYTES];
        new Random(1).nextBytes(content);
        row("content to move", digest(ByteBuffer.wrap(content)));
        row("churn of direct buffers", churn());
        row("views of a direct buffer", views());
        row("a buffer too full", tooFull());
        row("by socket stream", byStream(content));
        row("by socket channel", byChannel(content));
        row("by scatter and gather", byScatterAndGather(content));
        row("through a file", throughFile(content));
        row("a read that times out", timedOut());
        row("a read closed meanwhile", closedMeanwhile());
        System.out.flush();
    }

    private static void row(String what, Object value) {
        System.out.println(what + ": " + value);
    }

    // Memory.

    /** Far more memory than is ever held at once: the collector and the cleaners are at work. */
    private static String churn() {
        Random random = new Random(2);
        ByteBuffer[] held = new ByteBuffer[16];
        CRC32 sum = new CRC32();
        long bytes = 0;
        for (int i = 0; i < BUFFERS; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(random.nextInt(128 * KIB));
            bytes += buffer.capacity();
            for (int at = 0; at < buffer.capacity(); at += 509) {
                require(buffer.get(at) == 0, "a fresh buffer is not zero at " + at);
                buffer.put(at, (byte) (at + i));
            }
            ByteBuffer replaced = held[i % held.length];
            if (replaced != null) {
                sum.update(replaced);
            }
            held[i % held.length] = buffer;
        }
        return String.format("%d bytes, CRC %08x", bytes, sum.getValue());
    }

    private static String views() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(3, 0x0123456789abcdefL).position(5);
        ByteBuffer slice = buffer.slice();
        slice.asLongBuffer().put(1, Long.MIN_VALUE);
        ByteBuffer copy = ByteBuffer.allocateDirect(64).put(buffer.asReadOnlyBuffer());
        copy.flip();
        return String.format("%016x %08x", slice.getLong(0), copy.hashCode());
    }

    private static String tooFull() {
        try {
            ByteBuffer.allocateDirect(7).putLong(1);
            return "fits";
        } catch (BufferOverflowException expected) {
            return expected.toString();
        }
    }

    // Sockets: both ends are in this process.

    private static String byStream(byte[] content) throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket sender = new Socket(server.getInetAddress(), server.getLocalPort());
                Socket receiver = server.accept()) {
            receiver.setSoTimeout(TIMEOUT_MILLIS);
            FutureTask<String> arrived = start(() -> digest(receiver.getInputStream()));
            OutputStream out = sender.getOutputStream();
            // Lengths on both sides of the JDK's own buffers, 64 and 128 KiB.
            int[] lengths = {1, 1000, 64 * KIB, 64 * KIB + 1, 128 * KIB, 300_000};
            for (int at = 0, i = 0; at < content.length; i++) {
                int length = Math.min(lengths[i % lengths.length], content.length - at);
                out.write(content, at, length);
                at += length;
            }
            sender.shutdownOutput();
            return result(arrived);
        }
    }

    private static String byChannel(byte[] content) throws Exception {
        try (ServerSocketChannel server = listen();
                SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                SocketChannel receiver = server.accept()) {
            FutureTask<String> arrived = start(() -> {
                ByteBuffer[] buffer = {ByteBuffer.allocateDirect(100_000)};
                return digest(receiver, buffer);
            });
            ByteBuffer buffer = ByteBuffer.allocateDirect(256 * KIB);
            for (int at = 0; at < content.length; at += buffer.capacity()) {
                buffer.clear();
                buffer.put(content, at, Math.min(buffer.capacity(), content.length - at)).flip();
                while (buffer.hasRemaining()) {
                    sender.write(buffer);
                }
            }
            sender.shutdownOutput();
            return result(arrived);
        }
    }

    /** Heap and direct buffers mixed: the former go through temporary direct ones. */
    private static String byScatterAndGather(byte[] content) throws Exception {
        try (ServerSocketChannel server = listen();
                SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                SocketChannel receiver = server.accept()) {
            FutureTask<String> arrived = start(() -> {
                ByteBuffer[] buffers = {
                    ByteBuffer.allocateDirect(10), ByteBuffer.allocate(5000), ByteBuffer.allocateDirect(90_000)
                };
                return digest(receiver, buffers);
            });
            ByteBuffer direct = ByteBuffer.allocateDirect(content.length / 2);
            direct.put(content, 0, content.length / 2).flip();
            int rest = content.length - direct.remaining();
            ByteBuffer[] buffers = {direct, ByteBuffer.wrap(content, direct.remaining(), rest)};
            while (buffers[1].hasRemaining()) {
                sender.write(buffers);
            }
            sender.shutdownOutput();
            return result(arrived);
        }
    }

    private static String timedOut() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket reader = new Socket(server.getInetAddress(), server.getLocalPort())) {
            reader.setSoTimeout(20);
            return outcome(reader);
        }
    }

    private static String closedMeanwhile() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Socket reader = new Socket(server.getInetAddress(), server.getLocalPort());
            FutureTask<String> read = start(() -> outcome(reader));
            // Most likely inside the read by then; the outcome is the same if it is not.
            Thread.sleep(50);
            reader.close();
            return result(read);
        }
    }

    /** What a read from a peer that never writes comes to. */
    private static String outcome(Socket socket) throws IOException {
        try {
            return "read " + socket.getInputStream().read();
        } catch (SocketException | SocketTimeoutException expected) {
            return expected.getClass().getSimpleName() + ", " + expected.getMessage();
        }
    }

    private static ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    }

    // Files.

    /** Written by one channel, copied by position with two more, read by a stream. */
    private static String throughFile(byte[] content) throws Exception {
        Path file = Files.createTempFile("unmodified", null);
        Path copy = Files.createTempFile("unmodified", null);
        try {
            try (FileChannel out = FileChannel.open(file, StandardOpenOption.WRITE)) {
                ByteBuffer buffer = ByteBuffer.wrap(content);
                while (buffer.hasRemaining()) {
                    out.write(buffer);
                }
            }
            try (FileChannel in = FileChannel.open(file);
                    FileChannel out = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                ByteBuffer buffer = ByteBuffer.allocateDirect(200 * KIB);
                for (long at = 0; in.read(buffer, at) > 0; ) {
                    buffer.flip();
                    while (buffer.hasRemaining()) {
                        at += out.write(buffer, at);
                    }
                    buffer.clear();
                }
            }
            try (InputStream in = Files.newInputStream(copy)) {
                return digest(in);
            }
        } finally {
            Files.deleteIfExists(file);
            Files.deleteIfExists(copy);
        }
    }

    // What arrived, in short.

    private static String digest(InputStream in) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] array = new byte[200 * KIB];
        long bytes = 0;
        for (int n; (n = in.read(array)) > 0; bytes += n) {
            digest.update(array, 0, n);
        }
        return summary(bytes, digest);
    }

    private static String digest(SocketChannel in, ByteBuffer[] buffers) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        long bytes = 0;
        for (long n; (n = in.read(buffers)) >= 0; bytes += n) {
            for (ByteBuffer buffer : buffers) {
                buffer.flip();
                digest.update(buffer);
                buffer.clear();
            }
        }
        return summary(bytes, digest);
    }

    private static String digest(ByteBuffer content) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        int bytes = content.remaining();
        digest.update(content);
        return summary(bytes, digest);
    }

    private static String summary(long bytes, MessageDigest digest) {
        StringBuilder text = new StringBuilder(bytes + " bytes, SHA-256 ");
        for (byte b : digest.digest()) {
            text.append(String.format("%02x", b));
        }
        return text.toString();
    }

    private static <T> FutureTask<T> start(Callable<T> work) {
        FutureTask<T> task = new FutureTask<>(work);
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        return task;
    }

    private static <T> T result(FutureTask<T> task) throws Exception {
        return task.get(TIMEOUT_MILLIS, TimeUnit.MILLISECONDS);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
