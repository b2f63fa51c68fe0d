import java.io.BufferedReader;
import java.io.Closeable;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ScatteringByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;

/**
 * A storm of asynchronous closes: {@code CloseStorm ROUNDS SEED [SIGNALLER]}.
 *
 * <p>In each round a thread opens something, blocks in a read, write, accept or connect on it, and
 * another thread closes it at a random moment. So descriptor numbers are recycled all the time. A
 * connection carries its identity: every byte sent on it is a function of its id and the byte's
 * position, and every byte received is checked, so that one that came by a wrong descriptor is seen.
 * SIGNALLER is a program that, given a process id and a seed, sends that process's threads signals
 * until its stdin ends, and then prints how many.
 *
 * <p>An operation may end with what the JDK documents for a close, after the close has begun, and
 * with nothing else. What was done in how many rounds depends on the arguments only, so the output is
 * the same in each run. Exit code 1: something else happened; 3: nothing happened for 30 seconds.
 */
public final class CloseStorm {
    /** Threads that block, each with a connection of its own. */
    private static final int LANES = 32;
    /** Below this many open ones nothing is closed, so that most are blocked when it comes. */
    private static final int LIVE = 20;
    /** Small, so that a writer is soon blocked. */
    private static final int SOCKET_BUFFER = 16 * 1024;
    /** Beyond the 128 KiB that the JDK moves at once. */
    private static final int LARGEST = 140 * 1024;
    /** A timeout that must not run out. */
    private static final int NEVER = 10 * 60 * 1000;

    private static final int HANG_SECONDS = 30;

    /**
     * The JDK's sockets are those with native methods of their own. Their close has the descriptor refer
     * to something that is no internet socket, and a connect that has looked for a close but not yet
     * begun its system call is told so by the kernel: "Invalid argument". The other operations look
     * again afterwards.
     */
    private static final boolean PLAIN = System.getProperty("java.specification.version").matches("1\\.8|9|1[0-2]")
        || !System.getProperty("jdk.net.usePlainSocketImpl", "false").equals("false");

    /** See {@link #accept}. */
    private static final boolean ACCEPT_TIMES_OUT_BY_SIGNAL =
        System.getProperty("java.version").matches("11\\.0\\.(1[3-9]|2[01])(\\.\\d+)*");

    private enum Kind {
        READ, TIMED_READ, WRITE, ACCEPT, TIMED_ACCEPT, CONNECT, TIMED_CONNECT,
        CHANNEL_READ, CHANNEL_WRITE, CHANNEL_ACCEPT, CHANNEL_CONNECT, PIPE_READ, PIPE_WRITE
    }

    private static final Kind[] KINDS = Kind.values();

    private final int rounds;
    private final long seed;
    /** An address of this process alone: nobody else's connections go astray into ours. */
    private final InetAddress host;
    private final SocketAddress full;
    private final List<Closeable> kept = new ArrayList<>();
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger finished = new AtomicInteger();
    /** Published, and not yet claimed by a closer. */
    private final AtomicInteger live = new AtomicInteger();
    private final AtomicReferenceArray<Round> slots = new AtomicReferenceArray<>(LANES);
    private final AtomicIntegerArray counts = new AtomicIntegerArray(KINDS.length);
    private final AtomicIntegerArray interrupts = new AtomicIntegerArray(KINDS.length);
    private volatile boolean over;

    private CloseStorm(int rounds, long seed, int pid) throws IOException {
        this.rounds = rounds;
        this.seed = seed;
        byte[] address = {127, (byte) (1 + (pid >> 14) % 250), (byte) (pid >> 7 & 127), (byte) (1 + (pid & 127))};
        host = InetAddress.getByAddress(address);
        full = fullServer();
    }

    public static void main(String[] args) throws Exception {
        int pid = Integer.parseInt(new File("/proc/self").getCanonicalFile().getName());
        CloseStorm storm = new CloseStorm(Integer.parseInt(args[0]), Long.parseLong(args[1]), pid);
        Process signaller = args.length > 2 ? signaller(args[2], pid, args[1]) : null;
        storm.run();
        if (signaller != null) {
            signaller.getOutputStream().close();
            long sent;
            try (BufferedReader out = new BufferedReader(new InputStreamReader(signaller.getInputStream(), "US-ASCII"))) {
                sent = Long.parseLong(out.readLine());
            }
            // Some per thousand rounds, however slow the machine.
            if (sent < storm.rounds / 1000) {
                fail("only " + sent + " signals", null);
            }
            System.out.println("storm: signals ok");
        }
        System.exit(0);
    }

    private static Process signaller(String program, int pid, String seed) throws IOException {
        // Before the JDK's own handler is in, the wake-up signal ends the process.
        Pipe pipe = Pipe.open();
        pipe.sink().write(ByteBuffer.wrap(new byte[1]));
        pipe.source().read(ByteBuffer.allocate(1));
        pipe.sink().close();
        pipe.source().close();
        for (String line : Files.readAllLines(Paths.get("/proc/self/status"))) {
            if (line.startsWith("SigCgt:")) {
                long caught = Long.parseUnsignedLong(line.substring(7).trim(), 16);
                if ((caught >>> 61 & 1) == 0) {
                    fail("no handler for signal 62: " + line, null);
                }
            }
        }
        return new ProcessBuilder(program, Integer.toString(pid), seed)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    }

    /** A server that accepts nobody and whose queue is full: a connect to it blocks. */
    private SocketAddress fullServer() throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open();
        server.bind(new InetSocketAddress(host, 0), 1);
        kept.add(server);
        for (int i = 0; i < 8; i++) {
            SocketChannel client = SocketChannel.open();
            client.configureBlocking(false);
            client.connect(server.getLocalAddress());
            kept.add(client);
        }
        return server.getLocalAddress();
    }

    private void run() throws Exception {
        start("watchdog", this::watch).setPriority(Thread.MAX_PRIORITY);
        List<Thread> workers = new ArrayList<>();
        for (int i = 0; i < LANES; i++) {
            Lane lane = new Lane(i);
            workers.add(start("lane-" + i, lane::work));
        }
        List<Thread> others = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            others.add(start("closer-" + i, this::closeAtRandom));
            others.add(start("peer-" + i, this::pumpAtRandom));
        }
        for (Thread worker : workers) {
            worker.join();
        }
        over = true;
        for (Thread other : others) {
            other.join();
        }
        System.out.println("storm: " + finished.get() + " rounds ok");
        for (Kind kind : KINDS) {
            System.out.println("storm: " + kind + " " + counts.get(kind.ordinal()) + ", by interrupt "
                + interrupts.get(kind.ordinal()));
        }
    }

    /** What a thread of the storm does. */
    private interface Task {
        void run() throws Exception;
    }

    private static Thread start(String name, Task task) {
        Thread thread = new Thread(() -> {
            try {
                task.run();
            } catch (Throwable problem) {
                fail("thread " + name, problem);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static synchronized void fail(String what, Throwable cause) {
        System.err.println("storm: failed: " + what);
        if (cause != null) {
            cause.printStackTrace();
        }
        System.err.flush();
        Runtime.getRuntime().halt(1);
    }

    /** Ends the program when no round ends any more. */
    private void watch() throws InterruptedException {
        int seen = -1;
        int quiet = 0;
        while (quiet < HANG_SECONDS) {
            Thread.sleep(1000);
            int now = finished.get();
            quiet = now == seen ? quiet + 1 : 0;
            seen = now;
        }
        System.err.println("storm: no progress for " + HANG_SECONDS + " s after " + seen + " rounds");
        for (int i = 0; i < LANES; i++) {
            System.err.println("lane-" + i + ": " + slots.get(i));
        }
        for (Map.Entry<Thread, StackTraceElement[]> stack : Thread.getAllStackTraces().entrySet()) {
            System.err.println(stack.getKey());
            for (StackTraceElement frame : stack.getValue()) {
                System.err.println("    at " + frame);
            }
        }
        System.err.flush();
        Runtime.getRuntime().halt(3);
    }

    /** One that is open, and if asked for not yet claimed by a closer, from a random slot on. */
    private Round pick(boolean unclaimed) {
        int from = ThreadLocalRandom.current().nextInt(LANES);
        for (int i = 0; i < LANES; i++) {
            Round round = slots.get((from + i) % LANES);
            if (round != null && !(unclaimed && round.claimed.get())) {
                return round;
            }
        }
        return null;
    }

    private void closeAtRandom() throws Exception {
        while (!over) {
            boolean last = next.get() >= rounds;
            Round round = live.get() >= LIVE || last ? pick(true) : null;
            if (round == null) {
                LockSupport.parkNanos(20_000);
            } else if (round.claimed.compareAndSet(false, true)) {
                live.decrementAndGet();
                round.end();
            }
        }
    }

    private void pumpAtRandom() throws Exception {
        while (!over) {
            Round round = pick(false);
            if (round != null) {
                synchronized (round) {
                    if (!round.done && !(round.quiet && round.claimed.get())) {
                        round.pump(ThreadLocalRandom.current());
                    }
                }
            }
            LockSupport.parkNanos(20_000);
        }
    }

    private static long mix(long value) {
        long mixed = (value ^ value >>> 33) * 0xff51afd7ed558ccdL;
        mixed = (mixed ^ mixed >>> 33) * 0xc4ceb9fe1a85ec53L;
        return mixed ^ mixed >>> 33;
    }

    /**
     * JDK 8 gives the descriptor number of a pipe's end or of a server's channel away at once, also when
     * another thread is about to use it in a read, write or accept: that one then takes a stranger's
     * bytes. (Seen by this program, within some ten thousand rounds; JDK 11 waits for the thread.) So
     * there these have to be left out, and the sockets' own come in their place. So does a channel's connect:
     * one in some hundred thousand that are closed or interrupted never ends, on a stock JDK 8, too.
     */
    private static Kind possible(Kind kind) {
        if (!System.getProperty("java.specification.version").equals("1.8")) {
            return kind;
        }
        switch (kind) {
            case PIPE_READ:
                return Kind.CHANNEL_READ;
            case PIPE_WRITE:
                return Kind.CHANNEL_WRITE;
            case CHANNEL_ACCEPT:
                return Kind.ACCEPT;
            case CHANNEL_CONNECT:
                return Kind.CONNECT;
            default:
                return kind;
        }
    }

    /** A thread that blocks, and its servers for the connections it opens. */
    private final class Lane {
        final int index;
        final ServerSocket server;
        final ServerSocketChannel channels;
        /** What is written: eight bytes more than the largest write, to start at any position. */
        final byte[] output = new byte[LARGEST + 8];
        final byte[] input = new byte[LARGEST];
        final ByteBuffer direct = ByteBuffer.allocateDirect(LARGEST);

        Lane(int index) throws IOException {
            this.index = index;
            server = new ServerSocket();
            server.setReceiveBufferSize(SOCKET_BUFFER);
            server.bind(new InetSocketAddress(host, 0));
            channels = ServerSocketChannel.open();
            channels.socket().setReceiveBufferSize(SOCKET_BUFFER);
            channels.bind(new InetSocketAddress(host, 0));
        }

        void work() throws Exception {
            for (int number = next.getAndIncrement(); number < rounds; number = next.getAndIncrement()) {
                Random random = new Random(mix(seed * 1_000_003 + number));
                Kind kind = possible(KINDS[random.nextInt(KINDS.length)]);
                Round round = round(kind);
                round.prepare(kind, mix(seed ^ (long) number << 20), random);
                round.open();
                slots.set(index, round);
                live.incrementAndGet();
                Throwable end;
                try {
                    round.block();
                    end = null;
                } catch (IOException exception) {
                    end = exception;
                }
                if (!round.claimed.get() || !round.mayEndWith(end)) {
                    fail(round + " ended with " + end, end);
                }
                slots.set(index, null);
                synchronized (round) {
                    round.done = true;
                    // One that came after the end is not for the next round.
                    Thread.interrupted();
                    round.finish();
                }
                counts.incrementAndGet(kind.ordinal());
                if (round.interrupts) {
                    interrupts.incrementAndGet(kind.ordinal());
                }
                finished.incrementAndGet();
            }
        }

        private Round round(Kind kind) {
            switch (kind) {
                case READ:
                case TIMED_READ:
                    return new StreamRead(this);
                case WRITE:
                    return new StreamWrite(this);
                case ACCEPT:
                case TIMED_ACCEPT:
                    return new Accept(this);
                case CONNECT:
                case TIMED_CONNECT:
                    return new Connect(this);
                case CHANNEL_READ:
                case PIPE_READ:
                    return new ChannelRead(this);
                case CHANNEL_WRITE:
                case PIPE_WRITE:
                    return new ChannelWrite(this);
                case CHANNEL_ACCEPT:
                    return new ChannelAccept(this);
                default:
                    return new ChannelConnect(this);
            }
        }
    }

    /** Something open, an operation that blocks on it, and what its other end does meanwhile. */
    private abstract static class Round {
        final Lane lane;
        final Thread thread = Thread.currentThread();
        /** By the thread that closes it. */
        final AtomicBoolean claimed = new AtomicBoolean();
        Kind kind;
        long id;
        Random random;
        /** Closes by interrupting the thread that is blocked. */
        boolean interrupts;
        /** Closes with a reset, so that what is under way is lost. */
        boolean resets;
        /**
         * The other end does nothing from the close on: what it did could wake a thread that the close forgot. Not for
         * channels, nor sockets that are made of them: of those a stock JVM itself forgets a writer, once in some
         * ten thousand rounds (seen on 8, 11 and 21).
         */
        boolean quiet;
        /** Guarded by this: the operation is over, and the other end is left alone. */
        boolean done;
        /** Guarded by this: the other end has seen the close. */
        boolean peerEnded;

        Round(Lane lane) {
            this.lane = lane;
        }

        void prepare(Kind kind, long id, Random random) {
            this.kind = kind;
            this.id = id;
            this.random = random;
            interrupts = kind.ordinal() >= Kind.CHANNEL_READ.ordinal() && kind != Kind.CHANNEL_ACCEPT
                && random.nextInt(4) == 0;
            resets = random.nextInt(4) == 0;
            quiet = PLAIN && kind.ordinal() < Kind.CHANNEL_READ.ordinal() && random.nextBoolean();
        }

        abstract void open() throws IOException;

        /** Blocks again and again until it throws. */
        abstract void block() throws IOException;

        abstract Closeable near();

        /** The other end's part, a small one; holds the lock. */
        void pump(Random now) throws IOException {}

        /** Checks what arrived and closes the other end; holds the lock. */
        void finish() throws IOException {}

        void end() throws IOException {
            if (interrupts) {
                synchronized (this) {
                    if (!done) {
                        thread.interrupt();
                    }
                }
            } else {
                near().close();
            }
        }

        boolean mayEndWith(Throwable end) {
            if (PLAIN && (kind == Kind.CONNECT || kind == Kind.TIMED_CONNECT) && end instanceof SocketException
                && String.valueOf(end.getMessage()).startsWith("Invalid argument")) {
                return true;
            }
            if (kind.ordinal() < Kind.CHANNEL_READ.ordinal()) {
                // The second is said by Socket and ServerSocket themselves when they are closed already.
                return end != null && end.getClass() == SocketException.class
                    && ("Socket closed".equals(end.getMessage()) || "Socket is closed".equals(end.getMessage()));
            }
            if (interrupts) {
                return end instanceof ClosedByInterruptException;
            }
            // The second when it was closed before the operation began.
            return end != null && (end.getClass() == AsynchronousCloseException.class
                || end.getClass() == ClosedChannelException.class);
        }

        /** For the other end's trouble: allowed is what a close of the near end does to it. */
        void peerTrouble(IOException trouble) throws IOException {
            String message = String.valueOf(trouble.getMessage());
            boolean reset = message.startsWith("Broken pipe") || message.startsWith("Connection reset");
            if (!claimed.get() || !reset) {
                throw new IOException("other end of " + this, trouble);
            }
            peerEnded = true;
        }

        /** Fills the lane's output: from (position & 7) on it is what belongs at the position. */
        void fill(int length) {
            ByteBuffer.wrap(lane.output).order(ByteOrder.LITTLE_ENDIAN).putLong(0, id);
            for (int filled = 8; filled < length + 8; filled *= 2) {
                System.arraycopy(lane.output, 0, lane.output, filled, Math.min(filled, lane.output.length - filled));
            }
        }

        void check(ByteBuffer bytes, long position) throws IOException {
            bytes.order(ByteOrder.LITTLE_ENDIAN);
            long expected = Long.rotateRight(id, (int) (position & 7) * 8);
            int start = bytes.position();
            while (bytes.remaining() >= 8) {
                if (bytes.getLong() != expected) {
                    bytes.position(bytes.position() - 8);
                    break;
                }
            }
            int here = bytes.position();
            for (int i = here; i < bytes.limit(); i++) {
                if (bytes.get(i) != (byte) (expected >>> ((i - here) & 7) * 8)) {
                    throw new IOException("wrong byte at " + (position + i - start) + " of " + this + ": "
                        + Integer.toHexString(bytes.get(i) & 255) + ", expected the bytes of "
                        + Long.toHexString(id));
                }
            }
        }

        void check(byte[] bytes, int length, long position) throws IOException {
            check(ByteBuffer.wrap(bytes, 0, length), position);
        }

        /** Some small sizes, some of a few chunks. */
        int size(Random random) {
            return random.nextInt(8) == 0 ? 1 + random.nextInt(LARGEST) : 1 + random.nextInt(20_000);
        }

        @Override
        public String toString() {
            return kind + " " + Long.toHexString(id) + (interrupts ? " by interrupt" : "") + (resets ? " by reset" : "")
                + (claimed.get() ? " closing" : " open") + " " + near();
        }
    }

    /** A connection of two sockets; which of them has connected and which was accepted is random. */
    private abstract static class Streams extends Round {
        Socket near;
        Socket far;

        Streams(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            Socket client = new Socket();
            client.setReceiveBufferSize(SOCKET_BUFFER);
            client.connect(lane.server.getLocalSocketAddress());
            Socket accepted = accept(lane.server);
            boolean clientIsNear = random.nextBoolean();
            near = clientIsNear ? client : accepted;
            far = clientIsNear ? accepted : client;
            near.setSendBufferSize(SOCKET_BUFFER);
            if (resets) {
                near.setSoLinger(true, 0);
            }
            if (kind == Kind.TIMED_READ) {
                near.setSoTimeout(NEVER);
            }
            // A reset from the end that closes last leaves no TIME_WAIT behind.
            far.setSoLinger(true, 0);
        }

        @Override
        Closeable near() {
            return near;
        }
    }

    private static final class StreamRead extends Streams {
        private InputStream in;
        private long received;
        private long sent;

        StreamRead(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            super.open();
            in = near.getInputStream();
            fill(20_000);
        }

        @Override
        void block() throws IOException {
            byte[] input = lane.input;
            for (;;) {
                int length = size(random);
                int count = in.read(input, 0, length);
                if (count <= 0 || count > length) {
                    fail("read of " + length + " returned " + count + ": " + this, null);
                }
                check(input, count, received);
                received += count;
            }
        }

        @Override
        void pump(Random now) throws IOException {
            if (!peerEnded) {
                int length = 1 + now.nextInt(8000);
                try {
                    far.getOutputStream().write(lane.output, (int) (sent & 7), length);
                } catch (IOException trouble) {
                    peerTrouble(trouble);
                }
                sent += length;
            }
        }

        @Override
        void finish() throws IOException {
            if (received > sent) {
                fail("received " + received + " of " + sent + ": " + this, null);
            }
            far.close();
        }
    }

    private static final class StreamWrite extends Streams {
        private OutputStream out;
        private long sent;
        private int underWay;
        private long received;

        StreamWrite(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            super.open();
            out = near.getOutputStream();
            fill(LARGEST);
        }

        @Override
        void block() throws IOException {
            for (;;) {
                underWay = size(random);
                out.write(lane.output, (int) (sent & 7), underWay);
                sent += underWay;
            }
        }

        private void receive(byte[] buffer) throws IOException {
            try {
                int count = far.getInputStream().read(buffer);
                if (count > 0) {
                    check(buffer, count, received);
                    received += count;
                } else if (!claimed.get()) {
                    throw new EOFException("end of an open connection: " + this);
                } else {
                    peerEnded = true;
                }
            } catch (SocketException trouble) {
                peerTrouble(trouble);
            }
        }

        @Override
        void pump(Random now) throws IOException {
            if (!peerEnded) {
                receive(new byte[1 + now.nextInt(16_000)]);
            }
        }

        @Override
        void finish() throws IOException {
            while (!peerEnded) {
                receive(lane.input);
            }
            if (received > sent + underWay || !resets && received < sent) {
                fail("received " + received + " of " + sent + " and " + underWay + ": " + this, null);
            }
            far.close();
        }
    }

    /** Accepts; each who comes must know the server's id. */
    private abstract static class Server extends Round {
        private int came;
        private int sent;

        Server(Lane lane) {
            super(lane);
        }

        abstract SocketAddress address() throws IOException;

        void received(InputStream in) throws IOException {
            int count = 0;
            for (int n; (n = in.read(lane.input, count, 16 - count)) > 0;) {
                count += n;
            }
            if (count != 8) {
                fail("a visitor sent " + count + " bytes: " + this, null);
            }
            check(lane.input, count, 0);
            came++;
        }

        @Override
        void pump(Random now) throws IOException {
            // The lock is the close's too: a connection to the port's next owner would prove nothing.
            if (sent < 8 && !claimed.get()) {
                sent++;
                try (Socket visitor = new Socket()) {
                    visitor.connect(address());
                    byte[] bytes = new byte[8];
                    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(id);
                    visitor.getOutputStream().write(bytes);
                }
            }
        }

        @Override
        void end() throws IOException {
            synchronized (this) {
                super.end();
            }
        }

        @Override
        void finish() {
            if (came > sent) {
                fail(came + " came of " + sent + ": " + this, null);
            }
        }
    }

    private static final class Accept extends Server {
        private ServerSocket server;

        Accept(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            server = new ServerSocket(0, 50, lane.server.getInetAddress());
            if (kind == Kind.TIMED_ACCEPT) {
                server.setSoTimeout(NEVER);
            }
        }

        @Override
        void block() throws IOException {
            for (;;) {
                try (Socket accepted = accept(server)) {
                    accepted.setSoLinger(true, 0);
                    received(accepted.getInputStream());
                }
            }
        }

        @Override
        SocketAddress address() {
            return server.getLocalSocketAddress();
        }

        @Override
        Closeable near() {
            return server;
        }
    }

    private static final class ChannelAccept extends Server {
        private ServerSocketChannel server;
        private SocketAddress address;

        ChannelAccept(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            server = ServerSocketChannel.open();
            server.bind(new InetSocketAddress(lane.server.getInetAddress(), 0));
            address = server.getLocalAddress();
        }

        @Override
        void block() throws IOException {
            for (;;) {
                try (SocketChannel accepted = server.accept()) {
                    accepted.socket().setSoLinger(true, 0);
                    received(accepted.socket().getInputStream());
                }
            }
        }

        @Override
        SocketAddress address() {
            return address;
        }

        @Override
        Closeable near() {
            return server;
        }
    }

    private final class Connect extends Round {
        private final Socket near = new Socket();

        Connect(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            // Has the descriptor made: a close that comes before it makes a later connect wait for ever on
            // JDK 17.
            near.setTcpNoDelay(true);
        }

        @Override
        void block() throws IOException {
            near.connect(full, kind == Kind.TIMED_CONNECT ? NEVER : 0);
            fail("a full server took " + this, null);
        }

        @Override
        Closeable near() {
            return near;
        }
    }

    private final class ChannelConnect extends Round {
        private SocketChannel near;

        ChannelConnect(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            near = SocketChannel.open();
        }

        @Override
        void block() throws IOException {
            near.connect(full);
            fail("a full server took " + this, null);
        }

        @Override
        Closeable near() {
            return near;
        }
    }

    /** A connection of two channels, or a pipe. */
    private abstract static class Channels extends Round {
        /** The ends, by what is done with them. */
        ScatteringByteChannel source;
        GatheringByteChannel sink;

        Channels(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            if (kind == Kind.PIPE_READ || kind == Kind.PIPE_WRITE) {
                Pipe pipe = Pipe.open();
                source = pipe.source();
                sink = pipe.sink();
                resets = false;
                return;
            }
            SocketChannel client = SocketChannel.open();
            client.socket().setReceiveBufferSize(SOCKET_BUFFER);
            client.connect(lane.channels.getLocalAddress());
            SocketChannel accepted = lane.channels.accept();
            boolean clientReads = random.nextBoolean();
            SocketChannel reader = clientReads ? client : accepted;
            SocketChannel writer = clientReads ? accepted : client;
            source = reader;
            sink = writer;
            writer.socket().setSendBufferSize(SOCKET_BUFFER);
            SocketChannel far = kind == Kind.CHANNEL_READ ? writer : reader;
            far.socket().setSoLinger(true, 0);
            if (resets) {
                (kind == Kind.CHANNEL_READ ? reader : writer).socket().setSoLinger(true, 0);
            }
        }

        /** A buffer of the lane's, in the heap or not. */
        ByteBuffer buffer(Random random, byte[] heap) {
            ByteBuffer buffer = random.nextBoolean() ? ByteBuffer.wrap(heap) : lane.direct.duplicate();
            buffer.limit(size(random));
            return buffer;
        }

        /** The same bytes in up to three pieces. */
        ByteBuffer[] pieces(ByteBuffer whole, Random random) {
            int first = random.nextInt(whole.remaining() + 1);
            int second = first + random.nextInt(whole.remaining() - first + 1);
            int[] ends = {0, first, second, whole.remaining()};
            ByteBuffer[] pieces = new ByteBuffer[3];
            for (int i = 0; i < 3; i++) {
                pieces[i] = whole.duplicate();
                pieces[i].position(whole.position() + ends[i]).limit(whole.position() + ends[i + 1]);
            }
            return pieces;
        }
    }

    private static final class ChannelRead extends Channels {
        private long received;
        private long sent;

        ChannelRead(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            super.open();
            fill(20_000);
        }

        @Override
        void block() throws IOException {
            for (;;) {
                ByteBuffer whole = buffer(random, lane.input);
                int length = whole.remaining();
                long count = random.nextBoolean() ? source.read(whole.duplicate()) : source.read(pieces(whole, random));
                if (count <= 0 || count > length) {
                    fail("read of " + length + " returned " + count + ": " + this, null);
                }
                whole.limit((int) count);
                check(whole, received);
                received += count;
            }
        }

        @Override
        void pump(Random now) throws IOException {
            if (!peerEnded) {
                int length = 1 + now.nextInt(8000);
                try {
                    ByteBuffer bytes = ByteBuffer.wrap(lane.output, (int) (sent & 7), length);
                    while (bytes.hasRemaining()) {
                        sink.write(bytes);
                    }
                } catch (IOException trouble) {
                    peerTrouble(trouble);
                }
                sent += length;
            }
        }

        @Override
        void finish() throws IOException {
            if (received > sent) {
                fail("received " + received + " of " + sent + ": " + this, null);
            }
            sink.close();
        }

        @Override
        Closeable near() {
            return source;
        }
    }

    private static final class ChannelWrite extends Channels {
        private long sent;
        private int underWay;
        private long received;

        ChannelWrite(Lane lane) {
            super(lane);
        }

        @Override
        void open() throws IOException {
            super.open();
            fill(LARGEST);
            ByteBuffer all = lane.direct.duplicate();
            all.put(lane.output, 0, all.remaining());
        }

        @Override
        void block() throws IOException {
            for (;;) {
                ByteBuffer whole = buffer(random, lane.output);
                whole.position(Math.min((int) (sent & 7), whole.limit() - 1));
                if ((sent & 7) != whole.position()) {
                    continue;
                }
                underWay = whole.remaining();
                long count = random.nextBoolean() ? sink.write(whole) : sink.write(pieces(whole, random));
                if (count <= 0 || count > underWay) {
                    fail("write of " + underWay + " returned " + count + ": " + this, null);
                }
                sent += count;
                underWay = 0;
            }
        }

        private void receive(byte[] buffer) throws IOException {
            try {
                int count = source.read(ByteBuffer.wrap(buffer));
                if (count > 0) {
                    check(buffer, count, received);
                    received += count;
                } else if (!claimed.get()) {
                    throw new EOFException("end of an open connection: " + this);
                } else {
                    peerEnded = true;
                }
            } catch (EOFException end) {
                throw end;
            } catch (IOException trouble) {
                peerTrouble(trouble);
            }
        }

        @Override
        void pump(Random now) throws IOException {
            if (!peerEnded) {
                receive(new byte[1 + now.nextInt(16_000)]);
            }
        }

        @Override
        void finish() throws IOException {
            while (!peerEnded) {
                receive(lane.input);
            }
            // A write that sends something and is interrupted does not say how much.
            long most = interrupts ? sent + underWay : sent;
            if (received > most || !resets && received < sent) {
                fail("received " + received + " of " + sent + " to " + most + ": " + this, null);
            }
            source.close();
        }

        @Override
        Closeable near() {
            return sink;
        }
    }

    /**
     * Accepts a connection. On 11.0.13 to 11.0.21 any signal makes an accept without a timeout say that
     * it timed out (JDK-8237858, fixed in 11.0.22); there, and only there, it is done again.
     */
    private static Socket accept(ServerSocket server) throws IOException {
        for (;;) {
            try {
                return server.accept();
            } catch (SocketTimeoutException spurious) {
                if (!ACCEPT_TIMES_OUT_BY_SIGNAL) {
                    throw spurious;
                }
                int timeout;
                try {
                    timeout = server.getSoTimeout();
                } catch (SocketException closed) {
                    continue; // the next accept says so in its own words
                }
                if (timeout != 0) {
                    throw spurious;
                }
            }
        }
    }
}
