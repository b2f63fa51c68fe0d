package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.ref.WeakReference;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class CleanerTest {

    private static boolean collectUntil(java.util.function.BooleanSupplier condition) throws InterruptedException {
        return Jdk.eventually(() -> {
            System.gc();
            return condition.getAsBoolean();
        });
    }

    @Test
    void null_is_refused() {
        String npe = "java.lang.NullPointerException: ";
        assertEquals(npe + "object", Jdk.thrownBy(() -> Cleaner.create(null, () -> { })));
        assertEquals(npe + "thunk", Jdk.thrownBy(() -> Cleaner.create("", null)));
    }

    @Test
    void the_thunk_runs_once_whoever_asks() throws Exception {
        AtomicInteger runs = new AtomicInteger();
        Object object = new Object();
        Cleaner cleaner = Cleaner.create(object, runs::incrementAndGet);
        CountDownLatch go = new CountDownLatch(1);
        Jdk.Task<?>[] tasks = new Jdk.Task<?>[8];
        for (int i = 0; i < tasks.length; i++) {
            tasks[i] = Jdk.start(() -> {
                go.await();
                cleaner.clean();
                return null;
            });
        }
        assertEquals(0, runs.get());
        go.countDown();
        for (Jdk.Task<?> task : tasks) {
            task.await();
        }
        assertEquals(1, runs.get());
        assertNotNull(object.toString());
    }

    @Test
    void what_a_thunk_throws_comes_out_of_clean() {
        Cleaner cleaner = Cleaner.create(new Object(), () -> {
            throw new IllegalStateException("thunk");
        });
        String thrown = Jdk.thrownBy(() -> {
            cleaner.clean();
            return null;
        });
        assertEquals("java.lang.IllegalStateException: thunk", thrown);
        cleaner.clean();
    }

    @Test
    void an_unreachable_object_is_cleaned_on_the_daemon_thread_and_not_before() throws Exception {
        AtomicReference<Thread> ran = new AtomicReference<>();
        Object[] object = {new Object()};
        WeakReference<Object> watched = new WeakReference<>(object[0]);
        Cleaner.create(object[0], () -> ran.set(Thread.currentThread()));
        System.gc();
        Thread.sleep(20);
        assertNull(ran.get());
        object[0] = null;
        assertTrue(collectUntil(() -> ran.get() != null));
        assertNull(watched.get());
        assertTrue(ran.get().isDaemon());
        assertEquals("offheap-cleaner", ran.get().getName());
        assertNull(ran.get().getContextClassLoader());
    }

    @Test
    void a_thunk_that_throws_is_reported_and_the_thread_goes_on() throws Exception {
        PrintStream stderr = System.err;
        ByteArrayOutputStream report = new ByteArrayOutputStream();
        System.setErr(new PrintStream(report, true));
        try {
            AtomicInteger runs = new AtomicInteger();
            Cleaner.create(new Object(), () -> {
                runs.incrementAndGet();
                throw new AssertionError("a thunk of the test");
            });
            assertTrue(collectUntil(() -> runs.get() == 1));
            Cleaner.create(new Object(), runs::incrementAndGet);
            assertTrue(collectUntil(() -> runs.get() == 2));
        } finally {
            System.setErr(stderr);
        }
        assertTrue(report.toString().contains("a thunk of the test"), report.toString());
    }

    @Test
    void a_thread_that_waits_for_room_never_runs_a_users_thunk() throws Exception {
        AtomicReference<Thread> ran = new AtomicReference<>();
        Cleaner.create(new Object(), () -> ran.set(Thread.currentThread()));
        assertTrue(collectUntil(() -> {
            CleanerQueue.help();
            return ran.get() != null;
        }));
        assertFalse(ran.get() == Thread.currentThread());
    }
}
