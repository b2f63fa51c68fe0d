package io.offheap;

/** The bean of {@link OffHeap#mxBean}. Knows nothing of JMX, so that it works where that is not there. */
final class Figures implements OffHeapMXBean {

    /** There is nothing to tell one from another. */
    static final Figures INSTANCE = new Figures();

    private Figures() {}

    @Override
    public String getVersion() {
        return OffHeap.version();
    }

    @Override
    public boolean isAgent() {
        return OffHeap.isAgent();
    }

    @Override
    public long getLimit() {
        return OffHeap.budget()[0];
    }

    @Override
    public long getLiveBytes() {
        return OffHeap.budget()[1];
    }

    @Override
    public long getCapacity() {
        return OffHeap.budget()[2];
    }

    @Override
    public long getCount() {
        return OffHeap.budget()[3];
    }

    @Override
    public long getPeakBytes() {
        return OffHeap.budget()[4];
    }

    @Override
    public long getPeakCount() {
        return OffHeap.budget()[5];
    }

    @Override
    public long getAllocatedBytes() {
        return OffHeap.budget()[6];
    }

    @Override
    public long getAllocatedBlocks() {
        return OffHeap.budget()[7];
    }

    @Override
    public long getRefusals() {
        return OffHeap.budget()[8];
    }

    @Override
    public long getSocketWrites() {
        return OffHeap.counters().writes();
    }

    @Override
    public long getSocketBytesSent() {
        return OffHeap.counters().bytesSent();
    }

    @Override
    public long getSocketReads() {
        return OffHeap.counters().reads();
    }

    @Override
    public long getSocketBytesReceived() {
        return OffHeap.counters().bytesReceived();
    }

    @Override
    public String report(String format) {
        return OffHeap.report(format);
    }
}
