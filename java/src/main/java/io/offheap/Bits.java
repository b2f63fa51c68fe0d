package io.offheap;

/**
 * The budget of direct memory, and access to memory in either byte order, as {@code java.nio.Bits}.
 *
 * <p>There is one budget for one copy of the native library, so one in a process unless two class loaders each take the
 * library from the jar. {@link DirectByteBuffer} draws on it, and so may any caller. It has a limit,
 * at first the JVM's own ({@code -XX:MaxDirectMemorySize}, else the maximum heap; under the agent, the agent's), and
 * keeps two sums. Under the agent every block of the JVM's own {@code Unsafe} is in it besides. The
 * <em>capacity</em> is what callers asked for, and the limit applies to it. The <em>size</em> is what they took, with
 * the slack for page alignment.
 *
 * <p>Addresses are those of {@link Unsafe}, with the same rule: a wrong one ends the process. Values may stand at any
 * alignment.
 *
 * <p>Every method but {@code swap} throws {@link UnsatisfiedLinkError} when the native library is not available;
 * {@link OffHeap#unavailabilityCause} then says why.
 */
public final class Bits {

    static {
        NativeLibrary.load();
    }

    private Bits() {}

    /** How {@link #reserveMemory} tries to make room before it gives up. */
    public enum Policy {
        /**
         * As today's JDKs: pending deallocators are run, then one collection is asked for, then the thread waits until
         * a release makes room, half a second in all.
         */
        BACKOFF,
        /** As the first JDKs: one collection, 100 milliseconds, one more try. */
        LEGACY
    }

    /**
     * Reserves memory, as {@code Bits.reserveMemory}. When there is no room it makes some as the {@link Policy} says.
     * An interrupt does not end the wait; the thread's flag is set when the method returns or throws.
     *
     * @param size the bytes taken, from 0
     * @param capacity the bytes asked for, from 0; they count against the limit
     * @throws IllegalArgumentException when an argument is negative or a sum would overflow
     * @throws OutOfMemoryError when there is no room, with the text of the JDK that runs
     */
    public static native void reserveMemory(long size, long capacity);

    /**
     * Reserves memory if there is room now, as {@code Bits.tryReserveMemory}. Never waits.
     *
     * @param size the bytes taken, from 0
     * @param capacity the bytes asked for, from 0; they count against the limit
     * @return true when reserved; false when there is no room
     * @throws IllegalArgumentException when an argument is negative or a sum would overflow
     */
    public static native boolean tryReserveMemory(long size, long capacity);

    /**
     * Gives back what a reservation took, as {@code Bits.unreserveMemory}. Threads that wait for room are woken.
     *
     * @param size the bytes taken, as reserved
     * @param capacity the bytes asked for, as reserved
     * @throws IllegalArgumentException when an argument is negative or more than is reserved; nothing changes then
     */
    public static native void unreserveMemory(long size, long capacity);

    /**
     * The limit of the total capacity.
     *
     * @return bytes, from 0
     */
    public static native long maxMemory();

    /**
     * Sets the limit. What is reserved stays reserved, even above it. Threads that wait for room and now have it are
     * woken.
     *
     * @param bytes the limit, from 0
     * @throws IllegalArgumentException when {@code bytes} is negative
     */
    public static native void setMaxMemory(long bytes);

    /**
     * The sum of the sizes reserved.
     *
     * @return bytes, from 0
     */
    public static native long reservedMemory();

    /**
     * The sum of the capacities reserved.
     *
     * @return bytes, from 0
     */
    public static native long totalCapacity();

    /**
     * How many reservations there are.
     *
     * @return a count, from 0
     */
    public static native long count();

    /**
     * Sets the policy of the process. Threads that already wait keep theirs.
     *
     * @param policy the policy from now on
     */
    public static void setPolicy(Policy policy) {
        int ordinal = policy.ordinal();
        NativeLibrary.ensure();
        setPolicy0(ordinal);
    }

    private static native void setPolicy0(int policy);

    /**
     * The size of a page of memory.
     *
     * @return bytes, a power of two
     */
    public static native int pageSize();

    /**
     * Tells whether the processor reads and writes values that are not aligned.
     *
     * @return true on x86_64 and aarch64
     */
    public static native boolean unaligned();

    /**
     * Reverses the bytes of a short.
     *
     * @param value the value
     * @return its bytes in the other order
     */
    public static short swap(short value) {
        return Short.reverseBytes(value);
    }

    /**
     * Reverses the bytes of a char.
     *
     * @param value the value
     * @return its bytes in the other order
     */
    public static char swap(char value) {
        return Character.reverseBytes(value);
    }

    /**
     * Reverses the bytes of an int.
     *
     * @param value the value
     * @return its bytes in the other order
     */
    public static int swap(int value) {
        return Integer.reverseBytes(value);
    }

    /**
     * Reverses the bytes of a long.
     *
     * @param value the value
     * @return its bytes in the other order
     */
    public static long swap(long value) {
        return Long.reverseBytes(value);
    }

    /**
     * Reads a short in the given byte order.
     *
     * @param address the first of 2 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native short getShort(long address, boolean bigEndian);

    /**
     * Writes a short in the given byte order.
     *
     * @param address the first of 2 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putShort(long address, short value, boolean bigEndian);

    /**
     * Reads a char in the given byte order.
     *
     * @param address the first of 2 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native char getChar(long address, boolean bigEndian);

    /**
     * Writes a char in the given byte order.
     *
     * @param address the first of 2 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putChar(long address, char value, boolean bigEndian);

    /**
     * Reads an int in the given byte order.
     *
     * @param address the first of 4 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native int getInt(long address, boolean bigEndian);

    /**
     * Writes an int in the given byte order.
     *
     * @param address the first of 4 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putInt(long address, int value, boolean bigEndian);

    /**
     * Reads a long in the given byte order.
     *
     * @param address the first of 8 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native long getLong(long address, boolean bigEndian);

    /**
     * Writes a long in the given byte order.
     *
     * @param address the first of 8 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putLong(long address, long value, boolean bigEndian);

    /**
     * Reads a float in the given byte order.
     *
     * @param address the first of 4 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native float getFloat(long address, boolean bigEndian);

    /**
     * Writes a float in the given byte order.
     *
     * @param address the first of 4 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putFloat(long address, float value, boolean bigEndian);

    /**
     * Reads a double in the given byte order.
     *
     * @param address the first of 8 bytes
     * @param bigEndian true when the first byte is the most significant one
     * @return the value there
     */
    public static native double getDouble(long address, boolean bigEndian);

    /**
     * Writes a double in the given byte order.
     *
     * @param address the first of 8 bytes
     * @param value the value
     * @param bigEndian true when the first byte is to be the most significant one
     */
    public static native void putDouble(long address, double value, boolean bigEndian);
}
