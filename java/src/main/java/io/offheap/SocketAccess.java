package io.offheap;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketImpl;
import java.util.Objects;

/**
 * The descriptor of a {@link Socket}, used under the JDK's own protocol.
 *
 * <p>Each call announces itself to the socket's implementation before it touches the descriptor and signs off after.
 * In between the descriptor's number can't be given to anyone else, and a close by the owner wakes the call.
 *
 * <p>The JDK has two implementations: {@link PlainAccess} is for the one of Java 8 to 12, {@link NioAccess} for the one
 * since Java 13.
 */
abstract class SocketAccess {

    static {
        NativeLibrary.load();
    }

    final SocketImpl impl;

    SocketAccess(SocketImpl impl) {
        this.impl = impl;
    }

    /**
     * Sends the whole range.
     *
     * @throws SocketException "Socket closed", or the system's error
     */
    abstract void write(byte[] b, int off, int len) throws IOException;

    /**
     * Receives up to {@code len} bytes; 0 is the end of the stream.
     *
     * @throws SocketException "Socket closed", "Connection reset", or the system's error
     */
    abstract int read(byte[] b, int off, int len) throws IOException;

    /** Tells whether a read has met a reset, on this stream or the JDK's own. */
    abstract boolean isConnectionReset() throws IOException;

    /**
     * The access to a connected socket's descriptor.
     *
     * @param stream the method of {@link Socket} whose stream is replaced, and which checks the socket's state
     * @throws SocketException when the socket's bytes are not those of a descriptor which the JDK manages
     */
    static SocketAccess of(Socket socket, String stream, StateCheck check) throws IOException {
        refuseOverridden(socket, stream);
        NativeLibrary.ensure();
        SocketImpl impl = Handles.implementation(socket);
        boolean plain = PlainAccess.supports(impl);
        if (impl != null && !plain && !NioAccess.supports(impl)) {
            throw new SocketException("no descriptor of its own: the implementation of " + socket.getClass().getName()
                    + " is " + impl.getClass().getName() + ", which is not the JDK's");
        }
        check.run(); // the JDK's own: closed, not connected (so a null impl ends here), shut down
        return plain ? new PlainAccess(impl) : new NioAccess(impl);
    }

    /** Throws what the JDK throws for a socket that can't give a stream. */
    interface StateCheck {
        void run() throws IOException;
    }

    /** TLS sockets, the adaptors of channels, wrappers: what they write is not what their descriptor gets. */
    private static void refuseOverridden(Socket socket, String stream) throws SocketException {
        Class<?> declaring;
        try {
            declaring = socket.getClass().getMethod(stream).getDeclaringClass();
        } catch (NoSuchMethodException impossible) {
            throw new AssertionError(impossible);
        }
        if (declaring != Socket.class) {
            throw new SocketException("no descriptor of its own: " + declaring.getName() + " has its own " + stream);
        }
    }

    /** Fails unless all that was asked for was there. */
    static void require(Internals internals) throws SocketException {
        if (!internals.missing().isEmpty()) {
            throw new SocketException("Java " + System.getProperty("java.version")
                    + " is not known to offheap: it lacks " + internals.missing());
        }
    }

    /** Tells whether a read failed because the peer reset the connection. The class can't be named: it is the JDK's. */
    static boolean isReset(SocketException thrown) {
        return thrown.getClass().getName().equals("sun.net.ConnectionResetException");
    }

    /** Throws what a method handle threw. Only what its target declares, and what needs no declaration, can come. */
    @SuppressWarnings("unchecked")
    static <T extends Throwable> RuntimeException rethrow(Throwable thrown) throws T {
        throw (T) thrown;
    }

    /** {@code MethodHandles.Lookup.IMPL_LOOKUP}: whoever has it may do anything. Only {@link Internals} asks for it. */
    static native MethodHandles.Lookup trustedLookup0();

    /** Wakes our blocked calls, too, when {@code PlainSocketImpl.socketClose0} closes a descriptor. */
    static native void bindSocketClose0(Class<?> plainSocketImpl);

    /** From a socket to the implementation that has the descriptor. */
    private static final class Handles {
        private static final Internals SOCKET = new Internals("java.net.Socket");
        private static final MethodHandle IMPL = SOCKET.getter("impl", SocketImpl.class);

        /** Since Java 13 the implementations for proxies only delegate; before, the class is not there. */
        private static final Internals DELEGATING = new Internals("java.net.DelegatingSocketImpl");
        private static final MethodHandle DELEGATE = DELEGATING.getter("delegate", SocketImpl.class);

        static SocketImpl implementation(Socket socket) throws SocketException {
            require(SOCKET);
            try {
                SocketImpl impl = (SocketImpl) IMPL.invokeExact(socket);
                while (DELEGATE != null && DELEGATING.type().isInstance(impl)) {
                    impl = (SocketImpl) DELEGATE.invokeExact(impl);
                }
                return impl;
            } catch (Throwable thrown) {
                throw SocketAccess.<SocketException>rethrow(thrown);
            }
        }
    }
}
