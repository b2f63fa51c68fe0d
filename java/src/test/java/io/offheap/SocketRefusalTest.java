package io.offheap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketImpl;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;

/** Sockets over which there can be no stream of ours. */
class SocketRefusalTest {

    private static void refused(String expected, Socket socket) {
        for (String thrown : new String[] {
            Jdk.thrownBy(() -> new SocketOutputStream(socket)), Jdk.thrownBy(() -> new SocketInputStream(socket))}) {
            assertTrue(thrown.matches(expected), "expected " + expected + " but came " + thrown);
        }
    }

    private static final String OWN = "java.net.SocketException: no descriptor of its own: ";

    @Test
    void null_is_refused() {
        refused("java.lang.NullPointerException.*", null);
    }

    @Test
    void a_socket_that_is_not_open_and_connected_is_refused_in_the_jdks_words() throws Exception {
        Socket socket = new Socket();
        refused("java.net.SocketException: Socket is not connected", socket);
        socket.close();
        refused("java.net.SocketException: Socket is closed", socket);
        try (Jdk.Pair pair = new Jdk.Pair()) {
            pair.connected.close();
            refused("java.net.SocketException: Socket is closed", pair.connected);
        }
    }

    @Test
    void a_tls_socket_is_refused_connected_or_not() throws Exception {
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        try (Socket socket = factory.createSocket()) {
            refused(OWN + "sun.security.ssl.SSLSocketImpl has its own get(Out|In)putStream", socket);
        }
        try (Jdk.Pair pair = new Jdk.Pair();
                Socket layered = factory.createSocket(pair.connected, "localhost", 1, false)) {
            refused(OWN + "sun.security.ssl.SSLSocketImpl has its own get(Out|In)putStream", layered);
        }
    }

    @Test
    void the_socket_of_a_channel_is_refused() throws Exception {
        try (SocketChannel channel = SocketChannel.open()) {
            refused(OWN + "sun.nio.ch.SocketAdaptor has its own get(Out|In)putStream", channel.socket());
        }
    }

    @Test
    void a_socket_class_with_its_own_streams_is_refused() throws Exception {
        Socket wrapper = new Socket() {
            @Override
            public FilterOutputStream getOutputStream() {
                return null;
            }

            @Override
            public InputStream getInputStream() {
                return null;
            }
        };
        refused(OWN + ".*SocketRefusalTest.* has its own get(Out|In)putStream", wrapper);
        wrapper.close();
    }

    @Test
    void a_socket_class_without_streams_of_its_own_is_taken() throws Exception {
        try (ServerSocket server =
                new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Socket subclass = new Socket(server.getInetAddress(), server.getLocalPort()) { };
                Socket accepted = server.accept()) {
            new SocketOutputStream(subclass).write(3);
            assertEquals(3, new SocketInputStream(accepted).read());
        }
    }

    @Test
    void an_implementation_that_is_not_the_jdks_is_refused() throws Exception {
        Socket socket = new Socket(new Foreign()) { };
        refused(OWN + "the implementation of .* is io.offheap.SocketRefusalTest\\$Foreign, which is not the JDK's", socket);
    }

    /** Connects to nothing and does nothing. */
    private static final class Foreign extends SocketImpl {
        @Override
        protected void create(boolean stream) { }

        @Override
        protected void connect(String host, int port) { }

        @Override
        protected void connect(InetAddress address, int port) { }

        @Override
        protected void connect(SocketAddress address, int timeout) { }

        @Override
        protected void bind(InetAddress host, int port) { }

        @Override
        protected void listen(int backlog) { }

        @Override
        protected void accept(SocketImpl s) { }

        @Override
        protected InputStream getInputStream() throws IOException {
            throw new IOException();
        }

        @Override
        protected OutputStream getOutputStream() throws IOException {
            throw new IOException();
        }

        @Override
        protected int available() {
            return 0;
        }

        @Override
        protected void close() { }

        @Override
        protected void sendUrgentData(int data) { }

        @Override
        public void setOption(int option, Object value) throws SocketException { }

        @Override
        public Object getOption(int option) {
            return null;
        }
    }
}
