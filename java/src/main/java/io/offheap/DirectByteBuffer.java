package io.offheap;

import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Direct byte buffers over memory of the native library, as {@code java.nio.DirectByteBuffer} with its constructor and
 * its deallocator.
 *
 * <p>The buffers are the JDK's own class, so that any channel and any code takes them. They count against the budget of
 * {@link Bits}, not against the JVM's. The memory is freed once the buffer and every view of it (slices, duplicates,
 * views as other types) are unreachable, or by {@link #free}.
 */
public final class DirectByteBuffer {

    /** The blocks of live buffers by address. A block leaves before its memory is freed and may be given out again. */
    private static final ConcurrentHashMap<Long, Block> BLOCKS = new ConcurrentHashMap<>();

    static {
        NativeLibrary.load();
    }

    private DirectByteBuffer() {}

    /**
     * Allocates a buffer, as {@link ByteBuffer#allocateDirect}. It is big-endian, its bytes are zero, its position is 0
     * and its limit is its capacity. When the budget has no room the call makes some and waits, as
     * {@link Bits#reserveMemory}.
     *
     * @param capacity bytes, from 0
     * @return the buffer
     * @throws IllegalArgumentException when {@code capacity} is negative, with the text of the JDK that runs
     * @throws OutOfMemoryError when the budget or the system has no room, with the text of the JDK that runs
     * @throws UnsatisfiedLinkError when the native library is not available
     */
    public static ByteBuffer allocate(int capacity) {
        return allocate(capacity, false);
    }

    /**
     * Allocates a buffer whose first byte may be that of a page, as {@link ByteBuffer#allocateDirect} with
     * {@code -Dsun.nio.PageAlignDirectMemory=true}. Otherwise as {@link #allocate(int)}.
     *
     * @param capacity bytes, from 0
     * @param pageAligned true to align it; the buffer then takes one page more
     * @return the buffer
     * @throws IllegalArgumentException when {@code capacity} is negative, with the text of the JDK that runs
     * @throws OutOfMemoryError when the budget or the system has no room, with the text of the JDK that runs
     * @throws UnsatisfiedLinkError when the native library is not available
     */
    public static ByteBuffer allocate(int capacity, boolean pageAligned) {
        if (capacity < 0) {
            return ByteBuffer.allocateDirect(capacity); // throws, in the words of the JDK that runs
        }
        NativeLibrary.ensure();
        long address = allocate0(capacity, pageAligned);
        Block block = null;
        try {
            ByteBuffer buffer = wrap0(address, capacity);
            block = new Block(address, buffer);
            BLOCKS.put(address, block);
            return buffer;
        } catch (Throwable failure) {
            if (block == null) {
                free0(address);
            } else {
                block.entry.clean();
            }
            throw failure;
        }
    }

    /**
     * Frees the memory of a buffer now. Nobody may use the buffer or a view of it afterwards or meanwhile: that is not
     * checked, and the memory may be another buffer's by then.
     *
     * @param buffer a buffer that {@code allocate} returned, and that was not freed before
     * @throws IllegalArgumentException when it is something else: a view, a buffer of another origin, one freed already
     * @throws UnsatisfiedLinkError when the native library is not available
     */
    public static void free(ByteBuffer buffer) {
        boolean direct = buffer.isDirect();
        NativeLibrary.ensure();
        Block block = direct ? BLOCKS.get(address0(buffer)) : null;
        // A freed buffer may have the address of a newer one, so the address alone proves nothing.
        if (block == null || block.get() != buffer || !block.entry.clean()) {
            throw new IllegalArgumentException(
                    "not a live buffer of DirectByteBuffer.allocate: a view, another's buffer, or freed already: " + buffer);
        }
    }

    private static native long allocate0(int capacity, boolean pageAligned);

    private static native ByteBuffer wrap0(long address, int capacity);

    private static native long address0(ByteBuffer buffer);

    private static native boolean free0(long address);

    /** The deallocator of one buffer, which it knows but does not hold. */
    private static final class Block extends WeakReference<ByteBuffer> implements Runnable {
        private final long address;
        private final CleanerQueue.Entry entry;

        /** Once this returns, the memory is freed by the entry alone; if it throws, by the caller. */
        Block(long address, ByteBuffer buffer) {
            super(buffer);
            this.address = address;
            this.entry = CleanerQueue.DEALLOCATORS.register(buffer, this);
        }

        @Override
        public void run() {
            BLOCKS.remove(address, this);
            free0(address);
        }
    }
}
