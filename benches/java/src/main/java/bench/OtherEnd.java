package bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** The other end of a connection, in another process, so that its share of the work is not counted. */
enum OtherEnd {
    /** Reads all that it gets. */
    DRAINS('d'),
    /** Sends without end. */
    FEEDS('f'),
    /** Reads nothing, so that whoever sends must wait. */
    HOLDS('h');

    private final byte role;

    OtherEnd(char role) {
        this.role = (byte) role;
    }

    Socket socket(int port) throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
        prepare(socket);
        socket.getOutputStream().write(role);
        return socket;
    }

    private void prepare(Socket socket) throws IOException {
        socket.setTcpNoDelay(true);
        if (this == HOLDS) {
            // What lies in thousands of full sockets would be more than the system has for all of TCP.
            socket.setSendBufferSize(1 << 12);
        }
    }

    SocketChannel channel(int port) throws IOException {
        SocketChannel channel = SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        prepare(channel.socket());
        channel.write(ByteBuffer.wrap(new byte[] {role}));
        return channel;
    }
}
