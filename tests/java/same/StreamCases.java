package same;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** The streams of {@code java.net.Socket}, and {@code ServerSocket}. */
final class StreamCases {
    /** Around the sizes at which the JDK's natives change buffers. */
    private static final int[] LENGTHS = {
        0, 1, 2, 1023, 8191, 8192, 8193, 65535, 65536, 65537, 131071, 131072, 131073, 196608, 262144, 300000, 1 << 20,
    };

    private interface Body {
        Object run(Pair pair) throws Exception;
    }

    private StreamCases() {
    }

    private static void with(Cases cases, String name, Body body) {
        cases.add("streams: " + name, () -> {
            try (Pair pair = new Pair()) {
                return body.run(pair);
            }
        });
    }

    static void add(Cases cases) {
        for (int length : LENGTHS) {
            with(cases, "write " + length, pair -> transfer(pair, length));
        }
        with(cases, "write in pieces", StreamCases::writeInPieces);
        with(cases, "write(int)", StreamCases::writeOneByte);
        with(cases, "read sizes", StreamCases::readSizes);
        with(cases, "timed read sizes", pair -> {
            pair.near.setSoTimeout(30_000);
            return readSizes(pair);
        });
        with(cases, "read(int)", StreamCases::readOneByte);
        with(cases, "both ways at once", StreamCases::bothWays);
        with(cases, "ranges", StreamCases::ranges);
        with(cases, "available and skip", StreamCases::availableAndSkip);
        with(cases, "after close", pair -> {
            pair.near.close();
            return everything(pair);
        });
        with(cases, "after the other end's close", pair -> {
            pair.far.close();
            Kernel.awaitEnd(pair.near.getLocalPort(), pair.near.getPort());
            return new Findings().add("read", () -> read(pair, 4)).add("again", () -> read(pair, 4))
                    .add("available", pair.in::available);
        });
        with(cases, "after shutdownOutput", pair -> {
            pair.near.shutdownOutput();
            pair.receive(Text.bytes(4));
            return everything(pair).add("again", pair.near::getOutputStream);
        });
        with(cases, "after shutdownInput", pair -> {
            pair.receive(Text.bytes(4));
            pair.near.shutdownInput();
            return everything(pair).add("again", pair.near::getInputStream);
        });
        with(cases, "half close", StreamCases::halfClose);
        with(cases, "write after a reset", pair -> {
            pair.reset();
            Findings findings = new Findings().add("write", () -> write(pair, 4)).add("again", () -> write(pair, 4));
            findings.add("large", () -> write(pair, 1 << 20)).add("read", () -> read(pair, 4));
            return findings.add("read again", () -> read(pair, 4)).add("available", pair.in::available)
                    .add("urgent", () -> urgent(pair.near));
        });
        with(cases, "large write after a reset", pair -> {
            pair.reset();
            return new Findings().add("write", () -> write(pair, 1 << 20)).add("again", () -> write(pair, 1 << 20));
        });
        with(cases, "read after a reset", pair -> {
            pair.reset();
            Findings findings = new Findings().add("read", () -> read(pair, 4)).add("again", () -> read(pair, 4));
            findings.add("read 0", () -> read(pair, 0)).add("available", pair.in::available);
            return findings.add("write", () -> write(pair, 4)).add("state", () -> state(pair.near));
        });
        with(cases, "read of what came before a reset", pair -> {
            pair.receive(Text.bytes(10));
            pair.reset();
            return new Findings().add("read", () -> read(pair, 4)).add("again", () -> read(pair, 100))
                    .add("at last", () -> read(pair, 100));
        });
        with(cases, "timed read after a reset", pair -> {
            pair.near.setSoTimeout(30_000);
            pair.reset();
            return new Findings().add("read", () -> read(pair, 4)).add("again", () -> read(pair, 4));
        });
        with(cases, "urgent data after a reset", pair -> {
            pair.reset();
            return new Findings().add("urgent", () -> urgent(pair.near)).add("again", () -> urgent(pair.near));
        });
        with(cases, "reset during a read", pair -> resetDuring(pair, () -> read(pair, 4)));
        with(cases, "reset during a timed read", pair -> {
            pair.near.setSoTimeout(60_000);
            return resetDuring(pair, () -> read(pair, 4));
        });
        with(cases, "reset during a write", pair -> resetDuring(pair, () -> flood(pair)));
        with(cases, "end during a read", pair -> {
            Work<Object> work = Work.<Object>start(() -> read(pair, 4)).blocked();
            pair.far.shutdownOutput();
            return work.get();
        });
        with(cases, "urgent data", StreamCases::urgentData);
        with(cases, "read time out", StreamCases::timeOut);
        with(cases, "time outs refused", pair -> new Findings().add("-1", () -> {
            pair.near.setSoTimeout(-1);
            return "set";
        }).add("get", pair.near::getSoTimeout));
        with(cases, "close during a read", pair -> closeDuring(pair.near, () -> read(pair, 4)));
        with(cases, "close during a read of much", pair -> closeDuring(pair.near, () -> read(pair, 200000)));
        with(cases, "close during a timed read", pair -> {
            pair.near.setSoTimeout(60_000);
            return closeDuring(pair.near, () -> read(pair, 4));
        });
        with(cases, "close during a write", pair -> closeDuring(pair.near, () -> flood(pair)));
        with(cases, "close during a read and a write", StreamCases::closeDuringBoth);
        with(cases, "close of a stream during a read", pair -> closeDuring(pair.out, () -> read(pair, 4)));
        with(cases, "shutdown during a read", pair -> {
            Work<Object> work = Work.<Object>start(() -> read(pair, 4)).blocked();
            pair.near.shutdownInput();
            return work.outcome() + ", " + Text.outcome(() -> read(pair, 4));
        });
        with(cases, "shutdown during a write", pair -> {
            Work<Object> work = Work.<Object>start(() -> flood(pair)).blocked();
            pair.near.shutdownOutput();
            return work.outcome() + ", " + Text.outcome(() -> write(pair, 4));
        });
        with(cases, "interrupt during a read", pair -> interruptDuring(pair, 0));
        with(cases, "interrupt during a timed read", pair -> interruptDuring(pair, 60_000));
        with(cases, "interrupt during a write", StreamCases::interruptDuringWrite);
        with(cases, "read with the interrupt set", pair -> {
            pair.far.getOutputStream().write(5);
            Thread.currentThread().interrupt();
            return pair.in.read() + " " + Text.outcome(() -> write(pair, 4)) + " " + Thread.interrupted();
        });
        with(cases, "streams closed", StreamCases::streamsClosed);
        with(cases, "options", StreamCases::options);
        cases.add("streams: not connected", StreamCases::notConnected);
        cases.add("streams: connect refused", StreamCases::connectRefused);
        cases.add("streams: connect, misused", StreamCases::connectMisused);
        cases.add("streams: connect time out, close during a connect", StreamCases::connectBlocked);
        cases.add("streams: bind", StreamCases::bind);
        cases.add("streams: accept time out", StreamCases::acceptTimeOut);
        cases.add("streams: close during an accept", () -> closeDuringAccept(0, 1));
        cases.add("streams: close during a timed accept", () -> closeDuringAccept(60_000, 1));
        cases.add("streams: close during three accepts", () -> closeDuringAccept(0, 3));
        cases.add("streams: interrupt during an accept", StreamCases::interruptDuringAccept);
        cases.add("streams: many connections", () -> manyConnections(40, Work::start));
        cases.add("streams: closed and opened again while read", StreamCases::reopened);
        cases.add("streams: a socket nobody closed", StreamCases::dropped);
    }

    private static Object read(Pair pair, int length) throws IOException {
        byte[] array = new byte[length];
        int n = pair.in.read(array);
        return n <= 0 ? n : n + " " + Text.digest(Arrays.copyOf(array, n));
    }

    private static Object write(Pair pair, int length) throws IOException {
        pair.out.write(new byte[length]);
        return "written";
    }

    private static Object urgent(Socket socket) throws IOException {
        socket.sendUrgentData(3);
        return "sent";
    }

    private static Object flood(Pair pair) throws IOException {
        byte[] array = new byte[300000];
        while (true) {
            pair.out.write(array);
        }
    }

    /** Every operation, for the states in which some are refused. */
    private static Findings everything(Pair pair) {
        Findings findings = new Findings();
        findings.add("write", () -> write(pair, 4)).add("write 0", () -> write(pair, 0));
        findings.add("write a byte", () -> {
            pair.out.write(1);
            return "written";
        });
        findings.add("write much", () -> write(pair, 100000));
        findings.add("write a bad range", () -> {
            pair.out.write(new byte[4], 3, 2);
            return "written";
        });
        findings.add("flush", () -> {
            pair.out.flush();
            return "flushed";
        });
        findings.add("read 0", () -> read(pair, 0)).add("read", () -> read(pair, 4));
        findings.add("available", pair.in::available);
        if (pair.near.isClosed()) {
            findings.add("skip", () -> pair.in.skip(1));
        }
        findings.add("read a bad range", () -> pair.in.read(new byte[4], 3, 2));
        return findings.add("urgent", () -> urgent(pair.near)).add("state", () -> state(pair.near))
                .add("close", () -> {
                    pair.near.close();
                    return "closed";
                }).add("read after close", () -> read(pair, 4));
    }

    private static String state(Socket socket) {
        return "bound " + socket.isBound() + ", connected " + socket.isConnected() + ", closed " + socket.isClosed()
                + ", input shut " + socket.isInputShutdown() + ", output shut " + socket.isOutputShutdown();
    }

    /** Of something that is closed at the end of a block, too. */
    private static void close(AutoCloseable closeable) throws Exception {
        closeable.close();
    }

    static byte[] all(InputStream in) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] array = new byte[50_000];
        for (int n; (n = in.read(array)) > 0;) {
            bytes.write(array, 0, n);
        }
        return bytes.toByteArray();
    }

    /** Writes {@code length} bytes of a larger array at an offset; what the far end gets. */
    private static Object transfer(Pair pair, int length) throws Exception {
        Work<String> far = Work.start(() -> Text.digest(all(pair.far.getInputStream())));
        byte[] array = new byte[length + 12];
        System.arraycopy(Text.bytes(length), 0, array, 5, length);
        pair.out.write(array, 5, length);
        pair.near.shutdownOutput();
        return far.get();
    }

    private static Object writeInPieces(Pair pair) throws Exception {
        Work<String> far = Work.start(() -> Text.digest(all(pair.far.getInputStream())));
        for (int i = 0; i < 300; i++) {
            byte[] piece = Text.bytes(i * 37 % 3001, i);
            pair.out.write(piece, i % 3, piece.length - Math.min(piece.length, 3));
        }
        pair.near.shutdownOutput();
        return far.get();
    }

    private static Object writeOneByte(Pair pair) throws Exception {
        for (int b : new int[] {0, 0x1FF, -1, 7, 128}) {
            pair.out.write(b);
        }
        pair.near.shutdownOutput();
        return Arrays.toString(all(pair.far.getInputStream()));
    }

    /** Arrays of many sizes, with all there is to read already there. */
    private static Object readSizes(Pair pair) throws Exception {
        byte[] sent = Text.bytes(180_000, 4);
        Findings findings = new Findings();
        for (int size : new int[] {1, 1000, 8193, 65536, 65537, 131072, 131073, 180_000, 300_000}) {
            pair.receive(sent);
            findings.add("array of " + size, () -> {
                byte[] array = new byte[size + 9];
                int first = pair.in.read(array, 4, size);
                byte[] all = Arrays.copyOf(Arrays.copyOfRange(array, 4, 4 + first), sent.length);
                for (int at = first; at < sent.length;) {
                    at += pair.in.read(all, at, sent.length - at);
                }
                return first + ", " + array[3] + " " + array[4 + size] + ", " + Arrays.equals(all, sent);
            });
        }
        pair.receive(Text.bytes(7));
        return findings.add("more than there is", () -> read(pair, 100_000));
    }

    private static Object readOneByte(Pair pair) throws Exception {
        pair.receive(new byte[] {0, 1, -1, 127, -128});
        pair.end();
        List<Integer> read = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            read.add(pair.in.read());
        }
        return read + " " + pair.in.read(new byte[0]) + " " + pair.in.read(new byte[3]) + " " + pair.in.available();
    }

    private static Object bothWays(Pair pair) throws Exception {
        byte[] one = Text.bytes(700_001, 8);
        byte[] two = Text.bytes(900_001, 9);
        Work<String> nearIn = Work.start(() -> Text.digest(all(pair.in)));
        Work<String> farIn = Work.start(() -> Text.digest(all(pair.far.getInputStream())));
        Work<Object> farOut = Work.start(() -> {
            pair.far.getOutputStream().write(two);
            pair.far.shutdownOutput();
            return null;
        });
        pair.out.write(one);
        pair.near.shutdownOutput();
        farOut.get();
        return nearIn.get() + " " + farIn.get();
    }

    private static Object ranges(Pair pair) throws Exception {
        Findings findings = new Findings();
        int max = Integer.MAX_VALUE;
        int[][] ranges = {
            {-1, 2}, {3, 2}, {0, 5}, {0, -1}, {max, 1}, {1, max}, {max, max}, {9, 0}, {4, 0}, {5, 0}, {-1, 0},
            {Integer.MIN_VALUE, 1}, {4, 1}, {4, -1}, {-1, -1}, {0, Integer.MIN_VALUE},
        };
        for (int[] range : ranges) {
            String name = "(b[4], " + range[0] + ", " + range[1] + ")";
            findings.add("write" + name, () -> {
                pair.out.write(new byte[4], range[0], range[1]);
                return "written";
            });
            findings.add("read" + name, () -> pair.in.read(new byte[4], range[0], range[1]));
        }
        for (int length : new int[] {0, 1}) {
            findings.add("write(null, 0, " + length + ")", () -> {
                pair.out.write(null, 0, length);
                return "written";
            });
            findings.add("read(null, 0, " + length + ")", () -> pair.in.read(null, 0, length));
        }
        return findings.add("nothing was sent", () -> {
            pair.near.shutdownOutput();
            return pair.far.getInputStream().read();
        });
    }

    private static Object availableAndSkip(Pair pair) throws Exception {
        Findings findings = new Findings().add("nothing", pair.in::available);
        pair.receive(Text.bytes(5000));
        findings.add("5000", pair.in::available).add("skip 10", () -> pair.in.skip(10));
        findings.add("left", pair.in::available).add("skip 0", () -> pair.in.skip(0));
        findings.add("skip -1", () -> pair.in.skip(-1));
        pair.end();
        findings.add("skip more", () -> pair.in.skip(6000)).add("at the end", pair.in::available);
        return findings.add("skip at the end", () -> pair.in.skip(1)).add("mark", pair.in::markSupported);
    }

    private static Object halfClose(Pair pair) throws Exception {
        pair.out.write(Text.bytes(100));
        pair.near.shutdownOutput();
        String there = Text.digest(all(pair.far.getInputStream()));
        pair.far.getOutputStream().write(Text.bytes(200));
        pair.far.shutdownOutput();
        Findings findings = new Findings().add("there and back", () -> there + ", " + Text.digest(all(pair.in)));
        findings.add("near", () -> state(pair.near)).add("far", () -> state(pair.far));
        findings.add("again", () -> {
            pair.near.shutdownOutput();
            return "shut";
        });
        return findings.add("read", () -> read(pair, 1)).add("write", () -> write(pair, 1));
    }

    private static Object resetDuring(Pair pair, java.util.concurrent.Callable<Object> action) throws Exception {
        Work<Object> work = Work.start(action).blocked();
        pair.reset();
        Findings findings = new Findings().add("during", work::get);
        return findings.add("read", () -> read(pair, 4)).add("write", () -> write(pair, 4));
    }

    private static Object urgentData(Pair pair) throws Exception {
        Findings findings = new Findings();
        pair.near.sendUrgentData(0x141);
        pair.out.write(new byte[] {1, 2});
        findings.add("out of band", () -> {
            InputStream in = pair.far.getInputStream();
            return in.read() + " " + in.read();
        });
        pair.far.setOOBInline(true);
        pair.out.write(5);
        pair.near.sendUrgentData(0x142);
        pair.out.write(6);
        return findings.add("in line", () -> {
            InputStream in = pair.far.getInputStream();
            return in.read() + " " + in.read() + " " + in.read();
        });
    }

    private static Object timeOut(Pair pair) throws Exception {
        pair.near.setSoTimeout(20);
        Findings findings = new Findings().add("read", () -> {
            long start = System.nanoTime();
            String outcome = Text.outcome(() -> read(pair, 4));
            return outcome + ", early: " + (System.nanoTime() - start < 19_000_000);
        });
        findings.add("bytes transferred", () -> {
            try {
                return pair.in.read();
            } catch (java.net.SocketTimeoutException timeout) {
                return timeout.bytesTransferred;
            }
        });
        findings.add("1 ms", () -> {
            pair.near.setSoTimeout(1);
            return read(pair, 100_000);
        });
        pair.near.setSoTimeout(20_000);
        pair.receive(Text.bytes(3));
        findings.add("after data came", () -> read(pair, 4));
        findings.add("data comes during it", () -> {
            Work<Object> work = Work.<Object>start(() -> read(pair, 9)).blocked();
            pair.far.getOutputStream().write(Text.bytes(4));
            return work.get();
        });
        findings.add("write", () -> transfer(pair, 300_000));
        pair.end();
        return findings.add("at the end", () -> read(pair, 4)).add("again", () -> read(pair, 4));
    }

    private static Object closeDuring(AutoCloseable closed, java.util.concurrent.Callable<Object> action)
            throws Exception {
        Work<Object> work = Work.start(action).blocked();
        closed.close();
        Findings findings = new Findings().add("during", work::get);
        return findings.add("again", action::call);
    }

    private static Object closeDuringBoth(Pair pair) throws Exception {
        Work<Object> reader = Work.<Object>start(() -> read(pair, 4)).blocked();
        Work<Object> second = Work.<Object>start(() -> read(pair, 70000)).blocked();
        Work<Object> writer = Work.<Object>start(() -> flood(pair)).blocked();
        pair.near.close();
        return new Findings().add("reader", reader::get).add("second reader", second::get).add("writer", writer::get)
                .add("state", () -> state(pair.near));
    }

    private static Object interruptDuring(Pair pair, int timeout) throws Exception {
        pair.near.setSoTimeout(timeout);
        Work<String> work = Work.start(() -> pair.in.read() + ", interrupted: " + Thread.interrupted()).blocked();
        work.thread.interrupt();
        work.blocked();
        pair.far.getOutputStream().write(9);
        return work.get();
    }

    private static Object interruptDuringWrite(Pair pair) throws Exception {
        pair.near.setSendBufferSize(1 << 16);
        Work<String> work = Work.start(() -> {
            pair.out.write(Text.bytes(6 << 20));
            pair.near.shutdownOutput();
            return "written, interrupted: " + Thread.interrupted();
        }).blocked();
        work.thread.interrupt();
        work.blocked();
        return Text.digest(all(pair.far.getInputStream())) + " " + work.get();
    }

    private static Object streamsClosed(Pair pair) throws Exception {
        Findings findings = new Findings();
        pair.in.close();
        findings.add("input closed", () -> state(pair.near)).add("write", () -> write(pair, 4));
        pair.out.close();
        findings.add("output closed", () -> state(pair.near)).add("read", () -> read(pair, 4));
        findings.add("output", pair.near::getOutputStream).add("input", pair.near::getInputStream);
        return findings.add("the other end", () -> pair.far.getInputStream().read());
    }

    private static Object options(Pair pair) throws Exception {
        Findings findings = new Findings();
        pair.near.setTcpNoDelay(true);
        pair.near.setKeepAlive(true);
        pair.near.setSoLinger(true, 5);
        pair.near.setReuseAddress(true);
        pair.near.setTrafficClass(8);
        findings.add("set", () -> pair.near.getTcpNoDelay() + " " + pair.near.getKeepAlive() + " "
                + pair.near.getSoLinger() + " " + pair.near.getReuseAddress() + " " + pair.near.getOOBInline());
        pair.near.setSoLinger(false, 0);
        findings.add("linger off", pair.near::getSoLinger);
        findings.add("addresses", () -> pair.near.getInetAddress().isLoopbackAddress() + " "
                + (pair.near.getPort() == pair.far.getLocalPort()));
        pair.near.close();
        return findings.add("closed", pair.near::getTcpNoDelay).add("time out", pair.near::getSoTimeout)
                .add("set when closed", () -> {
                    pair.near.setSoTimeout(5);
                    return "set";
                });
    }

    private static Object notConnected() throws Exception {
        try (Socket socket = new Socket()) {
            Findings findings = new Findings().add("output", socket::getOutputStream);
            findings.add("input", socket::getInputStream);
            findings.add("shutdown", () -> {
                socket.shutdownInput();
                return "shut";
            });
            return findings.add("urgent", () -> urgent(socket)).add("state", () -> state(socket));
        }
    }

    private static int unusedPort() throws IOException {
        try (ServerSocket server = Pair.server()) {
            return server.getLocalPort();
        }
    }

    private static Object connect(SocketAddress address, int timeout) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(address, timeout);
            return "connected";
        }
    }

    private static Object connectRefused() throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        Findings findings = new Findings();
        findings.add("without a time out", () -> connect(new InetSocketAddress(loopback, unusedPort()), 0));
        findings.add("with one", () -> connect(new InetSocketAddress(loopback, unusedPort()), 20_000));
        return findings.add("by the constructor", () -> new Socket(loopback, unusedPort()));
    }

    private static Object connectMisused() throws Exception {
        Findings findings = new Findings();
        try (ServerSocket server = Pair.server(); Socket socket = new Socket()) {
            SocketAddress address = server.getLocalSocketAddress();
            findings.add("no address", () -> connect(null, 0)).add("a negative time out", () -> connect(address, -1));
            findings.add("not resolved", () -> connect(InetSocketAddress.createUnresolved("unknown", 1), 0));
            socket.connect(address, 20_000);
            findings.add("twice", () -> {
                socket.connect(address);
                return "connected";
            });
            close(socket);
            findings.add("closed", () -> {
                socket.connect(address);
                return "connected";
            });
        }
        return findings.add("a bad port", () -> new InetSocketAddress("localhost", 65536));
    }

    /** The queue of a server that accepts nobody is full after a few connections. */
    private static Object connectBlocked() throws Exception {
        List<Socket> queued = new ArrayList<>();
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Findings findings = new Findings();
            findings.add("timed", () -> {
                for (int i = 0; i < 20; i++) {
                    Socket socket = new Socket();
                    queued.add(socket);
                    socket.connect(server.getLocalSocketAddress(), 150);
                }
                return "never full";
            });
            Socket last = queued.get(queued.size() - 1);
            findings.add("the socket", () -> state(last)).add("its time out", last::getSoTimeout);
            for (int timeout : new int[] {0, 60_000}) {
                Socket socket = new Socket();
                Work<String> work = Work.start(() -> {
                    socket.connect(server.getLocalSocketAddress(), timeout);
                    return "connected";
                }).blocked();
                socket.close();
                findings.add("closed, time out " + timeout, work::get);
            }
            return findings;
        } finally {
            for (Socket socket : queued) {
                socket.close();
            }
        }
    }

    private static Object bind() throws Exception {
        Findings findings = new Findings();
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket server = Pair.server()) {
            int port = server.getLocalPort();
            findings.add("in use", () -> new ServerSocket(port, 1, loopback));
            findings.add("in use, by a socket", () -> {
                try (Socket socket = new Socket()) {
                    socket.bind(new InetSocketAddress(loopback, port));
                    return "bound";
                }
            });
            findings.add("twice", () -> {
                server.bind(new InetSocketAddress(loopback, 0));
                return "bound";
            });
            close(server);
            findings.add("closed", () -> {
                server.bind(new InetSocketAddress(loopback, 0));
                return "bound";
            });
            findings.add("accept", server::accept);
        }
        findings.add("not bound", () -> {
            try (ServerSocket server = new ServerSocket()) {
                return server.accept();
            }
        });
        return findings.add("an address of somebody else",
                () -> new ServerSocket(0, 1, InetAddress.getByAddress(new byte[] {(byte) 192, 0, 2, 1})));
    }

    private static Object acceptTimeOut() throws Exception {
        try (ServerSocket server = Pair.server()) {
            server.setSoTimeout(20);
            Findings findings = new Findings().add("accept", server::accept).add("again", server::accept);
            server.setSoTimeout(20_000);
            try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
                findings.add("somebody came", () -> {
                    try (Socket accepted = server.accept()) {
                        return accepted.getPort() == socket.getLocalPort();
                    }
                });
            }
            return findings.add("time out", server::getSoTimeout);
        }
    }

    private static Object closeDuringAccept(int timeout, int threads) throws Exception {
        List<Work<Socket>> accepting = new ArrayList<>();
        Findings findings = new Findings();
        ServerSocket server = Pair.server();
        server.setSoTimeout(timeout);
        for (int i = 0; i < threads; i++) {
            accepting.add(Work.start(server::accept));
        }
        for (Work<Socket> work : accepting) {
            work.blocked();
        }
        server.close();
        for (int i = 0; i < threads; i++) {
            findings.add("thread " + i, accepting.get(i)::get);
        }
        return findings.add("again", server::accept).add("closed", server::isClosed);
    }

    private static Object interruptDuringAccept() throws Exception {
        try (ServerSocket server = Pair.server()) {
            Work<String> work = Work.start(() -> {
                server.accept().close();
                return "accepted, interrupted: " + Thread.interrupted();
            }).blocked();
            work.thread.interrupt();
            work.blocked();
            new Socket(server.getInetAddress(), server.getLocalPort()).close();
            return work.get();
        }
    }

    /** So many clients at once, each of them and each end of the server a thread of that kind. */
    static Object manyConnections(int count, Work.Starter threads) throws Exception {
        try (ServerSocket server = Pair.server()) {
            Work<Object> echo = threads.start(() -> {
                for (int i = 0; i < count; i++) {
                    Socket socket = server.accept();
                    threads.start(() -> {
                        byte[] array = new byte[7000];
                        for (int n; (n = socket.getInputStream().read(array)) > 0;) {
                            socket.getOutputStream().write(array, 0, n);
                        }
                        socket.close();
                        return null;
                    });
                }
                return null;
            });
            List<Work<String>> clients = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int seed = i;
                clients.add(threads.start(() -> {
                    try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
                        Work<Object> sender = threads.start(() -> {
                            socket.getOutputStream().write(Text.bytes(20000 + seed * 1000, seed));
                            socket.shutdownOutput();
                            return null;
                        });
                        String digest = Text.digest(all(socket.getInputStream()));
                        sender.get();
                        return digest;
                    }
                }));
            }
            echo.get();
            Findings findings = new Findings();
            for (int i = 0; i < count; i++) {
                findings.add("client " + i, clients.get(i)::get);
            }
            return findings;
        }
    }

    /** A number that is free again is soon given to the next socket: no thread may still be using it. */
    private static Object reopened() throws Exception {
        int wrong = 0;
        List<String> ends = new ArrayList<>();
        for (int round = 0; round < 60; round++) {
            Pair pair = new Pair();
            CountDownLatch started = new CountDownLatch(1);
            Work<Object> reader = Work.start(() -> {
                started.countDown();
                return read(pair, 4);
            });
            started.await();
            if (round % 2 == 0) {
                reader.blocked();
            }
            pair.near.close();
            try (Pair next = new Pair()) {
                next.far.getOutputStream().write(round);
                wrong += next.in.read() == round ? 0 : 1;
            }
            pair.far.close();
            String end = reader.outcome();
            if (!ends.contains(end)) {
                ends.add(end);
            }
        }
        return wrong + " went wrong, readers: " + ends;
    }

    /** Sockets that are dropped without a close must not disturb the others. */
    private static Object dropped() throws Exception {
        for (int i = 0; i < 20; i++) {
            Pair dropped = new Pair();
            dropped.out.write(1);
            if (dropped.far.getInputStream().read() != 1) {
                return "wrong";
            }
            dropped.far.close();
            dropped = null;
        }
        System.gc();
        try (Pair pair = new Pair()) {
            System.gc();
            return transfer(pair, 100_000);
        }
    }
}
