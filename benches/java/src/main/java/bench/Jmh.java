package bench;

import java.util.Collection;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.CommandLineOptions;

/**
 * A JMH benchmark, round by round: {@code Jmh ARGUMENTS}, those of JMH, which choose one benchmark and run it in this
 * JVM. Prints its score, and once more for each line that comes.
 */
public final class Jmh {
    private Jmh() {}

    public static void main(String[] args) throws Exception {
        Runner runner = new Runner(new CommandLineOptions(args));
        Rounds.run(() -> {
            Collection<RunResult> results = runner.run();
            if (results.size() != 1) {
                throw new IllegalArgumentException(results.size() + " benchmarks");
            }
            return results.iterator().next().getPrimaryResult().getScore();
        });
        System.exit(0);
    }
}
