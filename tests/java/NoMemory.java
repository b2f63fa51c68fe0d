import io.offheap.Bits;
import io.offheap.DirectByteBuffer;
import io.offheap.OffHeap;
import io.offheap.SocketOutputStream;
import io.offheap.Unsafe;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Runs where malloc fails for the sizes below (tests/c/failing_malloc.c). */
public final class NoMemory {
  /** Exactly as the socket natives ask for it. */
  private static final int SOCKET_BUFFER = 100_003;

  /** Rounded up to 777208. */
  private static final int BLOCK = 777_207;

  private static int failures;

  public static void main(String[] args) throws Exception {
    boolean old = System.getProperty("java.specification.version").matches("1\\.8|9|1[0-6]");
    String unable = "java.lang.OutOfMemoryError" + (old ? "" : ": Unable to allocate 777208 bytes");

    expect("the default limit", Runtime.getRuntime().maxMemory(), Bits.maxMemory());
    writeFallsBackToTheStack();
    expect("allocateMemory", unable, thrown(() -> Unsafe.allocateMemory(BLOCK)));
    long block = Unsafe.allocateMemory(64);
    Unsafe.putLong(block, 0x1234_5678_9ABC_DEF0L);
    expect("reallocateMemory", unable, thrown(() -> Unsafe.reallocateMemory(block, BLOCK)));
    expect("the block after it", 0x1234_5678_9ABC_DEF0L, Unsafe.getLong(block));
    Unsafe.freeMemory(block);

    long[] before = budget();
    expect("allocate", unable, thrown(() -> DirectByteBuffer.allocate(BLOCK)));
    expectBudget("after allocate", before);
    heapIsFull();

    if (failures > 0) {
      System.exit(1);
    }
    System.out.println("NoMemory: ok");
  }

  private static void writeFallsBackToTheStack() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket near = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket far = server.accept()) {
      byte[] sent = new byte[SOCKET_BUFFER];
      for (int i = 0; i < sent.length; i++) {
        sent[i] = (byte) (i * 7 + i / 256);
      }
      long sends = OffHeap.counters().sends();
      new SocketOutputStream(near).write(sent);
      // 65536 from the stack and the rest, where one send of all would have been.
      expect("sends", 2L, OffHeap.counters().sends() - sends);
      near.shutdownOutput();
      byte[] arrived = new byte[sent.length + 1];
      int length = 0;
      InputStream in = far.getInputStream();
      for (int n; (n = in.read(arrived, length, arrived.length - length)) > 0; length += n) {
        // Until the end.
      }
      expect("bytes arrived", sent.length, length);
      expect("the same bytes", true, java.util.Arrays.equals(sent, java.util.Arrays.copyOf(arrived, length)));
    }
  }

  /** Whichever step of the constructor finds the Java heap full, the budget must not notice. */
  private static void heapIsFull() throws Exception {
    long[] before = budget();
    List<ByteBuffer> buffers = new ArrayList<>(1 << 20);
    for (int round = 0; round < 5; round++) {
      Object[] hog = null;
      boolean thrown = false;
      try {
        while (true) {
          hog = new Object[] {hog, new byte[hog == null ? 1 << 20 : 4096]};
          if (Runtime.getRuntime().freeMemory() < (64 << 10)
              && Runtime.getRuntime().totalMemory() == Runtime.getRuntime().maxMemory()) {
            for (int i = 0; i < 100_000; i++) {
              buffers.add(DirectByteBuffer.allocate(8));
            }
          }
        }
      } catch (OutOfMemoryError full) {
        thrown = true;
      }
      hog = null;
      expect("the heap was full", true, thrown);
    }
    long live = Bits.count() - before[2];
    expect("reservations for buffers that are there", (long) buffers.size(), live);
    for (ByteBuffer buffer : buffers) {
      DirectByteBuffer.free(buffer);
    }
    expectBudget("after a full heap", before);
  }

  private static long[] budget() {
    return new long[] {Bits.reservedMemory(), Bits.totalCapacity(), Bits.count()};
  }

  private static void expectBudget(String when, long[] expected) {
    expect("budget " + when, java.util.Arrays.toString(expected), java.util.Arrays.toString(budget()));
  }

  private interface Action {
    void run();
  }

  private static String thrown(Action action) {
    try {
      action.run();
      return "nothing";
    } catch (Throwable thrown) {
      return thrown.toString();
    }
  }

  private static void expect(String what, Object expected, Object found) {
    if (!expected.equals(found)) {
      failures++;
      System.out.println(what + ": expected " + expected + ", found " + found);
    }
  }
}
