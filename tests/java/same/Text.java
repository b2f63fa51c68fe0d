package same;

import java.nio.ByteBuffer;
import java.util.concurrent.ExecutionException;
import java.util.zip.Adler32;
import java.util.zip.CRC32;
import java.util.zip.Checksum;

/** Results as text that is the same in every run. */
final class Text {
    private static final int PERIOD = 4099;

    private Text() {
    }

    static String outcome(Cases.Body body) {
        try {
            return String.valueOf(body.run());
        } catch (Throwable thrown) {
            return of(thrown);
        }
    }

    /** Class and message, save what a message says of addresses and of how much is in use. */
    static String of(Throwable thrown) {
        if (thrown instanceof ExecutionException) {
            return of(thrown.getCause());
        }
        String text = thrown.getClass().getName() + ": " + thrown.getMessage();
        return text.replaceAll("(allocated|address): ?[0-9a-fx]+", "$1: #");
    }

    static String digest(byte[] bytes) {
        return digest(ByteBuffer.wrap(bytes));
    }

    /** Of what remains, which it leaves as it is: the length and two check sums, which are fast even interpreted. */
    static String digest(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        Checksum crc = new CRC32();
        crc.update(copy, 0, copy.length);
        Checksum adler = new Adler32();
        adler.update(copy, 0, copy.length);
        return copy.length + " " + Long.toHexString(crc.getValue()) + Long.toHexString(adler.getValue());
    }

    /** Bytes that repeat only after a prime number of them, different for each seed. */
    static byte[] bytes(int length, int seed) {
        byte[] bytes = new byte[length];
        int state = seed * 0x9E3779B9 + 1;
        int fresh = Math.min(length, PERIOD);
        for (int i = 0; i < fresh; i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = (byte) (state >>> 24);
        }
        for (int filled = fresh; filled < length; filled *= 2) {
            System.arraycopy(bytes, 0, bytes, filled, Math.min(filled, length - filled));
        }
        return bytes;
    }

    static byte[] bytes(int length) {
        return bytes(length, 1);
    }
}
