/**
 * The JDK's off-heap half, done by one native library: memory, its budget, direct buffers, socket streams.
 *
 * <ul>
 * <li>{@link io.offheap.OffHeap}: is the library there, and if not, why; its version and counters; reports.
 * <li>{@link io.offheap.OffHeapMXBean}: the figures by JMX.
 * <li>{@link io.offheap.Unsafe}: memory by address, as {@code sun.misc.Unsafe}.
 * <li>{@link io.offheap.Bits}: the budget of direct memory and access in either byte order, as {@code java.nio.Bits}.
 * <li>{@link io.offheap.DirectByteBuffer}: {@link java.nio.ByteBuffer}s over that memory.
 * <li>{@link io.offheap.Cleaner}: work to do once an object is unreachable.
 * <li>{@link io.offheap.SocketOutputStream}, {@link io.offheap.SocketInputStream}: the blocking streams of a
 * {@link java.net.Socket}.
 * </ul>
 *
 * <p>A method that does what a JDK method does has its name and throws what that method throws on the JVM that runs.
 * All classes may be used by many threads at once.
 *
 * <p>Linux on x86_64 and aarch64, Java 8 to 25. The budget belongs to the native library, and the JVM loads a library
 * for one class loader: two class loaders with a copy of this package each have a budget each.
 */
package io.offheap;
