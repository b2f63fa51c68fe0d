package same;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/** Two channels that are connected over the loopback: the near end is the one under test. */
final class ChannelPair implements AutoCloseable {
    final SocketChannel near;
    final SocketChannel far;

    ChannelPair() throws IOException {
        try (ServerSocketChannel server = server()) {
            near = SocketChannel.open();
            near.setOption(StandardSocketOptions.SO_RCVBUF, 1 << 20);
            near.connect(server.getLocalAddress());
            far = server.accept();
        }
        far.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }

    static ServerSocketChannel server() throws IOException {
        return ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    }

    private int port() throws IOException {
        return ((InetSocketAddress) near.getLocalAddress()).getPort();
    }

    private int remotePort() throws IOException {
        return ((InetSocketAddress) near.getRemoteAddress()).getPort();
    }

    /** Makes the far end send a reset, and waits until it has arrived. */
    void reset() throws Exception {
        far.setOption(StandardSocketOptions.SO_LINGER, 0);
        far.close();
        Kernel.awaitReset(port(), remotePort());
    }

    /** Ends the far end's output, and waits until that has arrived. */
    void end() throws Exception {
        far.shutdownOutput();
        Kernel.awaitEnd(port(), remotePort());
    }

    /** Sends from the far end and waits until all of it can be read here. */
    void receive(byte[] bytes) throws Exception {
        writeAll(far, ByteBuffer.wrap(bytes));
        Kernel.awaitBytes(port(), remotePort(), bytes.length);
    }

    static void writeAll(SocketChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        near.close();
        far.close();
    }
}
