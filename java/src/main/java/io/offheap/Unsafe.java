package io.offheap;

/**
 * Memory by address, as {@code sun.misc.Unsafe} and {@code jdk.internal.misc.Unsafe}, for memory outside the heap.
 *
 * <p>An address is that of a block of {@link #allocateMemory} or any other memory the process may use. Nothing checks
 * that a block is live or long enough: as with the JDK's class, a wrong address or size ends the process or corrupts
 * it. Only what can be told from the arguments alone is refused. Where the JDK's class would crash on address 0,
 * this one throws {@link IllegalArgumentException}.
 *
 * <p>Sizes are in bytes and not negative. Values may stand at any alignment and are in the processor's byte order.
 * Single accesses of other than a byte are atomic only when aligned.
 *
 * <p>Every method throws {@link UnsatisfiedLinkError} when the native library is not available;
 * {@link OffHeap#unavailabilityCause} then says why.
 */
public final class Unsafe {

    static {
        NativeLibrary.load();
    }

    private Unsafe() {}

    /**
     * Allocates a block, as {@code Unsafe.allocateMemory}. Its contents are undefined, its address a multiple of 16.
     * The caller owns it and gives it to {@link #freeMemory}. It does not count against the budget of {@link Bits}.
     *
     * @param bytes the size, from 0; rounded up to a multiple of 8
     * @return the address; 0 when {@code bytes} is 0
     * @throws IllegalArgumentException when {@code bytes} is negative, or from Java 17 on when rounding overflows
     * @throws OutOfMemoryError when there is no such block
     */
    public static native long allocateMemory(long bytes);

    /**
     * Changes the size of a block, as {@code Unsafe.reallocateMemory}. The first bytes are kept, as many as both
     * sizes have.
     *
     * @param address a block of this class, freed by this call; 0 allocates
     * @param bytes the new size, from 0; rounded up to a multiple of 8; 0 frees
     * @return the address of the new block; 0 when {@code bytes} is 0
     * @throws IllegalArgumentException as {@link #allocateMemory}
     * @throws OutOfMemoryError when there is no such block; the old one is still there
     */
    public static native long reallocateMemory(long address, long bytes);

    /**
     * Frees a block, as {@code Unsafe.freeMemory}.
     *
     * @param address a block of {@link #allocateMemory} or {@link #reallocateMemory}; 0 does nothing
     */
    public static native void freeMemory(long address);

    /**
     * Sets every byte of a range, as {@code Unsafe.setMemory}. Stores are at least 8, 4, 2 or 1 bytes wide, the widest
     * that address and size are both multiples of.
     *
     * @param address the first byte
     * @param bytes the size of the range, from 0
     * @param value what each byte becomes
     * @throws IllegalArgumentException when {@code bytes} is negative
     */
    public static native void setMemory(long address, long bytes, byte value);

    /**
     * Copies a range, as {@code Unsafe.copyMemory}. The ranges may overlap. Units are 8, 4, 2 or 1 bytes wide, the
     * widest that both addresses and the size are multiples of.
     *
     * @param source the first byte to read
     * @param destination the first byte to write
     * @param bytes the size of both ranges, from 0
     * @throws IllegalArgumentException when {@code bytes} is negative
     */
    public static native void copyMemory(long source, long destination, long bytes);

    /**
     * Copies a range and reverses the bytes of each element, as {@code Unsafe.copySwapMemory}. The ranges may overlap.
     *
     * @param source the first byte to read
     * @param destination the first byte to write
     * @param bytes the size of both ranges, from 0, a multiple of {@code elementSize}
     * @param elementSize 2, 4 or 8 bytes
     * @throws IllegalArgumentException when {@code bytes} or {@code elementSize} is not as said
     */
    public static native void copySwapMemory(long source, long destination, long bytes, long elementSize);

    /**
     * Reads a byte.
     *
     * @param address the first of 1 byte
     * @return the value there
     */
    public static native byte getByte(long address);

    /**
     * Writes a byte.
     *
     * @param address the first of 1 byte
     * @param value the value
     */
    public static native void putByte(long address, byte value);

    /**
     * Reads a short.
     *
     * @param address the first of 2 bytes
     * @return the value there
     */
    public static native short getShort(long address);

    /**
     * Writes a short.
     *
     * @param address the first of 2 bytes
     * @param value the value
     */
    public static native void putShort(long address, short value);

    /**
     * Reads a char.
     *
     * @param address the first of 2 bytes
     * @return the value there
     */
    public static native char getChar(long address);

    /**
     * Writes a char.
     *
     * @param address the first of 2 bytes
     * @param value the value
     */
    public static native void putChar(long address, char value);

    /**
     * Reads an int.
     *
     * @param address the first of 4 bytes
     * @return the value there
     */
    public static native int getInt(long address);

    /**
     * Writes an int.
     *
     * @param address the first of 4 bytes
     * @param value the value
     */
    public static native void putInt(long address, int value);

    /**
     * Reads a long.
     *
     * @param address the first of 8 bytes
     * @return the value there
     */
    public static native long getLong(long address);

    /**
     * Writes a long.
     *
     * @param address the first of 8 bytes
     * @param value the value
     */
    public static native void putLong(long address, long value);

    /**
     * Reads a float.
     *
     * @param address the first of 4 bytes
     * @return the value there
     */
    public static native float getFloat(long address);

    /**
     * Writes a float.
     *
     * @param address the first of 4 bytes
     * @param value the value
     */
    public static native void putFloat(long address, float value);

    /**
     * Reads a double.
     *
     * @param address the first of 8 bytes
     * @return the value there
     */
    public static native double getDouble(long address);

    /**
     * Writes a double.
     *
     * @param address the first of 8 bytes
     * @param value the value
     */
    public static native void putDouble(long address, double value);

    /**
     * Reads an address.
     *
     * @param address the first of as many bytes as an address has
     * @return the value there
     */
    public static native long getAddress(long address);

    /**
     * Writes an address.
     *
     * @param address the first of as many bytes as an address has
     * @param value the value
     */
    public static native void putAddress(long address, long value);
}
