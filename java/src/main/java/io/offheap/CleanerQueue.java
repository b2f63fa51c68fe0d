package io.offheap;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Runs thunks once their objects are unreachable: one reference queue and one daemon thread, started with the first.
 *
 * <p>There are two. A thread that waits for room in the budget helps with the deallocators, which are ours; it must
 * never find itself running the code of a user.
 */
final class CleanerQueue {

    /** How long the thread waits before it asks whether it is needed; the property is for tests. */
    private static final long IDLE_MILLIS = Long.getLong("io.offheap.cleaner.idle", 10_000);

    /** Frees the memory of dropped buffers. */
    static final CleanerQueue DEALLOCATORS = new CleanerQueue();

    /** Runs what was given to {@link Cleaner#create}. */
    static final CleanerQueue USERS = new CleanerQueue();

    private final ReferenceQueue<Object> unreachable = new ReferenceQueue<>();
    private final Set<Entry> entries = ConcurrentHashMap.newKeySet();
    private volatile boolean started;

    private CleanerQueue() {}

    /** Frees the memory of buffers found unreachable so far. Called by the native library. True if any was. */
    static boolean help() {
        boolean helped = false;
        for (Object entry; (entry = DEALLOCATORS.unreachable.poll()) != null; ) {
            helped |= ((Entry) entry).cleanQuietly();
        }
        return helped;
    }

    /** Registers the thunk for the object. If this throws, the thunk will not run. */
    Entry register(Object object, Runnable thunk) {
        Entry entry = new Entry(this, object, thunk);
        try {
            entries.add(entry);
            start();
            return entry;
        } catch (Throwable noMemory) {
            entries.remove(entry);
            throw noMemory;
        }
    }

    private void start() {
        if (!started) {
            startThread();
        }
    }

    private synchronized void startThread() {
        if (started) {
            return;
        }
        Thread thread = new Thread(this::run, "offheap-cleaner");
        thread.setDaemon(true);
        thread.setContextClassLoader(null); // else the loader of the first caller would be kept
        thread.start();
        started = true;
    }

    private void run() {
        do {
            try {
                Entry entry;
                while ((entry = (Entry) unreachable.remove(IDLE_MILLIS)) != null) {
                    entry.cleanQuietly();
                }
            } catch (InterruptedException ignored) {
                // Nobody has a reason to interrupt this thread, and it has none to stop.
            }
        } while (!end());
    }

    /**
     * Ends the thread if there is nothing it could ever get: it keeps this class's loader, which may be all that keeps a
     * program that was unloaded otherwise. It says so first and looks then; register adds first and asks then.
     */
    private synchronized boolean end() {
        started = false;
        started = !entries.isEmpty();
        return !started;
    }

    /** An object's phantom and its thunk. Kept by the queue until the thunk has run. */
    static final class Entry extends PhantomReference<Object> {
        private final CleanerQueue queue;
        private final Runnable thunk;

        private Entry(CleanerQueue queue, Object object, Runnable thunk) {
            super(object, queue.unreachable);
            this.queue = queue;
            this.thunk = thunk;
        }

        /** Runs the thunk unless that was done before. True if this call ran it. */
        boolean clean() {
            if (!queue.entries.remove(this)) {
                return false;
            }
            clear();
            thunk.run();
            return true;
        }

        private boolean cleanQuietly() {
            try {
                return clean();
            } catch (Throwable thrown) {
                report(thrown);
                return true;
            }
        }

        private static void report(Throwable thrown) {
            try {
                System.err.println("offheap-cleaner: a cleaner threw");
                thrown.printStackTrace();
            } catch (Throwable again) {
                // Without memory to report with, going on with the next object is what is left to do.
            }
        }
    }
}
