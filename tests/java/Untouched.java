import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;

/**
 * {@code Untouched WARM}: takes WARM small direct buffers, so that the taking is compiled, and then large ones. Prints
 * by how many KiB the process has become more resident by those, and whether all of them are zero: new ones, and such
 * as come where others were that had been written to.
 */
public final class Untouched {
    private static final int BUFFERS = 16;
    private static final int SIZE = 16 << 20;

    private Untouched() {
    }

    public static void main(String[] args) throws Exception {
        int warm = Integer.parseInt(args[0]);
        for (int i = 0; i < warm; i++) {
            ByteBuffer.allocateDirect(64);
        }
        long before = resident();
        ByteBuffer[] buffers = take();
        System.out.println("resident: " + (resident() - before));
        check(buffers);
        for (ByteBuffer buffer : buffers) {
            while (buffer.hasRemaining()) {
                buffer.putLong(-1);
            }
        }
        for (int i = 0; i < BUFFERS; i += 2) {
            buffers[i] = null;
        }
        // There is room for them only where the others were: MaxDirectMemorySize.
        for (int i = 0; i < BUFFERS; i += 2) {
            buffers[i] = ByteBuffer.allocateDirect(SIZE);
        }
        for (int i = 0; i < BUFFERS; i += 2) {
            check(buffers[i]);
        }
        System.out.println("zero: ok");
    }

    private static ByteBuffer[] take() {
        ByteBuffer[] buffers = new ByteBuffer[BUFFERS];
        for (int i = 0; i < BUFFERS; i++) {
            buffers[i] = ByteBuffer.allocateDirect(SIZE);
        }
        return buffers;
    }

    private static void check(ByteBuffer... buffers) {
        for (ByteBuffer buffer : buffers) {
            for (int at = 0; at < SIZE; at += 8) {
                if (buffer.getLong(at) != 0) {
                    throw new IllegalStateException(Long.toHexString(buffer.getLong(at)) + " at " + at);
                }
            }
        }
    }

    /** In KiB. */
    private static long resident() throws Exception {
        for (String line : Files.readAllLines(Paths.get("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IllegalStateException("no VmRSS");
    }
}
