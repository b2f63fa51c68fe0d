package bench;

/** A JVM that starts, uses direct memory and ends. */
public final class Start {
    private Start() {}

    public static void main(String[] args) {
        System.out.println(java.nio.ByteBuffer.allocateDirect(1 << 20).capacity());
    }
}
