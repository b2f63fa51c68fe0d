import java.io.InputStream;
import java.io.OutputStream;

/**
 * Makes the reads and writes whose system calls are compared, on one thread of its own name, so
 * that a trace can tell them from the JVM's.
 *
 * <p>The arguments are those of {@link StreamCases}.
 */
public final class StreamCalls {
  public static void main(String[] args) throws Exception {
    StreamCases.Streams streams = StreamCases.streams(args);
    calls(streams); // loads what there is to load
    Thread caller = new Thread(() -> calls(streams), "calls");
    caller.start();
    caller.join();
  }

  private static void calls(StreamCases.Streams streams) {
    try (StreamCases.Pair pair = new StreamCases.Pair(streams)) {
      Thread sink = new Thread(() -> drain(pair));
      sink.start();
      for (int length : new int[] {0, 1, 65536, 65537, 131072, 131073, 300000, 4 << 20}) {
        pair.out.write(new byte[length]);
      }
      pair.near.shutdownOutput();
      sink.join();

      byte[] array = new byte[300_000];
      pair.receive(180_000);
      read(pair.in, array);
      read(pair.in, array);
      pair.near.setSoTimeout(100);
      pair.receive(5);
      read(pair.in, array);
      read(pair.in, array); // times out
      pair.far.close();
      pair.near.setSoTimeout(0);
      read(pair.in, array);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void read(InputStream in, byte[] array) throws Exception {
    try {
      System.out.println(in.read(array));
    } catch (java.net.SocketTimeoutException timeout) {
      System.out.println(timeout.getMessage());
    }
  }

  private static void drain(StreamCases.Pair pair) {
    try {
      InputStream in = pair.far.getInputStream();
      byte[] array = new byte[1 << 20];
      while (in.read(array) > 0) {
        // Only to make room.
      }
    } catch (java.io.IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
