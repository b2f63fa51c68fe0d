import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.concurrent.CountDownLatch;

/**
 * At a limit of 64 MiB, on one carrier, ten times: a virtual thread holds 40 MiB while it sleeps, another asks for 40 MiB
 * and has to wait until the first has run again. Prints for each {@code taken}, or the error.
 */
public final class VirtualWait {

    private static final long BYTES = 40 << 20;

    private VirtualWait() {}

    public static void main(String[] args) throws Exception {
        Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
        field.setAccessible(true);
        Object unsafe = field.get(null);
        Method allocate = unsafe.getClass().getMethod("allocateMemory", long.class);
        Method free = unsafe.getClass().getMethod("freeMemory", long.class);
        Method start = Thread.class.getMethod("startVirtualThread", Runnable.class); // since 21
        for (int round = 0; round < 10; round++) {
            round(unsafe, allocate, free, start);
        }
    }

    private static void round(Object unsafe, Method allocate, Method free, Method start) throws Exception {
        CountDownLatch holds = new CountDownLatch(1);
        Thread holder = (Thread) start.invoke(null, (Runnable) () -> {
            try {
                Object block = allocate.invoke(unsafe, BYTES);
                holds.countDown();
                Thread.sleep(50);
                free.invoke(unsafe, block);
            } catch (ReflectiveOperationException | InterruptedException failure) {
                throw new IllegalStateException(failure);
            }
        });
        holds.await();
        Thread waiter = (Thread) start.invoke(null, (Runnable) () -> {
            try {
                free.invoke(unsafe, allocate.invoke(unsafe, BYTES));
                System.out.println("taken");
            } catch (ReflectiveOperationException failure) {
                System.out.println(failure.getCause());
            }
        });
        waiter.join();
        holder.join();
    }
}
