package same;

import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Arrays;

/** Datagrams, by channel and by socket. */
final class DatagramCases {
    private interface Body {
        Object run(DatagramChannel near, DatagramChannel far) throws Exception;
    }

    private DatagramCases() {
    }

    /** With two channels that are connected to each other. */
    private static void with(Cases cases, String name, Body body) {
        cases.add("datagrams: " + name, () -> {
            try (DatagramChannel near = open(); DatagramChannel far = open()) {
                near.connect(far.getLocalAddress());
                far.connect(near.getLocalAddress());
                return body.run(near, far);
            }
        });
    }

    private static DatagramChannel open() throws Exception {
        return DatagramChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    }

    static void add(Cases cases) {
        with(cases, "connected", DatagramCases::connected);
        with(cases, "scatter and gather", DatagramCases::scatterAndGather);
        with(cases, "too large", DatagramCases::tooLarge);
        with(cases, "truncated", DatagramCases::truncated);
        with(cases, "not blocking", DatagramCases::notBlocking);
        with(cases, "close during a read", (near, far) -> {
            Work<Object> work = Work.<Object>start(() -> read(near, true)).blocked();
            near.close();
            return new Findings().add("during", work::get).add("read", () -> read(near, true))
                    .add("write", () -> near.write(ByteBuffer.allocate(1)));
        });
        with(cases, "close during a scatter", (near, far) -> {
            ByteBuffer[] buffers = {ByteBuffer.allocate(4)};
            Work<Object> work = Work.<Object>start(() -> near.read(buffers)).blocked();
            near.close();
            return work.get();
        });
        with(cases, "interrupt during a read", (near, far) -> {
            Work<Object> work = Work.<Object>start(() -> read(near, false)).blocked();
            work.thread.interrupt();
            return new Findings().add("during", work::get).add("open", near::isOpen);
        });
        with(cases, "disconnected", (near, far) -> {
            near.disconnect();
            return new Findings().add("read", () -> read(near, true))
                    .add("write", () -> near.write(ByteBuffer.allocate(1)))
                    .add("send", () -> near.send(ByteBuffer.allocate(3), far.getLocalAddress()));
        });
        cases.add("datagrams: not connected", DatagramCases::notConnected);
        cases.add("datagrams: nobody there", DatagramCases::unreachable);
        cases.add("datagrams: sockets", DatagramCases::sockets);
        cases.add("datagrams: sockets, ends", DatagramCases::socketEnds);
    }

    private static Object read(DatagramChannel channel, boolean direct) throws Exception {
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(70_000) : ByteBuffer.allocate(70_000);
        int n = channel.read(buffer);
        buffer.flip();
        return n + " " + Text.digest(buffer);
    }

    private static ByteBuffer buffer(int length, boolean direct) {
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(length) : ByteBuffer.allocate(length);
        buffer.put(Text.bytes(length)).flip();
        return buffer;
    }

    private static Object connected(DatagramChannel near, DatagramChannel far) {
        Findings findings = new Findings();
        for (boolean direct : new boolean[] {true, false}) {
            for (int length : new int[] {1, 2, 1000, 8192, 30_000, 65_507}) {
                findings.add((direct ? "direct " : "heap ") + length,
                        () -> near.write(buffer(length, direct)) + " " + read(far, direct));
            }
        }
        findings.add("empty", () -> near.write(ByteBuffer.allocateDirect(0)) + " " + near.write(buffer(3, true)) + " "
                + read(far, true));
        findings.add("read nothing", () -> near.write(buffer(3, true)) + " " + far.read(ByteBuffer.allocateDirect(0)));
        findings.add("read-only", () -> far.read(ByteBuffer.allocate(9).asReadOnlyBuffer()));
        return findings.add("send", () -> near.send(buffer(5, true), far.getLocalAddress()) + " " + read(far, true));
    }

    private static Object scatterAndGather(DatagramChannel near, DatagramChannel far) {
        Findings findings = new Findings();
        for (boolean direct : new boolean[] {true, false}) {
            for (int count : new int[] {1, 2, 16, 17, 1024, 1025, 2000}) {
                findings.add((direct ? "direct " : "heap ") + count, () -> {
                    ByteBuffer[] out = new ByteBuffer[count];
                    ByteBuffer[] in = new ByteBuffer[count];
                    for (int i = 0; i < count; i++) {
                        out[i] = buffer(1 + i % 3, direct);
                        in[i] = buffer(1 + i % 2, direct);
                    }
                    long written = near.write(out);
                    long read = far.read(in);
                    int hash = 0;
                    for (ByteBuffer buffer : in) {
                        buffer.flip();
                        hash = hash * 31 + buffer.hashCode();
                    }
                    return written + " " + read + " " + hash;
                });
            }
        }
        return findings;
    }

    private static Object tooLarge(DatagramChannel near, DatagramChannel far) {
        Findings findings = new Findings();
        for (boolean direct : new boolean[] {true, false}) {
            findings.add(direct ? "direct" : "heap", () -> near.write(buffer(70_000, direct)));
            findings.add(direct ? "direct, gathered" : "heap, gathered",
                    () -> near.write(new ByteBuffer[] {buffer(40_000, direct), buffer(40_000, direct)}));
            findings.add(direct ? "direct, sent" : "heap, sent",
                    () -> near.send(buffer(70_000, direct), far.getLocalAddress()));
        }
        return findings.add("the next", () -> near.write(buffer(4, true)) + " " + read(far, true));
    }

    private static Object truncated(DatagramChannel near, DatagramChannel far) {
        Findings findings = new Findings();
        for (boolean direct : new boolean[] {true, false}) {
            findings.add(direct ? "direct" : "heap", () -> {
                near.write(buffer(100, direct));
                near.write(buffer(7, direct));
                ByteBuffer small = buffer(10, direct);
                int n = far.read(small);
                return n + " " + small + " " + read(far, direct);
            });
            findings.add(direct ? "direct, scattered" : "heap, scattered", () -> {
                near.write(buffer(100, direct));
                near.write(buffer(7, direct));
                long n = far.read(new ByteBuffer[] {buffer(3, direct), buffer(4, direct)});
                return n + " " + read(far, direct);
            });
        }
        return findings;
    }

    private static Object notBlocking(DatagramChannel near, DatagramChannel far) throws Exception {
        near.configureBlocking(false);
        Findings findings = new Findings().add("read", () -> near.read(ByteBuffer.allocate(4)));
        findings.add("scatter", () -> near.read(new ByteBuffer[] {ByteBuffer.allocate(4), ByteBuffer.allocate(4)}));
        findings.add("receive", () -> near.receive(ByteBuffer.allocate(4)));
        try (Selector selector = Selector.open()) {
            near.register(selector, SelectionKey.OP_READ);
            far.write(buffer(9, true));
            return findings.add("select", selector::select).add("then", () -> read(near, true));
        }
    }

    private static Object notConnected() throws Exception {
        try (DatagramChannel near = open(); DatagramChannel far = open()) {
            Findings findings = new Findings();
            findings.add("read", () -> near.read(ByteBuffer.allocate(1)));
            findings.add("write", () -> near.write(ByteBuffer.allocate(1)));
            findings.add("gather", () -> near.write(new ByteBuffer[] {ByteBuffer.allocate(1)}));
            for (boolean direct : new boolean[] {true, false}) {
                for (int length : new int[] {0, 1, 20_000}) {
                    findings.add((direct ? "direct " : "heap ") + length, () -> {
                        int sent = near.send(buffer(length, direct), far.getLocalAddress());
                        ByteBuffer received = buffer(30_000, direct);
                        SocketAddress from = far.receive(received);
                        received.flip();
                        return sent + " " + from.equals(near.getLocalAddress()) + " " + Text.digest(received);
                    });
                }
            }
            findings.add("close during a receive", () -> {
                Work<Object> work = Work.<Object>start(() -> near.receive(ByteBuffer.allocate(1))).blocked();
                AutoCloseable now = near;
                now.close();
                return work.get();
            });
            return findings;
        }
    }

    private static Object unreachable() throws Exception {
        try (DatagramChannel near = open(); Selector selector = Selector.open()) {
            SocketAddress nobody;
            try (DatagramChannel gone = open()) {
                nobody = gone.getLocalAddress();
            }
            near.connect(nobody);
            near.configureBlocking(false);
            near.register(selector, SelectionKey.OP_READ);
            Findings findings = new Findings();
            String[] names = {"read", "scatter", "write", "gather"};
            Cases.Body[] bodies = {
                () -> near.read(ByteBuffer.allocateDirect(4)),
                () -> near.read(new ByteBuffer[] {ByteBuffer.allocate(4), ByteBuffer.allocate(4)}),
                () -> near.write(ByteBuffer.allocateDirect(4)),
                () -> near.write(new ByteBuffer[] {ByteBuffer.allocate(4), ByteBuffer.allocate(4)}),
            };
            for (int i = 0; i < names.length; i++) {
                int k = i;
                findings.add(names[i], () -> {
                    near.write(ByteBuffer.allocate(1));
                    // The answer has come when there is something to read, be it an error.
                    selector.select();
                    selector.selectedKeys().clear();
                    return bodies[k].run();
                });
                // What the last one sent is answered, too.
                selector.select(50);
                selector.selectedKeys().clear();
                Text.outcome(() -> near.read(ByteBuffer.allocate(1)));
            }
            return findings.add("open", near::isOpen);
        }
    }

    private static DatagramSocket socket() throws Exception {
        return new DatagramSocket(0, InetAddress.getLoopbackAddress());
    }

    private static Object sockets() throws Exception {
        try (DatagramSocket near = socket(); DatagramSocket far = socket()) {
            Findings findings = new Findings();
            for (int length : new int[] {0, 1, 1000, 60_000}) {
                findings.add(String.valueOf(length), () -> {
                    near.send(new DatagramPacket(Text.bytes(length), length, far.getLocalSocketAddress()));
                    DatagramPacket received = new DatagramPacket(new byte[65_000], 65_000);
                    far.receive(received);
                    return Text.digest(Arrays.copyOf(received.getData(), received.getLength()));
                });
            }
            return findings.add("too large",
                    () -> {
                        near.send(new DatagramPacket(new byte[70_000], 70_000, far.getLocalSocketAddress()));
                        return "sent";
                    });
        }
    }

    private static Object socketEnds() throws Exception {
        try (DatagramSocket near = socket()) {
            Findings findings = new Findings();
            DatagramPacket packet = new DatagramPacket(new byte[10], 10);
            Cases.Body receive = () -> {
                near.receive(packet);
                return "received";
            };
            near.setSoTimeout(20);
            findings.add("time out", receive);
            near.setSoTimeout(0);
            Work<Object> work = Work.<Object>start(() -> {
                near.receive(packet);
                return "received";
            }).blocked();
            AutoCloseable now = near;
            now.close();
            return findings.add("close during a receive", work::get).add("again", receive);
        }
    }
}
