package real;

import io.netty.buffer.AdaptiveByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufAllocatorMetricProvider;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * Memory that pools keep after a burst: Netty's pooled and adaptive allocators, the temporary buffers of a pool of
 * threads that write large arrays of the heap, and buffers of thread-local variables; and beside them buffers that
 * nobody keeps but a list.
 */
public final class Pools {

    private static final List<Object> KEPT = new ArrayList<>();
    private static final ThreadLocal<ByteBuffer> OF_THREAD =
            ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(30_000));

    private Pools() {}

    public static void main(String[] args) throws Exception {
        System.out.println("pooled " + burst(new PooledByteBufAllocator(true)));
        System.out.println("adaptive " + burst(new AdaptiveByteBufAllocator(true)));
        KEPT.add(huge());
        KEPT.add(adaptiveHuge());
        leak();
        CountDownLatch written = new CountDownLatch(4);
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 1; i <= 4; i++) {
            int bytes = i * 1_000_000;
            Thread thread = new Thread(() -> write(bytes, written, never), "writer-" + i);
            thread.setDaemon(true);
            thread.start();
        }
        written.await();
        System.out.println("pools: ok");
        System.exit(0);
    }

    /** Takes many small buffers, and gives all of them back; what the allocator says that it keeps. */
    private static <T extends ByteBufAllocator & ByteBufAllocatorMetricProvider> long burst(T allocator) {
        List<ByteBuf> buffers = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            buffers.add(allocator.directBuffer(2000));
        }
        buffers.forEach(ByteBuf::release);
        KEPT.add(allocator);
        return allocator.metric().usedDirectMemory();
    }

    /** Larger than any chunk: such a buffer has memory of its own. */
    private static ByteBuf huge() {
        return PooledByteBufAllocator.DEFAULT.directBuffer(40_000_000);
    }

    private static ByteBuf adaptiveHuge() {
        return new AdaptiveByteBufAllocator(true).directBuffer(30_000_000);
    }

    private static void leak() {
        for (int i = 0; i < 10; i++) {
            KEPT.add(UnpooledByteBufAllocator.DEFAULT.directBuffer(50_000));
        }
    }

    private static void write(int bytes, CountDownLatch written, CountDownLatch never) {
        try (FileChannel channel = FileChannel.open(Paths.get("/dev/null"), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[bytes]));
            OF_THREAD.get().put(0, (byte) 1);
            written.countDown();
            never.await();
        } catch (Exception failure) {
            failure.printStackTrace();
            System.exit(1);
        }
    }
}
