package same;

import java.io.File;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Uses direct memory and a socket, and then ends the JVM in the way the argument names. */
public final class Exits {
    private static ByteBuffer held;

    private Exits() {
    }

    /**
     * Ends.
     *
     * @param args how
     */
    public static void main(String[] args) throws Exception {
        held = ByteBuffer.allocateDirect(1_000_000);
        try (Pair pair = new Pair()) {
            pair.out.write(Text.bytes(1000));
            System.out.println(pair.far.getInputStream().read(new byte[2000]) + " " + held.get(999_999));
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        switch (args[0]) {
            case "return":
                return;
            case "exit":
                System.exit(3);
                return;
            case "halt":
                Runtime.getRuntime().halt(4);
                return;
            case "uncaught":
                throw new IllegalStateException("on purpose");
            case "oom":
                fillTheHeap();
                return;
            case "wait":
                System.out.println("ready");
                Thread.sleep(30_000);
                return;
            case "blocked":
                exitWithBlockedThreads();
                return;
            case "fork":
                fork();
                return;
            default:
                throw new IllegalArgumentException(args[0]);
        }
    }

    private static void fillTheHeap() {
        List<Object> all = new ArrayList<>();
        while (true) {
            all.add(new long[1 << 20]);
        }
    }

    /** Threads that are still in a native method when the JVM goes down. */
    private static void exitWithBlockedThreads() throws Exception {
        Pair pair = new Pair();
        ChannelPair channels = new ChannelPair();
        Socket socket = pair.near;
        Work.start(() -> socket.getInputStream().read()).blocked();
        Work.start(() -> channels.near.read(ByteBuffer.allocateDirect(1))).blocked();
        Work.start(() -> {
            while (true) {
                channels.near.write(ByteBuffer.allocate(300_000));
            }
        }).blocked();
        // Two that keep allocating.
        for (int i = 0; i < 2; i++) {
            Work.start(() -> {
                try {
                    while (true) {
                        Raw.free(Raw.allocate(100));
                    }
                } catch (Throwable thrown) {
                    throw new IllegalStateException(thrown);
                }
            });
        }
        System.exit(5);
    }

    private static void fork() throws Exception {
        String java = new File(System.getProperty("java.home"), "bin/java").toString();
        ProcessBuilder builder = new ProcessBuilder(java, "-Xmx64m", "-XX:+UseSerialGC", "-version");
        Process child = builder.redirectErrorStream(true).start();
        int lines = 0;
        try (java.util.Scanner scanner = new java.util.Scanner(child.getInputStream(), "UTF-8")) {
            for (; scanner.hasNextLine(); lines++) {
                scanner.nextLine();
            }
        }
        boolean ended = child.waitFor(60, TimeUnit.SECONDS);
        System.out.println("child: " + ended + ", " + child.exitValue() + ", " + lines + " lines");
    }
}
