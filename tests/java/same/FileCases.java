package same;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** File channels. */
final class FileCases {
    private interface Body {
        Object run(FileChannel channel) throws Exception;
    }

    private FileCases() {
    }

    /** With a file of 100,000 bytes, open for reading and writing. */
    private static void with(Cases cases, String name, Body body) {
        cases.add("files: " + name, () -> {
            Path path = Scratch.file("file", Text.bytes(100_000));
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                return body.run(channel);
            } finally {
                Files.delete(path);
            }
        });
    }

    static void add(Cases cases) {
        for (boolean direct : new boolean[] {true, false}) {
            String kind = direct ? ", direct" : ", heap";
            with(cases, "read" + kind, channel -> read(channel, direct));
            with(cases, "write" + kind, channel -> write(channel, direct));
            with(cases, "read at a position" + kind, channel -> readAt(channel, direct));
            with(cases, "write at a position" + kind, channel -> writeAt(channel, direct));
            with(cases, "scatter and gather" + kind, channel -> scatterAndGather(channel, direct));
        }
        with(cases, "refused", FileCases::refused);
        with(cases, "closed", channel -> {
            channel.close();
            return everything(channel);
        });
        with(cases, "interrupted before", FileCases::interruptedBefore);
        with(cases, "position and size", FileCases::positionAndSize);
        with(cases, "transfer", FileCases::transfer);
        with(cases, "transfer to and from sockets", FileCases::transferSockets);
        with(cases, "lock", channel -> {
            boolean valid = channel.lock(10, 20, false).isValid();
            return valid + " " + Text.outcome(() -> channel.tryLock(15, 2, false));
        });
        with(cases, "many threads", FileCases::manyThreads);
        cases.add("files: read only, write only", FileCases::modes);
        cases.add("files: append", FileCases::append);
        cases.add("files: a full device", FileCases::fullDevice);
        cases.add("files: a folder", FileCases::folder);
        cases.add("files: a device without end", FileCases::devices);
        cases.add("files: absent", FileCases::absent);
        cases.add("files: random access", FileCases::randomAccess);
        cases.add("files: streams", FileCases::streams);
        cases.add("files: a named pipe closed and interrupted", FileCases::namedPipe);
        cases.add("files: copy", FileCases::copy);
        cases.add("files: asynchronous", FileCases::asynchronous);
    }

    private static ByteBuffer buffer(boolean direct, byte[] bytes) {
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(bytes.length) : ByteBuffer.allocate(bytes.length);
        buffer.put(bytes).flip();
        return buffer;
    }

    private static ByteBuffer buffer(boolean direct, int length) {
        return buffer(direct, new byte[length]);
    }

    /** All of a file, by another way than the channel. */
    private static String content(FileChannel channel) throws Exception {
        return Text.digest(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
    }

    private static Object read(FileChannel channel, boolean direct) {
        Findings findings = new Findings();
        for (int length : new int[] {0, 1, 7, 8192, 65536, 65537, 10}) {
            findings.add(String.valueOf(length), () -> {
                ByteBuffer buffer = buffer(direct, length + 5);
                buffer.position(2).limit(length + 2);
                int n = channel.read(buffer);
                buffer.flip();
                return n + " " + channel.position() + " " + Text.digest(buffer);
            });
        }
        findings.add("the end", () -> channel.read(buffer(direct, 4)));
        return findings.add("nothing at the end", () -> channel.read(buffer(direct, 0)));
    }

    private static Object write(FileChannel channel, boolean direct) {
        Findings findings = new Findings();
        for (int length : new int[] {0, 1, 7, 8192, 65537, 300_000}) {
            findings.add(String.valueOf(length), () -> {
                ByteBuffer buffer = buffer(direct, Text.bytes(length, length));
                return channel.write(buffer) + " " + buffer.remaining() + " " + channel.position() + " "
                        + content(channel);
            });
        }
        return findings.add("force", () -> {
            channel.force(true);
            return channel.size();
        });
    }

    private static Object readAt(FileChannel channel, boolean direct) {
        Findings findings = new Findings();
        long[] positions = {0, 1, 99_990, 99_999, 100_000, 100_001, 1L << 40, Long.MAX_VALUE, -1, Long.MIN_VALUE};
        for (long position : positions) {
            findings.add(String.valueOf(position), () -> {
                ByteBuffer buffer = buffer(direct, 20);
                int n = channel.read(buffer, position);
                buffer.flip();
                return n + " " + channel.position() + " " + Text.digest(buffer);
            });
        }
        return findings.add("all", () -> channel.read(buffer(direct, 200_000), 50_000));
    }

    private static Object writeAt(FileChannel channel, boolean direct) {
        Findings findings = new Findings();
        for (long position : new long[] {0, 17, 99_999, 100_500, 1 << 20, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
            findings.add(String.valueOf(position), () -> {
                int n = channel.write(buffer(direct, Text.bytes(20, 6)), position);
                return n + " " + channel.position() + " " + channel.size() + " " + content(channel);
            });
        }
        return findings.add("nothing", () -> channel.write(buffer(direct, 0), 2 << 20) + " " + channel.size());
    }

    private static Object scatterAndGather(FileChannel channel, boolean direct) {
        Findings findings = new Findings();
        for (int count : new int[] {0, 1, 2, 16, 17, 1024, 1025, 2000}) {
            findings.add(String.valueOf(count), () -> {
                ByteBuffer[] buffers = new ByteBuffer[count];
                for (int i = 0; i < count; i++) {
                    buffers[i] = buffer(direct, i % 5);
                }
                channel.position(33);
                long read = channel.read(buffers);
                ByteBuffer all = ByteBuffer.allocate(count * 5);
                for (ByteBuffer buffer : buffers) {
                    buffer.flip();
                    all.put(buffer.duplicate());
                }
                channel.position(50_000);
                long written = channel.write(buffers);
                return read + " " + written + " " + channel.position() + " " + Text.digest(all.array()) + " "
                        + content(channel);
            });
        }
        findings.add("part of an array", () -> {
            ByteBuffer[] buffers = {buffer(direct, 3), buffer(direct, 4), buffer(direct, 5)};
            channel.position(0);
            return channel.read(buffers, 1, 2) + " " + buffers[0].remaining();
        });
        return findings.add("at the end", () -> {
            channel.position(channel.size() - 2);
            ByteBuffer[] buffers = {buffer(direct, 3), buffer(direct, 4)};
            return channel.read(buffers) + " " + channel.read(buffers);
        });
    }

    private static Object refused(FileChannel channel) throws Exception {
        Findings findings = new Findings();
        findings.add("read-only", () -> channel.read(ByteBuffer.allocate(4).asReadOnlyBuffer()));
        findings.add("read-only at a position", () -> channel.read(ByteBuffer.allocateDirect(4).asReadOnlyBuffer(), 1));
        findings.add("read-only among others", () -> {
            return channel.read(new ByteBuffer[] {ByteBuffer.allocate(4), ByteBuffer.allocate(4).asReadOnlyBuffer()});
        });
        findings.add("read to null", () -> channel.read((ByteBuffer) null));
        findings.add("write null", () -> channel.write((ByteBuffer) null));
        findings.add("read to null at a position", () -> channel.read(null, 1));
        findings.add("a negative position", () -> channel.position(-1));
        findings.add("a negative size", () -> channel.truncate(-1));
        return findings.add("untouched", () -> channel.position() + " " + content(channel));
    }

    private static Findings everything(FileChannel channel) {
        Findings findings = new Findings().add("read", () -> channel.read(ByteBuffer.allocateDirect(4)));
        findings.add("read at a position", () -> channel.read(ByteBuffer.allocate(4), 3));
        findings.add("scatter", () -> channel.read(new ByteBuffer[] {ByteBuffer.allocate(4)}));
        findings.add("write", () -> channel.write(ByteBuffer.allocate(4)));
        findings.add("write at a position", () -> channel.write(ByteBuffer.allocateDirect(4), 3));
        findings.add("gather", () -> channel.write(new ByteBuffer[] {ByteBuffer.allocate(4)}));
        findings.add("position", channel::position).add("size", channel::size);
        findings.add("truncate", () -> channel.truncate(5).isOpen());
        return findings.add("read nothing", () -> channel.read(ByteBuffer.allocate(0)));
    }

    private static Object interruptedBefore(FileChannel channel) {
        Findings findings = new Findings().add("read", () -> {
            Thread.currentThread().interrupt();
            String outcome = Text.outcome(() -> channel.read(ByteBuffer.allocate(4)));
            return outcome + ", open: " + channel.isOpen() + ", interrupted: " + Thread.interrupted();
        });
        return findings.add("then", () -> channel.read(ByteBuffer.allocate(4)));
    }

    private static Object positionAndSize(FileChannel channel) {
        Findings findings = new Findings().add("start", channel::position).add("size", channel::size);
        findings.add("move", () -> channel.position(100).position());
        findings.add("read", () -> channel.read(ByteBuffer.allocate(9)));
        findings.add("moved", channel::position).add("beyond", () -> channel.position(200_000).position());
        findings.add("read beyond", () -> channel.read(ByteBuffer.allocate(9)));
        findings.add("write beyond", () -> channel.write(ByteBuffer.allocate(9)) + " " + channel.size());
        findings.add("truncate", () -> channel.truncate(1000).size() + " " + channel.position());
        findings.add("truncate to more", () -> channel.truncate(5000).size());
        return findings.add("content", () -> content(channel));
    }

    private static Object transfer(FileChannel channel) throws Exception {
        Path path = Scratch.file("other", Text.bytes(50, 9));
        try (FileChannel other = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            Findings findings = new Findings();
            findings.add("to", () -> channel.transferTo(10, 60_000, other) + " " + other.size() + " " + content(other));
            findings.add("to, more than there is",
                    () -> channel.transferTo(99_000, 60_000, other) + " " + other.position());
            findings.add("to, from beyond", () -> channel.transferTo(200_000, 10, other));
            findings.add("to, negative", () -> channel.transferTo(-1, 10, other));
            findings.add("from", () -> other.position(0).position() + " " + channel.transferFrom(other, 5, 30_000) + " "
                    + content(channel));
            findings.add("from, beyond the end", () -> channel.transferFrom(other, 1 << 20, 10));
            findings.add("from a stream", () -> {
                java.io.InputStream in = new java.io.ByteArrayInputStream(Text.bytes(20_000, 3));
                return channel.transferFrom(Channels.newChannel(in), 7, 30_000) + " " + content(channel);
            });
            return findings.add("to a stream", () -> {
                java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
                return channel.transferTo(3, 30_000, Channels.newChannel(out)) + " " + Text.digest(out.toByteArray());
            });
        } finally {
            Files.delete(path);
        }
    }

    private static Object transferSockets(FileChannel channel) throws Exception {
        try (ChannelPair pair = new ChannelPair()) {
            Work<String> writer = Work.start(() -> {
                long total = 0;
                while (total < 90_000) {
                    total += channel.transferTo(1000 + total, 90_000 - total, pair.far);
                }
                pair.far.shutdownOutput();
                return total + " sent";
            });
            Path path = Scratch.file("received", new byte[0]);
            try (FileChannel received = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                for (long total = 0, n = 1; n > 0; total += n) {
                    n = received.transferFrom(pair.near, total, 7000);
                }
                return writer.get() + " " + content(received);
            } finally {
                Files.delete(path);
            }
        }
    }

    private static Object manyThreads(FileChannel channel) throws Exception {
        List<Work<String>> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            int seed = t;
            threads.add(Work.start(() -> {
                long hash = 0;
                for (int i = 0; i < 200; i++) {
                    // Each thread has a quarter of its own.
                    int at = seed * 25_000 + i * 113 % 24_000;
                    channel.write(buffer(i % 2 == 0, Text.bytes(500, seed * 1000 + i)), at);
                    ByteBuffer back = buffer(i % 3 == 0, 700);
                    channel.read(back, at);
                    back.flip();
                    hash = hash * 31 + back.hashCode();
                }
                return Long.toString(hash);
            }));
        }
        Findings findings = new Findings();
        for (int t = 0; t < threads.size(); t++) {
            findings.add("thread " + t, threads.get(t)::get);
        }
        return findings.add("all", () -> content(channel));
    }

    private static Object modes() throws Exception {
        Path path = Scratch.file("modes", Text.bytes(10));
        Findings findings = new Findings();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            findings.add("write to a read-only one", () -> channel.write(ByteBuffer.allocate(1)));
            findings.add("write at a position", () -> channel.write(ByteBuffer.allocate(1), 0));
            findings.add("truncate", () -> channel.truncate(0));
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            findings.add("read from a write-only one", () -> channel.read(ByteBuffer.allocate(1)));
            findings.add("read at a position", () -> channel.read(ByteBuffer.allocate(1), 0));
        }
        Files.delete(path);
        return findings;
    }

    private static Object append() throws Exception {
        Path path = Scratch.file("append", Text.bytes(100));
        Findings findings = new Findings();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.APPEND)) {
            findings.add("where", channel::position);
            findings.add("write", () -> channel.write(buffer(true, Text.bytes(50, 2))) + " " + channel.position());
            findings.add("write at the start", () -> channel.position(0).write(buffer(false, Text.bytes(5, 3))));
            findings.add("gather", () -> channel.write(new ByteBuffer[] {buffer(true, 3), buffer(false, 4)}));
            findings.add("size", () -> channel.position() + " " + channel.size());
        }
        findings.add("content", () -> Text.digest(Files.readAllBytes(path)));
        Files.delete(path);
        return findings;
    }

    private static Object fullDevice() throws Exception {
        try (FileChannel channel = FileChannel.open(Paths.get("/dev/full"), StandardOpenOption.WRITE)) {
            Findings findings = new Findings().add("direct", () -> channel.write(ByteBuffer.allocateDirect(10)));
            findings.add("heap", () -> channel.write(ByteBuffer.allocate(10)));
            findings.add("at a position", () -> channel.write(ByteBuffer.allocate(10), 0));
            ByteBuffer[] buffers = {ByteBuffer.allocate(1), ByteBuffer.allocate(1)};
            findings.add("gather", () -> channel.write(buffers));
            return findings.add("nothing", () -> channel.write(ByteBuffer.allocate(0)));
        }
    }

    private static Object folder() throws Exception {
        Findings findings = new Findings();
        try (FileChannel channel = FileChannel.open(Paths.get("/proc"), StandardOpenOption.READ)) {
            findings.add("read", () -> channel.read(ByteBuffer.allocate(10)));
            findings.add("read at a position", () -> channel.read(ByteBuffer.allocateDirect(10), 0));
            ByteBuffer[] buffers = {ByteBuffer.allocate(1), ByteBuffer.allocate(1)};
            findings.add("scatter", () -> channel.read(buffers));
        }
        return findings.add("write", () -> FileChannel.open(Paths.get("/proc"), StandardOpenOption.WRITE));
    }

    private static Object devices() throws Exception {
        Findings findings = new Findings();
        try (FileChannel zero = FileChannel.open(Paths.get("/dev/zero"), StandardOpenOption.READ)) {
            findings.add("zero", () -> {
                ByteBuffer buffer = buffer(true, Text.bytes(200_000));
                int n = zero.read(buffer);
                buffer.flip();
                return n + " " + Text.digest(buffer);
            });
        }
        try (FileChannel none = FileChannel.open(Paths.get("/dev/null"), StandardOpenOption.WRITE)) {
            findings.add("null", () -> none.write(ByteBuffer.allocate(200_000)));
        }
        return findings;
    }

    private static Object absent() {
        Path path = Scratch.absent("absent");
        Findings findings = new Findings();
        findings.add("open", () -> {
            try {
                return FileChannel.open(path, StandardOpenOption.READ);
            } catch (java.io.IOException thrown) {
                return Scratch.withoutFolder(Text.of(thrown));
            }
        });
        return findings.add("random access", () -> {
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "r")) {
                return file;
            } catch (java.io.IOException thrown) {
                return Scratch.withoutFolder(Text.of(thrown));
            }
        });
    }

    private static Object randomAccess() throws Exception {
        Path path = Scratch.file("random", Text.bytes(1000));
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            FileChannel channel = file.getChannel();
            Findings findings = new Findings();
            findings.add("both move", () -> {
                file.seek(100);
                channel.read(ByteBuffer.allocateDirect(10));
                return file.getFilePointer() + " " + file.read() + " " + channel.position();
            });
            findings.add("write", () -> {
                channel.write(buffer(true, Text.bytes(10, 4)));
                file.seek(110);
                byte[] back = new byte[12];
                file.readFully(back);
                return Arrays.toString(back);
            });
            findings.add("setLength", () -> {
                file.setLength(50);
                return channel.size() + " " + channel.position();
            });
            AutoCloseable now = file;
            now.close();
            return findings.add("closed", () -> channel.read(ByteBuffer.allocate(1))).add("open", channel::isOpen);
        } finally {
            Files.delete(path);
        }
    }

    private static Object streams() throws Exception {
        Path path = Scratch.file("streams", new byte[0]);
        Findings findings = new Findings();
        try (FileOutputStream out = new FileOutputStream(path.toFile(), true)) {
            out.write(Text.bytes(100));
            findings.add("write", () -> out.getChannel().write(buffer(true, Text.bytes(100, 2))));
            findings.add("read", () -> out.getChannel().read(ByteBuffer.allocate(1)));
        }
        try (FileInputStream in = new FileInputStream(path.toFile())) {
            findings.add("in", () -> in.getChannel().read(ByteBuffer.allocateDirect(150)) + " " + in.available());
            findings.add("out", () -> in.getChannel().write(ByteBuffer.allocate(1)));
        }
        findings.add("all", () -> Text.digest(Files.readAllBytes(path)));
        Files.delete(path);
        return findings;
    }

    /** The one kind of file in which a thread blocks. */
    private static Object namedPipe() throws Exception {
        Path path = Scratch.absent("fifo");
        int made = new ProcessBuilder("mkfifo", path.toString()).start().waitFor();
        Findings findings = new Findings().add("mkfifo", () -> made);
        for (boolean interrupt : new boolean[] {false, true}) {
            // Open for both, so that neither opening waits and no read ends.
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw");
                    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                file.write(new byte[10]);
                channel.read(ByteBuffer.allocateDirect(10));
                Work<Integer> work = Work.start(() -> channel.read(ByteBuffer.allocateDirect(10))).blocked();
                if (interrupt) {
                    work.thread.interrupt();
                } else {
                    AutoCloseable now = channel;
                    now.close();
                }
                findings.add(interrupt ? "interrupted" : "closed", work::get).add("open", channel::isOpen);
            }
        }
        Files.delete(path);
        return findings;
    }

    private static Object copy() throws Exception {
        Path from = Scratch.file("from", Text.bytes(300_001));
        Path to = Scratch.absent("to");
        Findings findings = new Findings().add("copy", () -> {
            Files.copy(from, to);
            return Text.digest(Files.readAllBytes(to));
        });
        findings.add("again", () -> {
            try {
                return Files.copy(from, to);
            } catch (java.io.IOException thrown) {
                return Scratch.withoutFolder(Text.of(thrown));
            }
        });
        findings.add("from a stream", () -> {
            Files.delete(to);
            return Files.copy(new java.io.ByteArrayInputStream(Text.bytes(70_000)), to) + " "
                    + Text.digest(Files.readAllBytes(to));
        });
        findings.add("to a stream", () -> {
            java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
            return Files.copy(from, out) + " " + Text.digest(out.toByteArray());
        });
        findings.add("a byte channel", () -> {
            try (SeekableByteChannel channel = Files.newByteChannel(from)) {
                ByteBuffer buffer = ByteBuffer.allocate(100_000);
                return channel.position(250_000).read(buffer) + " " + channel.size();
            }
        });
        Files.delete(from);
        Files.delete(to);
        return findings;
    }

    private static Object asynchronous() throws Exception {
        Path path = Scratch.file("asynchronous", Text.bytes(10_000));
        AsynchronousFileChannel channel =
                AsynchronousFileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        Findings findings = new Findings();
        for (boolean direct : new boolean[] {true, false}) {
            findings.add(direct ? "read, direct" : "read, heap", () -> {
                ByteBuffer buffer = buffer(direct, 20_000);
                int n = channel.read(buffer, 100).get();
                buffer.flip();
                return n + " " + Text.digest(buffer);
            });
            findings.add(direct ? "write, direct" : "write, heap", () -> {
                int n = channel.write(buffer(direct, Text.bytes(3000, 2)), 9000).get();
                return n + " " + channel.size() + " " + Text.digest(Files.readAllBytes(path));
            });
        }
        findings.add("the end", () -> channel.read(ByteBuffer.allocate(1), 1 << 20).get());
        findings.add("a negative position", () -> channel.read(ByteBuffer.allocate(1), -1).get());
        findings.add("read-only", () -> channel.read(ByteBuffer.allocate(1).asReadOnlyBuffer(), 0).get());
        channel.close();
        findings.add("closed", () -> channel.read(ByteBuffer.allocate(1), 0).get());
        Files.delete(path);
        return findings;
    }
}
