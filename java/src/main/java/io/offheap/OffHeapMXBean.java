package io.offheap;

/**
 * The memory below the heap as a management bean: the figures of the one budget, of the socket streams, and reports.
 * {@link OffHeap#registerMXBean} makes it visible to JMX; {@link OffHeap#mxBean} is for the program itself. Under the
 * agent the figures include what the JVM itself takes.
 *
 * <p>Each figure is exact; two of them are not one moment's while other threads go on.
 */
public interface OffHeapMXBean {

    /**
     * The version of the library.
     *
     * @return a version such as {@code 0.1.0}
     */
    String getVersion();

    /**
     * Tells whether the JVM runs the library as its agent, as {@link OffHeap#isAgent}.
     *
     * @return true when it does
     */
    boolean isAgent();

    /**
     * The limit of the memory below the heap, as {@link OffHeap#maxMemory}.
     *
     * @return bytes of capacity; {@link Long#MAX_VALUE} when there is no limit
     */
    long getLimit();

    /**
     * Live memory below the heap, with slack for alignment, as {@link Bits#reservedMemory}.
     *
     * @return bytes
     */
    long getLiveBytes();

    /**
     * Live memory below the heap as it was asked for, as {@link Bits#totalCapacity}. The limit is on this figure.
     *
     * @return bytes
     */
    long getCapacity();

    /**
     * Live blocks, as {@link Bits#count}.
     *
     * @return a count of blocks
     */
    long getCount();

    /**
     * The most that {@link #getLiveBytes} has been; while there is no limit, to within 256 KiB for each thread.
     *
     * @return bytes
     */
    long getPeakBytes();

    /**
     * The most that {@link #getCount} has been, to within 128 for each thread.
     *
     * @return a count of blocks
     */
    long getPeakCount();

    /**
     * What was ever taken.
     *
     * @return bytes
     */
    long getAllocatedBytes();

    /**
     * The blocks that were ever taken.
     *
     * @return a count of blocks
     */
    long getAllocatedBlocks();

    /**
     * Requests that were refused because there was no room.
     *
     * @return a count of requests
     */
    long getRefusals();

    /**
     * Writes of the socket streams.
     *
     * @return a count of calls
     */
    long getSocketWrites();

    /**
     * What the socket streams wrote.
     *
     * @return bytes
     */
    long getSocketBytesSent();

    /**
     * Reads of the socket streams.
     *
     * @return a count of calls
     */
    long getSocketReads();

    /**
     * What the socket streams read.
     *
     * @return bytes
     */
    long getSocketBytesReceived();

    /**
     * A report of this moment, as {@link OffHeap#report(String)}.
     *
     * @param format {@code text}, {@code json}, {@code collapsed} or {@code prometheus}
     * @return the report
     * @throws IllegalArgumentException when there is no such format
     */
    String report(String format);
}
