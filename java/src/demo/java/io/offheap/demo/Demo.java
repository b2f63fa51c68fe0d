package io.offheap.demo;

import io.offheap.Bits;
import io.offheap.DirectByteBuffer;
import io.offheap.OffHeap;
import io.offheap.SocketInputStream;
import io.offheap.SocketOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;

/**
 * Moves a real file across loopback TCP through the library, compares what arrives with what was
 * sent, then drives the budget to its limit and back.
 *
 * <p>Its last line is {@code demo: ok} and its exit status 0 if all of that held; else the last
 * line says what did not, and the status is 1.
 */
public final class Demo {
  private static final int KIB = 1024;
  private static final int MIB = 1024 * KIB;
  private static final long BUDGET = 64L * MIB;

  /** Connects, sends the whole file, and closes. */
  private interface Sender {
    void send(InetSocketAddress to, Path file, Progress progress) throws IOException;
  }

  /** The stream a receiver reads from. */
  private interface Input {
    InputStream of(Socket socket) throws IOException;
  }

  /** The stream a sender writes to. */
  private interface Output {
    OutputStream of(Socket socket) throws IOException;
  }

  /** One way for the file to travel. */
  private static final class Way {
    final String name;
    final Sender sender;
    final Input input;

    Way(String name, Sender sender, Input input) {
      this.name = name;
      this.sender = sender;
      this.input = input;
    }
  }

  private static final List<Way> WAYS =
      Arrays.asList(
          new Way(
              "1 KiB arrays, our output stream",
              arrays(KIB, SocketOutputStream::new),
              Socket::getInputStream),
          new Way(
              "64 KiB arrays, our output stream",
              arrays(64 * KIB, SocketOutputStream::new),
              Socket::getInputStream),
          new Way(
              "200 KiB arrays, our output stream",
              arrays(200 * KIB, SocketOutputStream::new),
              Socket::getInputStream),
          new Way(
              "our direct buffer, stock channel", Demo::sendDirectBuffer, Socket::getInputStream),
          new Way(
              "stock output, our input stream",
              arrays(200 * KIB, Socket::getOutputStream),
              SocketInputStream::new));

  private Demo() {}

  /**
   * Runs the demo.
   *
   * @param args the file to move; by default the running JDK's own image of its classes
   */
  public static void main(String[] args) {
    try {
      OffHeap.ensureAvailability();
      Path file = args.length > 0 ? Paths.get(args[0]) : imageOfTheJdk();
      require(Files.isRegularFile(file), file + " is no file; give the path of one to move");
      System.out.printf(
          "offheap %s on JDK %s, file %s%n",
          OffHeap.version(), System.getProperty("java.version"), file);
      moveFile(file);
      driveBudget();
      System.out.println("demo: ok");
    } catch (Failure failure) {
      fail(failure.getMessage());
    } catch (Throwable unexpected) {
      unexpected.printStackTrace();
      fail(unexpected.toString());
    }
  }

  private static void fail(String why) {
    System.out.println("demo: FAILED: " + why);
    System.exit(1);
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Failure(otherwise);
    }
  }

  private static Path imageOfTheJdk() {
    File home = new File(System.getProperty("java.home"));
    for (String name : new String[] {"lib/modules", "lib/server/classes.jsa", "lib/rt.jar"}) {
      File file = new File(home, name);
      if (file.length() > 50_000_000) {
        return file.toPath();
      }
    }
    throw new Failure("no file over 50 MB in " + home + "; give the path of one to move");
  }

  // The file, five ways.

  private static void moveFile(Path file) throws Exception {
    byte[] sent = digest(Files.newInputStream(file), new Progress("SHA-256", Files.size(file)));
    System.out.printf(
        "%n%-34s %12s %8s %8s %8s  %s%n", "way", "bytes", "calls", "chunks", "MiB/s", "SHA-256");
    for (Way way : WAYS) {
      travel(way, file, sent);
    }
    System.out.println("calls and chunks are ours: a call is a read or write, a chunk a recv or send;");
    System.out.println("MiB/s is with SHA-256, and the first way warms the JVM up: no benchmark");
  }

  private static void travel(Way way, Path file, byte[] sent) throws Exception {
    OffHeap.Counters before = OffHeap.counters();
    long start = System.nanoTime();
    byte[] arrived;
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      FutureTask<byte[]> receiver = new FutureTask<>(() -> receive(server, way.input));
      Thread thread = new Thread(receiver, "receiver");
      thread.setDaemon(true);
      thread.start();
      InetSocketAddress to = (InetSocketAddress) server.getLocalSocketAddress();
      way.sender.send(to, file, new Progress(way.name, Files.size(file)));
      arrived = receiver.get();
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    OffHeap.Counters after = OffHeap.counters();
    System.out.printf(
        "%-34s %,12d %8d %8d %8.0f  %.16s...%n",
        way.name,
        Files.size(file),
        after.writes() - before.writes() + after.reads() - before.reads(),
        after.sends() - before.sends() + after.receives() - before.receives(),
        Files.size(file) / seconds / MIB,
        hex(arrived));
    require(
        Arrays.equals(sent, arrived),
        way.name + ": sent a file of SHA-256 " + hex(sent) + ", " + hex(arrived) + " arrived");
  }

  private static byte[] receive(ServerSocket server, Input input) throws Exception {
    try (Socket socket = server.accept();
        InputStream in = input.of(socket)) {
      return digest(in, Progress.NONE);
    }
  }

  private static Sender arrays(int length, Output output) {
    return (to, file, progress) -> {
      byte[] array = new byte[length];
      try (Socket socket = new Socket(to.getAddress(), to.getPort());
          OutputStream out = output.of(socket);
          InputStream in = Files.newInputStream(file)) {
        for (int n; (n = in.read(array)) > 0; ) {
          out.write(array, 0, n);
          progress.add(n);
        }
      }
    };
  }

  private static void sendDirectBuffer(InetSocketAddress to, Path file, Progress progress)
      throws IOException {
    ByteBuffer buffer = DirectByteBuffer.allocate(MIB);
    try (SocketChannel out = SocketChannel.open(to);
        FileChannel in = FileChannel.open(file)) {
      for (int n; (n = in.read(buffer)) > 0; ) {
        buffer.flip();
        while (buffer.hasRemaining()) {
          out.write(buffer);
        }
        buffer.clear();
        progress.add(n);
      }
    } finally {
      DirectByteBuffer.free(buffer);
    }
  }

  private static byte[] digest(InputStream in, Progress progress) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    byte[] array = new byte[200 * KIB];
    try (InputStream closing = in) {
      for (int n; (n = closing.read(array)) > 0; ) {
        digest.update(array, 0, n);
        progress.add(n);
      }
    }
    return digest.digest();
  }

  private static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      text.append(String.format("%02x", b));
    }
    return text.toString();
  }

  // The budget, to its limit and back.

  private static void driveBudget() throws Exception {
    long limit = Bits.maxMemory();
    System.out.printf("%n%-44s %10s %12s %12s%n", "budget", "count", "reserved", "resident");
    row("at rest (limit " + limit / MIB + " MiB)");
    Bits.setMaxMemory(BUDGET);
    try {
      fill();
      row("limit 64 MiB, filled with 1 MiB buffers");
      // The buffers of fill() are unreachable by now, but no one has freed them.
      long start = System.nanoTime();
      List<ByteBuffer> kept = new ArrayList<>();
      kept.add(touched(DirectByteBuffer.allocate(MIB)));
      long millis = (System.nanoTime() - start) / 1_000_000;
      awaitReclaimed();
      row("dropped, one more: reclaimed within " + millis + " ms");
      while (kept.size() < BUDGET / MIB) {
        kept.add(touched(DirectByteBuffer.allocate(MIB)));
      }
      row("filled again, buffers kept");
      overrun();
      kept.forEach(DirectByteBuffer::free);
    } finally {
      Bits.setMaxMemory(limit);
    }
    row("freed");
    System.out.println("reserved is what the budget counts; malloc keeps freed pages, so resident may stay");
  }

  /** The reservation needed one buffer to be reclaimed; the cleaner goes on with the others. */
  private static void awaitReclaimed() throws InterruptedException {
    for (int i = 0; i < 5000 && Bits.count() > 1; i++) {
      Thread.sleep(1);
    }
    require(Bits.count() == 1, (Bits.count() - 1) + " of 64 dropped buffers were not reclaimed");
  }

  private static void fill() {
    List<ByteBuffer> buffers = new ArrayList<>();
    for (long bytes = 0; bytes < BUDGET; bytes += MIB) {
      buffers.add(touched(DirectByteBuffer.allocate(MIB)));
    }
    require(
        Bits.totalCapacity() == BUDGET,
        "64 buffers of 1 MiB count as " + Bits.totalCapacity() + " bytes");
  }

  private static ByteBuffer touched(ByteBuffer buffer) {
    for (int i = 0; i < buffer.capacity(); i += KIB) {
      buffer.put(i, (byte) 1);
    }
    return buffer;
  }

  private static void overrun() {
    try {
      DirectByteBuffer.allocate(MIB);
    } catch (OutOfMemoryError error) {
      System.out.println("  one more: " + error);
      return;
    }
    throw new Failure("a buffer beyond the limit of 64 MiB was allocated");
  }

  private static void row(String what) throws IOException {
    System.out.printf(
        "%-44s %10d %,12d %12s%n", what, Bits.count(), Bits.reservedMemory(), residentMemory());
  }

  private static String residentMemory() throws IOException {
    for (String line : Files.readAllLines(Paths.get("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) {
        return line.substring("VmRSS:".length()).trim();
      }
    }
    return "unknown";
  }

  /** A promise of the demo that did not hold. */
  private static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    Failure(String message) {
      super(message);
    }
  }

  /** Says on a terminal how far a long step is; silent elsewhere. */
  private static final class Progress {
    static final Progress NONE = new Progress("", Long.MAX_VALUE);
    private static final boolean TERMINAL = Boolean.getBoolean("io.offheap.demo.terminal");

    private final String name;
    private final long total;
    private long done;
    private long percent = -1;

    Progress(String name, long total) {
      this.name = name;
      this.total = total;
    }

    void add(int bytes) {
      done += bytes;
      long now = total == 0 ? 100 : done / (total / 100 + 1);
      if (TERMINAL && this != NONE && now != percent) {
        percent = now;
        System.err.printf("\r%-34s %3d%%", name, percent);
        if (done >= total) {
          System.err.print("\r" + String.format("%50s", "") + "\r");
        }
        System.err.flush();
      }
    }
  }
}
