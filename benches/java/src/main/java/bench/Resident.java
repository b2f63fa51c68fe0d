package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;

/** How much memory of this process is resident, as the kernel counts it. */
final class Resident {
    private Resident() {}

    /** Page by page: {@code VmRSS} lags behind, by up to 64 pages a thread. */
    static long kilobytes() throws IOException {
        for (String line : Files.readAllLines(Paths.get("/proc/self/smaps_rollup"))) {
            if (line.startsWith("Rss:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IllegalStateException("no Rss in /proc/self/smaps_rollup");
    }
}
