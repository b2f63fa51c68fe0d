package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class ReportTest {

    private static final int SIZE = 54_321_000;

    /** The value of a metric. */
    private static long metric(String name) {
        for (String line : OffHeap.report("prometheus").split("\n")) {
            if (line.startsWith(name + ' ')) {
                return Long.parseLong(line.substring(name.length() + 1));
            }
        }
        throw new AssertionError("no " + name + " in\n" + OffHeap.report("prometheus"));
    }

    @Test
    void the_text_has_totals_and_what_the_library_took() {
        ByteBuffer buffer = DirectByteBuffer.allocate(SIZE);
        String report = OffHeap.report();
        DirectByteBuffer.free(buffer);
        assertTrue(report.contains("Memory below the heap"), report);
        assertTrue(report.contains("offheap library"), report);
        assertTrue(report.contains("offheap " + OffHeap.version()), report);
    }

    @Test
    void a_buffer_is_in_the_books_until_it_is_freed() {
        String name = "offheap_family_live_bytes{family=\"offheap library\"}";
        ByteBuffer buffer = DirectByteBuffer.allocate(SIZE, true);
        long with = metric(name);
        assertTrue(with >= SIZE + Bits.pageSize(), "" + with);
        assertEquals(Bits.reservedMemory(), metric("offheap_live_bytes"));
        DirectByteBuffer.free(buffer);
        assertTrue(!OffHeap.report("prometheus").contains(name) || metric(name) <= with - SIZE);
    }

    @Test
    void each_format_is_what_it_is_called() {
        assertTrue(OffHeap.report("text").contains("Memory below the heap"));
        String json = OffHeap.report("json");
        assertTrue(json.startsWith("{") && json.endsWith("}\n") && json.contains("\"live_bytes\""), json);
        assertTrue(OffHeap.report("prometheus").contains("\n# TYPE offheap_live_bytes gauge\n"));
        for (String line : OffHeap.report("collapsed").split("\n")) {
            assertTrue(line.isEmpty() || line.matches(".* \\d+"), line);
        }
    }

    @Test
    void without_the_agent_nothing_is_said_of_the_jvm() {
        assertFalse(OffHeap.isAgent());
        assertFalse(OffHeap.report("prometheus").contains("jvm_"));
        assertTrue(OffHeap.report("json").contains("\"jdk\": null"));
    }

    @Test
    void another_format_is_refused_with_the_names_of_those_there_are() {
        for (String format : new String[] {"", "xml", "TEXT", "te\u0000xt", "\uD83D\uDE00"}) {
            IllegalArgumentException refused =
                    assertThrows(IllegalArgumentException.class, () -> OffHeap.report(format));
            String names = "text, json, collapsed, html or prometheus";
            assertTrue(refused.getMessage().contains(names), refused.getMessage());
        }
        assertThrows(NullPointerException.class, () -> OffHeap.report(null));
    }
}
