package same;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Files that are gone when the JVM ends.
 *
 * <p>Not {@code File.createTempFile}: its random numbers may cost JDK 8 seconds to start.
 */
final class Scratch {
    private static final AtomicInteger COUNT = new AtomicInteger();
    private static final File FOLDER = folder();

    private Scratch() {
    }

    private static File folder() {
        try {
            String process = Files.readSymbolicLink(Paths.get("/proc/self")).toString();
            File folder = new File(System.getProperty("java.io.tmpdir"), "same-" + process);
            Files.createDirectories(folder.toPath());
            folder.deleteOnExit();
            return folder;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** An empty file. */
    static File file(String name) throws IOException {
        File file = absent(name).toFile();
        if (!file.createNewFile()) {
            throw new IOException(file + " exists");
        }
        return file;
    }

    /** A file with this content. */
    static Path file(String name, byte[] content) throws IOException {
        return Files.write(file(name).toPath(), content);
    }

    /** A name that no file has. */
    static Path absent(String name) {
        File file = new File(FOLDER, COUNT.incrementAndGet() + "-" + name);
        file.deleteOnExit();
        return file.toPath();
    }

    /** A message without the folder's name, which is another in each run. */
    static String withoutFolder(String text) {
        return text == null ? null : text.replaceAll("/[^ ]*/[0-9]+-", "");
    }
}
