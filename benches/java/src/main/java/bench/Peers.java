package bench;

import io.netty.buffer.AdaptiveByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.lwjgl.system.Configuration;
import org.lwjgl.system.MemoryUtil;
import org.lwjgl.system.rpmalloc.RPmalloc;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** What memory costs from those whom a program could ask instead of the JDK. Not all of them zero it. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class Peers {

    /** Takes memory and gives it back. */
    interface Allocator {
        void allocateAndFree(int size) throws Throwable;
    }

    /** Who can be asked. */
    public enum Peer {
        JDK {
            @Override
            Allocator open() {
                return size -> Release.free(ByteBuffer.allocateDirect(size));
            }
        },
        NETTY_POOLED {
            @Override
            Allocator open() {
                return netty(PooledByteBufAllocator.DEFAULT);
            }
        },
        NETTY_ADAPTIVE {
            @Override
            Allocator open() {
                return netty(new AdaptiveByteBufAllocator());
            }
        },
        NETTY_UNPOOLED {
            @Override
            Allocator open() {
                return netty(UnpooledByteBufAllocator.DEFAULT);
            }
        },
        LWJGL_JEMALLOC {
            @Override
            Allocator open() {
                return lwjgl("jemalloc");
            }
        },
        LWJGL_RPMALLOC {
            @Override
            Allocator open() {
                Allocator allocator = lwjgl("rpmalloc");
                // It is begun by the first thread only, and each of JMH's needs a heap of its own.
                MemoryUtil.getAllocator();
                RPmalloc.rpmalloc_thread_initialize();
                return allocator;
            }
        },
        LWJGL_SYSTEM {
            @Override
            Allocator open() {
                return lwjgl("system");
            }
        },
        ARENA {
            @Override
            Allocator open() {
                return size -> {
                    Object arena = Arenas.OPEN.invokeExact();
                    Object segment = Arenas.ALLOCATE.invokeExact(arena, (long) size, 1L);
                    Arenas.CLOSE.invokeExact(arena);
                };
            }
        };

        abstract Allocator open();
    }

    @Param("NETTY_POOLED")
    private Peer peer;

    @Param("64")
    private int size;

    private Allocator allocator;

    @Setup
    public void open() {
        allocator = peer.open();
    }

    @Benchmark
    public void allocateAndFree() throws Throwable {
        allocator.allocateAndFree(size);
    }

    private static Allocator netty(ByteBufAllocator allocator) {
        return size -> {
            ByteBuf buffer = allocator.directBuffer(size);
            buffer.release();
        };
    }

    private static Allocator lwjgl(String name) {
        Configuration.MEMORY_ALLOCATOR.set(name);
        return size -> {
            ByteBuffer buffer = MemoryUtil.memAlloc(size);
            MemoryUtil.memFree(buffer);
        };
    }

    /** {@code java.lang.foreign}, which this class is too old to be compiled against. */
    private static final class Arenas {
        static final MethodHandle OPEN;
        static final MethodHandle ALLOCATE;
        static final MethodHandle CLOSE;

        static {
            try {
                MethodHandles.Lookup lookup = MethodHandles.publicLookup();
                Class<?> arena = Class.forName("java.lang.foreign.Arena");
                Class<?> segment = Class.forName("java.lang.foreign.MemorySegment");
                OPEN = lookup.findStatic(arena, "ofConfined", MethodType.methodType(arena))
                    .asType(MethodType.methodType(Object.class));
                ALLOCATE = lookup
                    .findVirtual(arena, "allocate", MethodType.methodType(segment, long.class, long.class))
                    .asType(MethodType.methodType(Object.class, Object.class, long.class, long.class));
                CLOSE = lookup.findVirtual(arena, "close", MethodType.methodType(void.class))
                    .asType(MethodType.methodType(void.class, Object.class));
            } catch (ReflectiveOperationException e) {
                throw new ExceptionInInitializerError(e);
            }
        }

        private Arenas() {}
    }
}
