import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** Keeps direct buffers, prints what the JVM says of them, and goes on until the file of its argument is there. */
public final class Pools {
    public static void main(String[] args) throws Exception {
        ByteBuffer[] buffers = {
            ByteBuffer.allocateDirect(1_234_567), ByteBuffer.allocateDirect(0), ByteBuffer.allocateDirect(7),
        };
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            if (pool.getName().equals("direct")) {
                System.out.println("pool " + pool.getMemoryUsed() + ' ' + pool.getTotalCapacity() + ' ' + pool.getCount());
            }
        }
        Path end = args.length == 0 ? null : Paths.get(args[0]);
        while (end != null && !Files.exists(end)) {
            Thread.sleep(10);
        }
        // Its number says whether others have taken one.
        System.out.println(new Thread().getName() + " after " + buffers.length + " buffers");
    }
}
