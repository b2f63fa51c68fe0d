package io.offheap;

import java.util.Objects;

/**
 * Runs a thunk once an object is unreachable, or earlier on request, but only once; as {@code sun.misc.Cleaner}.
 *
 * <p>The thunk runs on a daemon thread named {@code offheap-cleaner}, or in {@link #clean}. It must not refer to the
 * object, or the object will never be unreachable. The cleaner itself need not be kept: it holds its thunk until that
 * has run, and does not hold the object. When the JVM ends, thunks that have not run do not run.
 *
 * <p>Needs no native library.
 */
public final class Cleaner {

    private final CleanerQueue.Entry entry;

    private Cleaner(CleanerQueue.Entry entry) {
        this.entry = entry;
    }

    /**
     * Registers a thunk for an object.
     *
     * @param object the object to watch
     * @param thunk what to do once it is unreachable. What it throws on the cleaner's thread is printed on the standard
     *        error stream, and the thread goes on.
     * @return the means to do it earlier
     */
    public static Cleaner create(Object object, Runnable thunk) {
        Objects.requireNonNull(object, "object");
        Objects.requireNonNull(thunk, "thunk");
        return new Cleaner(CleanerQueue.USERS.register(object, thunk));
    }

    /**
     * Runs the thunk now, on this thread, unless it has run or is running already. What the thunk throws comes out of
     * this call.
     */
    public void clean() {
        entry.clean();
    }
}
