package real;

import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** What the drivers share: clients in threads, and bytes that depend on a seed only. */
final class Work {
    private Work() {}

    /** What one client does. */
    interface Client {
        String run(int number) throws Exception;
    }

    /** Runs the clients side by side, and prints what each has to say in their order. */
    static void clients(int count, Client client) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(count);
        List<Future<String>> results = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = i;
            results.add(pool.submit(() -> client.run(number)));
        }
        for (int i = 0; i < count; i++) {
            System.out.println("client " + i + ": " + results.get(i).get());
        }
        pool.shutdown();
    }

    static byte[] bytes(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Mostly small; one in eight up to 256 KiB, beyond what the JDK moves at once. */
    static int size(Random random) {
        return 1 + random.nextInt(random.nextInt(8) == 0 ? 256 << 10 : 8 << 10);
    }

    /** What the servers do to a request's body, so that an echo of their own would be seen. */
    static byte reply(byte request) {
        return (byte) (request ^ 0x5a);
    }

    static MessageDigest digest() throws Exception {
        return MessageDigest.getInstance("SHA-256");
    }

    static String hex(MessageDigest digest) {
        StringBuilder text = new StringBuilder();
        for (byte b : digest.digest()) {
            text.append(String.format("%02x", b));
        }
        return text.toString();
    }
}
