import java.io.Closeable;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;

/**
 * Closes under blocked threads when a process has many descriptors: {@code ManyDescriptors [MOST]}.
 *
 * <p>Opens as many as the process may have, MOST or 100,000 at most: files, and every so often a
 * connection with a thread blocked in a read, the last of them on the highest numbers. Then closes the
 * connections; each thread must say so. Then opens connections anew, on the numbers given back, and
 * moves a byte over each. Twice.
 */
public final class ManyDescriptors {
    /** Connections with a blocked thread; a few of them on the highest numbers. */
    private static final int BLOCKED = 64;
    private static final int HIGHEST = 8;
    /** What the JVM and this program need besides. */
    private static final int SPARE = 600;

    private static final ConcurrentLinkedQueue<String> ENDS = new ConcurrentLinkedQueue<>();

    private ManyDescriptors() {}

    public static void main(String[] args) throws Exception {
        int most = Math.min(args.length > 0 ? Integer.parseInt(args[0]) : 100_000, limit());
        int files = Math.max(0, most - SPARE);
        // With room for no more than one: one.
        int blocked = Math.min(BLOCKED, most);
        InetAddress loopback = InetAddress.getLoopbackAddress();
        List<Closeable> kept = new ArrayList<>();
        try (ServerSocket server = new ServerSocket(0, 50, loopback)) {
            for (int turn = 0; turn < 2; turn++) {
                List<Closeable> near = new ArrayList<>();
                List<Closeable> far = new ArrayList<>();
                List<Thread> threads = new ArrayList<>();
                CountDownLatch started = new CountDownLatch(blocked);
                for (int i = 0; i < blocked; i++) {
                    int wanted = i >= BLOCKED - HIGHEST ? files : (int) ((long) files * i / (BLOCKED - HIGHEST));
                    while (kept.size() < wanted) {
                        kept.add(new FileInputStream("/dev/null"));
                    }
                    Thread thread = i % 2 == 0 ? stream(server, near, far, started)
                        : channel(server, near, far, started);
                    thread.start();
                    threads.add(thread);
                }
                started.await();
                for (Thread thread : threads) {
                    awaitBlocked(thread);
                }
                if (turn == 0) {
                    int all = kept.size() + near.size() + far.size();
                    if (highest() < all) {
                        throw new IOException(all + " descriptors, and the highest is " + highest());
                    }
                    System.out.println("descriptors: " + all);
                }
                for (Closeable closeable : near) {
                    closeable.close();
                }
                for (Thread thread : threads) {
                    thread.join(30_000);
                    if (thread.isAlive()) {
                        for (StackTraceElement frame : thread.getStackTrace()) {
                            System.err.println("    at " + frame);
                        }
                        System.err.println("not woken: " + thread);
                        System.err.flush();
                        Runtime.getRuntime().halt(3);
                    }
                }
                for (Closeable closeable : far) {
                    closeable.close();
                }
                for (int i = 0; i < blocked; i++) {
                    try (Socket client = new Socket()) {
                        client.connect(server.getLocalSocketAddress());
                        try (Socket accepted = server.accept()) {
                            accepted.getOutputStream().write(i);
                            int read = client.getInputStream().read();
                            if (read != i) {
                                throw new IOException("sent " + i + ", received " + read);
                            }
                        }
                    }
                }
            }
        }
        for (Closeable closeable : kept) {
            closeable.close();
        }
        ENDS.stream().sorted().distinct().forEach(end ->
            System.out.println(end + ": " + ENDS.stream().filter(end::equals).count()));
        System.out.println("many descriptors: ok");
    }

    /** Ends with one line in {@link #ENDS}. */
    private interface Blocking {
        int run() throws IOException;
    }

    private static Thread thread(String name, CountDownLatch started, Blocking blocking) {
        Thread thread = new Thread(() -> {
            started.countDown();
            String end;
            try {
                end = "returned " + blocking.run();
            } catch (AsynchronousCloseException expected) {
                end = "AsynchronousCloseException";
            } catch (SocketException expected) {
                end = "SocketException: " + expected.getMessage();
            } catch (IOException unexpected) {
                end = unexpected.toString();
            }
            ENDS.add(name + ": " + end);
        });
        thread.setDaemon(true);
        return thread;
    }

    /** Waits until the thread is in its native read, or about to be. */
    private static void awaitBlocked(Thread thread) throws InterruptedException {
        for (;;) {
            StackTraceElement[] stack = thread.getStackTrace();
            if (stack.length == 0 || stack[0].isNativeMethod()) {
                return;
            }
            Thread.sleep(1);
        }
    }

    private static Thread stream(ServerSocket server, List<Closeable> near, List<Closeable> far, CountDownLatch started)
        throws IOException {
        Socket client = new Socket();
        client.connect(server.getLocalSocketAddress());
        Socket accepted = server.accept();
        near.add(accepted);
        far.add(client);
        InputStream in = accepted.getInputStream();
        return thread("stream", started, in::read);
    }

    private static Thread channel(ServerSocket server, List<Closeable> near, List<Closeable> far, CountDownLatch started)
        throws IOException {
        SocketChannel client = SocketChannel.open(
            new InetSocketAddress(server.getInetAddress(), server.getLocalPort()));
        near.add(client);
        far.add(server.accept());
        return thread("channel", started, () -> client.read(ByteBuffer.allocate(1)));
    }

    /** The soft limit; the JVM has raised it to the hard one, if it may. */
    private static int limit() throws IOException {
        for (String line : Files.readAllLines(Paths.get("/proc/self/limits"))) {
            if (line.startsWith("Max open files")) {
                String soft = line.substring(14).trim().split(" +")[0];
                return soft.equals("unlimited") ? Integer.MAX_VALUE : Integer.parseInt(soft);
            }
        }
        throw new IOException("/proc/self/limits names no limit of open files");
    }

    private static int highest() throws IOException {
        String[] names = new File("/proc/self/fd").list();
        if (names == null) {
            throw new IOException("no /proc/self/fd");
        }
        int highest = -1;
        for (String name : names) {
            highest = Math.max(highest, Integer.parseInt(name));
        }
        return highest;
    }
}
