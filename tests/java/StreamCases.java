import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.concurrent.FutureTask;

/**
 * Prints what socket streams do, a line a case, so that a run on the JDK's own natives can be
 * compared with one on ours.
 *
 * <p>The argument says whose streams: {@code stock}, {@code ours} (io.offheap's classes), or
 * {@code rebound PATH} (the JDK's classes, their natives bound to ours by the library at PATH; the
 * same native library must then be that of io.offheap, by {@code -Dio.offheap.library}).
 */
public final class StreamCases {
  private interface Case {
    Object run(Pair pair) throws Exception;
  }

  /** How streams are opened. */
  interface Streams {
    OutputStream output(Socket socket) throws IOException;

    InputStream input(Socket socket) throws IOException;
  }

  static Streams streams(String[] args) throws IOException {
    if (args[0].equals("ours")) {
      return new OurStreams();
    }
    if (args[0].equals("rebound")) {
      // Has the close of a socket wake the threads in our natives, whosever class they belong to;
      // and has the JVM load its own natives, which the next line then replaces.
      new Pair(new OurStreams()).close();
      System.load(args[1]);
    }
    return new Streams() {
      @Override
      public OutputStream output(Socket socket) throws IOException {
        return socket.getOutputStream();
      }

      @Override
      public InputStream input(Socket socket) throws IOException {
        return socket.getInputStream();
      }
    };
  }

  /** Apart, so that a stock run needs no class of ours. */
  private static final class OurStreams implements Streams {
    @Override
    public OutputStream output(Socket socket) throws IOException {
      return new io.offheap.SocketOutputStream(socket);
    }

    @Override
    public InputStream input(Socket socket) throws IOException {
      return new io.offheap.SocketInputStream(socket);
    }
  }

  /** A connection: the near end is the one under test. */
  static final class Pair implements AutoCloseable {
    final Socket near;
    final Socket far;
    final OutputStream out;
    final InputStream in;

    Pair(Streams streams) throws IOException {
      try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        near = new Socket();
        near.setReceiveBufferSize(1 << 20);
        near.connect(server.getLocalSocketAddress());
        far = server.accept();
      }
      out = streams.output(near);
      in = streams.input(near);
    }

    /** Makes the far end send a reset, and waits until it has arrived. */
    void reset() throws Exception {
      far.setSoLinger(true, 0);
      far.close();
      Thread.sleep(100);
    }

    /** Sends from the far end and waits until all of it can be read here. */
    void receive(int bytes) throws Exception {
      far.getOutputStream().write(bytes(bytes));
      for (int i = 0; near.getInputStream().available() < bytes; i++) {
        if (i == 1000) {
          throw new IllegalStateException(near.getInputStream().available() + " of " + bytes);
        }
        Thread.sleep(5);
      }
    }

    @Override
    public void close() throws IOException {
      near.close();
      far.close();
    }
  }

  private static Streams streams;

  public static void main(String[] args) throws Exception {
    streams = streams(args);
    for (int length : new int[] {0, 1, 1024, 65535, 65536, 65537, 131071, 131072, 131073, 300000, 1 << 20}) {
      run("write " + length, pair -> transfer(pair, length));
    }
    run("write(int)", StreamCases::writeOneByte);
    for (int[] range : new int[][] {{-1, 2}, {3, 2}, {0, 5}, {0, -1}, {Integer.MAX_VALUE, 1}, {9, 0}, {4, 0}}) {
      String name = "(b[4], " + range[0] + ", " + range[1] + ")";
      run("write" + name, pair -> write(pair, new byte[4], range[0], range[1]));
      run("read" + name, pair -> read(pair, new byte[4], range[0], range[1]));
    }
    run("write(null, 0, 0)", pair -> write(pair, null, 0, 0));
    run("write(null, 0, 1)", pair -> write(pair, null, 0, 1));
    run("read(null, 0, 1)", pair -> read(pair, null, 0, 1));
    run("write after close", pair -> { pair.near.close(); return write(pair, new byte[4], 0, 4); });
    run("write 0 after close", pair -> { pair.near.close(); return write(pair, new byte[4], 0, 0); });
    run("read after close", pair -> { pair.near.close(); return read(pair, new byte[4], 0, 4); });
    run("read 0 after close", pair -> { pair.near.close(); return read(pair, new byte[4], 0, 0); });
    run("write after shutdownOutput", pair -> { pair.near.shutdownOutput(); return write(pair, new byte[4], 0, 4); });
    run("write after reset", pair -> { pair.reset(); return write(pair, new byte[4], 0, 4); });
    run("second write after reset", pair -> { pair.reset(); swallow(() -> write(pair, new byte[4], 0, 4)); return write(pair, new byte[4], 0, 4); });
    run("large write after reset", pair -> { pair.reset(); swallow(() -> write(pair, new byte[4], 0, 4)); return write(pair, new byte[1 << 20], 0, 1 << 20); });
    run("read after such a write", pair -> { pair.reset(); swallow(() -> write(pair, new byte[4], 0, 4)); return read(pair, new byte[4], 0, 4); });
    run("read after reset", pair -> { pair.reset(); return read(pair, new byte[4], 0, 4); });
    run("second read after reset", pair -> { pair.reset(); swallow(() -> read(pair, new byte[4], 0, 4)); return read(pair, new byte[4], 0, 4); });
    run("timed read after reset", pair -> { pair.near.setSoTimeout(1000); pair.reset(); return read(pair, new byte[4], 0, 4); });
    run("write to a reader that closes", StreamCases::writeToAReaderThatCloses);
    run("read all of 180000", StreamCases::readInPieces);
    run("timed read of 180000", pair -> { pair.near.setSoTimeout(1000); return readInPieces(pair); });
    run("read to the end, and again", StreamCases::readToTheEnd);
    run("read after shutdownInput", pair -> { pair.near.shutdownInput(); return read(pair, new byte[4], 0, 4); });
    run("read time out", pair -> { pair.near.setSoTimeout(30); return read(pair, new byte[4], 0, 4); });
    run("read after a time out", pair -> { pair.near.setSoTimeout(30); swallow(() -> read(pair, new byte[4], 0, 4)); pair.receive(3); return read(pair, new byte[4], 0, 4); });
    run("write after a time out", pair -> { pair.near.setSoTimeout(30); swallow(() -> read(pair, new byte[4], 0, 4)); return transfer(pair, 300000); });
    run("skip and available", pair -> { pair.receive(10); long skipped = pair.in.skip(4); return skipped + " " + pair.in.available() + " " + pair.in.read(); });
    run("close of the output stream", pair -> { pair.out.close(); return pair.near.isClosed() + " " + read(pair, new byte[4], 0, 4); });
    run("close of the input stream", pair -> { pair.in.close(); return pair.near.isClosed() + " " + write(pair, new byte[4], 0, 4); });
    run("socket closed in read", pair -> closeDuring(pair, () -> read(pair, new byte[4], 0, 4)));
    run("socket closed in a timed read", pair -> { pair.near.setSoTimeout(60_000); return closeDuring(pair, () -> read(pair, new byte[4], 0, 4)); });
    run("socket closed in write", pair -> closeDuring(pair, () -> { while (true) { pair.out.write(new byte[300000]); } }));
    run("interrupted in read", StreamCases::interruptedInRead);
    // Opening a stream is the JDK's own affair in the other modes, its refusals are ours to match.
    run("output of a closed socket", pair -> { pair.near.close(); return streams.output(pair.near); });
    run("input of a closed socket", pair -> { pair.near.close(); return streams.input(pair.near); });
    run("output of a socket not connected", pair -> { try (Socket socket = new Socket()) { return streams.output(socket); } });
    run("input of a socket not connected", pair -> { try (Socket socket = new Socket()) { return streams.input(socket); } });
    run("output of a socket with its output shut", pair -> { pair.near.shutdownOutput(); return streams.output(pair.near); });
    run("input of a socket with its input shut", pair -> { pair.near.shutdownInput(); return streams.input(pair.near); });
  }

  private static void run(String name, Case body) {
    String result;
    try (Pair pair = new Pair(streams)) {
      result = String.valueOf(body.run(pair));
    } catch (Throwable thrown) {
      result = thrown.getClass().getName() + ": " + thrown.getMessage();
    }
    System.out.println(name + ": " + result);
  }

  private interface Action {
    Object run() throws Exception;
  }

  private static void swallow(Action action) {
    try {
      action.run();
    } catch (Exception expected) {
      // The case is about what comes after it.
    }
  }

  private static Object write(Pair pair, byte[] array, int offset, int length) throws IOException {
    pair.out.write(array, offset, length);
    return "written";
  }

  private static Object read(Pair pair, byte[] array, int offset, int length) throws IOException {
    return pair.in.read(array, offset, length);
  }

  private static byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    return bytes;
  }

  private static String digest(InputStream in) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    byte[] array = new byte[50_000];
    long total = 0;
    for (int n; (n = in.read(array)) > 0; total += n) {
      digest.update(array, 0, n);
    }
    return total + " bytes " + Arrays.toString(Arrays.copyOf(digest.digest(), 4));
  }

  private static <T> FutureTask<T> start(java.util.concurrent.Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    thread.start();
    return task;
  }

  /** Writes {@code length} bytes of a larger array at an offset; what the far end gets. */
  private static Object transfer(Pair pair, int length) throws Exception {
    FutureTask<String> far = start(() -> digest(pair.far.getInputStream()));
    byte[] array = new byte[length + 7];
    System.arraycopy(bytes(length), 0, array, 5, length);
    pair.out.write(array, 5, length);
    pair.near.shutdownOutput();
    return far.get();
  }

  private static Object writeOneByte(Pair pair) throws Exception {
    pair.out.write(0x1FF);
    pair.out.write(-1);
    pair.out.write(7);
    return pair.far.getInputStream().read() + " " + pair.far.getInputStream().read() + " " + pair.far.getInputStream().read();
  }

  private static Object writeToAReaderThatCloses(Pair pair) throws Exception {
    start(() -> {
      pair.far.getInputStream().read(new byte[1000]);
      pair.far.close();
      return null;
    });
    try {
      while (true) {
        pair.out.write(new byte[300000]);
      }
    } catch (IOException thrown) {
      // Which of the two errors comes first is a race of the kernel's; the class is not.
      return thrown.getClass().getName();
    }
  }

  private static Object readInPieces(Pair pair) throws Exception {
    pair.receive(180_000);
    byte[] array = new byte[300_000];
    int first = pair.in.read(array, 0, array.length);
    int second = pair.in.read(array, first, array.length - first);
    return first + " " + second + " " + Arrays.equals(Arrays.copyOf(array, first + second), bytes(180_000));
  }

  private static Object readToTheEnd(Pair pair) throws Exception {
    pair.far.getOutputStream().write(new byte[] {1, 2, 3});
    pair.far.shutdownOutput();
    byte[] array = new byte[10];
    int n = pair.in.read(array, 2, 3);
    return n + " " + Arrays.toString(array) + " " + pair.in.read(array) + " " + pair.in.read() + " " + pair.in.read(array, 0, 0);
  }

  private static Object closeDuring(Pair pair, Action action) throws Exception {
    FutureTask<Object> blocked = start(() -> action.run());
    Thread.sleep(150);
    pair.near.close();
    try {
      return blocked.get();
    } catch (java.util.concurrent.ExecutionException thrown) {
      throw (Exception) thrown.getCause();
    }
  }

  private static Object interruptedInRead(Pair pair) throws Exception {
    Thread reader = Thread.currentThread();
    start(() -> {
      Thread.sleep(100);
      reader.interrupt();
      Thread.sleep(100);
      pair.far.getOutputStream().write(9);
      return null;
    });
    int n = pair.in.read();
    return n + " " + Thread.interrupted();
  }
}
