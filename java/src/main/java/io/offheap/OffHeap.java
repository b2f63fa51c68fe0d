package io.offheap;

import java.util.Objects;

/**
 * Whether the native library is there, and what it is.
 *
 * <p>The library is loaded once, by whichever class of this package is used first. In this order:
 * <ol>
 * <li>{@code -Dio.offheap.library=PATH}: that file and no other, whether it loads or not;
 * <li>the one that the JVM runs as its agent ({@code -agentpath}): one copy and one budget for all class loaders and
 * for the JVM itself. Another PATH is refused then;
 * <li>the one that the program has loaded itself in the same class loader, or a library of C that is linked to it;
 * <li>{@code java.library.path}, as {@link System#loadLibrary};
 * <li>the copy inside the jar. It is written to {@code -Dio.offheap.tmpdir} (else {@code java.io.tmpdir}) under a
 * unique name that only the owner can read, and is deleted once it is loaded.
 * </ol>
 *
 * <p>Java 24 and later warn about it on the standard error stream. {@code --enable-native-access=io.offheap} ends the
 * warning, or {@code --enable-native-access=ALL-UNNAMED} when offheap is on the class path. With
 * {@code --illegal-native-access=deny} one of the two is needed.
 *
 * <p>No initialiser of this package throws. While the library is not available every native method throws
 * {@link UnsatisfiedLinkError}.
 */
public final class OffHeap {

    private OffHeap() {}

    /**
     * Tells whether the native library is loaded and fits these classes.
     *
     * @return true when every class of this package can be used
     */
    public static boolean isAvailable() {
        return NativeLibrary.CAUSE == null;
    }

    /**
     * Tells why the native library is not available.
     *
     * @return one error whose message names each place that was tried and what happened there; null when the library
     *         is available
     */
    public static Throwable unavailabilityCause() {
        return NativeLibrary.CAUSE;
    }

    /**
     * Returns when the native library is available.
     *
     * @throws UnsatisfiedLinkError when it is not; its cause is {@link #unavailabilityCause}
     */
    public static void ensureAvailability() {
        NativeLibrary.ensure();
    }

    /**
     * The version of the native library, which is the version of these classes.
     *
     * @return a version such as {@code 0.1.0}
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static String version() {
        NativeLibrary.ensure();
        return version0();
    }

    /**
     * What the socket streams of this process have done since the library was loaded. The figures are read one after
     * the other while other threads go on counting.
     *
     * @return the figures now
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static Counters counters() {
        NativeLibrary.ensure();
        long[] figures = new long[6];
        counters0(figures);
        return new Counters(figures);
    }

    /**
     * Tells whether the JVM runs this library as its agent. Then the budget bounds what the JVM itself takes through
     * {@code Unsafe}, too: direct buffers, arenas, temporary buffers.
     *
     * @return true when the JVM was started with {@code -agentpath} naming the library
     */
    public static boolean isAgent() {
        return NativeLibrary.isAgent();
    }

    /**
     * The limit of the memory below the heap, as {@link Bits#maxMemory}. Under the agent it is the agent's option
     * {@code limit}; without that option there is none.
     *
     * @return bytes; {@link Long#MAX_VALUE} when there is no limit
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static long maxMemory() {
        NativeLibrary.ensure();
        return Bits.maxMemory();
    }

    /**
     * Changes the limit while the program runs, as {@link Bits#setMaxMemory}.
     *
     * @param bytes the limit, from 0; {@link Long#MAX_VALUE} is none
     * @throws IllegalArgumentException when {@code bytes} is negative
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static void setMaxMemory(long bytes) {
        NativeLibrary.ensure();
        Bits.setMaxMemory(bytes);
    }

    /**
     * A report of this moment for people: what is live, of which kind, the limit, what the sockets have moved. Under
     * the agent it tells of what the JVM itself takes, too, and who has taken what is live.
     *
     * @return lines of text
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static String report() {
        return report("text");
    }

    /**
     * A report of this moment.
     *
     * @param format {@code text} as {@link #report()}; {@code json}, everything; {@code collapsed}, a line for each
     *        stack and its live bytes, for flame graphs; {@code prometheus}, metrics in Prometheus' text format
     * @return the report
     * @throws IllegalArgumentException when there is no such format; its message names those there are
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static String report(String format) {
        Objects.requireNonNull(format);
        NativeLibrary.ensure();
        return report0(format);
    }

    /**
     * The figures as a bean. It needs no module but {@code java.base}.
     *
     * @return the bean, whose methods throw {@link UnsatisfiedLinkError} when the library is not available
     */
    public static OffHeapMXBean mxBean() {
        return Figures.INSTANCE;
    }

    /**
     * Registers {@link #mxBean} with the platform's MBean server, unless that was done before. It stays there. Its name
     * is {@code io.offheap:type=OffHeap}; when another class loader has registered a bean of its own copy of these
     * classes, it is that name with {@code ,loader=2} and so on behind it.
     *
     * @return the name of the bean
     * @throws UnsupportedOperationException when this Java runs without the module {@code java.management}
     * @throws IllegalStateException when the server refuses the bean
     * @throws UnsatisfiedLinkError when the library is not available
     */
    public static String registerMXBean() {
        NativeLibrary.ensure();
        try {
            return Management.register();
        } catch (NoClassDefFoundError | IllegalAccessError absent) {
            throw new UnsupportedOperationException(
                    "this Java runs without the module java.management; --add-modules java.management adds it", absent);
        }
    }

    /** As {@code budget0} has them. */
    static long[] budget() {
        NativeLibrary.ensure();
        long[] figures = new long[9];
        budget0(figures);
        return figures;
    }

    static native String version0();

    private static native String report0(String format);

    /**
     * Writes limit, live bytes, capacity, live blocks, their peaks (bytes, blocks), what was ever taken (bytes, blocks),
     * refusals.
     */
    private static native void budget0(long[] figures);

    private static native void counters0(long[] figures);

    /** The counters of the socket streams at one moment. Each figure only grows. */
    public static final class Counters {
        private final long writes;
        private final long sends;
        private final long bytesSent;
        private final long reads;
        private final long receives;
        private final long bytesReceived;

        private Counters(long[] figures) {
            writes = figures[0];
            sends = figures[1];
            bytesSent = figures[2];
            reads = figures[3];
            receives = figures[4];
            bytesReceived = figures[5];
        }

        /**
         * Calls of {@code write} that reached the native library.
         *
         * @return a count of calls
         */
        public long writes() {
            return writes;
        }

        /**
         * Calls of {@code send} made for them.
         *
         * @return a count of system calls
         */
        public long sends() {
            return sends;
        }

        /**
         * What {@code send} took.
         *
         * @return a count of bytes
         */
        public long bytesSent() {
            return bytesSent;
        }

        /**
         * Calls of {@code read} that reached the native library.
         *
         * @return a count of calls
         */
        public long reads() {
            return reads;
        }

        /**
         * Calls of {@code recv} made for them.
         *
         * @return a count of system calls
         */
        public long receives() {
            return receives;
        }

        /**
         * What {@code recv} gave.
         *
         * @return a count of bytes
         */
        public long bytesReceived() {
            return bytesReceived;
        }

        /** The six figures with their names, for people. */
        @Override
        public String toString() {
            return "Counters[writes=" + writes + ", sends=" + sends + ", bytesSent=" + bytesSent
                    + ", reads=" + reads + ", receives=" + receives + ", bytesReceived=" + bytesReceived + ']';
        }
    }
}
