package io.offheap;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Properties;
import java.util.Set;

/**
 * The one place that loads the native library. Initialising this class tries, once; the outcome is {@link #CAUSE}.
 *
 * <p>The classes with natives call {@link #load} from their initialisers, so initialising one of them must never wait
 * for another: the library's own start must look classes up without initialising them.
 */
final class NativeLibrary {

    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rwx------");

    /** The file of the library that the JVM runs as its agent; null when there is none. */
    private static final String AGENT = findAgent();

    /** Why the library is not there; null when it is. After the other constants, which it needs. */
    static final UnsatisfiedLinkError CAUSE = tryLoad();

    private NativeLibrary() {}

    /** Loads the library unless that was tried already. Never throws. */
    static void load() {}

    /** Throws what {@link OffHeap#ensureAvailability} promises. */
    static void ensure() {
        if (CAUSE != null) {
            UnsatisfiedLinkError error = new UnsatisfiedLinkError(CAUSE.getMessage());
            error.initCause(CAUSE);
            throw error;
        }
    }

    /**
     * Tells whether the JVM runs the library as its agent. Then all class loaders share that one copy.
     *
     * @return false when it was loaded by a class loader, or not at all
     */
    static boolean isAgent() {
        return AGENT != null;
    }

    private static String findAgent() {
        try {
            return agentLibrary0();
        } catch (UnsatisfiedLinkError noAgent) {
            return null;
        }
    }

    private static UnsatisfiedLinkError tryLoad() {
        try {
            search();
            checkVersion();
            return null;
        } catch (UnsatisfiedLinkError error) {
            return error;
        } catch (Throwable failure) {
            return failed("the offheap native library could not be loaded: " + failure, failure);
        }
    }

    private static void search() throws IOException {
        String explicit = System.getProperty("io.offheap.library");
        if (AGENT != null) {
            if (explicit != null && !Files.isSameFile(Paths.get(explicit), Paths.get(AGENT))) {
                throw new UnsatisfiedLinkError("-Dio.offheap.library=" + explicit + ": the agent of this JVM is " + AGENT
                        + ", and two copies would have two budgets; leave the property out, or name the agent's file");
            }
            bind0();
            return;
        }
        if (explicit != null) {
            Throwable failure = attempt(() -> System.load(Paths.get(explicit).toAbsolutePath().toString()));
            if (failure != null) {
                throw failed("-Dio.offheap.library=" + explicit + ": " + reason(failure), failure);
            }
            return;
        }
        if (attempt(OffHeap::version0) == null) {
            return; // bound already, by whoever loaded the library or one of C that is linked to it
        }
        Throwable onPath = attempt(() -> System.loadLibrary("offheap"));
        if (onPath == null) {
            return;
        }
        Throwable inJar = attempt(NativeLibrary::loadFromJar);
        if (inJar == null) {
            return;
        }
        UnsatisfiedLinkError all = failed("the offheap native library could not be loaded"
                + "; from java.library.path: " + reason(onPath)
                + "; from the jar: " + reason(inJar)
                + "; -Dio.offheap.library=PATH names it explicitly", inJar);
        all.addSuppressed(onPath);
        throw all;
    }

    private static void loadFromJar() throws IOException {
        String resource = "/META-INF/native/" + platform() + "/liboffheap.so";
        try (InputStream library = NativeLibrary.class.getResourceAsStream(resource)) {
            if (library == null) {
                throw new IOException("no " + resource);
            }
            String folder = System.getProperty("io.offheap.tmpdir", System.getProperty("java.io.tmpdir"));
            Path file = createFile(Paths.get(folder));
            try {
                copy(library, file);
                loadExtracted(file);
            } finally {
                // Loaded or not, nothing is left behind: the mapping outlives the name.
                Files.deleteIfExists(file);
            }
        }
    }

    /** A new file that is the owner's alone. Files.createTempFile would wait for the system's entropy on Java 8. */
    private static Path createFile(Path folder) throws IOException {
        for (long name = System.nanoTime(); ; name++) {
            try {
                Path file = folder.resolve("offheap-" + Long.toHexString(name) + ".so");
                Files.createFile(file, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
                return Files.setPosixFilePermissions(file, OWNER_ONLY); // whatever the umask took
            } catch (FileAlreadyExistsException taken) {
                // Another class loader or process was here in the same nanosecond.
            }
        }
    }

    private static void copy(InputStream library, Path file) throws IOException {
        // Not Files.newOutputStream: on Java 8 that is a channel, which an interrupted thread can't write to.
        try (OutputStream out = new FileOutputStream(file.toFile())) {
            byte[] buffer = new byte[1 << 16];
            for (int n; (n = library.read(buffer)) > 0; ) {
                out.write(buffer, 0, n);
            }
        }
    }

    private static void loadExtracted(Path file) {
        try {
            System.load(file.toAbsolutePath().toString());
        } catch (UnsatisfiedLinkError error) {
            // The file has its x bits, so only the mount can make it not executable.
            if (!Files.isExecutable(file)) {
                throw failed("the folder " + file.getParent() + " is mounted noexec"
                        + "; -Dio.offheap.tmpdir=FOLDER names another one (" + error.getMessage() + ")", error);
            }
            throw error;
        }
    }

    /** The folder of this platform's library in the jar, such as linux-x86_64. */
    private static String platform() throws IOException {
        String os = System.getProperty("os.name");
        String arch = System.getProperty("os.arch");
        if (!os.equals("Linux")) {
            throw new IOException("operating system " + os + " is not supported, only Linux");
        }
        switch (arch) {
            case "amd64":
            case "x86_64":
                return "linux-x86_64";
            case "aarch64":
                return "linux-aarch64";
            default:
                throw new IOException("processor " + arch + " is not supported, only x86_64 and aarch64");
        }
    }

    private static void checkVersion() throws IOException {
        Properties properties = new Properties();
        try (InputStream resource = NativeLibrary.class.getResourceAsStream("version.properties")) {
            properties.load(resource);
        }
        String expected = properties.getProperty("version");
        String found = OffHeap.version0();
        if (!found.equals(expected)) {
            throw new UnsatisfiedLinkError("the offheap classes are version " + expected
                    + ", the native library is version " + found + ": use the library of the same release");
        }
    }

    private static Throwable attempt(Attempt attempt) {
        try {
            attempt.run();
            return null;
        } catch (IOException | RuntimeException | LinkageError failure) {
            return failure;
        }
    }

    private static String reason(Throwable failure) {
        String reason = failure instanceof UnsatisfiedLinkError || failure.getClass() == IOException.class
                ? failure.getMessage()
                : failure.toString();
        // Java 24 and later, --illegal-native-access=deny; the class exists since 9.
        if (failure.getClass().getName().equals("java.lang.IllegalCallerException")) {
            return reason + " (this JVM denies native code to modules it was not told of: start it with"
                    + " --enable-native-access=io.offheap, or =ALL-UNNAMED when offheap is on the class path)";
        }
        return reason;
    }

    private static UnsatisfiedLinkError failed(String message, Throwable cause) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError(message);
        error.initCause(cause);
        return error;
    }

    /** The path of this library if it is the JVM's agent, which is where the JVM finds this native. */
    private static native String agentLibrary0();

    /** Binds the natives of all classes of this library to the agent. */
    private static native void bind0();

    private interface Attempt {
        void run() throws IOException;
    }
}
