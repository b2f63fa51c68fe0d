import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Keeps a known amount, and does what it reads: {@code grow} keeps one more large block, {@code fork} starts a process
 * and waits for it. Each is answered with a line. It ends with its input.
 */
public final class Growing {

    private static final List<ByteBuffer> KEPT = new ArrayList<>();

    private Growing() {}

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 1000; i++) {
            small();
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = "ready"; line != null; line = in.readLine()) {
            if (line.equals("fork")) {
                System.out.println("forked " + new ProcessBuilder("true").start().waitFor());
                continue;
            }
            // All from this one line, so that it is one stack.
            for (int more = line.equals("grow") ? 1 : 20; more > 0; more--) {
                large();
            }
            System.out.println(line + " " + KEPT.size());
        }
        System.out.println("end");
    }

    private static void small() {
        KEPT.add(ByteBuffer.allocateDirect(3000));
    }

    private static void large() {
        KEPT.add(ByteBuffer.allocateDirect(1_000_000));
    }
}
