package io.offheap;

import java.io.FileDescriptor;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;

/**
 * The blocking output stream of a socket, as {@code java.net.SocketOutputStream} of Java 8 and 11 on every JDK.
 *
 * <p>A write goes to the socket's descriptor in chunks of at most 128 KiB and returns when all is sent. A close of the
 * socket by any thread ends it with {@link SocketException} "Socket closed". Interrupting a platform thread has no effect;
 * interrupting a virtual thread in a write closes the socket, as in the JDK.
 *
 * <p>Writes of several threads do not mix within a chunk. This stream may be used beside the socket's own.
 */
public final class SocketOutputStream extends OutputStream {

    static {
        NativeLibrary.load();
    }

    private final Socket socket;
    private final SocketAccess access;

    /**
     * Makes a stream over a socket, as {@link Socket#getOutputStream}.
     *
     * @param socket a connected socket of the JDK
     * @throws SocketException when the socket is closed, is not connected, has its output shut down, or has no
     *         descriptor of its own: TLS sockets, those of {@link java.nio.channels.SocketChannel#socket}, any other
     *         class with its own {@code getOutputStream}, any {@link java.net.SocketImpl} that is not the JDK's
     * @throws IOException as {@link Socket#getOutputStream}
     * @throws UnsatisfiedLinkError when the native library is not available
     */
    public SocketOutputStream(Socket socket) throws IOException {
        this.access = SocketAccess.of(socket, "getOutputStream", () -> socket.getOutputStream());
        this.socket = socket;
    }

    /**
     * Writes one byte.
     *
     * @param b the byte, in the low eight bits
     * @throws IOException as {@link #write(byte[], int, int)}
     */
    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    /**
     * Writes a range of bytes. When this throws, any number of them may have been sent.
     *
     * @param b the bytes
     * @param off the first of them
     * @param len their number; when 0, nothing is looked at and nothing happens
     * @throws ArrayIndexOutOfBoundsException when the range is not within {@code b}
     * @throws SocketException "Socket closed", or the system's error, such as "Broken pipe (Write failed)"
     * @throws IOException when the call can't be made
     */
    @Override
    public void write(byte[] b, int off, int len) throws IOException {
        if (len <= 0 || off < 0 || len > b.length - off) {
            if (len == 0) {
                return;
            }
            throw new ArrayIndexOutOfBoundsException("len == " + len + " off == " + off + " buffer length == " + b.length);
        }
        try {
            access.write(b, off, len);
        } catch (InterruptedIOException thrown) {
            throw NioAccess.afterInterrupt(socket, thrown);
        }
    }

    /**
     * Closes the socket.
     *
     * @throws IOException as {@link Socket#close}
     */
    @Override
    public void close() throws IOException {
        socket.close();
    }

    /**
     * Sends a range. With {@code wait} it returns {@code len} or throws; without, what went out before the descriptor
     * would block.
     */
    static native int socketWrite0(FileDescriptor fd, byte[] b, int off, int len, boolean wait) throws IOException;
}
