/**
 * The JDK's off-heap half, done by one native library: memory, its budget, direct buffers, socket streams.
 *
 * <p>On Java 24 and later the JVM warns when a module loads native code that it was not told of.
 * {@code --enable-native-access=io.offheap} ends the warning on the module path,
 * {@code --enable-native-access=ALL-UNNAMED} on the class path.
 */
module io.offheap {
    requires static java.management; // for OffHeap.registerMXBean alone

    exports io.offheap;
}
