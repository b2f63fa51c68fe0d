package same;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.concurrent.TimeUnit;

/** What the kernel says of a TCP connection, to wait until something has arrived that nobody has read yet. */
final class Kernel {
    private static final String ESTABLISHED = "01";
    private static final String CLOSE_WAIT = "08";
    /** What a connection is in before the other side's end has come. */
    private static final java.util.List<String> BEFORE_THE_END = java.util.Arrays.asList(ESTABLISHED, "04", "05");

    private Kernel() {
    }

    private interface Condition {
        boolean holds(String[] fields);
    }

    /** Waits until the connection from port {@code local} to port {@code remote} was reset. */
    static void awaitReset(int local, int remote) throws Exception {
        await(local, remote, "a reset", fields -> fields == null || !isOpen(fields));
    }

    /** Waits until the other side has ended its output. */
    static void awaitEnd(int local, int remote) throws Exception {
        await(local, remote, "the end", fields -> fields == null || !BEFORE_THE_END.contains(fields[3]));
    }

    /** Waits until so many bytes can be read. */
    static void awaitBytes(int local, int remote, int bytes) throws Exception {
        await(local, remote, bytes + " bytes", fields -> fields != null && received(fields) >= bytes);
    }

    private static boolean isOpen(String[] fields) {
        return fields[3].equals(ESTABLISHED) || fields[3].equals(CLOSE_WAIT);
    }

    private static long received(String[] fields) {
        return Long.parseLong(fields[4].substring(fields[4].indexOf(':') + 1), 16);
    }

    private static void await(int local, int remote, String what, Condition condition) throws Exception {
        long start = System.nanoTime();
        while (!condition.holds(connection(local, remote))) {
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(20)) {
                throw new IllegalStateException("no sign of " + what);
            }
            Thread.sleep(1);
        }
    }

    private static String[] connection(int local, int remote) throws IOException {
        String from = hex(local);
        String to = hex(remote);
        for (String table : new String[] {"/proc/self/net/tcp6", "/proc/self/net/tcp"}) {
            String text = new String(Files.readAllBytes(Paths.get(table)), StandardCharsets.US_ASCII);
            // local address, remote address, state, queues
            for (int at = text.indexOf(from); at >= 0; at = text.indexOf(from, at + 1)) {
                int end = text.indexOf('\n', at);
                if (text.startsWith(to, text.indexOf(':', at + from.length()))) {
                    int start = text.lastIndexOf('\n', at);
                    return text.substring(start + 1, end).trim().split(" +");
                }
            }
        }
        return null;
    }

    private static String hex(int port) {
        String digits = Integer.toHexString(port).toUpperCase(java.util.Locale.ROOT);
        return ":" + "0000".substring(digits.length()) + digits + " ";
    }
}
