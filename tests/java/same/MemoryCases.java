package same;

import java.lang.invoke.MethodHandle;
import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** {@code Unsafe}: blocks and their sizes, fill, copy, and what is refused. */
final class MemoryCases {
    private static final boolean JAVA_8 = System.getProperty("java.specification.version").equals("1.8");
    /** Beyond what an address can hold, so that no allocator has it. */
    private static final long HUGE = 1L << 50;
    private static final long[] SIZES = {0, 1, 7, 8, 9, 15, 16, 17, 4095, 4096, 4097, 65536, 1 << 20, (4 << 20) + 5};
    private static final long[] REFUSED = {
        -1, -8, Long.MIN_VALUE, HUGE, HUGE + 1, Integer.MAX_VALUE * 1000000L, Long.MAX_VALUE - 1000000,
        Long.MAX_VALUE - 16, Long.MAX_VALUE - 8, Long.MAX_VALUE - 7, Long.MAX_VALUE - 6, Long.MAX_VALUE - 1,
        Long.MAX_VALUE,
    };

    private MemoryCases() {
    }

    static void add(Cases cases) {
        cases.add("memory: allocate", MemoryCases::allocate);
        cases.add("memory: reallocate", MemoryCases::reallocate);
        cases.add("memory: a failed reallocation leaves the block", MemoryCases::failedReallocation);
        cases.add("memory: free", MemoryCases::free);
        cases.add("memory: blocks do not overlap", MemoryCases::disjoint);
        cases.add("memory: get and put", MemoryCases::getAndPut);
        cases.add("memory: fill", MemoryCases::fill);
        cases.add("memory: fill a large block", MemoryCases::fillLarge);
        cases.add("memory: fill arrays", MemoryCases::fillArrays);
        cases.add("memory: fill, refused", MemoryCases::fillRefused);
        cases.add("memory: copy", MemoryCases::copy);
        cases.add("memory: copy a large block", MemoryCases::copyLarge);
        cases.add("memory: copy over itself", MemoryCases::copyOverlapping);
        cases.add("memory: copy arrays", MemoryCases::copyArrays);
        cases.add("memory: copy, refused", MemoryCases::copyRefused);
        cases.add("memory: fill and copy, compiled", MemoryCases::compiled);
        cases.add("memory: many threads", MemoryCases::manyThreads);
        cases.add("memory: blocks freed by other threads", MemoryCases::freedElsewhere);
        cases.add("memory: swap", MemoryCases::swap);
        cases.add("memory: swap, refused", MemoryCases::swapRefused);
        cases.add("memory: the JVM's own class, refused", MemoryCases::internalRefused);
    }

    private static Object allocate() {
        Findings findings = new Findings();
        for (long size : SIZES) {
            findings.add(String.valueOf(size), () -> {
                long address = Raw.allocate(size);
                String found = address == 0 ? "null" : "a block, " + address % 16 + " off 16";
                if (size > 0) {
                    Raw.putByte(address, (byte) 1);
                    Raw.putByte(address + size - 1, (byte) 2);
                    found += ", holds " + Raw.getByte(address + size - 1);
                }
                Raw.free(address);
                return found;
            });
        }
        for (long size : REFUSED) {
            findings.add(String.valueOf(size), () -> Raw.allocate(size));
        }
        return findings;
    }

    private static Object reallocate() {
        Findings findings = new Findings();
        long[][] changes = {
            {1, 2}, {8, 16}, {16, 8}, {100, 100}, {1000, 1}, {24, 25}, {4096, 1 << 20}, {1 << 20, 4096},
            {1 << 20, 3 << 20}, {200000, 200001},
        };
        for (long[] change : changes) {
            findings.add(change[0] + " to " + change[1], () -> {
                long block = Raw.allocate(change[0]);
                int kept = (int) Math.min(Math.min(change[0], change[1]), 4096);
                byte[] content = Text.bytes(kept, 7);
                Raw.write(block, content);
                long moved = Raw.reallocate(block, change[1]);
                Raw.putByte(moved + change[1] - 1, Raw.getByte(moved + change[1] - 1));
                String found = Arrays.equals(content, Raw.read(moved, kept)) + ", " + moved % 16 + " off 16";
                Raw.free(moved);
                return found;
            });
        }
        findings.add("null to 0", () -> Raw.reallocate(0, 0));
        findings.add("a block to 0", () -> Raw.reallocate(Raw.allocate(10), 0));
        findings.add("null to 24", () -> {
            long block = Raw.reallocate(0, 24);
            Raw.putLong(block + 16, 5);
            long found = Raw.getLong(block + 16);
            Raw.free(block);
            return found;
        });
        findings.add("grown step by step", () -> {
            long block = 0;
            for (int i = 1; i <= 300; i++) {
                block = Raw.reallocate(block, i * 13L);
                Raw.putByte(block + i * 13L - 1, (byte) i);
            }
            int sum = 0;
            for (int i = 1; i <= 300; i++) {
                sum = sum * 31 + Raw.getByte(block + i * 13L - 1);
            }
            Raw.free(block);
            return sum;
        });
        return findings;
    }

    private static Object failedReallocation() throws Throwable {
        Findings findings = new Findings();
        long block = Raw.allocate(64);
        Raw.putLong(block + 56, 0x1234_5678_9ABC_DEF0L);
        for (long size : REFUSED) {
            findings.add("to " + size, () -> Raw.reallocate(block, size));
            findings.add("null to " + size, () -> Raw.reallocate(0, size));
        }
        findings.add("the block", () -> Long.toHexString(Raw.getLong(block + 56)));
        findings.add("it can still grow", () -> {
            long grown = Raw.reallocate(block, 1 << 16);
            String found = Long.toHexString(Raw.getLong(grown + 56));
            Raw.free(grown);
            return found;
        });
        return findings;
    }

    private static Object free() throws Throwable {
        Raw.free(0);
        long[] blocks = new long[1000];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = Raw.allocate(i);
        }
        for (int i = 0; i < blocks.length; i += 2) {
            Raw.free(blocks[i]);
        }
        for (int i = 1; i < blocks.length; i += 2) {
            Raw.free(blocks[i]);
        }
        return "freed";
    }

    private static Object disjoint() throws Throwable {
        Random random = new Random(11);
        long[][] blocks = new long[500][];
        for (int i = 0; i < blocks.length; i++) {
            long size = 1 + random.nextInt(i % 10 == 0 ? 100000 : 200);
            blocks[i] = new long[] {Raw.allocate(size), size};
        }
        Arrays.sort(blocks, (a, b) -> Long.compareUnsigned(a[0], b[0]));
        int overlaps = 0;
        int misaligned = 0;
        for (int i = 0; i < blocks.length; i++) {
            misaligned += blocks[i][0] % 16 == 0 ? 0 : 1;
            overlaps += i > 0 && blocks[i - 1][0] + blocks[i - 1][1] > blocks[i][0] ? 1 : 0;
            Raw.free(blocks[i][0]);
        }
        return overlaps + " overlap, " + misaligned + " are not aligned";
    }

    private static Object getAndPut() throws Throwable {
        Findings findings = new Findings();
        long block = Raw.allocate(64);
        Raw.set(block, 64, (byte) 0);
        Object[] values = {
            (byte) -3, (short) -300, 'z', -70000, -5_000_000_000L, Float.intBitsToFloat(0x7FC12345), Math.PI,
        };
        String[] names = {"Byte", "Short", "Char", "Int", "Long", "Float", "Double"};
        Class<?>[] types = {byte.class, short.class, char.class, int.class, long.class, float.class, double.class};
        for (int i = 0; i < names.length; i++) {
            MethodHandle put = Raw.method("put" + names[i], void.class, long.class, types[i]);
            MethodHandle get = Raw.method("get" + names[i], types[i], long.class);
            MethodHandle getIn = Raw.method("get" + names[i], types[i], Object.class, long.class);
            Object value = values[i];
            for (int offset : new int[] {0, 8, 13, 31}) {
                findings.add(names[i] + " at " + offset, () -> {
                    put.invoke(block + offset, value);
                    Object seen = getIn.invoke((Object) null, block + offset);
                    return get.invoke(block + offset) + " " + seen + " " + Text.digest(Raw.read(block, 64));
                });
            }
        }
        MethodHandle putAddress = Raw.method("putAddress", void.class, long.class, long.class);
        MethodHandle getAddress = Raw.method("getAddress", long.class, long.class);
        findings.add("address", () -> {
            putAddress.invoke(block + 8, 0x7FFF_0000_1234_5678L);
            return getAddress.invoke(block + 8) + " " + Raw.getLong(block + 8);
        });
        findings.add("addressSize", () -> Raw.method("addressSize", int.class).invoke());
        findings.add("pageSize", () -> Raw.method("pageSize", int.class).invoke());
        findings.add("free", () -> {
            Raw.free(block);
            return "freed";
        });
        return findings;
    }

    /** Every alignment and many lengths: all widths of stores. */
    private static Object fill() throws Throwable {
        long block = Raw.allocate(256);
        byte[] expected = new byte[256];
        int wrong = 0;
        int hash = 0;
        for (int offset = 0; offset <= 16; offset++) {
            for (int length : new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 31, 32, 33, 64, 100, 200}) {
                byte value = (byte) (offset * 16 + length);
                Raw.set(block, 256, (byte) 0x55);
                Raw.set(block + offset, length, value);
                Arrays.fill(expected, (byte) 0x55);
                Arrays.fill(expected, offset, offset + length, value);
                byte[] found = Raw.read(block, 256);
                wrong += Arrays.equals(expected, found) ? 0 : 1;
                hash = hash * 31 + Arrays.hashCode(found);
            }
        }
        Raw.free(block);
        return wrong + " wrong, " + hash;
    }

    private static Object fillLarge() throws Throwable {
        Findings findings = new Findings();
        int size = (6 << 20) + 3;
        for (int offset : new int[] {0, 1, 8}) {
            for (int value : new int[] {0, -1, 0x5A, 0}) {
                long block = Raw.allocate(size + 16);
                findings.add("fresh, at " + offset + ", " + value, () -> {
                    Raw.set(block + offset, size, (byte) value);
                    return sum(block + offset, size);
                });
                findings.add("used, at " + offset + ", " + value, () -> {
                    Raw.set(block, size + 16, (byte) 0x33);
                    Raw.set(block + offset, size, (byte) value);
                    return sum(block + offset, size) + ", " + Raw.getByte(block + offset + size);
                });
                Raw.free(block);
            }
        }
        return findings;
    }

    /** Looks at the ends and at a byte of every other page. */
    private static String sum(long start, int size) throws Throwable {
        int hash = Raw.getByte(start) * 31 + Raw.getByte(start + size - 1);
        int pages = 0;
        for (long at = 0; at < size; at += 8191) {
            hash = hash * 31 + Raw.getByte(start + at);
            pages++;
        }
        return hash + " of " + pages;
    }

    private static final Class<?>[] ELEMENTS = {
        byte.class, boolean.class, short.class, char.class, int.class, float.class, long.class, double.class,
    };

    /** The bytes of a primitive array, as {@code copyMemory} has them. */
    private static byte[] content(Object array, int bytes) throws Throwable {
        byte[] content = new byte[bytes];
        Raw.copy(array, Raw.base(array.getClass()), content, Raw.base(byte[].class), bytes);
        return content;
    }

    private static Object fillArrays() {
        Findings findings = new Findings();
        for (Class<?> element : ELEMENTS) {
            findings.add(element + "[]", () -> {
                Object array = Array.newInstance(element, 64);
                long base = Raw.base(array.getClass());
                Raw.set(array, base, 64, (byte) 1);
                Raw.set(array, base + 8, 16, (byte) 0);
                Raw.set(array, base + 33, 7, (byte) 1);
                Raw.set(array, base + 64, 0, (byte) 9);
                String text = Array.get(array, 63) + " " + Array.get(array, 7);
                return Text.digest(content(array, 64)) + " " + text.replace('\0', '0');
            });
        }
        findings.add("a null base", () -> {
            long block = Raw.allocate(32);
            Raw.set(block, 32, (byte) 0);
            Raw.set(null, block + 3, 20, (byte) 4);
            String found = Arrays.toString(Raw.read(block, 32));
            Raw.free(block);
            return found;
        });
        findings.add("a large array", () -> {
            byte[] array = new byte[3_000_001];
            Raw.set(array, Raw.base(byte[].class) + 1, 3_000_000, (byte) 0x77);
            return array[0] + " " + array[1] + " " + Text.digest(array);
        });
        return findings;
    }

    private static Object fillRefused() throws Throwable {
        Findings findings = new Findings();
        long block = Raw.allocate(16);
        byte[] array = new byte[16];
        long base = Raw.base(byte[].class);
        for (long size : new long[] {-1, -8, Long.MIN_VALUE}) {
            findings.add("size " + size, () -> fill(null, block, size));
            findings.add("size " + size + " in an array", () -> fill(array, base, size));
        }
        findings.add("0 at null", () -> fill(null, 0, 0));
        findings.add("0 at 12345", () -> fill(null, 12345, 0));
        findings.add("0 at -1", () -> fill(null, -1, 0));
        findings.add("0 in a String", () -> fill("text", 8, 0));
        findings.add("0 in an Object[]", () -> fill(new Object[4], base, 0));
        findings.add("0 at -1 in an array", () -> fill(array, -1, 0));
        // JDK 8 does not check these and would write.
        if (!JAVA_8) {
            findings.add("8 in a String", () -> fill("text", 8, 8));
            findings.add("8 in an Object[]", () -> fill(new Object[4], base, 8));
            findings.add("8 in a byte[][]", () -> fill(new byte[4][4], base, 8));
            findings.add("8 at -1 in an array", () -> fill(array, -1, 8));
            findings.add("8 at Long.MIN_VALUE in an array", () -> fill(array, Long.MIN_VALUE, 8));
        }
        Raw.free(block);
        return findings;
    }

    private static Object fill(Object base, long offset, long size) throws Throwable {
        Raw.set(base, offset, size, (byte) 1);
        return "filled";
    }

    private static Object copy() throws Throwable {
        long from = Raw.allocate(256);
        long to = Raw.allocate(256);
        byte[] content = Text.bytes(256);
        Raw.write(from, content);
        int wrong = 0;
        int hash = 0;
        for (int start : new int[] {0, 1, 2, 3, 4, 7, 8}) {
            for (int offset : new int[] {0, 1, 2, 4, 5, 8}) {
                for (int length : new int[] {0, 1, 2, 3, 4, 7, 8, 9, 16, 24, 31, 64, 65, 200}) {
                    Raw.set(to, 256, (byte) 0x11);
                    Raw.copy(from + start, to + offset, length);
                    byte[] expected = new byte[256];
                    Arrays.fill(expected, (byte) 0x11);
                    System.arraycopy(content, start, expected, offset, length);
                    byte[] found = Raw.read(to, 256);
                    wrong += Arrays.equals(expected, found) ? 0 : 1;
                    hash = hash * 31 + Arrays.hashCode(found);
                }
            }
        }
        boolean unchanged = Arrays.equals(content, Raw.read(from, 256));
        Raw.free(from);
        Raw.free(to);
        return wrong + " wrong, " + hash + ", source unchanged: " + unchanged;
    }

    private static Object copyLarge() throws Throwable {
        int size = (5 << 20) + 11;
        long from = Raw.allocate(size + 8);
        long to = Raw.allocate(size + 8);
        byte[] content = Text.bytes(size);
        Raw.copy(content, Raw.base(byte[].class), null, from, size);
        Findings findings = new Findings();
        for (int offset : new int[] {0, 1, 4, 8}) {
            findings.add("to offset " + offset, () -> {
                Raw.copy(from, to + offset, size);
                byte[] found = new byte[size];
                Raw.copy(null, to + offset, found, Raw.base(byte[].class), size);
                return Arrays.equals(content, found) + " " + Text.digest(found);
            });
        }
        Raw.free(from);
        Raw.free(to);
        return findings;
    }

    private static Object copyOverlapping() throws Throwable {
        Findings findings = new Findings();
        int size = 512;
        long block = Raw.allocate(size);
        byte[] content = Text.bytes(size, 3);
        for (int shift : new int[] {-100, -16, -8, -4, -3, -2, -1, 0, 1, 2, 3, 4, 8, 16, 100}) {
            findings.add("by " + shift, () -> {
                int wrong = 0;
                int hash = 0;
                for (int length : new int[] {1, 2, 5, 8, 16, 40, 99, 128, 200}) {
                    for (int start : new int[] {104, 105, 108, 112}) {
                        Raw.write(block, content);
                        Raw.copy(block + start, block + start + shift, length);
                        byte[] expected = content.clone();
                        System.arraycopy(content, start, expected, start + shift, Math.min(length, size));
                        byte[] found = Raw.read(block, size);
                        wrong += Arrays.equals(expected, found) ? 0 : 1;
                        hash = hash * 31 + Arrays.hashCode(found);
                    }
                }
                return wrong + " wrong, " + hash;
            });
        }
        Raw.free(block);
        return findings;
    }

    private static Object copyArrays() throws Throwable {
        Findings findings = new Findings();
        byte[] content = Text.bytes(64);
        long bytes = Raw.base(byte[].class);
        for (Class<?> element : ELEMENTS) {
            if (element == boolean.class) {
                continue;
            }
            findings.add(element + "[]", () -> {
                Object array = Array.newInstance(element, 64);
                long base = Raw.base(array.getClass());
                long block = Raw.allocate(64);
                Raw.copy(content, bytes, array, base, 64);
                Raw.copy(array, base + 8, null, block, 56);
                Raw.copy(null, block + 1, null, block + 5, 40);
                Raw.copy(null, block, array, base + 3, 55);
                Raw.copy(array, base, array, base + 2, 50);
                byte[] found = new byte[64];
                Raw.copy(array, base, found, bytes, 64);
                Raw.free(block);
                return Text.digest(found);
            });
        }
        findings.add("a large array", () -> {
            byte[] large = Text.bytes(2_500_001);
            long block = Raw.allocate(large.length);
            Raw.copy(large, bytes, null, block, large.length);
            byte[] found = new byte[large.length];
            Raw.copy(null, block, found, bytes, large.length);
            Raw.free(block);
            return Text.digest(found);
        });
        return findings;
    }

    private static Object copyRefused() throws Throwable {
        Findings findings = new Findings();
        long block = Raw.allocate(64);
        byte[] array = new byte[64];
        long base = Raw.base(byte[].class);
        for (long size : new long[] {-1, -8, Long.MIN_VALUE}) {
            findings.add("size " + size, () -> copy(null, block, null, block + 32, size));
            findings.add("size " + size + " from an array", () -> copy(array, base, null, block, size));
            findings.add("size " + size + " to an array", () -> copy(null, block, array, base, size));
        }
        findings.add("0 from null", () -> copy(null, 0, null, block, 0));
        findings.add("0 to null", () -> copy(null, block, null, 0, 0));
        findings.add("0 from and to -1", () -> copy(null, -1, null, -1, 0));
        findings.add("0 to a String", () -> copy(null, block, "text", 8, 0));
        findings.add("0 from a String", () -> copy("text", 8, null, block, 0));
        findings.add("0 from -1 in an array", () -> copy(array, -1, null, block, 0));
        findings.add("0 to -1 in an array", () -> copy(null, block, array, -1, 0));
        findings.add("8 to a String", () -> copy(null, block, "text", 8, 8));
        findings.add("8 to an Object[]", () -> copy(null, block, new Object[4], base, 8));
        findings.add("8 to a byte[][]", () -> copy(array, base, new byte[4][4], base, 8));
        // JDK 8 does not check these and would copy.
        if (!JAVA_8) {
            findings.add("8 from a String", () -> copy("text", 8, null, block, 8));
            findings.add("8 from an Object[]", () -> copy(new Object[4], base, array, base, 8));
            findings.add("8 from -1 in an array", () -> copy(array, -1, null, block, 8));
            findings.add("8 to -1 in an array", () -> copy(null, block, array, -1, 8));
        }
        Raw.free(block);
        return findings;
    }

    private static Object copy(Object source, long from, Object target, long to, long size) throws Throwable {
        Raw.copy(source, from, target, to, size);
        return "copied";
    }

    /** Often enough that the calls are compiled, and the native perhaps no longer called. */
    private static Object compiled() throws Throwable {
        long block = Raw.allocate(4096);
        byte[] array = new byte[1024];
        long base = Raw.base(byte[].class);
        Raw.set(block, 4096, (byte) 0);
        long hash = 0;
        for (int i = 0; i < 30000; i++) {
            int at = i % 97;
            int length = i % 61;
            Raw.set(block + at, length, (byte) i);
            Raw.copy(block + at, block + 200 + i % 13, length);
            Raw.copy(null, block + 190, array, base + i % 5, 100);
            Raw.copy(array, base + 7, null, block + 1000 + i % 7, 90);
            hash = hash * 31 + Raw.getLong(block + 200) + Raw.getLong(block + 1003);
        }
        String found = hash + " " + Text.digest(Raw.read(block, 4096)) + " " + Text.digest(array);
        Raw.free(block);
        return found;
    }

    private static Object manyThreads() throws Exception {
        List<Work<String>> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            int seed = t;
            threads.add(Work.start(() -> {
                try {
                    return churn(seed);
                } catch (Throwable thrown) {
                    return Text.of(thrown);
                }
            }));
        }
        Findings findings = new Findings();
        for (int t = 0; t < threads.size(); t++) {
            findings.add("thread " + t, threads.get(t)::get);
        }
        return findings;
    }

    /** Blocks that come, grow, shrink and go, each marked at both ends. */
    private static String churn(int seed) throws Throwable {
        Random random = new Random(seed);
        long[] blocks = new long[40];
        long[] sizes = new long[40];
        int damaged = 0;
        long total = 0;
        for (int i = 0; i < 3000; i++) {
            int k = random.nextInt(blocks.length);
            long mark = seed * 1000003L + k;
            if (blocks[k] != 0) {
                boolean whole = Raw.getLong(blocks[k]) == mark && Raw.getLong(blocks[k] + sizes[k] - 8) == mark;
                damaged += whole ? 0 : 1;
            }
            if (random.nextInt(4) == 0) {
                Raw.free(blocks[k]);
                blocks[k] = 0;
            } else {
                sizes[k] = 8 * (1 + random.nextInt(random.nextInt(20) == 0 ? 20000 : 100));
                blocks[k] = Raw.reallocate(blocks[k], sizes[k]);
                Raw.putLong(blocks[k], mark);
                Raw.putLong(blocks[k] + sizes[k] - 8, mark);
                total += sizes[k];
            }
        }
        for (long block : blocks) {
            Raw.free(block);
        }
        return damaged + " damaged, " + total + " bytes";
    }

    private static Object freedElsewhere() throws Exception {
        java.util.concurrent.BlockingQueue<Long> queue = new java.util.concurrent.ArrayBlockingQueue<>(64);
        int count = 3000;
        Work<Integer> consumer = Work.start(() -> {
            try {
                int damaged = 0;
                for (int i = 0; i < count; i++) {
                    long block = queue.take();
                    damaged += Raw.getLong(block) == i ? 0 : 1;
                    Raw.free(block);
                }
                return damaged;
            } catch (Throwable thrown) {
                throw new IllegalStateException(thrown);
            }
        });
        Work<String> producer = Work.start(() -> {
            try {
                for (int i = 0; i < count; i++) {
                    long block = Raw.allocate(8 + i % 300);
                    Raw.putLong(block, i);
                    queue.put(block);
                }
                return "produced";
            } catch (Throwable thrown) {
                throw new IllegalStateException(thrown);
            }
        });
        return producer.get() + ", " + consumer.get() + " damaged";
    }

    /** {@code copySwapMemory} of the JVM's own class, in both directions of overlap. */
    private static Object swap() throws Throwable {
        Internal internal = Internal.get();
        Findings findings = new Findings();
        long block = Raw.allocate(512);
        byte[] content = Text.bytes(512, 5);
        byte[] array = new byte[128];
        long base = Raw.base(byte[].class);
        for (int element : new int[] {2, 4, 8}) {
            for (int shift : new int[] {-72, -8, -3, -1, 0, 1, 2, 5, 8, 16, 72}) {
                findings.add("elements of " + element + ", by " + shift, () -> {
                    Raw.write(block, content);
                    internal.swap(null, block + 100, null, block + 100 + shift, 64, element);
                    return Text.digest(Raw.read(block, 512));
                });
            }
            findings.add("elements of " + element + ", to an array", () -> {
                Raw.write(block, content);
                internal.swap(null, block + 1, array, base + 3, 64, element);
                return Text.digest(array);
            });
            findings.add("elements of " + element + ", from an array", () -> {
                Raw.write(block, content);
                internal.swap(array, base + 3, null, block + 5, 64, element);
                return Text.digest(Raw.read(block, 512));
            });
            findings.add("elements of " + element + ", array to array", () -> {
                internal.swap(array, base + 3, array, base + 11, 64, element);
                return Text.digest(array);
            });
        }
        Raw.free(block);
        return findings;
    }

    private static Object swapRefused() throws Throwable {
        Internal internal = Internal.get();
        Findings findings = new Findings();
        long block = Raw.allocate(64);
        byte[] array = new byte[64];
        long base = Raw.base(byte[].class);
        long[][] sizes = {
            {-8, 8}, {-1, 2}, {7, 2}, {6, 4}, {12, 8}, {8, 1}, {8, 3}, {8, 16}, {8, 0}, {8, -2}, {0, 2}, {0, 3},
        };
        for (long[] size : sizes) {
            findings.add(size[0] + " by " + size[1],
                    () -> swap(internal, null, block, null, block + 16, size[0], size[1]));
        }
        findings.add("0 from null", () -> swap(internal, null, 0, null, block, 0, 2));
        findings.add("0 to null", () -> swap(internal, null, block, null, 0, 0, 2));
        findings.add("8 to a String", () -> swap(internal, null, block, "text", base, 8, 2));
        findings.add("8 from a String", () -> swap(internal, "text", base, null, block, 8, 2));
        findings.add("8 to an Object[]", () -> swap(internal, array, base, new Object[4], base, 8, 2));
        findings.add("8 to -1 in an array", () -> swap(internal, null, block, array, -1, 8, 2));
        findings.add("0 to -1 in an array", () -> swap(internal, null, block, array, -1, 0, 2));
        Raw.free(block);
        return findings;
    }

    private static Object swap(Internal internal, Object source, long from, Object target, long to, long bytes,
            long element) throws Throwable {
        internal.swap(source, from, target, to, bytes, element);
        return "swapped";
    }

    /** What {@code sun.misc.Unsafe} hands on unchecked in later versions, asked of the class behind it. */
    private static Object internalRefused() throws Throwable {
        Internal internal = Internal.get();
        Findings findings = new Findings();
        for (long size : REFUSED) {
            findings.add("allocate " + size, () -> internal.allocate(size));
        }
        findings.add("allocate 0", () -> internal.allocate(0));
        return findings;
    }
}
