package io.offheap;

import java.io.FileDescriptor;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.net.SocketException;
import java.net.SocketImpl;

/**
 * {@code java.net.AbstractPlainSocketImpl}: the implementation up to Java 12, and up to 17 with
 * {@code -Djdk.net.usePlainSocketImpl}.
 *
 * <p>It counts the users of the descriptor. A close while there are some puts a marker in the descriptor's place, wakes
 * the JDK's own blocked calls (and ours, once its native is bound), and leaves the number to the last user to close.
 *
 * <p>Binding that native makes Java 17 print one line on the standard output stream, "Re-registering of platform native
 * method"; {@code -Xlog:jni+resolve=off} ends it.
 */
final class PlainAccess extends SocketAccess {

    private static final Internals INTERNALS = new Internals("java.net.AbstractPlainSocketImpl");
    private static final MethodHandle ACQUIRE = INTERNALS.method("acquireFD", FileDescriptor.class);
    private static final MethodHandle RELEASE = INTERNALS.method("releaseFD", void.class);
    private static final MethodHandle CLOSED = INTERNALS.method("isClosedOrPending", boolean.class);
    private static final MethodHandle RESET = INTERNALS.method("isConnectionReset", boolean.class);
    private static final MethodHandle SET_RESET = INTERNALS.method("setConnectionReset", void.class);
    private static final MethodHandle TIMEOUT = INTERNALS.method("getTimeout", int.class);

    /** Java 8 alone believes a reset only when reading once more gives nothing. */
    private static final boolean TWO_STEPS = INTERNALS.has("setConnectionResetPending");
    private static final MethodHandle PENDING =
            TWO_STEPS ? INTERNALS.method("isConnectionResetPending", boolean.class) : null;
    private static final MethodHandle SET_PENDING =
            TWO_STEPS ? INTERNALS.method("setConnectionResetPending", void.class) : null;

    /** What {@link #receive} answers when the peer has reset the connection. */
    private static final int WAS_RESET = -1;

    PlainAccess(SocketImpl impl) throws SocketException {
        super(impl);
        require(INTERNALS);
        Binding.ensure();
    }

    static boolean supports(SocketImpl impl) {
        return INTERNALS.type() != null && INTERNALS.type().isInstance(impl);
    }

    @Override
    void write(byte[] b, int off, int len) throws IOException {
        FileDescriptor fd = acquire();
        try {
            SocketOutputStream.socketWrite0(fd, b, off, len, true);
        } catch (SocketException failure) {
            boolean reset = isReset(failure);
            if (reset && TWO_STEPS) {
                call(SET_PENDING);
            }
            if (ask(CLOSED)) {
                throw new SocketException("Socket closed");
            }
            throw reset ? new SocketException("Connection reset") : failure;
        } finally {
            call(RELEASE);
        }
    }

    @Override
    int read(byte[] b, int off, int len) throws IOException {
        int timeout = timeout();
        int n = receive(b, off, len, timeout);
        if (n == WAS_RESET && TWO_STEPS) {
            call(SET_PENDING);
            n = receive(b, off, len, timeout);
        }
        if (n > 0) {
            return n;
        }
        if (ask(CLOSED)) {
            throw new SocketException("Socket closed");
        }
        if (TWO_STEPS ? ask(PENDING) : n == WAS_RESET) {
            call(SET_RESET);
        }
        if (isConnectionReset()) {
            throw new SocketException("Connection reset");
        }
        return 0;
    }

    private int receive(byte[] b, int off, int len, int timeout) throws IOException {
        FileDescriptor fd = acquire();
        try {
            return SocketInputStream.socketRead0(fd, b, off, len, timeout, true);
        } catch (SocketException failure) {
            if (isReset(failure)) {
                return WAS_RESET;
            }
            if (ask(CLOSED)) {
                throw new SocketException("Socket closed");
            }
            throw failure;
        } finally {
            call(RELEASE);
        }
    }

    @Override
    boolean isConnectionReset() throws IOException {
        return ask(RESET);
    }

    private FileDescriptor acquire() throws IOException {
        try {
            return (FileDescriptor) ACQUIRE.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        }
    }

    private int timeout() throws IOException {
        try {
            return (int) TIMEOUT.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        }
    }

    private boolean ask(MethodHandle question) throws IOException {
        try {
            return (boolean) question.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        }
    }

    private void call(MethodHandle method) throws IOException {
        try {
            method.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        }
    }

    /**
     * Binds the JDK's close once, when the first stream is made. There is one close in a process but a copy of the
     * native library for each class loader that takes it from the jar: binding it again would leave the streams of the
     * first copy asleep, so only one copy may.
     */
    private static final class Binding {
        private static final String BOUND = "io.offheap.bound";
        private static final Throwable FAILURE = bind();

        private static Throwable bind() {
            try {
                Class<?> plainSocketImpl = Internals.find("java.net.PlainSocketImpl");
                if (NativeLibrary.isAgent()) { // one copy for all class loaders: it knows whether it has done so
                    bindSocketClose0(plainSocketImpl);
                    return null;
                }
                synchronized (plainSocketImpl) { // the same for all class loaders
                    if (System.getProperty(BOUND) != null) {
                        throw new IllegalStateException("another class loader has loaded offheap and made streams"
                                + "; a loader that both delegate to must have the jar");
                    }
                    bindSocketClose0(plainSocketImpl);
                    System.setProperty(BOUND, "true");
                }
                return null;
            } catch (RuntimeException | LinkageError failure) {
                return failure;
            }
        }

        static void ensure() throws SocketException {
            if (FAILURE != null) {
                SocketException refused = new SocketException("a close could not wake the stream: " + FAILURE);
                refused.initCause(FAILURE);
                throw refused;
            }
        }
    }
}
