package bench;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.Arrays;

/**
 * Sends or receives so many bytes with each call: {@code SocketCalls stream|write|read|gather SIZE CALLS PORT}. Prints
 * the nanoseconds of the processor that a call takes of its thread, in the program and in the kernel, and once more for
 * each line that comes.
 */
public final class SocketCalls {
    private static final int GATHERED = 16;

    interface Call {
        void run() throws IOException;
    }

    private SocketCalls() {}

    public static void main(String[] args) throws Exception {
        int calls = Integer.parseInt(args[2]);
        Call call = open(args[0], Integer.parseInt(args[1]), Integer.parseInt(args[3]));
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        Rounds.run(() -> {
            long time = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < calls; i++) {
                call.run();
            }
            return (double) (threads.getCurrentThreadCpuTime() - time) / calls;
        });
        System.exit(0);
    }

    private static Call open(String how, int size, int port) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(size);
        switch (how) {
            case "stream": {
                OutputStream out = OtherEnd.DRAINS.socket(port).getOutputStream();
                byte[] content = new byte[size];
                return () -> out.write(content);
            }
            case "write": {
                SocketChannel channel = OtherEnd.DRAINS.channel(port);
                return () -> {
                    buffer.clear();
                    channel.write(buffer);
                };
            }
            case "read": {
                SocketChannel channel = OtherEnd.FEEDS.channel(port);
                return () -> {
                    buffer.clear();
                    channel.read(buffer);
                };
            }
            case "gather": {
                SocketChannel channel = OtherEnd.DRAINS.channel(port);
                ByteBuffer[] parts = new ByteBuffer[GATHERED];
                Arrays.setAll(parts, i -> ByteBuffer.allocateDirect(size / GATHERED));
                return () -> {
                    for (ByteBuffer part : parts) {
                        part.clear();
                    }
                    channel.write(parts);
                };
            }
            default:
                throw new IllegalArgumentException(how);
        }
    }
}
