import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;

/** What the JDK itself says of its direct buffers. */
final class DirectPool {

    private DirectPool() {}

    /** The bytes that they take. */
    static long used() {
        long used = 0;
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            used += pool.getName().equals("direct") ? pool.getMemoryUsed() : 0;
        }
        return used;
    }
}
