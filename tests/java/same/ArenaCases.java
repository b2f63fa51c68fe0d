package same;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;

/** {@code java.lang.foreign}'s arenas, by reflection: there since Java 22, and to be had in 21. */
final class ArenaCases {
    private ArenaCases() {
    }

    private interface Body {
        Object run(Foreign foreign) throws Throwable;
    }

    private static void with(Cases cases, String name, Body body) {
        cases.add("arenas: " + name, () -> {
            Foreign foreign;
            try {
                foreign = new Foreign();
            } catch (ClassNotFoundException absent) {
                return "not in this Java";
            }
            return body.run(foreign);
        });
    }

    static void add(Cases cases) {
        with(cases, "allocate", ArenaCases::allocate);
        with(cases, "fill and copy", ArenaCases::fillAndCopy);
        with(cases, "after close", ArenaCases::afterClose);
        with(cases, "as buffers", ArenaCases::asBuffers);
        with(cases, "a shared one closed while it is used", foreign -> closedWhileUsed(foreign, 1 << 18, 1));
        with(cases, "a large one closed while it is zeroed", foreign -> closedWhileUsed(foreign, 4 << 20, 0));
        with(cases, "a buffer of a closed one in a channel", ArenaCases::channels);
    }

    /** The methods that the cases use. */
    private static final class Foreign {
        private final Class<?> arenas = Class.forName("java.lang.foreign.Arena");
        private final Class<?> segments = Class.forName("java.lang.foreign.MemorySegment");

        Foreign() throws ClassNotFoundException {
        }

        private static Object call(Method method, Object target, Object... arguments) throws Throwable {
            try {
                return method.invoke(target, arguments);
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        }

        Object arena(String kind) throws Throwable {
            return call(arenas.getMethod(kind), null);
        }

        void close(Object arena) throws Throwable {
            call(arenas.getMethod("close"), arena);
        }

        Object allocate(Object arena, long bytes, long alignment) throws Throwable {
            return call(arenas.getMethod("allocate", long.class, long.class), arena, bytes, alignment);
        }

        Object segment(String method, Object segment) throws Throwable {
            return call(segments.getMethod(method), segment);
        }

        Object fill(Object segment, int value) throws Throwable {
            return call(segments.getMethod("fill", byte.class), segment, (byte) value);
        }

        Object copyFrom(Object segment, Object source) throws Throwable {
            return call(segments.getMethod("copyFrom", segments), segment, source);
        }

        Object slice(Object segment, long offset, long bytes) throws Throwable {
            return call(segments.getMethod("asSlice", long.class, long.class), segment, offset, bytes);
        }

        Object ofArray(byte[] array) throws Throwable {
            return call(segments.getMethod("ofArray", byte[].class), null, (Object) array);
        }

        ByteBuffer buffer(Object segment) throws Throwable {
            return (ByteBuffer) segment("asByteBuffer", segment);
        }

        /** Of all that is in it. */
        String digest(Object segment) throws Throwable {
            int size = ((Long) segment("byteSize", segment)).intValue();
            byte[] bytes = new byte[size];
            copyFrom(ofArray(bytes), segment);
            return Text.digest(bytes);
        }
    }

    private static Object allocate(Foreign foreign) throws Throwable {
        Findings findings = new Findings();
        for (String kind : new String[] {"ofConfined", "ofShared", "ofAuto", "global"}) {
            Object arena = foreign.arena(kind);
            for (long size : new long[] {0, 1, 9, 4096, 100_001}) {
                findings.add(kind + " " + size, () -> {
                    // Leaves something in the memory that the next one may get.
                    long block = Raw.allocate(size + 1);
                    Raw.set(block, size + 1, (byte) 0x6B);
                    Raw.free(block);
                    return foreign.digest(foreign.allocate(arena, size, 1));
                });
            }
            for (long alignment : new long[] {1, 8, 16, 64, 4096, 3, 0}) {
                findings.add(kind + " aligned to " + alignment, () -> {
                    Object segment = foreign.allocate(arena, 100, alignment);
                    return (Long) foreign.segment("address", segment) % alignment;
                });
            }
            findings.add(kind + " -1", () -> foreign.allocate(arena, -1, 1));
            if (!kind.equals("ofShared") && !kind.equals("global")) {
                findings.add(kind + " 2^50", () -> foreign.allocate(arena, 1L << 50, 1));
            }
            findings.add(kind + " closed", () -> {
                foreign.close(arena);
                return "closed";
            });
            findings.add(kind + " closed again", () -> {
                foreign.close(arena);
                return "closed";
            });
        }
        return findings;
    }

    private static Object fillAndCopy(Foreign foreign) throws Throwable {
        Findings findings = new Findings();
        Object arena = foreign.arena("ofShared");
        Object one = foreign.allocate(arena, 100_000, 8);
        Object two = foreign.allocate(arena, 200_000, 1);
        for (int length : new int[] {0, 1, 7, 8, 63, 1000, 99_000}) {
            findings.add(String.valueOf(length), () -> {
                foreign.fill(foreign.slice(one, 3, length), length);
                byte[] array = Text.bytes(Math.min(length, 500));
                foreign.copyFrom(foreign.slice(one, 200, array.length), foreign.ofArray(array));
                foreign.copyFrom(foreign.slice(two, 5, length), foreign.slice(one, 100, length));
                foreign.copyFrom(foreign.slice(two, 17, length), foreign.slice(two, 5, length));
                return foreign.digest(one) + " " + foreign.digest(two);
            });
        }
        findings.add("too long", () -> foreign.copyFrom(foreign.slice(one, 0, 5), foreign.slice(two, 0, 6)));
        findings.add("out of range", () -> foreign.slice(two, 199_999, 2) == null);
        foreign.close(arena);
        return findings;
    }

    private static Object afterClose(Foreign foreign) throws Throwable {
        Findings findings = new Findings();
        for (String kind : new String[] {"ofConfined", "ofShared"}) {
            Object arena = foreign.arena(kind);
            Object segment = foreign.allocate(arena, 1000, 8);
            ByteBuffer buffer = foreign.buffer(segment);
            foreign.close(arena);
            findings.add(kind + " fill", () -> foreign.fill(segment, 1));
            findings.add(kind + " copy", () -> foreign.copyFrom(segment, foreign.ofArray(new byte[10])));
            findings.add(kind + " allocate", () -> foreign.allocate(arena, 1, 1));
            findings.add(kind + " get", () -> buffer.get(0));
            findings.add(kind + " bulk", () -> buffer.get(new byte[100]));
        }
        Object arena = foreign.arena("ofConfined");
        Object segment = foreign.allocate(arena, 100, 8);
        Work<String> other = Work.start(() -> Text.outcome(() -> foreign.fill(segment, 1)));
        findings.add("another thread", other::get);
        foreign.close(arena);
        return findings;
    }

    private static Object asBuffers(Foreign foreign) throws Throwable {
        Object arena = foreign.arena("ofConfined");
        ByteBuffer buffer = foreign.buffer(foreign.allocate(arena, 10_000, 8));
        buffer.put(Text.bytes(10_000)).flip();
        ByteBuffer direct = ByteBuffer.allocateDirect(10_000);
        direct.put(buffer).flip();
        buffer.clear();
        buffer.asIntBuffer().put(direct.order(java.nio.ByteOrder.LITTLE_ENDIAN).asIntBuffer());
        String found = buffer + " " + Text.digest(buffer) + " " + Text.digest(direct);
        foreign.close(arena);
        return found;
    }

    /**
     * Either the close comes first and the use is refused, or it is refused because of the use; never both at once:
     * who is given the memory then, keeps what he writes to it.
     */
    private static Object closedWhileUsed(Foreign foreign, long bytes, int value) throws Throwable {
        int closed = 0;
        for (int round = 0; round < 15; round++) {
            Object arena = foreign.arena("ofShared");
            Object segment = foreign.allocate(arena, bytes, 8);
            AtomicBoolean wrong = new AtomicBoolean();
            Work<String> user = Work.start(() -> {
                try {
                    Object source = foreign.ofArray(Text.bytes(1000));
                    while (true) {
                        foreign.fill(segment, value);
                        foreign.copyFrom(segment, source);
                    }
                } catch (IllegalStateException refused) {
                    return refused.getMessage();
                } catch (Throwable thrown) {
                    wrong.set(true);
                    return Text.of(thrown);
                }
            });
            Thread.sleep(2);
            for (boolean open = true; open;) {
                try {
                    foreign.close(arena);
                    open = false;
                    closed++;
                } catch (IllegalStateException used) {
                    Thread.yield();
                }
            }
            long next = Raw.allocate(bytes);
            Raw.set(next, bytes, (byte) 0x5B);
            String message = user.get();
            byte[] found = new byte[(int) bytes];
            Raw.copy(null, next, found, Raw.base(byte[].class), bytes);
            Raw.free(next);
            byte[] expected = new byte[found.length];
            Arrays.fill(expected, (byte) 0x5B);
            if (!Arrays.equals(found, expected)) {
                return "written to after the close";
            }
            if (wrong.get() || !"Already closed".equals(message)) {
                return message;
            }
        }
        return closed + " closed";
    }

    private static Object channels(Foreign foreign) throws Throwable {
        Findings findings = new Findings();
        Object arena = foreign.arena("ofShared");
        ByteBuffer buffer = foreign.buffer(foreign.allocate(arena, 100, 8));
        try (ChannelPair pair = new ChannelPair()) {
            findings.add("write", () -> pair.near.write(buffer.duplicate()));
            findings.add("read", () -> pair.far.read(buffer.duplicate()));
            findings.add("close during a read", () -> {
                Work<Integer> work = Work.start(() -> pair.near.read(buffer.duplicate())).blocked();
                String close = Text.outcome(() -> {
                    foreign.close(arena);
                    return "closed";
                });
                pair.far.write(ByteBuffer.allocate(3));
                return close + " " + work.get();
            });
            foreign.close(arena);
            findings.add("write then", () -> pair.near.write(buffer.duplicate()));
            return findings.add("read then", () -> pair.near.read(buffer.duplicate()));
        }
    }
}
