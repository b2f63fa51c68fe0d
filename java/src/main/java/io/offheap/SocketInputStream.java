package io.offheap;

import java.io.FileDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;

/**
 * The blocking input stream of a socket, as {@code java.net.SocketInputStream} of Java 8 and 11 on every JDK.
 *
 * <p>A read takes what the socket's descriptor has, at most 128 KiB, and waits while it has nothing, as long as
 * {@link Socket#setSoTimeout} says. A close of the socket by any thread ends it with {@link SocketException}
 * "Socket closed". Interrupting a platform thread has no effect; interrupting a virtual thread in a read closes the
 * socket, as in the JDK. The end of the stream and a reset stay.
 *
 * <p>This stream may be used beside the socket's own.
 */
public final class SocketInputStream extends InputStream {

    static {
        NativeLibrary.load();
    }

    private final Socket socket;
    private final SocketAccess access;
    /** The JDK's stream, for {@link #available}. */
    private final InputStream jdk;
    private volatile boolean eof;

    /**
     * Makes a stream over a socket, as {@link Socket#getInputStream}.
     *
     * @param socket a connected socket of the JDK
     * @throws SocketException when the socket is closed, is not connected, has its input shut down, or has no
     *         descriptor of its own: TLS sockets, those of {@link java.nio.channels.SocketChannel#socket}, any other
     *         class with its own {@code getInputStream}, any {@link java.net.SocketImpl} that is not the JDK's
     * @throws IOException as {@link Socket#getInputStream}
     * @throws UnsatisfiedLinkError when the native library is not available
     */
    public SocketInputStream(Socket socket) throws IOException {
        this.access = SocketAccess.of(socket, "getInputStream", () -> socket.getInputStream());
        this.jdk = socket.getInputStream();
        this.socket = socket;
    }

    /**
     * Reads one byte.
     *
     * @return the byte, 0 to 255; -1 at the end of the stream
     * @throws IOException as {@link #read(byte[], int, int)}
     */
    @Override
    public int read() throws IOException {
        byte[] b = new byte[1];
        return read(b, 0, 1) < 0 ? -1 : b[0] & 0xff;
    }

    /**
     * Reads up to {@code len} bytes, and at least one.
     *
     * @param b where they go
     * @param off the first place
     * @param len how many there may be; when 0, {@code b} and {@code off} are not looked at
     * @return how many were read; -1 at the end of the stream; 0 when {@code len} is 0
     * @throws ArrayIndexOutOfBoundsException when the range is not within {@code b}
     * @throws SocketTimeoutException "Read timed out"
     * @throws SocketException "Socket closed", "Connection reset", or the system's error
     * @throws IOException when the call can't be made
     */
    @Override
    public int read(byte[] b, int off, int len) throws IOException {
        if (eof || socket.isInputShutdown()) {
            return -1;
        }
        if (access.isConnectionReset()) {
            throw new SocketException("Connection reset");
        }
        if (len <= 0 || off < 0 || len > b.length - off) {
            if (len == 0) {
                return 0;
            }
            throw new ArrayIndexOutOfBoundsException(
                    "length == " + len + " off == " + off + " buffer length == " + b.length);
        }
        int n = receive(b, off, len);
        if (n > 0) {
            return n;
        }
        eof = true;
        return -1;
    }

    private int receive(byte[] b, int off, int len) throws IOException {
        try {
            return access.read(b, off, len);
        } catch (InterruptedIOException thrown) {
            throw NioAccess.afterInterrupt(socket, thrown);
        }
    }

    /**
     * How many bytes can be read without waiting, as the socket's own stream says.
     *
     * @return a number of bytes, from 0
     * @throws IOException when the socket is closed, with the text of the JDK that runs
     */
    @Override
    public int available() throws IOException {
        return eof ? 0 : jdk.available();
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
     * Receives up to {@code len} bytes. Returns their number, or 0 at the end of the stream; without {@code wait}, -2
     * when there is nothing.
     *
     * @param timeout milliseconds, or 0 for ever
     */
    static native int socketRead0(FileDescriptor fd, byte[] b, int off, int len, int timeout, boolean wait)
            throws IOException;
}
