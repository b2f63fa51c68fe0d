import io.offheap.Bits;
import io.offheap.DirectByteBuffer;
import io.offheap.OffHeap;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.List;

/**
 * A program with a native library of its own, tests/c/dependent.c, which is linked to liboffheap.
 * First argument: that library, or liboffheap itself. Second: whether it is loaded without the Java
 * library, before it, or after it.
 */
public final class Dependent {
  private static final int MIB = 1 << 20;
  private static final int ENOMEM = 12;

  private static native long maxMemory();

  private static native int reserveOnThread(long bytes);

  public static void main(String[] args) throws Exception {
    switch (args[1]) {
      case "alone":
        System.load(args[0]);
        expect("the JVM's limit", 8 * MIB, maxMemory());
        expect("a reservation", 0, reserveOnThread(MIB));
        expect("more than the limit", ENOMEM, reserveOnThread(8 * MIB));
        break;
      case "before":
        System.load(args[0]);
        expect("available", null, OffHeap.unavailabilityCause());
        expect("copies out of the jar", 0, copiesOutOfTheJar());
        for (int i = 0; i < 3; i++) {
          DirectByteBuffer.allocate(8 * MIB);
          expect("room that only a collection makes", 0, reserveOnThread(8 * MIB));
          expect("Java's budget, which is C's", 8L * MIB, Bits.totalCapacity());
          Bits.unreserveMemory(8 * MIB, 8 * MIB);
        }
        break;
      case "after":
        ByteBuffer buffer = DirectByteBuffer.allocate(MIB);
        System.load(args[0]);
        expect("copies out of the jar", 1, copiesOutOfTheJar());
        expect("Java's budget", (long) MIB, Bits.totalCapacity());
        DirectByteBuffer.free(buffer);
        expect("Java's budget after the release", 0L, Bits.totalCapacity());
        break;
      default:
        throw new IllegalArgumentException(args[1]);
    }
    System.out.println("Dependent: ok");
  }

  private static long copiesOutOfTheJar() throws IOException {
    List<String> maps = Files.readAllLines(Paths.get("/proc/self/maps"));
    return maps.stream().filter(line -> line.contains("r-xp") && line.matches(".*/offheap-[0-9a-f]+\\.so.*")).count();
  }

  private static void expect(String what, Object expected, Object found) {
    boolean numbers = expected instanceof Number && found instanceof Number;
    if (numbers ? ((Number) expected).longValue() != ((Number) found).longValue() : expected != found) {
      throw new AssertionError(what + ": expected " + expected + ", found " + found);
    }
  }
}
