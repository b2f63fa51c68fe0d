package com.example.orders;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A small service that takes orders, and leaks: find out where. The argument is how many seconds it runs. */
public final class Leak {

    private Leak() {}

    public static void main(String[] args) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(args[0]));
        Catalog catalog = Catalog.load(4);
        try (AuditLog log = new AuditLog()) {
            OrderService service = new OrderService(catalog, log);
            AtomicInteger named = new AtomicInteger();
            ExecutorService workers =
                    Executors.newFixedThreadPool(4, task -> new Thread(task, "orders-" + named.incrementAndGet()));
            for (int order = 0; System.nanoTime() < end; order++) {
                int number = order;
                workers.execute(() -> service.handle(number));
                Thread.sleep(10);
            }
            System.out.println(service + ", " + catalog);
            // The workers are in the middle of it, as a server's are.
            System.exit(0);
        }
    }
}

/** Handles one order after the other. */
final class OrderService {

    private final Catalog catalog;
    private final AuditLog log;
    private final ReceiptCache receipts = new ReceiptCache();
    private final SessionStore sessions = new SessionStore();

    OrderService(Catalog catalog, AuditLog log) {
        this.catalog = catalog;
        this.log = log;
    }

    void handle(int number) {
        sessions.open(number);
        int price = catalog.price(number);
        receipts.receipt(number, price);
        ByteBuffer page = PageBuffers.forThisThread();
        page.clear();
        page.put(("order " + number + ": " + price + "\n").getBytes(StandardCharsets.UTF_8));
        log.append(number, price);
    }

    @Override
    public String toString() {
        return receipts.size() + " receipts";
    }
}

/** Everything on sale, below the heap so that the collector need not look at it. */
final class Catalog {

    private final List<ByteBuffer> shards = new ArrayList<>();

    static Catalog load(int shards) {
        Catalog catalog = new Catalog();
        for (int shard = 0; shard < shards; shard++) {
            catalog.shards.add(loadShard());
        }
        return catalog;
    }

    private static ByteBuffer loadShard() {
        return ByteBuffer.allocateDirect(6 << 20);
    }

    int price(int number) {
        ByteBuffer shard = shards.get(number % shards.size());
        return 100 + (shard.get(number % shard.capacity()) + number) % 900;
    }

    @Override
    public String toString() {
        return shards.size() + " shards";
    }
}

/** Receipts, in case one is asked for twice. Nobody ever takes one out: this is the leak. */
final class ReceiptCache {

    private final Map<Integer, ByteBuffer> receipts = new ConcurrentHashMap<>();

    ByteBuffer receipt(int number, int price) {
        return receipts.computeIfAbsent(number, key -> render(key, price));
    }

    private static ByteBuffer render(int number, int price) {
        ByteBuffer receipt = ByteBuffer.allocateDirect(24_000 + 40 * (price % 400));
        receipt.putInt(number).putInt(price).flip();
        return receipt;
    }

    int size() {
        return receipts.size();
    }
}

/** The last sessions. Older ones are dropped, and their buffers wait for a collection. */
final class SessionStore {

    private final Deque<ByteBuffer> sessions = new ArrayDeque<>();
    private final Random random = new Random(1);

    synchronized void open(int number) {
        sessions.add(session(number));
        if (sessions.size() > 64) {
            sessions.remove();
        }
    }

    private ByteBuffer session(int number) {
        // What a session needs on the heap: it makes the collector run now and then.
        byte[] state = new byte[24_000];
        random.nextBytes(state);
        ByteBuffer session = ByteBuffer.allocateDirect(96_000);
        session.putInt(number).put(state);
        return session;
    }
}

/** One page for each thread, kept as long as the thread. */
final class PageBuffers {

    private static final ThreadLocal<ByteBuffer> PAGE = ThreadLocal.withInitial(PageBuffers::newPage);

    private PageBuffers() {}

    static ByteBuffer forThisThread() {
        return PAGE.get();
    }

    private static ByteBuffer newPage() {
        return ByteBuffer.allocateDirect(2 << 20);
    }
}

/** Writes what was sold to a file, from an array: the JDK copies it to a buffer that it keeps for the thread. */
final class AuditLog implements AutoCloseable {

    private final Path path;
    private final FileChannel file;

    AuditLog() throws IOException {
        path = Files.createTempFile("audit", ".log");
        file = FileChannel.open(path, StandardOpenOption.APPEND);
    }

    void append(int number, int price) {
        byte[] entry = new byte[number % 50 == 0 ? 400_000 : 200];
        entry[0] = (byte) price;
        try {
            file.write(ByteBuffer.wrap(entry));
        } catch (IOException failure) {
            throw new IllegalStateException(failure);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
        Files.delete(path);
    }
}
