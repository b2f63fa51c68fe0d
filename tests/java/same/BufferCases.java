package same;

import java.io.File;
import java.io.RandomAccessFile;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.MappedByteBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;

/** Direct buffers: creation, views, bulk operations, their limit and their figures. */
final class BufferCases {
    private static final ByteOrder[] ORDERS = {ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN};
    private static final int MIB = 1 << 20;

    private BufferCases() {
    }

    static void add(Cases cases) {
        cases.add("buffers: figures of the pool", BufferCases::figures);
        cases.add("buffers: allocate", BufferCases::allocate);
        cases.add("buffers: where they start", BufferCases::starts);
        cases.add("buffers: a fresh one is zero", BufferCases::zero);
        cases.add("buffers: views", BufferCases::views);
        cases.add("buffers: single elements", BufferCases::elements);
        for (ByteOrder order : ORDERS) {
            cases.add("buffers: bulk, " + order, () -> bulk(order));
            cases.add("buffers: bulk over itself, " + order, () -> bulkOverlapping(order));
        }
        cases.add("buffers: bytes in bulk", BufferCases::bytesInBulk);
        cases.add("buffers: compare", BufferCases::compare);
        cases.add("buffers: mapped", BufferCases::mapped);
        cases.add("buffers: out of direct memory", BufferCases::outOfMemory);
        cases.add("buffers: dropped ones are reclaimed", BufferCases::reclaimed);
        cases.add("buffers: many threads", BufferCases::manyThreads);
    }

    private static BufferPoolMXBean pool() {
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            if (pool.getName().equals("direct")) {
                return pool;
            }
        }
        throw new IllegalStateException("no pool of direct buffers");
    }

    private static long[] figuresOf(BufferPoolMXBean pool) {
        return new long[] {pool.getCount(), pool.getTotalCapacity(), pool.getMemoryUsed()};
    }

    /** Waits until nothing that went before is still being reclaimed. */
    private static long[] settled(BufferPoolMXBean pool) throws InterruptedException {
        long[] figures = figuresOf(pool);
        for (int same = 0; same < 3;) {
            System.gc();
            Thread.sleep(10);
            long[] next = figuresOf(pool);
            same = java.util.Arrays.equals(figures, next) ? same + 1 : 0;
            figures = next;
        }
        return figures;
    }

    private static Object figures() throws Exception {
        Findings findings = new Findings();
        BufferPoolMXBean pool = pool();
        for (int capacity : new int[] {0, 1, 7, 1000, 4096, MIB}) {
            long[] before = settled(pool);
            ByteBuffer buffer = ByteBuffer.allocateDirect(capacity);
            findings.add("+ " + capacity, () -> difference(before, figuresOf(pool)));
            buffer.slice().get(new byte[0]);
            buffer = null;
            findings.add("- " + capacity, () -> {
                for (int i = 0; pool.getCount() != before[0] && i < 500; i++) {
                    System.gc();
                    Thread.sleep(10);
                }
                return difference(before, figuresOf(pool));
            });
        }
        return findings;
    }

    private static String difference(long[] before, long[] after) {
        return (after[0] - before[0]) + " buffers, " + (after[1] - before[1]) + " of capacity, "
                + (after[2] - before[2]) + " used";
    }

    private static Object allocate() {
        Findings findings = new Findings();
        for (int capacity : new int[] {0, 1, 100, 65536, 4 * MIB, -1, Integer.MIN_VALUE}) {
            findings.add(String.valueOf(capacity), () -> ByteBuffer.allocateDirect(capacity));
        }
        findings.add("absolute access", () -> {
            try {
                return ByteBuffer.allocateDirect(4).get(4);
            } catch (IndexOutOfBoundsException thrown) {
                // Compiled code of some versions gives the index as message, the interpreter gives none.
                return thrown.getClass();
            }
        });
        findings.add("relative access", () -> ByteBuffer.allocateDirect(0).get());
        findings.add("put to a read-only one", () -> ByteBuffer.allocateDirect(4).asReadOnlyBuffer().put((byte) 1));
        findings.add("array", () -> ByteBuffer.allocateDirect(4).array());
        return findings;
    }

    private static Object starts() throws Throwable {
        // Whole pages if direct memory is aligned to pages, else what the allocator gives.
        Findings findings = new Findings();
        boolean pages = Boolean.getBoolean("sun.nio.PageAlignDirectMemory");
        for (int capacity : new int[] {0, 1, 100, 4096, 5000, 3 * MIB}) {
            findings.add(capacity + ", aligned to " + (pages ? 4096 : 16), () -> {
                List<ByteBuffer> buffers = new ArrayList<>();
                int off = 0;
                for (int i = 0; i < 5; i++) {
                    ByteBuffer buffer = ByteBuffer.allocateDirect(capacity);
                    buffers.add(buffer);
                    off += Raw.address(buffer) % (pages ? 4096 : 16) == 0 ? 0 : 1;
                }
                return off + " of " + buffers.size() + " are not";
            });
        }
        findings.add("a slice", () -> {
            ByteBuffer buffer = ByteBuffer.allocateDirect(100);
            buffer.position(13);
            return Raw.address(buffer.slice()) - Raw.address(buffer);
        });
        return findings;
    }

    private static Object zero() throws Throwable {
        Findings findings = new Findings();
        for (int capacity : new int[] {1, 9, 1000, 70000, 2 * MIB + 1}) {
            findings.add(String.valueOf(capacity), () -> {
                int dirty = 0;
                for (int i = 0; i < 8; i++) {
                    // Leaves something in the memory that the next one may get.
                    long block = Raw.allocate(capacity);
                    Raw.set(block, capacity, (byte) 0x6B);
                    Raw.free(block);
                    ByteBuffer buffer = ByteBuffer.allocateDirect(capacity);
                    byte[] content = new byte[capacity];
                    buffer.get(content);
                    dirty += java.util.Arrays.equals(content, new byte[capacity]) ? 0 : 1;
                }
                return dirty + " are not";
            });
        }
        return findings;
    }

    private static Object views() {
        Findings findings = new Findings();
        for (ByteOrder order : ORDERS) {
            for (int start : new int[] {0, 1, 3}) {
                ByteBuffer bytes = ByteBuffer.allocateDirect(200);
                bytes.put(Text.bytes(200));
                bytes.position(start);
                bytes.limit(start + 130);
                bytes.order(order);
                findings.add(order + " at " + start, () -> {
                    ByteBuffer slice = bytes.slice().order(order);
                    return bytes.duplicate() + " " + bytes.asReadOnlyBuffer() + " " + slice + " " + slice.getInt(5);
                });
                findings.add("short, " + order + " at " + start, () -> view(bytes.asShortBuffer()));
                findings.add("char, " + order + " at " + start, () -> {
                    CharBuffer view = bytes.asCharBuffer();
                    return view.length() + " " + (int) view.get(3) + " " + view.order() + " " + view.isDirect();
                });
                findings.add("int, " + order + " at " + start, () -> view(bytes.asIntBuffer()));
                findings.add("long, " + order + " at " + start, () -> view(bytes.asLongBuffer()));
                findings.add("float, " + order + " at " + start, () -> view(bytes.asFloatBuffer()));
                findings.add("double, " + order + " at " + start, () -> view(bytes.asDoubleBuffer()));
                findings.add("read-only int, " + order + " at " + start,
                        () -> bytes.asReadOnlyBuffer().order(order).asIntBuffer().put(1, 2));
                findings.add("slice of a slice, " + order + " at " + start, () -> {
                    IntBuffer ints = bytes.asIntBuffer();
                    ints.position(3);
                    IntBuffer slice = ints.slice();
                    slice.position(2);
                    return slice.slice().get(1) + " " + slice.duplicate() + " " + slice.asReadOnlyBuffer();
                });
            }
        }
        return findings;
    }

    private static String view(ShortBuffer view) {
        return view + " " + view.get(3) + " " + view.order() + " " + view.isDirect();
    }

    private static String view(IntBuffer view) {
        return view + " " + view.get(3) + " " + view.order() + " " + view.isDirect();
    }

    private static String view(LongBuffer view) {
        return view + " " + view.get(3) + " " + view.order() + " " + view.isDirect();
    }

    private static String view(FloatBuffer view) {
        return view + " " + Float.floatToRawIntBits(view.get(3)) + " " + view.order() + " " + view.isDirect();
    }

    private static String view(DoubleBuffer view) {
        return view + " " + Double.doubleToRawLongBits(view.get(3)) + " " + view.order() + " " + view.isDirect();
    }

    private static Object elements() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1000);
        for (ByteOrder order : ORDERS) {
            buffer.order(order);
            for (int i = 0; i < 15; i++) {
                buffer.put((byte) i).putShort((short) (i * 3000)).putChar((char) (i * 4000)).putInt(i * 100000007);
                buffer.putLong(i * 1000000000000037L).putFloat(i / 3f).putDouble(i / 7d);
            }
        }
        String content = Text.digest((ByteBuffer) buffer.duplicate().position(0));
        buffer.flip();
        long hash = 0;
        for (ByteOrder order : ORDERS) {
            buffer.order(order);
            for (int i = 0; i < 15; i++) {
                hash = hash * 31 + buffer.get() + buffer.getShort() + buffer.getChar() + buffer.getInt();
                hash = hash * 31 + buffer.getLong() + Float.floatToIntBits(buffer.getFloat());
                hash = hash * 31 + Double.doubleToLongBits(buffer.getDouble());
            }
        }
        return hash + " " + content;
    }

    /** Array to buffer and back, buffer to buffer, with and without swapping, short enough for a loop and longer. */
    private static Object bulk(ByteOrder order) {
        Findings findings = new Findings();
        for (int n : new int[] {0, 1, 2, 3, 6, 7, 8, 64, 1001, 20_000, 140_000}) {
            int start = n % 5;
            ByteBuffer bytes = ByteBuffer.allocateDirect(8 * n + 16);
            ByteBuffer other = ByteBuffer.allocateDirect(8 * n + 16);
            bytes.position(start);
            bytes.order(order);
            other.order(ORDERS[n % 2]);
            ByteBuffer random = ByteBuffer.allocateDirect(8 * n);
            random.put(Text.bytes(8 * n, n)).clear();
            findings.add("long " + n, () -> bulkLongs(n, random, bytes, other));
            if (n > 100_000) {
                // More than a MiB is what only the longs are for: interpreted, the others take too long.
                continue;
            }
            findings.add("short " + n, () -> {
                short[] array = new short[n + 4];
                random.asShortBuffer().get(array, 2, n);
                bytes.asShortBuffer().put(array, 2, n);
                other.asShortBuffer().put((ShortBuffer) bytes.asShortBuffer().limit(n));
                short[] back = new short[n + 4];
                other.asShortBuffer().get(back, 3, n);
                ShortBuffer heap = ShortBuffer.allocate(n);
                heap.put((ShortBuffer) bytes.asShortBuffer().limit(n));
                heap.flip();
                bytes.asShortBuffer().put(heap);
                return Text.digest(bytes) + " " + Text.digest(other);
            });
            findings.add("char " + n, () -> {
                char[] array = new char[n + 4];
                random.asCharBuffer().get(array, 2, n);
                bytes.asCharBuffer().put(array, 2, n);
                other.asCharBuffer().put((CharBuffer) bytes.asCharBuffer().limit(n));
                char[] back = new char[n + 4];
                other.asCharBuffer().get(back, 3, n);
                bytes.asCharBuffer().put(CharBuffer.wrap(back));
                return Text.digest(bytes) + " " + Text.digest(other);
            });
            findings.add("int " + n, () -> {
                int[] array = new int[n + 4];
                random.asIntBuffer().get(array, 2, n);
                bytes.asIntBuffer().put(array, 2, n);
                other.asIntBuffer().put((IntBuffer) bytes.asIntBuffer().limit(n));
                int[] back = new int[n + 4];
                other.asIntBuffer().get(back, 3, n);
                bytes.asIntBuffer().put(IntBuffer.wrap(back, 1, n));
                return Text.digest(bytes) + " " + Text.digest(other);
            });
            findings.add("float " + n, () -> {
                float[] array = new float[n + 4];
                random.asFloatBuffer().get(array, 2, n);
                bytes.asFloatBuffer().put(array, 2, n);
                other.asFloatBuffer().put((FloatBuffer) bytes.asFloatBuffer().limit(n));
                float[] back = new float[n + 4];
                other.asFloatBuffer().get(back, 3, n);
                bytes.asFloatBuffer().put(FloatBuffer.wrap(back, 1, n));
                return Text.digest(bytes) + " " + Text.digest(other);
            });
            findings.add("double " + n, () -> {
                double[] array = new double[n + 4];
                random.asDoubleBuffer().get(array, 2, n);
                bytes.asDoubleBuffer().put(array, 2, n);
                other.asDoubleBuffer().put((DoubleBuffer) bytes.asDoubleBuffer().limit(n));
                double[] back = new double[n + 4];
                other.asDoubleBuffer().get(back, 3, n);
                bytes.asDoubleBuffer().put(DoubleBuffer.wrap(back, 1, n));
                return Text.digest(bytes) + " " + Text.digest(other);
            });
        }
        findings.add("too many", () -> ByteBuffer.allocateDirect(32).order(order).asIntBuffer().put(new int[9]));
        findings.add("too few", () -> ByteBuffer.allocateDirect(32).order(order).asIntBuffer().get(new int[9]));
        findings.add("a bad range", () -> {
            return ByteBuffer.allocateDirect(32).order(order).asIntBuffer().get(new int[9], 5, 5);
        });
        return findings;
    }

    private static String bulkLongs(int n, ByteBuffer random, ByteBuffer bytes, ByteBuffer other) {
        long[] array = new long[n + 4];
        random.asLongBuffer().get(array, 2, n);
        bytes.asLongBuffer().put(array, 2, n);
        other.asLongBuffer().put((LongBuffer) bytes.asLongBuffer().limit(n));
        long[] back = new long[n + 4];
        other.asLongBuffer().get(back, 3, n);
        bytes.asLongBuffer().put(LongBuffer.wrap(back, 1, n));
        return Text.digest(bytes) + " " + Text.digest(other);
    }

    private static Object bulkOverlapping(ByteOrder order) {
        Findings findings = new Findings();
        for (int shift : new int[] {0, 2, 4, 8, 40}) {
            for (boolean up : new boolean[] {true, false}) {
                findings.add((up ? "up by " : "down by ") + shift, () -> {
                    StringBuilder found = new StringBuilder();
                    for (ByteOrder second : ORDERS) {
                        ByteBuffer low = ByteBuffer.allocateDirect(400);
                        low.put(Text.bytes(400, shift)).clear();
                        ByteBuffer high = low.duplicate();
                        high.position(shift);
                        ByteBuffer from = up ? low : high;
                        ByteBuffer to = up ? high : low;
                        from.limit(from.position() + 320);
                        from.order(order);
                        to.order(second);
                        to.asShortBuffer().put(from.asShortBuffer());
                        to.asIntBuffer().put(from.asIntBuffer());
                        to.asLongBuffer().put(from.asLongBuffer());
                        found.append(Text.digest((ByteBuffer) low.duplicate().clear())).append(' ');
                    }
                    return found.toString().trim();
                });
            }
        }
        return findings;
    }

    private static Object bytesInBulk() {
        Findings findings = new Findings();
        for (int n : new int[] {0, 1, 6, 7, 100, MIB - 1, MIB, MIB + 1, 3 * MIB + 5}) {
            findings.add(String.valueOf(n), () -> {
                byte[] array = Text.bytes(n, 2);
                ByteBuffer direct = ByteBuffer.allocateDirect(n + 3);
                direct.position(3);
                direct.put(array).position(3);
                ByteBuffer copy = ByteBuffer.allocateDirect(n + 1);
                copy.position(1);
                copy.put(direct).position(1);
                ByteBuffer heap = ByteBuffer.allocate(n);
                heap.put(copy).flip();
                direct.position(2);
                direct.put(heap).position(3);
                copy.clear();
                copy.compact();
                return Text.digest(heap.array()) + " " + Text.digest(direct) + " " + copy;
            });
        }
        for (int shift : new int[] {-9, -1, 1, 9}) {
            findings.add("over itself, by " + shift, () -> {
                ByteBuffer direct = ByteBuffer.allocateDirect(300);
                direct.put(Text.bytes(300)).clear();
                ByteBuffer from = direct.duplicate();
                from.position(20).limit(260);
                ByteBuffer to = direct.duplicate();
                to.position(20 + shift);
                to.put(from);
                from.compact();
                return Text.digest(direct);
            });
        }
        findings.add("itself", () -> {
            ByteBuffer buffer = ByteBuffer.allocateDirect(8);
            return buffer.put(buffer);
        });
        return findings;
    }

    private static Object compare() {
        ByteBuffer direct = ByteBuffer.allocateDirect(1000);
        direct.put(Text.bytes(1000)).clear();
        ByteBuffer heap = ByteBuffer.wrap(Text.bytes(1000));
        String equal = direct.equals(heap) + " " + direct.compareTo(heap) + " " + direct.hashCode();
        direct.put(777, (byte) (direct.get(777) + 1));
        return equal + ", " + direct.equals(heap) + " " + Integer.signum(direct.compareTo(heap));
    }

    private static Object mapped() throws Exception {
        File file = Scratch.file("mapped");
        try (RandomAccessFile random = new RandomAccessFile(file, "rw")) {
            Findings findings = new Findings();
            FileChannel channel = random.getChannel();
            MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 100000);
            findings.add("fresh", () -> map + " " + map.get(99999));
            findings.add("written", () -> {
                map.put(Text.bytes(100000)).flip();
                map.force();
                byte[] back = new byte[100000];
                random.readFully(back);
                return Text.digest(back) + " " + random.length();
            });
            findings.add("into direct memory", () -> {
                ByteBuffer direct = ByteBuffer.allocateDirect(100000);
                direct.put(map).flip();
                map.clear();
                map.asIntBuffer().put(direct.order(ByteOrder.LITTLE_ENDIAN).asIntBuffer());
                return Text.digest(direct) + " " + Text.digest(map);
            });
            findings.add("at an odd offset", () -> {
                MappedByteBuffer part = channel.map(FileChannel.MapMode.READ_ONLY, 4099, 1000);
                return Text.digest(part) + " " + part.isReadOnly() + " " + part.load().getInt(7);
            });
            findings.add("private", () -> {
                MappedByteBuffer part = channel.map(FileChannel.MapMode.PRIVATE, 0, 1000);
                part.put(0, (byte) (map.get(0) + 1));
                return part.get(0) == map.get(0);
            });
            findings.add("put to a read-only one",
                    () -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 10).put(0, (byte) 1));
            findings.add("a negative position", () -> channel.map(FileChannel.MapMode.READ_ONLY, -1, 10));
            findings.add("an empty one", () -> channel.map(FileChannel.MapMode.READ_ONLY, 0, 0));
            findings.add("written to a file", () -> {
                map.clear();
                File copy = Scratch.file("copy");
                try (FileChannel to = new RandomAccessFile(copy, "rw").getChannel()) {
                    return to.write(map) + " " + to.size();
                } finally {
                    copy.delete();
                }
            });
            return findings;
        } finally {
            file.delete();
        }
    }

    /** The limit in MiB that the run was started with, as {@code -XX:MaxDirectMemorySize}. */
    private static int limit() {
        Integer limit = Integer.getInteger("same.direct");
        if (limit == null) {
            throw new IllegalStateException("-Dsame.direct=N must say what -XX:MaxDirectMemorySize=Nm is");
        }
        return limit;
    }

    private static Object outOfMemory() {
        Findings findings = new Findings();
        int limit = limit();
        List<ByteBuffer> held = new ArrayList<>();
        findings.add("filled", () -> {
            Thread.currentThread().interrupt();
            try {
                while (true) {
                    held.add(ByteBuffer.allocateDirect(MIB));
                }
            } catch (OutOfMemoryError error) {
                boolean close = held.size() <= limit && held.size() >= limit - 4;
                return Text.of(error) + ", close to the limit: " + close + ", interrupted: "
                        + Thread.interrupted();
            }
        });
        findings.add("the content is still there", () -> {
            int sum = 0;
            for (int i = 0; i < held.size(); i++) {
                held.get(i).put(MIB - 1, (byte) 1);
                sum += held.get(i).get(MIB - 1) - 1;
            }
            return sum;
        });
        findings.add("after some were dropped", () -> {
            for (int i = 0; i < 5; i++) {
                held.remove(held.size() - 1);
            }
            return ByteBuffer.allocateDirect(4 * MIB);
        });
        findings.add("more than the limit", () -> {
            held.clear();
            return ByteBuffer.allocateDirect(limit * MIB + 1);
        });
        findings.add("small ones all the same", () -> ByteBuffer.allocateDirect(MIB));
        return findings;
    }

    private static Object reclaimed() {
        int limit = limit();
        long total = 0;
        for (int i = 0; total < 4L * limit * MIB; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect((i % 4 + 1) * MIB);
            buffer.put(0, (byte) 1);
            total += buffer.capacity();
        }
        return "all were allocated";
    }

    private static Object manyThreads() throws Exception {
        Findings findings = new Findings();
        List<Work<String>> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            int seed = t;
            threads.add(Work.start(() -> {
                java.util.Random random = new java.util.Random(seed);
                ByteBuffer[] held = new ByteBuffer[8];
                long hash = 0;
                for (int i = 0; i < 500; i++) {
                    int k = random.nextInt(held.length);
                    if (held[k] != null) {
                        hash = hash * 31 + held[k].getInt(0) + held[k].getInt(held[k].capacity() - 4);
                    }
                    held[k] = ByteBuffer.allocateDirect(4 + random.nextInt(20000));
                    held[k].putInt(0, i).putInt(held[k].capacity() - 4, seed * 1000 + i);
                }
                return Long.toString(hash);
            }));
        }
        for (int t = 0; t < threads.size(); t++) {
            findings.add("thread " + t, threads.get(t)::get);
        }
        return findings;
    }
}
