package io.offheap;

import java.io.FileDescriptor;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketImpl;
import java.net.SocketTimeoutException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * {@code sun.nio.ch.NioSocketImpl}: the implementation since Java 13.
 *
 * <p>It lets one thread read and one write at a time, and knows which. A close puts a marker in the descriptor's place
 * and signals them; the call, interrupted, meets the marker and fails, and signing off makes that "Socket closed".
 *
 * <p>A virtual thread can't be signalled and must not block its carrier. It asks the native library only for what can be
 * done at once, and parks in the JDK in between.
 */
final class NioAccess extends SocketAccess {

    private static final MethodHandle IS_VIRTUAL = isVirtualHandle();

    private static final Internals INTERNALS = new Internals("sun.nio.ch.NioSocketImpl");
    private static final MethodHandle READ_LOCK = INTERNALS.getter("readLock", ReentrantLock.class);
    private static final MethodHandle WRITE_LOCK = INTERNALS.getter("writeLock", ReentrantLock.class);
    private static final MethodHandle BEGIN_READ = INTERNALS.method("beginRead", FileDescriptor.class);
    private static final MethodHandle END_READ = INTERNALS.method("endRead", void.class, boolean.class);
    private static final MethodHandle BEGIN_WRITE = INTERNALS.method("beginWrite", FileDescriptor.class);
    private static final MethodHandle END_WRITE = INTERNALS.method("endWrite", void.class, boolean.class);
    private static final MethodHandle TIMEOUT = INTERNALS.getter("timeout", int.class);
    private static final MethodHandle RESET = INTERNALS.getter("connectionReset", boolean.class);
    private static final MethodHandle SET_RESET = INTERNALS.setter("connectionReset", boolean.class);

    /** What virtual threads need; not there, and not needed, before Java 19. */
    private static final MethodHandle IS_OPEN = INTERNALS.method("isOpen", boolean.class);
    private static final MethodHandle PARK =
            INTERNALS.method("park", void.class, FileDescriptor.class, int.class, long.class);
    private static final MethodHandle CONFIGURE = IS_VIRTUAL == null ? null
            : INTERNALS.method("configureNonBlockingIfNeeded", void.class, FileDescriptor.class, boolean.class);

    /** poll's event bits on Linux; sun.nio.ch.Net takes the same. */
    private static final int POLLIN = 1;
    private static final int POLLOUT = 4;

    /** What socketRead0 answers when it may not wait and there is nothing. */
    private static final int WOULD_BLOCK = -2;

    private final ReentrantLock readLock;
    private final ReentrantLock writeLock;

    NioAccess(SocketImpl impl) throws SocketException {
        super(impl);
        require(INTERNALS);
        try {
            readLock = (ReentrantLock) READ_LOCK.invokeExact(impl);
            writeLock = (ReentrantLock) WRITE_LOCK.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<SocketException>rethrow(thrown);
        }
    }

    static boolean supports(SocketImpl impl) {
        return INTERNALS.type() != null && INTERNALS.type().isInstance(impl);
    }

    @Override
    void write(byte[] b, int off, int len) throws IOException {
        writeLock.lock();
        try {
            FileDescriptor fd = (FileDescriptor) BEGIN_WRITE.invokeExact(impl);
            boolean completed = false;
            try {
                if (isVirtual()) {
                    completed = writeParking(fd, b, off, len);
                } else {
                    SocketOutputStream.socketWrite0(fd, b, off, len, true);
                    completed = true;
                }
            } finally {
                END_WRITE.invokeExact(impl, completed); // "Socket closed", whatever the close made fail
            }
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        } finally {
            writeLock.unlock();
        }
    }

    /** True when all went out; false when the socket was closed before. */
    private boolean writeParking(FileDescriptor fd, byte[] b, int off, int len) throws Throwable {
        CONFIGURE.invokeExact(impl, fd, false);
        int sent = SocketOutputStream.socketWrite0(fd, b, off, len, false);
        while (sent < len && (boolean) IS_OPEN.invokeExact(impl)) {
            PARK.invokeExact(impl, fd, POLLOUT, 0L);
            sent += SocketOutputStream.socketWrite0(fd, b, off + sent, len - sent, false);
        }
        return sent == len;
    }

    @Override
    int read(byte[] b, int off, int len) throws IOException {
        readLock.lock();
        try {
            FileDescriptor fd = (FileDescriptor) BEGIN_READ.invokeExact(impl);
            int n = 0;
            try {
                if (isConnectionReset()) {
                    throw new SocketException("Connection reset");
                }
                int timeout = (int) TIMEOUT.invokeExact(impl);
                n = isVirtual()
                        ? readParking(fd, b, off, len, timeout)
                        : SocketInputStream.socketRead0(fd, b, off, len, timeout, true);
            } catch (SocketException failure) {
                if (!isReset(failure)) {
                    throw failure;
                }
                SET_RESET.invokeExact(impl, true);
                throw new SocketException("Connection reset");
            } finally {
                END_READ.invokeExact(impl, n > 0);
            }
            return n;
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        } finally {
            readLock.unlock();
        }
    }

    private int readParking(FileDescriptor fd, byte[] b, int off, int len, int timeout) throws Throwable {
        CONFIGURE.invokeExact(impl, fd, timeout > 0);
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeout);
        int n;
        while ((n = SocketInputStream.socketRead0(fd, b, off, len, 0, false)) == WOULD_BLOCK
                && (boolean) IS_OPEN.invokeExact(impl)) {
            long remaining = timeout > 0 ? deadline - System.nanoTime() : 0; // park's 0 is for ever
            if (timeout > 0 && remaining <= 0) {
                throw new SocketTimeoutException("Read timed out");
            }
            PARK.invokeExact(impl, fd, POLLIN, remaining);
        }
        return Math.max(n, 0);
    }

    @Override
    boolean isConnectionReset() throws IOException {
        try {
            return (boolean) RESET.invokeExact(impl);
        } catch (Throwable thrown) {
            throw SocketAccess.<IOException>rethrow(thrown);
        }
    }

    /** What a stream throws for that; an interrupt that ended a virtual thread's call closes the socket, as in the JDK. */
    static IOException afterInterrupt(Socket socket, InterruptedIOException thrown) throws IOException {
        if (thrown instanceof SocketTimeoutException || !isVirtual() || !Thread.currentThread().isInterrupted()) {
            return thrown;
        }
        socket.close();
        return new SocketException("Closed by interrupt");
    }

    private static boolean isVirtual() {
        try {
            return IS_VIRTUAL != null && (boolean) IS_VIRTUAL.invokeExact(Thread.currentThread());
        } catch (Throwable thrown) {
            throw SocketAccess.<RuntimeException>rethrow(thrown);
        }
    }

    private static MethodHandle isVirtualHandle() {
        try {
            return MethodHandles.publicLookup()
                    .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
        } catch (ReflectiveOperationException before19) {
            return null;
        }
    }
}
