import io.offheap.Bits;
import io.offheap.DirectByteBuffer;
import io.offheap.SocketOutputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Paths;

/** Reads a file into memory outside the heap, and sends it over a socket. */
public final class SendFile {
    public static void main(String[] args) throws Exception {
        Bits.setMaxMemory(64 << 20); // all direct memory of this library, Java's and C's
        ByteBuffer buffer = DirectByteBuffer.allocate(1 << 20);
        try (FileChannel file = FileChannel.open(Paths.get(args[0]))) {
            while (buffer.hasRemaining() && file.read(buffer) >= 0) {}
        }
        System.out.println(Bits.reservedMemory() + " bytes reserved in " + Bits.count() + " buffer");

        byte[] bytes = new byte[buffer.position()];
        ((ByteBuffer) buffer.flip()).get(bytes);
        DirectByteBuffer.free(buffer); // or drop it: the next reservation at the limit reclaims it

        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket socket = new Socket(server.getInetAddress(), server.getLocalPort());
                Socket peer = server.accept()) {
            Thread reader = new Thread(() -> drain(peer));
            reader.start();
            OutputStream out = new SocketOutputStream(socket);
            out.write(bytes);
            socket.shutdownOutput();
            reader.join();
        }
    }

    private static void drain(Socket socket) {
        try {
            long total = 0;
            for (int n; (n = socket.getInputStream().read(new byte[8192])) > 0; ) {
                total += n;
            }
            System.out.println(total + " bytes arrived");
        } catch (java.io.IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
