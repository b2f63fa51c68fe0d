package same;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.concurrent.ExecutionException;

/** Results as text that is the same in every run. */
final class Text {
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

    /** Of what remains, which it leaves as it is: the length and the start of a hash. */
    static String digest(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        byte[] hash;
        try {
            hash = MessageDigest.getInstance("MD5").digest(copy);
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
        StringBuilder text = new StringBuilder().append(copy.length).append(' ');
        for (int i = 0; i < 6; i++) {
            text.append(String.format("%02x", hash[i]));
        }
        return text.toString();
    }

    /** Bytes that repeat late, different for each seed. */
    static byte[] bytes(int length, int seed) {
        byte[] bytes = new byte[length];
        int state = seed * 0x9E3779B9 + 1;
        for (int i = 0; i < length; i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = (byte) (state >>> 24);
        }
        return bytes;
    }

    static byte[] bytes(int length) {
        return bytes(length, 1);
    }
}
