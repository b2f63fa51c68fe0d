package same;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** A connection over the loopback: the near end is the one under test. */
final class Pair implements AutoCloseable {
    final Socket near;
    final Socket far;
    final OutputStream out;
    final InputStream in;

    Pair() throws IOException {
        try (ServerSocket server = server()) {
            near = new Socket();
            // Room for what a case sends before anybody reads.
            near.setReceiveBufferSize(1 << 20);
            near.connect(server.getLocalSocketAddress());
            far = server.accept();
        }
        far.setTcpNoDelay(true);
        out = near.getOutputStream();
        in = near.getInputStream();
    }

    static ServerSocket server() throws IOException {
        return new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    }

    /** Makes the far end send a reset, and waits until it has arrived. */
    void reset() throws Exception {
        far.setSoLinger(true, 0);
        far.close();
        Kernel.awaitReset(near.getLocalPort(), near.getPort());
    }

    /** Ends the far end's output, and waits until that has arrived. */
    void end() throws Exception {
        far.shutdownOutput();
        Kernel.awaitEnd(near.getLocalPort(), near.getPort());
    }

    /** Sends from the far end and waits until all of it can be read here. */
    void receive(byte[] bytes) throws Exception {
        far.getOutputStream().write(bytes);
        Kernel.awaitBytes(near.getLocalPort(), near.getPort(), bytes.length);
    }

    @Override
    public void close() throws IOException {
        near.close();
        far.close();
    }
}
