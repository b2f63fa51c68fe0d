package bench;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** What a direct buffer costs from {@code allocateDirect} until it is freed. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class Direct {
    private static final int LIVE = 16;

    @Param("64")
    private int size;

    private byte[] content;
    private final ByteBuffer[] live = new ByteBuffer[LIVE];
    private int next;

    @Setup
    public void prepare() {
        content = new byte[Math.min(size, 1 << 16)];
        for (int i = 0; i < LIVE; i++) {
            live[i] = ByteBuffer.allocateDirect(1);
        }
    }

    /** Nobody touches the buffer. */
    @Benchmark
    public void untouched() {
        Release.free(ByteBuffer.allocateDirect(size));
    }

    /** All of the buffer is written, so no allocator gets away with memory that is not there yet. */
    @Benchmark
    public void written() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(size);
        fill(buffer);
        Release.free(buffer);
    }

    /** The same while others are live: each new buffer is written and takes the oldest one's place. */
    @Benchmark
    public void churn() {
        int at = next;
        next = (at + 1) % LIVE;
        Release.free(live[at]);
        live[at] = ByteBuffer.allocateDirect(size);
        fill(live[at]);
    }

    private void fill(ByteBuffer buffer) {
        while (buffer.hasRemaining()) {
            buffer.put(content, 0, Math.min(content.length, buffer.remaining()));
        }
    }
}
