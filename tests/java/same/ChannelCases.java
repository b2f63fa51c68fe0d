package same;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousServerSocketChannel;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.Channels;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Socket channels, pipes and selectors. */
final class ChannelCases {
    private interface Body {
        Object run(ChannelPair pair) throws Exception;
    }

    private ChannelCases() {
    }

    private static void with(Cases cases, String name, Body body) {
        cases.add("channels: " + name, () -> {
            try (ChannelPair pair = new ChannelPair()) {
                return body.run(pair);
            }
        });
    }

    static void add(Cases cases) {
        for (boolean direct : new boolean[] {true, false}) {
            String kind = direct ? ", direct" : ", heap";
            with(cases, "write" + kind, pair -> write(pair, direct));
            with(cases, "read" + kind, pair -> read(pair, direct));
            with(cases, "gather" + kind, pair -> gather(pair, direct));
            with(cases, "scatter" + kind, pair -> scatter(pair, direct));
        }
        with(cases, "mixed buffers", ChannelCases::mixed);
        with(cases, "large buffers gathered", ChannelCases::gatherLarge);
        with(cases, "refused buffers", ChannelCases::refused);
        with(cases, "not blocking", ChannelCases::notBlocking);
        with(cases, "not blocking, full", ChannelCases::full);
        with(cases, "half close", ChannelCases::halfClose);
        with(cases, "after close", pair -> {
            pair.near.close();
            return everything(pair);
        });
        with(cases, "after shutdownOutput", pair -> {
            pair.near.shutdownOutput();
            return everything(pair);
        });
        with(cases, "after shutdownInput", pair -> {
            pair.near.shutdownInput();
            return everything(pair);
        });
        with(cases, "write after a reset", pair -> {
            pair.reset();
            return new Findings().add("write", () -> write(pair)).add("again", () -> write(pair))
                    .add("gather", () -> gather(pair)).add("read", () -> read(pair)).add("open", pair.near::isOpen);
        });
        with(cases, "gather after a reset", pair -> {
            pair.reset();
            return new Findings().add("gather", () -> gather(pair)).add("again", () -> gather(pair));
        });
        with(cases, "read after a reset", pair -> {
            pair.reset();
            return new Findings().add("read", () -> read(pair)).add("again", () -> read(pair))
                    .add("scatter", () -> scatter(pair)).add("write", () -> write(pair));
        });
        with(cases, "scatter after a reset", pair -> {
            pair.reset();
            return new Findings().add("scatter", () -> scatter(pair)).add("again", () -> scatter(pair));
        });
        with(cases, "reset during a read", pair -> {
            Work<Object> work = Work.<Object>start(() -> read(pair)).blocked();
            pair.reset();
            return work.outcome() + ", " + Text.outcome(() -> read(pair));
        });
        with(cases, "reset during a write", pair -> {
            Work<Object> work = Work.<Object>start(() -> flood(pair)).blocked();
            pair.reset();
            return work.outcome() + ", " + Text.outcome(() -> write(pair));
        });
        with(cases, "close during a read", pair -> closeDuring(pair, () -> read(pair)));
        with(cases, "close during a scatter", pair -> closeDuring(pair, () -> scatter(pair)));
        with(cases, "close during a write", pair -> closeDuring(pair, () -> flood(pair)));
        with(cases, "close during a gather", pair -> closeDuring(pair, () -> floodGathering(pair)));
        with(cases, "close during both", ChannelCases::closeDuringBoth);
        with(cases, "interrupt during a read", pair -> interruptDuring(pair, () -> read(pair)));
        with(cases, "interrupt during a scatter", pair -> interruptDuring(pair, () -> scatter(pair)));
        with(cases, "interrupt during a write", pair -> interruptDuring(pair, () -> flood(pair)));
        with(cases, "interrupted before a read", pair -> {
            Thread.currentThread().interrupt();
            return Text.outcome(() -> read(pair)) + ", " + pair.near.isOpen() + ", " + Thread.interrupted();
        });
        with(cases, "interrupted before a write", pair -> {
            Thread.currentThread().interrupt();
            return Text.outcome(() -> write(pair)) + ", " + pair.near.isOpen() + ", " + Thread.interrupted();
        });
        with(cases, "shutdown during a read", pair -> {
            Work<Object> work = Work.<Object>start(() -> read(pair)).blocked();
            pair.near.shutdownInput();
            return work.outcome() + ", " + Text.outcome(() -> read(pair));
        });
        with(cases, "the socket of a channel", ChannelCases::adaptor);
        with(cases, "close during a read of its socket",
                pair -> closeDuring(pair, () -> pair.near.socket().getInputStream().read()));
        with(cases, "close during a timed read of its socket", pair -> {
            pair.near.socket().setSoTimeout(60_000);
            return closeDuring(pair, () -> pair.near.socket().getInputStream().read());
        });
        with(cases, "streams of a channel", ChannelCases::streamsOfAChannel);
        with(cases, "urgent data", ChannelCases::urgentData);
        cases.add("channels: connect", ChannelCases::connect);
        cases.add("channels: close during an accept", () -> duringAccept(false));
        cases.add("channels: interrupt during an accept", () -> duringAccept(true));
        cases.add("channels: selector", ChannelCases::selector);
        cases.add("channels: selector, closed and interrupted", ChannelCases::selectorEnds);
        cases.add("channels: pipe", ChannelCases::pipe);
        cases.add("channels: pipe, ends", ChannelCases::pipeEnds);
        cases.add("channels: asynchronous", ChannelCases::asynchronous);
        cases.add("channels: asynchronous, ends", ChannelCases::asynchronousEnds);
        cases.add("channels: unix domain", ChannelCases::unixDomain);
        cases.add("channels: many connections", ChannelCases::manyConnections);
        cases.add("channels: closed and opened again while read", ChannelCases::reopened);
    }

    private static ByteBuffer buffer(boolean direct, byte[] bytes) {
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(bytes.length) : ByteBuffer.allocate(bytes.length);
        buffer.put(bytes).flip();
        return buffer;
    }

    private static byte[] all(ReadableByteChannel channel) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ByteBuffer buffer = ByteBuffer.allocate(60_000);
        while (channel.read(buffer) > 0) {
            bytes.write(buffer.array(), 0, buffer.position());
            buffer.clear();
        }
        return bytes.toByteArray();
    }

    private static Object write(ChannelPair pair) throws IOException {
        return pair.near.write(ByteBuffer.allocate(4));
    }

    private static Object gather(ChannelPair pair) throws IOException {
        return pair.near.write(new ByteBuffer[] {ByteBuffer.allocate(2), ByteBuffer.allocateDirect(3)});
    }

    private static Object read(ChannelPair pair) throws IOException {
        return pair.near.read(ByteBuffer.allocateDirect(4));
    }

    private static Object scatter(ChannelPair pair) throws IOException {
        return pair.near.read(new ByteBuffer[] {ByteBuffer.allocate(2), ByteBuffer.allocateDirect(3)});
    }

    private static Object flood(ChannelPair pair) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(300_000);
        while (pair.near.write(buffer) > 0) {
            buffer.clear();
        }
        return "no room";
    }

    private static Object floodGathering(ChannelPair pair) throws IOException {
        ByteBuffer[] buffers = {ByteBuffer.allocateDirect(200_000), ByteBuffer.allocateDirect(200_000)};
        while (pair.near.write(buffers) > 0) {
            buffers[0].clear();
            buffers[1].clear();
        }
        return "no room";
    }

    private static Object write(ChannelPair pair, boolean direct) throws Exception {
        Findings findings = new Findings();
        for (int length : new int[] {0, 1, 1000, 8192, 65536, 65537, 131072, 131073, 1_000_001}) {
            findings.add(String.valueOf(length), () -> {
                Work<String> far = Work.start(() -> {
                    ByteBuffer received = ByteBuffer.allocate(length);
                    while (received.hasRemaining() && pair.far.read(received) > 0) {
                        // Until all has come.
                    }
                    return Text.digest(received.array());
                });
                ByteBuffer whole = buffer(direct, Text.bytes(length + 10));
                whole.position(7);
                whole.limit(7 + length);
                // A blocking write is complete, or its parts are.
                ChannelPair.writeAll(pair.near, whole);
                return whole + " " + far.get();
            });
        }
        return findings;
    }

    private static Object read(ChannelPair pair, boolean direct) throws Exception {
        Findings findings = new Findings();
        pair.receive(Text.bytes(150_000));
        for (int length : new int[] {0, 1, 1000, 8192, 65536, 65537, 100_000}) {
            findings.add(String.valueOf(length), () -> {
                ByteBuffer buffer = buffer(direct, new byte[length + 10]);
                buffer.position(3).limit(length + 3);
                int n = pair.near.read(buffer);
                buffer.flip();
                return n + " " + buffer + " " + Text.digest(buffer);
            });
        }
        pair.end();
        return findings.add("the end", () -> pair.near.read(buffer(direct, new byte[4])))
                .add("nothing at the end", () -> pair.near.read(buffer(direct, new byte[0])))
                .add("the end again", () -> pair.near.read(buffer(direct, new byte[4])));
    }

    private static ByteBuffer[] buffers(boolean direct, int count, int size) {
        ByteBuffer[] buffers = new ByteBuffer[count];
        for (int i = 0; i < count; i++) {
            buffers[i] = buffer(direct, Text.bytes(size == 0 ? i % 5 : size, i));
        }
        return buffers;
    }

    private static int remaining(ByteBuffer[] buffers) {
        return Arrays.stream(buffers).mapToInt(ByteBuffer::remaining).sum();
    }

    private static Object gather(ChannelPair pair, boolean direct) throws Exception {
        Findings findings = new Findings();
        for (int count : new int[] {0, 1, 2, 15, 16, 17, 100, 1023, 1024, 1025, 2000}) {
            for (int size : new int[] {0, 1, 9}) {
                findings.add(count + " of " + size, () -> {
                    ByteBuffer[] buffers = buffers(direct, count, size);
                    long written = pair.near.write(buffers);
                    int left = remaining(buffers);
                    ByteBuffer received = ByteBuffer.allocate((int) written);
                    while (received.hasRemaining() && pair.far.read(received) > 0) {
                        // Until all has come.
                    }
                    return written + " written, " + left + " left, " + Text.digest(received.array());
                });
            }
        }
        findings.add("part of an array", () -> {
            long written = pair.near.write(buffers(direct, 10, 9), 3, 4);
            ByteBuffer received = ByteBuffer.allocate((int) written);
            while (received.hasRemaining() && pair.far.read(received) > 0) {
                // Until all has come.
            }
            return Text.digest(received.array());
        });
        findings.add("a bad part", () -> pair.near.write(buffers(direct, 3, 1), 2, 2));
        return findings.add("a null among them", () -> {
            ByteBuffer[] buffers = buffers(direct, 3, 1);
            buffers[1] = null;
            return pair.near.write(buffers);
        });
    }

    private static Object scatter(ChannelPair pair, boolean direct) throws Exception {
        Findings findings = new Findings();
        for (int count : new int[] {1, 2, 15, 16, 17, 1024, 1025, 2000}) {
            for (int size : new int[] {0, 1, 9}) {
                findings.add(count + " of " + size, () -> {
                    ByteBuffer[] buffers = buffers(direct, count, size);
                    int room = remaining(buffers);
                    byte[] sent = Text.bytes(room, count);
                    pair.receive(sent);
                    long read = pair.near.read(buffers);
                    ByteBuffer all = ByteBuffer.allocate(room);
                    for (ByteBuffer buffer : buffers) {
                        buffer.flip();
                        all.put(buffer);
                    }
                    while (all.hasRemaining()) {
                        pair.near.read(all);
                    }
                    return read + " of " + room + ", " + Arrays.equals(all.array(), sent);
                });
            }
        }
        findings.add("part of an array", () -> {
            pair.receive(Text.bytes(20));
            ByteBuffer[] buffers = buffers(direct, 10, 9);
            return pair.near.read(buffers, 3, 4) + " " + remaining(buffers);
        });
        findings.add("no buffers", () -> pair.near.read(new ByteBuffer[0]));
        findings.add("no room", () -> pair.near.read(buffers(direct, 1, 0)));
        pair.end();
        return findings.add("the end", () -> pair.near.read(buffers(direct, 3, 4)));
    }

    private static Object mixed(ChannelPair pair) throws Exception {
        ByteBuffer[] buffers = new ByteBuffer[40];
        for (int i = 0; i < buffers.length; i++) {
            ByteBuffer buffer = buffer(i % 3 == 0, Text.bytes(i * 7 % 50, i));
            buffers[i] = i % 4 == 0 ? buffer.asReadOnlyBuffer() : i % 4 == 1 ? buffer.slice() : buffer;
        }
        long total = remaining(buffers);
        long written = pair.near.write(buffers);
        pair.near.shutdownOutput();
        return total + " " + written + " " + Text.digest(all(pair.far));
    }

    private static Object gatherLarge(ChannelPair pair) throws Exception {
        Work<String> far = Work.start(() -> Text.digest(all(pair.far)));
        ByteBuffer[] buffers = buffers(false, 9, 200_000);
        buffers[4] = buffer(true, Text.bytes(300_001, 77));
        while (remaining(buffers) > 0) {
            pair.near.write(buffers);
        }
        pair.near.shutdownOutput();
        return far.get();
    }

    private static Object refused(ChannelPair pair) throws Exception {
        Findings findings = new Findings();
        pair.receive(Text.bytes(10));
        findings.add("read-only", () -> pair.near.read(ByteBuffer.allocate(4).asReadOnlyBuffer()));
        findings.add("read-only, direct", () -> pair.near.read(ByteBuffer.allocateDirect(4).asReadOnlyBuffer()));
        findings.add("read-only among others", () -> {
            return pair.near.read(new ByteBuffer[] {ByteBuffer.allocate(4), ByteBuffer.allocate(4).asReadOnlyBuffer()});
        });
        findings.add("read to null", () -> pair.near.read((ByteBuffer) null));
        findings.add("write null", () -> pair.near.write((ByteBuffer) null));
        findings.add("read to nulls", () -> pair.near.read((ByteBuffer[]) null));
        findings.add("write read-only", () -> pair.near.write(ByteBuffer.allocateDirect(4).asReadOnlyBuffer()));
        return findings.add("nothing was lost", () -> {
            ByteBuffer buffer = ByteBuffer.allocate(20);
            return pair.near.read(buffer) + " " + Text.digest(buffer.array());
        });
    }

    private static Object notBlocking(ChannelPair pair) throws Exception {
        pair.near.configureBlocking(false);
        Findings findings = new Findings().add("nothing", () -> read(pair)).add("scatter nothing", () -> scatter(pair));
        pair.receive(Text.bytes(7));
        findings.add("7", () -> scatter(pair)).add("the rest", () -> read(pair)).add("no more", () -> read(pair));
        findings.add("write", () -> write(pair)).add("gather", () -> gather(pair));
        findings.add("streams", () -> pair.near.socket().getInputStream().read());
        findings.add("streams, written", () -> {
            pair.near.socket().getOutputStream().write(1);
            return "written";
        });
        pair.end();
        findings.add("the end", () -> read(pair)).add("the end, scattered", () -> scatter(pair));
        pair.near.configureBlocking(true);
        return findings.add("blocking", pair.near::isBlocking).add("read", () -> read(pair));
    }

    private static Object full(ChannelPair pair) throws Exception {
        pair.near.setOption(StandardSocketOptions.SO_SNDBUF, 1 << 16);
        pair.near.configureBlocking(false);
        ByteBuffer content = buffer(true, Text.bytes(6 << 20));
        // The count depends on the kernel's buffers; that there is an end, does not.
        long sent = 0;
        for (int refused = 0; refused < 5 && sent < content.capacity();) {
            content.position((int) sent).limit(content.capacity());
            int n = pair.near.write(content);
            sent += n;
            if (n == 0) {
                refused++;
                Thread.sleep(10);
            }
        }
        long first = sent;
        Findings findings = new Findings().add("some, not all", () -> first > 0 && first < content.capacity());
        Work<String> far = Work.start(() -> Text.digest(all(pair.far)));
        pair.near.configureBlocking(true);
        content.position((int) first).limit(content.capacity());
        ChannelPair.writeAll(pair.near, content);
        pair.near.shutdownOutput();
        return findings.add("all of it", far::get);
    }

    private static Object halfClose(ChannelPair pair) throws Exception {
        ChannelPair.writeAll(pair.near, ByteBuffer.wrap(Text.bytes(100)));
        pair.near.shutdownOutput();
        String there = Text.digest(all(pair.far));
        ChannelPair.writeAll(pair.far, ByteBuffer.wrap(Text.bytes(200)));
        pair.far.shutdownOutput();
        Findings findings = new Findings().add("there and back", () -> there + ", " + Text.digest(all(pair.near)));
        return findings.add("twice", () -> pair.near.shutdownOutput().isOpen());
    }

    private static Findings everything(ChannelPair pair) {
        Findings findings = new Findings().add("write", () -> write(pair)).add("gather", () -> gather(pair));
        findings.add("write nothing", () -> pair.near.write(ByteBuffer.allocateDirect(0)));
        findings.add("read nothing", () -> pair.near.read(ByteBuffer.allocateDirect(0)));
        findings.add("open", pair.near::isOpen).add("connected", pair.near::isConnected);
        findings.add("shutdownOutput", () -> pair.near.shutdownOutput().isOpen());
        findings.add("read", () -> {
            pair.far.close();
            return read(pair);
        });
        findings.add("scatter", () -> scatter(pair));
        return findings.add("shutdownInput", () -> pair.near.shutdownInput().isOpen())
                .add("read then", () -> read(pair));
    }

    private static Object closeDuring(ChannelPair pair, Callable<Object> action) throws Exception {
        Work<Object> work = Work.start(action).blocked();
        pair.near.close();
        // A write that is ended by the close may first tell how much it wrote, and the next one be refused.
        String during = work.outcome().replace("AsynchronousCloseException", "ClosedChannelException");
        return new Findings().add("during", () -> during).add("again", action::call);
    }

    private static Object closeDuringBoth(ChannelPair pair) throws Exception {
        Work<Object> reader = Work.<Object>start(() -> read(pair)).blocked();
        Work<Object> second = Work.<Object>start(() -> scatter(pair)).blocked();
        Work<Object> writer = Work.<Object>start(() -> flood(pair)).blocked();
        pair.near.close();
        writer.outcome();
        return new Findings().add("reader", reader::get).add("second reader", second::get)
                .add("open", pair.near::isOpen).add("write", () -> write(pair));
    }

    private static Object interruptDuring(ChannelPair pair, Callable<Object> action) throws Exception {
        Work<String> work = Work.start(() -> {
            String outcome = Text.outcome(action::call);
            return outcome + ", interrupted: " + Thread.interrupted();
        }).blocked();
        work.thread.interrupt();
        String during = work.get();
        return new Findings().add("during", () -> during).add("open", pair.near::isOpen).add("again", action::call);
    }

    private static Object adaptor(ChannelPair pair) throws Exception {
        InputStream in = pair.near.socket().getInputStream();
        OutputStream out = pair.near.socket().getOutputStream();
        pair.near.socket().setSoTimeout(20);
        Findings findings = new Findings().add("time out", in::read).add("again", () -> in.read(new byte[10]));
        pair.receive(Text.bytes(10));
        pair.near.socket().setSoTimeout(20_000);
        findings.add("read", () -> in.read(new byte[4])).add("one", in::read).add("available", in::available);
        findings.add("a bad range", () -> in.read(new byte[4], 3, 2));
        findings.add("write", () -> {
            Work<String> far = Work.start(() -> Text.digest(all(pair.far)));
            out.write(Text.bytes(400_000), 3, 399_000);
            out.write(5);
            pair.near.shutdownOutput();
            return far.get();
        });
        pair.end();
        findings.add("the rest", () -> in.read(new byte[10])).add("the end", in::read);
        findings.add("write then", () -> {
            out.write(1);
            return "written";
        });
        pair.near.close();
        return findings.add("closed", in::read).add("closed, write", () -> {
            out.write(1);
            return "written";
        });
    }

    private static Object streamsOfAChannel(ChannelPair pair) throws Exception {
        Work<String> far = Work.start(() -> Text.digest(all(pair.far)));
        OutputStream out = Channels.newOutputStream(pair.near);
        out.write(Text.bytes(250_000));
        out.write(7);
        pair.near.shutdownOutput();
        String there = far.get();
        pair.receive(Text.bytes(100));
        InputStream in = Channels.newInputStream(pair.near);
        Findings findings = new Findings().add("written", () -> there).add("read", in::read);
        findings.add("array", () -> in.read(new byte[60])).add("the rest", () -> in.read(new byte[60]));
        pair.end();
        return findings.add("the end", in::read);
    }

    private static Object urgentData(ChannelPair pair) throws Exception {
        pair.near.socket().sendUrgentData(1);
        pair.near.write(ByteBuffer.wrap(new byte[] {4, 5}));
        ByteBuffer received = ByteBuffer.allocate(2);
        while (received.hasRemaining()) {
            pair.far.read(received);
        }
        return Arrays.toString(received.array());
    }

    private static Object connect() throws Exception {
        Findings findings = new Findings();
        int unused;
        try (ServerSocketChannel server = ChannelPair.server()) {
            unused = ((InetSocketAddress) server.getLocalAddress()).getPort();
        }
        InetSocketAddress nobody = new InetSocketAddress(InetAddress.getLoopbackAddress(), unused);
        try (SocketChannel channel = SocketChannel.open()) {
            findings.add("read before", () -> channel.read(ByteBuffer.allocate(1)));
            findings.add("write before", () -> channel.write(ByteBuffer.allocate(1)));
            findings.add("refused", () -> channel.connect(nobody)).add("open", channel::isOpen);
        }
        try (SocketChannel channel = SocketChannel.open()) {
            channel.configureBlocking(false);
            findings.add("refused, not blocking", () -> {
                if (channel.connect(nobody)) {
                    return "connected";
                }
                for (long start = System.nanoTime(); System.nanoTime() - start < TimeUnit.SECONDS.toNanos(20);) {
                    if (channel.finishConnect()) {
                        return "connected";
                    }
                }
                return "no answer";
            });
        }
        findings.add("by its socket, refused", () -> {
            try (SocketChannel channel = SocketChannel.open()) {
                channel.socket().connect(nobody, 20_000);
                return "connected";
            }
        });
        try (ServerSocketChannel server = ChannelPair.server(); SocketChannel channel = SocketChannel.open()) {
            channel.connect(server.getLocalAddress());
            findings.add("twice", () -> channel.connect(server.getLocalAddress()));
            findings.add("accept", () -> {
                try (SocketChannel accepted = server.accept()) {
                    return accepted.isConnected() + " " + accepted.isBlocking();
                }
            });
            server.configureBlocking(false);
            findings.add("nobody there", server::accept);
        }
        return findings.add("not resolved", () -> SocketChannel.open(InetSocketAddress.createUnresolved("unknown", 1)));
    }

    private static Object duringAccept(boolean interrupt) throws Exception {
        try (ServerSocketChannel server = ChannelPair.server()) {
            Work<Object> work = Work.<Object>start(server::accept).blocked();
            if (interrupt) {
                work.thread.interrupt();
            } else {
                AutoCloseable now = server;
                now.close();
            }
            return new Findings().add("during", work::get).add("again", server::accept).add("open", server::isOpen);
        }
    }

    /** An echo by one thread for many connections. */
    private static Object selector() throws Exception {
        int count = 20;
        try (ServerSocketChannel server = ChannelPair.server()) {
            Work<Object> echo = Work.start(() -> {
                echo(server, count);
                return null;
            });
            List<Work<String>> clients = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int seed = i;
                clients.add(Work.start(() -> {
                    try (SocketChannel channel = SocketChannel.open(server.getLocalAddress())) {
                        Work<Object> sender = Work.start(() -> {
                            ChannelPair.writeAll(channel, buffer(seed % 2 == 0, Text.bytes(5000 + seed * 3000, seed)));
                            channel.shutdownOutput();
                            return null;
                        });
                        String digest = Text.digest(all(channel));
                        sender.get();
                        return digest;
                    }
                }));
            }
            Findings findings = new Findings();
            for (int i = 0; i < count; i++) {
                findings.add("client " + i, clients.get(i)::get);
            }
            return findings.add("server", echo::get);
        }
    }

    private static void echo(ServerSocketChannel server, int count) throws IOException {
        try (Selector selector = Selector.open()) {
            server.configureBlocking(false);
            server.register(selector, SelectionKey.OP_ACCEPT);
            for (int open = count; open > 0;) {
                selector.select();
                for (Iterator<SelectionKey> keys = selector.selectedKeys().iterator(); keys.hasNext(); keys.remove()) {
                    SelectionKey key = keys.next();
                    if (key.isAcceptable()) {
                        SocketChannel accepted = server.accept();
                        if (accepted != null) {
                            accepted.configureBlocking(false);
                            accepted.register(selector, SelectionKey.OP_READ, ByteBuffer.allocateDirect(3000));
                        }
                    } else {
                        open -= echo(key) ? 0 : 1;
                    }
                }
            }
        }
    }

    /** Whether there is more to come. */
    private static boolean echo(SelectionKey key) throws IOException {
        SocketChannel channel = (SocketChannel) key.channel();
        ByteBuffer buffer = (ByteBuffer) key.attachment();
        int n = channel.read(buffer);
        buffer.flip();
        channel.write(buffer);
        buffer.compact();
        if (n < 0 && buffer.position() == 0) {
            channel.close();
            return false;
        }
        int read = n < 0 || !buffer.hasRemaining() ? 0 : SelectionKey.OP_READ;
        key.interestOps(read | (buffer.position() > 0 ? SelectionKey.OP_WRITE : 0));
        return true;
    }

    private static Object selectorEnds() throws Exception {
        Findings findings = new Findings();
        try (ChannelPair pair = new ChannelPair(); Selector selector = Selector.open()) {
            pair.near.configureBlocking(false);
            SelectionKey key = pair.near.register(selector, SelectionKey.OP_READ);
            findings.add("nothing", selector::selectNow).add("time out", () -> selector.select(10));
            findings.add("woken before", () -> selector.wakeup().select());
            findings.add("woken", () -> {
                Work<Integer> work = Work.start(() -> selector.select()).blocked();
                selector.wakeup();
                return work.get();
            });
            findings.add("interrupted", () -> {
                Work<String> work = Work.start(() -> selector.select() + " " + Thread.interrupted()).blocked();
                work.thread.interrupt();
                return work.get();
            });
            findings.add("data", () -> {
                Work<Integer> work = Work.start(() -> selector.select()).blocked();
                pair.far.write(ByteBuffer.allocate(1));
                return work.get() + " " + key.isReadable() + " " + read(pair);
            });
            findings.add("blocking while registered", () -> pair.near.configureBlocking(true));
            findings.add("channel closed", () -> {
                pair.near.close();
                selector.selectedKeys().clear();
                return selector.selectNow() + " " + key.isValid() + " " + selector.keys().size();
            });
            findings.add("closed", () -> {
                Work<Integer> work = Work.start(() -> selector.select()).blocked();
                AutoCloseable now = selector;
                now.close();
                return work.get();
            });
            return findings.add("select then", selector::select);
        }
    }

    private static Object pipe() throws Exception {
        Pipe pipe = Pipe.open();
        try (Pipe.SourceChannel source = pipe.source(); Pipe.SinkChannel sink = pipe.sink()) {
            Findings findings = new Findings();
            findings.add("write", () -> sink.write(buffer(true, Text.bytes(1000))));
            findings.add("read", () -> {
                ByteBuffer buffer = ByteBuffer.allocateDirect(2000);
                source.read(buffer);
                buffer.flip();
                return Text.digest(buffer);
            });
            findings.add("gather and scatter", () -> {
                long written = sink.write(buffers(false, 30, 9));
                ByteBuffer[] buffers = {ByteBuffer.allocate(100), ByteBuffer.allocateDirect(300)};
                long read = source.read(buffers);
                return written + " " + read + " " + Text.digest(buffers[0].array());
            });
            findings.add("much", () -> {
                Work<String> reader = Work.start(() -> Text.digest(all(source)));
                ByteBuffer content = buffer(false, Text.bytes(500_000));
                while (content.hasRemaining()) {
                    sink.write(content);
                }
                AutoCloseable now = sink;
                now.close();
                return reader.get();
            });
            return findings.add("the end", () -> source.read(ByteBuffer.allocate(1)));
        }
    }

    private static Object pipeEnds() throws Exception {
        Findings findings = new Findings();
        Pipe first = Pipe.open();
        first.source().close();
        findings.add("write to nobody", () -> first.sink().write(ByteBuffer.allocate(1)));
        findings.add("gather to nobody", () -> first.sink().write(buffers(true, 3, 2)));
        findings.add("read when closed", () -> first.source().read(ByteBuffer.allocate(1)));
        first.sink().close();
        findings.add("write when closed", () -> first.sink().write(ByteBuffer.allocate(1)));
        Pipe second = Pipe.open();
        second.source().configureBlocking(false);
        findings.add("nothing", () -> second.source().read(ByteBuffer.allocateDirect(1)));
        second.source().configureBlocking(true);
        findings.add("close during a read", () -> {
            Work<Integer> work = Work.start(() -> second.source().read(ByteBuffer.allocate(1))).blocked();
            second.source().close();
            return work.get();
        });
        second.sink().close();
        Pipe third = Pipe.open();
        findings.add("interrupt during a read", () -> {
            Work<Integer> work = Work.start(() -> third.source().read(ByteBuffer.allocate(1))).blocked();
            work.thread.interrupt();
            return work.get();
        });
        third.sink().close();
        return findings;
    }

    private static Object asynchronous() throws Exception {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (AsynchronousServerSocketChannel server = AsynchronousServerSocketChannel.open().bind(any);
                AsynchronousSocketChannel near = AsynchronousSocketChannel.open()) {
            near.connect(server.getLocalAddress()).get();
            try (AsynchronousSocketChannel far = server.accept().get()) {
                Findings findings = new Findings();
                for (boolean direct : new boolean[] {true, false}) {
                    for (int length : new int[] {0, 1, 10_000, 300_000}) {
                        findings.add((direct ? "direct " : "heap ") + length, () -> {
                            ByteBuffer content = buffer(direct, Text.bytes(length));
                            Work<Object> writer = Work.start(() -> {
                                while (content.hasRemaining()) {
                                    near.write(content).get();
                                }
                                return null;
                            });
                            ByteBuffer received = buffer(direct, new byte[length]);
                            while (received.hasRemaining()) {
                                far.read(received).get();
                            }
                            received.flip();
                            writer.get();
                            return Text.digest(received);
                        });
                    }
                }
                findings.add("read pending", () -> {
                    java.util.concurrent.Future<Integer> first = near.read(ByteBuffer.allocate(10));
                    String second = Text.outcome(() -> near.read(ByteBuffer.allocate(10)).get());
                    far.write(ByteBuffer.allocate(3)).get();
                    return second + " " + first.get();
                });
                return findings.add("read-only", () -> near.read(ByteBuffer.allocate(1).asReadOnlyBuffer()).get());
            }
        }
    }

    private static Object asynchronousEnds() throws Exception {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (AsynchronousServerSocketChannel server = AsynchronousServerSocketChannel.open().bind(any)) {
            Findings findings = new Findings();
            AsynchronousSocketChannel near = AsynchronousSocketChannel.open();
            near.connect(server.getLocalAddress()).get();
            AsynchronousSocketChannel far = server.accept().get();
            java.util.concurrent.Future<Integer> read = near.read(ByteBuffer.allocate(1));
            near.close();
            findings.add("close during a read", read::get);
            findings.add("read when closed", () -> near.read(ByteBuffer.allocate(1)).get());
            findings.add("the end", () -> far.read(ByteBuffer.allocateDirect(1)).get());
            far.close();
            SocketChannel third = SocketChannel.open(server.getLocalAddress());
            AsynchronousSocketChannel fourth = server.accept().get();
            third.setOption(StandardSocketOptions.SO_LINGER, 0);
            java.util.concurrent.Future<Integer> reset = fourth.read(ByteBuffer.allocate(1));
            third.close();
            findings.add("reset during a read", reset::get);
            findings.add("write after it", () -> fourth.write(ByteBuffer.allocate(1)).get());
            fourth.close();
            return findings;
        }
    }

    /** Since Java 16, and so by reflection. */
    private static Object unixDomain() throws Exception {
        Class<?> addresses;
        try {
            addresses = Class.forName("java.net.UnixDomainSocketAddress");
        } catch (ClassNotFoundException absent) {
            return "not in this Java";
        }
        java.net.ProtocolFamily family = java.net.StandardProtocolFamily.valueOf("UNIX");
        Path path = Scratch.absent("socket");
        java.net.SocketAddress address =
                (java.net.SocketAddress) addresses.getMethod("of", Path.class).invoke(null, path);
        Class<?> type = java.net.ProtocolFamily.class;
        ServerSocketChannel server =
                (ServerSocketChannel) ServerSocketChannel.class.getMethod("open", type).invoke(null, family);
        SocketChannel near = (SocketChannel) SocketChannel.class.getMethod("open", type).invoke(null, family);
        try {
            server.bind(address);
            near.connect(address);
            SocketChannel far = server.accept();
            Findings findings = new Findings();
            findings.add("write", () -> {
                Work<String> reader = Work.start(() -> Text.digest(all(far)));
                ChannelPair.writeAll(near, buffer(true, Text.bytes(400_000)));
                near.write(buffers(false, 20, 9));
                near.shutdownOutput();
                return reader.get();
            });
            findings.add("close during a read", () -> {
                Work<Integer> work = Work.start(() -> near.read(ByteBuffer.allocate(1))).blocked();
                near.close();
                return work.get();
            });
            findings.add("write to nobody", () -> far.write(ByteBuffer.allocate(1)));
            findings.add("read from nobody", () -> far.read(ByteBuffer.allocate(1)));
            far.close();
            findings.add("close during an accept", () -> {
                Work<Object> work = Work.<Object>start(server::accept).blocked();
                server.close();
                return work.get();
            });
            return findings;
        } finally {
            near.close();
            server.close();
            java.nio.file.Files.deleteIfExists(path);
        }
    }

    private static Object manyConnections() throws Exception {
        List<Work<String>> clients = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            int seed = i;
            clients.add(Work.start(() -> {
                long hash = 0;
                try (ChannelPair pair = new ChannelPair()) {
                    for (int round = 0; round < 40; round++) {
                        byte[] sent = Text.bytes(1 + round * 97, seed);
                        ChannelPair.writeAll(pair.near, buffer(round % 2 == 0, sent));
                        ByteBuffer received = buffer(round % 3 == 0, new byte[sent.length]);
                        while (received.hasRemaining()) {
                            pair.far.read(received);
                        }
                        received.flip();
                        hash = hash * 31 + received.hashCode();
                    }
                }
                return Long.toString(hash);
            }));
        }
        Findings findings = new Findings();
        for (int i = 0; i < clients.size(); i++) {
            findings.add("client " + i, clients.get(i)::get);
        }
        return findings;
    }

    /** As for streams: nothing meant for one may reach another with the same number. */
    private static Object reopened() throws Exception {
        int wrong = 0;
        List<String> ends = new ArrayList<>();
        for (int round = 0; round < 60; round++) {
            ChannelPair pair = new ChannelPair();
            Work<Object> reader = Work.<Object>start(() -> read(pair)).blocked();
            pair.near.close();
            try (ChannelPair next = new ChannelPair()) {
                next.far.write(ByteBuffer.wrap(new byte[] {(byte) round}));
                ByteBuffer received = ByteBuffer.allocateDirect(1);
                next.near.read(received);
                wrong += received.get(0) == round ? 0 : 1;
            }
            pair.far.close();
            String end = reader.outcome();
            if (!ends.contains(end)) {
                ends.add(end);
            }
        }
        return wrong + " went wrong, readers: " + ends;
    }
}
