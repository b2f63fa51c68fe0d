package same;

import java.io.File;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A thread and what comes of it, for the cases in which one thread does something to another that is blocked.
 *
 * <p>Whether it is blocked is asked of the kernel and not left to a pause: what an operation throws may depend on
 * whether the close came during it or before.
 */
final class Work<T> {
    private static final AtomicInteger COUNT = new AtomicInteger();
    /** Number of {@code futex}: a thread in it waits for the JVM, not for I/O. */
    private static final String FUTEX = "202 ";

    final Thread thread;
    private final FutureTask<T> task;
    private Path kernel;

    private Work(FutureTask<T> task, Thread thread) {
        this.task = task;
        this.thread = thread;
    }

    /** {@link #start} or {@link #startVirtual}. */
    interface Starter {
        <T> Work<T> start(Callable<T> body) throws Exception;
    }

    static <T> Work<T> start(Callable<T> body) {
        FutureTask<T> task = new FutureTask<>(body);
        // The kernel knows the thread by the first 15 characters of its name.
        Thread thread = new Thread(task, "work-" + COUNT.incrementAndGet());
        thread.setDaemon(true);
        thread.start();
        return new Work<>(task, thread);
    }

    /** On a virtual thread, which JDK 21 has first. */
    static <T> Work<T> startVirtual(Callable<T> body) throws Exception {
        FutureTask<T> task = new FutureTask<>(body);
        Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
        Method start = Class.forName("java.lang.Thread$Builder").getMethod("start", Runnable.class);
        return new Work<>(task, (Thread) start.invoke(builder, task));
    }

    /** Waits until the thread is blocked in I/O, or has ended. */
    Work<T> blocked() throws Exception {
        for (int inARow = 0; inARow < 3 && !task.isDone(); inARow = isBlocked() ? inARow + 1 : 0) {
            Thread.sleep(2);
        }
        return this;
    }

    private boolean isBlocked() throws Exception {
        StackTraceElement[] stack = thread.getStackTrace();
        if (stack.length == 0) {
            return false;
        }
        if (thread.getState() == Thread.State.RUNNABLE) {
            return stack[0].isNativeMethod() && isBlockedInTheKernel();
        }
        for (StackTraceElement frame : stack) {
            String name = frame.getClassName();
            if (name.startsWith("sun.nio.ch.") || name.startsWith("java.net.")) {
                return true;
            }
        }
        return false;
    }

    private boolean isBlockedInTheKernel() throws Exception {
        if (kernel == null) {
            for (String id : new File("/proc/self/task").list()) {
                Path folder = Paths.get("/proc/self/task", id);
                if (read(folder.resolve("comm")).trim().equals(thread.getName())) {
                    kernel = folder;
                }
            }
        }
        if (kernel == null) {
            return false;
        }
        String state = read(kernel.resolve("stat"));
        boolean sleeps = state.startsWith("S", state.lastIndexOf(')') + 2);
        String call = read(kernel.resolve("syscall"));
        return sleeps && !call.startsWith(FUTEX) && !call.startsWith("running");
    }

    private static String read(Path path) {
        try {
            return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        } catch (java.io.IOException ended) {
            return "";
        }
    }

    /** The result, or what was thrown. */
    T get() throws Exception {
        try {
            return task.get();
        } catch (ExecutionException thrown) {
            if (thrown.getCause() instanceof Exception) {
                throw (Exception) thrown.getCause();
            }
            throw (Error) thrown.getCause();
        }
    }

    String outcome() {
        return Text.outcome(this::get);
    }
}
