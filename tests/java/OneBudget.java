import io.offheap.Bits;
import io.offheap.DirectByteBuffer;
import io.offheap.OffHeap;
import io.offheap.Unsafe;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.file.Paths;

/**
 * The Java library in a JVM that runs the agent with limit=64m: one library and one budget for the JVM itself, the
 * library and every class loader's copy of its classes. The argument is the library's jar.
 */
public final class OneBudget {

    private static final int MIB = 1 << 20;

    private OneBudget() {}

    public static void main(String[] args) throws Exception {
        if (!OffHeap.isAvailable()) {
            System.out.println(OffHeap.unavailabilityCause().getMessage());
        }
        check("the agent is found", OffHeap.isAvailable() && OffHeap.isAgent());
        check("the limit is the agent's", OffHeap.maxMemory() == 64 * MIB);

        long before = Bits.reservedMemory();
        ByteBuffer jdks = ByteBuffer.allocateDirect(10 * MIB);
        check("the JVM's buffers count", Bits.reservedMemory() - before >= 10 * MIB);
        ByteBuffer ours = DirectByteBuffer.allocate(10 * MIB);
        long block = Unsafe.allocateMemory(10 * MIB);
        long grown = Unsafe.reallocateMemory(block, 20 * MIB);
        long all = Bits.reservedMemory() - before;
        check("the library's buffers and blocks count: " + all, all >= 40 * MIB && all < 41 * MIB);

        try (URLClassLoader other = new URLClassLoader(new URL[] {Paths.get(args[0]).toUri().toURL()}, null)) {
            Class<?> bits = other.loadClass("io.offheap.Bits");
            check("another loader's classes are others", bits != Bits.class);
            check("and have the same budget",
                    (long) bits.getMethod("reservedMemory").invoke(null) == Bits.reservedMemory());
        }

        try {
            ByteBuffer.allocateDirect(30 * MIB);
            check("the JVM's own buffer stops at the limit", false);
        } catch (OutOfMemoryError expected) {
            System.out.println("the JVM's own buffer stops at the limit: ok");
        }
        try {
            Unsafe.allocateMemory(30 * MIB);
            check("the library's block stops at the limit", false);
        } catch (OutOfMemoryError expected) {
            System.out.println("the library's block stops at the limit: ok");
        }
        OffHeap.setMaxMemory(80 * MIB);
        ByteBuffer.allocateDirect(30 * MIB);
        System.out.println("a higher limit lets it in: ok");

        Unsafe.freeMemory(grown);
        DirectByteBuffer.free(ours);
        check("what is given back is given back", Bits.reservedMemory() - before <= 41 * MIB);
        check("the first buffer is still there", jdks.capacity() == 10 * MIB);
        System.out.println("OneBudget: ok");
    }

    private static void check(String what, boolean holds) {
        System.out.println(what + ": " + (holds ? "ok" : "NO"));
        if (!holds) {
            System.exit(1);
        }
    }
}
