package bench;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * A budget as a Java program would keep it: three counters, a limit on one of them. ({@code java.nio.Bits} keeps the
 * same three, but nobody outside of it can call it.)
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class ThreeCounters {
    private static final long LIMIT = 1L << 40;

    private final AtomicLong reserved = new AtomicLong();
    private final AtomicLong capacity = new AtomicLong();
    private final AtomicLong count = new AtomicLong();

    @Benchmark
    public void reserveUnreserve() {
        if (!reserve(4096)) {
            throw new IllegalStateException("no room");
        }
        capacity.addAndGet(-4096);
        reserved.addAndGet(-4096);
        count.decrementAndGet();
    }

    private boolean reserve(long size) {
        for (long total; size <= LIMIT - (total = capacity.get()); ) {
            if (capacity.compareAndSet(total, total + size)) {
                reserved.addAndGet(size);
                count.incrementAndGet();
                return true;
            }
        }
        return false;
    }
}
