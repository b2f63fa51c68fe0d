import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes a direct buffer at each of so many places, and keeps them: each place has a stack of its own, as the bits of
 * its number decide which methods are called. The one of number {@code i} has {@code 1000 + 8 * (i % 1000)}
 * bytes.
 */
public final class ManySites {

    private static final List<ByteBuffer> KEPT = new ArrayList<>();

    private ManySites() {}

    public static void main(String[] args) {
        int sites = Integer.parseInt(args[0]);
        int bits = Math.max(1, 32 - Integer.numberOfLeadingZeros(sites - 1));
        for (int i = 0; i < sites; i++) {
            next(i, bits);
        }
        System.out.println(KEPT.size() + " kept");
    }

    private static void next(int number, int bits) {
        if (bits == 0) {
            take(1000 + 8 * (number % 1000));
        } else if ((number >> (bits - 1) & 1) == 0) {
            zero(number, bits - 1);
        } else {
            one(number, bits - 1);
        }
    }

    private static void zero(int number, int bits) {
        next(number, bits);
    }

    private static void one(int number, int bits) {
        next(number, bits);
    }

    private static void take(int bytes) {
        KEPT.add(ByteBuffer.allocateDirect(bytes));
    }
}
