import java.lang.ref.PhantomReference;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.SoftReference;
import java.lang.ref.WeakReference;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes direct buffers of known sizes, keeps some in every way that there is and lets others go, and ends before any
 * collection has taken them. The methods that take them are named after what becomes of their buffers.
 */
public final class Icebergs {

    /** An interface with fields, which come before those of a class in the order of the tool interface. */
    interface Constants {
        int ONE = one();
        String TWO = "two" + ONE;

        static int one() {
            return 1;
        }
    }

    static final class Named extends WeakReference<ByteBuffer> implements Constants, Comparable<Named> {
        final String name;

        Named(ByteBuffer buffer, String name) {
            super(buffer);
            this.name = name;
        }

        @Override
        public int compareTo(Named other) {
            return name.compareTo(other.name);
        }
    }

    private static final List<Object> KEPT = new ArrayList<>();
    private static final ThreadLocal<ByteBuffer> OF_THREAD = new ThreadLocal<>();
    private static List<ByteBuffer> promoted = new ArrayList<>();

    private Icebergs() {}

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 100; i++) {
            promoted();
        }
        // They move to the old generation, and are let go there.
        System.gc();
        System.gc();
        System.gc();
        promoted = null;
        // A slow machine may have it collected before the last buffer is dropped.
        ReferenceQueue<Object> queue = new ReferenceQueue<>();
        PhantomReference<Object> sign = new PhantomReference<>(new Object(), queue);
        for (int i = 0; i < 50; i++) {
            kept();
            view();
            soft();
            dropped();
            weak();
            named();
            phantom();
            inside();
        }
        local();
        if (args.length > 0) {
            waitForCollection(args[0], sign, queue);
        }
        System.exit(0);
    }

    private static void promoted() {
        promoted.add(ByteBuffer.allocateDirect(10_000));
    }

    private static void kept() {
        KEPT.add(ByteBuffer.allocateDirect(1_000));
    }

    private static void view() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(2_000);
        ((Buffer) buffer).position(400);
        IntBuffer view = buffer.slice().asIntBuffer();
        KEPT.add(view);
    }

    private static void soft() {
        KEPT.add(new SoftReference<>(ByteBuffer.allocateDirect(3_000)));
    }

    private static void local() {
        OF_THREAD.set(ByteBuffer.allocateDirect(4_000));
    }

    private static void dropped() {
        ByteBuffer.allocateDirect(5_000);
    }

    private static void weak() {
        KEPT.add(new WeakReference<>(ByteBuffer.allocateDirect(6_000)));
    }

    private static void named() {
        KEPT.add(new Named(ByteBuffer.allocateDirect(7_000), "named"));
    }

    private static void phantom() {
        KEPT.add(new PhantomReference<>(ByteBuffer.allocateDirect(8_000), new ReferenceQueue<>()));
    }

    /** The program can reach the buffer only through what itself waits for a collection. */
    private static void inside() {
        KEPT.add(new WeakReference<>(new ByteBuffer[] {ByteBuffer.allocateDirect(9_000)}));
    }

    /** Waits until the buffers that nobody can reach are gone, without asking for it. */
    private static void waitForCollection(String seconds, Reference<?> sign, ReferenceQueue<?> queue)
            throws InterruptedException {
        boolean collected = queue.remove(1000 * Long.parseLong(seconds)) == sign;
        System.out.println(collected ? "collected" : "not collected");
        // The cleaners run behind it, and are slow if the machine has other work.
        for (int i = 0; collected && DirectPool.used() > 1_000_000 && i < 3000; i++) {
            Thread.sleep(10);
        }
    }
}
