package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import javax.management.Attribute;
import javax.management.JMX;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.RuntimeMBeanException;
import org.junit.jupiter.api.Test;

class MXBeanTest {

    private static final int SIZE = 43_210_000;
    private static final MBeanServer SERVER = ManagementFactory.getPlatformMBeanServer();

    /** Uses the library where java.management may be absent. */
    static final class Use {
        public static void main(String[] args) {
            ByteBuffer buffer = DirectByteBuffer.allocate(1000);
            System.out.println("live " + OffHeap.mxBean().getLiveBytes());
            System.out.println("report " + OffHeap.mxBean().report("text").contains("Memory below the heap"));
            for (int i = 0; i < 2; i++) {
                System.out.println("register " + Jdk.thrownBy(OffHeap::registerMXBean));
            }
            DirectByteBuffer.free(buffer);
            System.out.println("live " + OffHeap.mxBean().getLiveBytes());
        }
    }

    private static ObjectName name() throws Exception {
        return new ObjectName(OffHeap.registerMXBean());
    }

    private static Map<String, Object> attributes(ObjectName name) throws Exception {
        Map<String, Object> values = new HashMap<>();
        for (MBeanAttributeInfo attribute : SERVER.getMBeanInfo(name).getAttributes()) {
            values.put(attribute.getName(), SERVER.getAttribute(name, attribute.getName()));
        }
        return values;
    }

    private static long change(Map<String, Object> before, Map<String, Object> after, String attribute) {
        return (Long) after.get(attribute) - (Long) before.get(attribute);
    }

    /** Prints what an allocation of known size changes, where nothing else is allocated or freed. */
    static final class Allocate {
        public static void main(String[] args) throws Exception {
            ObjectName name = name();
            Map<String, Object> before = attributes(name);
            ByteBuffer buffer = DirectByteBuffer.allocate(SIZE, true);
            Map<String, Object> with = attributes(name);
            DirectByteBuffer.free(buffer);
            Map<String, Object> after = attributes(name);
            System.out.println("size " + (SIZE + Bits.pageSize()));
            for (String attribute : new TreeSet<>(before.keySet())) {
                if (before.get(attribute) instanceof Long) {
                    System.out.println(attribute + ' ' + change(before, with, attribute) + ' '
                            + change(with, after, attribute));
                }
            }
        }
    }

    @Test
    void attributes_change_with_an_allocation_of_known_size() throws Exception {
        Jdk.Child child = Jdk.run(Allocate.class);
        int size = SIZE + Bits.pageSize();
        String expected = "size " + size + "\n"
                + "AllocatedBlocks 1 0\n"
                + "AllocatedBytes " + size + " 0\n"
                + "Capacity " + SIZE + " -" + SIZE + "\n"
                + "Count 1 -1\n"
                + "Limit 0 0\n"
                + "LiveBytes " + size + " -" + size + "\n"
                + "PeakBytes " + size + " 0\n"
                + "PeakCount 1 0\n"
                + "Refusals 0 0\n"
                + "SocketBytesReceived 0 0\nSocketBytesSent 0 0\nSocketReads 0 0\nSocketWrites 0 0\n";
        assertTrue(child.output.endsWith(expected), child.output);
    }

    @Test
    void limit_and_refusals_are_the_budgets() throws Exception {
        ObjectName name = name();
        long limit = Bits.maxMemory();
        try {
            Map<String, Object> before = attributes(name);
            Bits.setMaxMemory(1000);
            assertThrows(OutOfMemoryError.class, () -> DirectByteBuffer.allocate(SIZE));
            Map<String, Object> after = attributes(name);
            assertEquals(1000L, after.get("Limit"));
            assertEquals(1, change(before, after, "Refusals"));
        } finally {
            Bits.setMaxMemory(limit);
        }
    }

    @Test
    void socket_attributes_grow_with_what_streams_do() throws Exception {
        ObjectName name = name();
        Map<String, Object> before = attributes(name);
        try (Jdk.Pair pair = new Jdk.Pair()) {
            new SocketOutputStream(pair.connected).write(new byte[3000]);
            assertTrue(new SocketInputStream(pair.accepted).read(new byte[3000]) > 0);
        }
        Map<String, Object> after = attributes(name);
        assertEquals(1, change(before, after, "SocketWrites"));
        assertEquals(3000, change(before, after, "SocketBytesSent"));
        assertEquals(1, change(before, after, "SocketReads"));
        assertTrue(change(before, after, "SocketBytesReceived") > 0);
    }

    @Test
    void it_has_these_attributes_none_can_be_set_and_a_proxy_works() throws Exception {
        Map<String, Object> values = attributes(name());
        assertEquals(OffHeap.version(), values.get("Version"));
        assertEquals(OffHeap.isAgent(), values.get("Agent"));
        assertEquals(15, values.size(), values.toString());
        assertThrows(Exception.class, () -> SERVER.setAttribute(name(), new Attribute("Limit", 1L)));
        OffHeapMXBean proxy = JMX.newMXBeanProxy(SERVER, name(), OffHeapMXBean.class);
        assertEquals(OffHeap.mxBean().getLimit(), proxy.getLimit());
    }

    @Test
    void a_report_is_an_operation() throws Exception {
        String[] signature = {String.class.getName()};
        Object report = SERVER.invoke(name(), "report", new Object[] {"json"}, signature);
        assertTrue(report.toString().contains("\"live_bytes\""), report.toString());
        Throwable refused = assertThrows(Exception.class,
                () -> SERVER.invoke(name(), "report", new Object[] {"xml"}, signature));
        assertTrue(refused instanceof RuntimeMBeanException || refused instanceof MBeanException, refused.toString());
        assertTrue(refused.getCause().getMessage().contains("text, json"), refused.getCause().getMessage());
    }

    @Test
    void it_is_registered_once() throws Exception {
        assertEquals("io.offheap:type=OffHeap", OffHeap.registerMXBean());
        assertEquals("io.offheap:type=OffHeap", OffHeap.registerMXBean());
        assertEquals(1, SERVER.queryNames(new ObjectName("io.offheap:type=OffHeap"), null).size());
    }

    @Test
    void without_java_management_only_the_registration_fails_and_says_why() throws Exception {
        assumeTrue(Jdk.VERSION >= 9, "Java 9 has them first");
        Jdk.Child child = Jdk.run(Use.class, "--limit-modules", "java.base");
        assertEquals(0, child.status, child.output);
        assertTrue(child.output.contains("live 1000\nreport true\n"), child.output);
        assertTrue(child.output.endsWith("live 0\n"), child.output);
        String refused = "register java.lang.UnsupportedOperationException: this Java runs without the module java.management";
        assertEquals(3, child.output.split(refused, -1).length, child.output);
        child = Jdk.run(Use.class);
        assertEquals(3, child.output.split("register returned io.offheap:type=OffHeap\n", -1).length, child.output);
    }
}
