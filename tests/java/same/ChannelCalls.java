package same;

import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;

/**
 * Makes the reads and writes whose system calls are compared, on one thread of its own name, so that a trace can tell
 * them from the JVM's.
 */
public final class ChannelCalls {
    private ChannelCalls() {
    }

    /**
     * Runs them once for the JVM to load what there is to load, and once on the thread.
     *
     * @param args none
     */
    public static void main(String[] args) throws Exception {
        calls();
        Thread caller = new Thread(() -> {
            try {
                calls();
            } catch (Exception thrown) {
                throw new IllegalStateException(thrown);
            }
        }, "calls");
        caller.start();
        caller.join();
    }

    private static void calls() throws Exception {
        sockets();
        endsOfSockets();
        datagrams();
        files();
        pipes();
    }

    private static void print(Cases.Body body) {
        System.out.println(Text.outcome(body));
    }

    private static ByteBuffer[] buffers(boolean direct, int count, int size) {
        ByteBuffer[] buffers = new ByteBuffer[count];
        for (int i = 0; i < count; i++) {
            buffers[i] = direct ? ByteBuffer.allocateDirect(size) : ByteBuffer.allocate(size);
        }
        return buffers;
    }

    private static ByteBuffer buffer(boolean direct, int size) {
        return buffers(direct, 1, size)[0];
    }

    private static void sockets() throws Exception {
        try (ChannelPair pair = new ChannelPair()) {
            for (boolean direct : new boolean[] {true, false}) {
                for (int size : new int[] {0, 1, 1000, 8192}) {
                    print(() -> pair.near.write(buffer(direct, size)));
                    print(() -> pair.far.read(buffer(direct, size)));
                }
                for (int count : new int[] {0, 1, 3, 17, 1025}) {
                    print(() -> pair.near.write(buffers(direct, count, 2)));
                    print(() -> pair.far.read(buffers(direct, count, 2)));
                }
            }
            Work<Object> sink = Work.start(() -> {
                ByteBuffer all = ByteBuffer.allocate(800_000);
                while (all.hasRemaining()) {
                    pair.far.read(all);
                }
                return null;
            });
            print(() -> pair.near.write(buffer(true, 300_000)));
            print(() -> pair.near.write(buffer(false, 300_000)));
            print(() -> pair.near.write(buffers(true, 2, 100_000)));
            sink.get();
            pair.near.configureBlocking(false);
            print(() -> pair.near.read(buffer(true, 10)));
            print(() -> pair.near.read(buffers(false, 2, 10)));
        }
    }

    private static void endsOfSockets() throws Exception {
        try (ChannelPair pair = new ChannelPair()) {
            pair.end();
            print(() -> pair.near.read(buffer(true, 10)));
            print(() -> pair.near.read(buffers(true, 3, 10)));
        }
        try (ChannelPair pair = new ChannelPair()) {
            pair.reset();
            print(() -> pair.near.write(buffer(true, 10)));
            print(() -> pair.near.write(buffers(true, 3, 10)));
            print(() -> pair.near.read(buffer(false, 10)));
        }
        try (ChannelPair pair = new ChannelPair()) {
            pair.reset();
            print(() -> pair.near.read(buffer(true, 10)));
            print(() -> pair.near.read(buffers(true, 3, 10)));
        }
    }

    private static void datagrams() throws Exception {
        java.net.InetSocketAddress any =
                new java.net.InetSocketAddress(java.net.InetAddress.getLoopbackAddress(), 0);
        try (DatagramChannel near = DatagramChannel.open().bind(any);
                DatagramChannel far = DatagramChannel.open().bind(any)) {
            near.connect(far.getLocalAddress());
            far.connect(near.getLocalAddress());
            for (boolean direct : new boolean[] {true, false}) {
                print(() -> near.write(buffer(direct, 1000)));
                print(() -> far.read(buffer(direct, 100)));
                print(() -> near.write(buffers(direct, 20, 10)));
                print(() -> far.read(buffers(direct, 15, 10)));
                print(() -> near.write(buffer(direct, 70_000)));
            }
            far.configureBlocking(false);
            print(() -> far.read(buffer(true, 100)));
        }
    }

    private static void files() throws Exception {
        Path path = Scratch.file("calls", new byte[10]);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            for (boolean direct : new boolean[] {true, false}) {
                print(() -> channel.write(buffer(direct, 10_000)));
                print(() -> channel.write(buffers(direct, 20, 100)));
                print(() -> channel.write(buffer(direct, 10), 5000));
                print(() -> channel.read(buffer(direct, 10), 5000));
                print(() -> channel.read(buffer(direct, 10), 1 << 20));
                channel.position(100);
                print(() -> channel.read(buffer(direct, 200)));
                print(() -> channel.read(buffers(direct, 17, 100)));
            }
            channel.position(channel.size());
            print(() -> channel.read(buffer(true, 10)));
        } finally {
            Files.delete(path);
        }
        try (FileChannel full = FileChannel.open(Paths.get("/dev/full"), StandardOpenOption.WRITE)) {
            print(() -> full.write(buffer(true, 10)));
            print(() -> full.write(buffers(true, 3, 10)));
        }
    }

    private static void pipes() throws Exception {
        Pipe pipe = Pipe.open();
        print(() -> pipe.sink().write(buffer(true, 100)));
        print(() -> pipe.sink().write(buffers(false, 5, 10)));
        print(() -> pipe.source().read(buffer(false, 120)));
        print(() -> pipe.source().read(buffers(true, 5, 10)));
        pipe.source().close();
        print(() -> pipe.sink().write(buffer(true, 100)));
        pipe.sink().close();
    }
}
