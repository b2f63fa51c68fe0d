package bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** Measures at once and again for each line that comes, so that several programs can be measured in turn. */
final class Rounds {
    interface Round {
        double figure() throws Exception;
    }

    private Rounds() {}

    static void run(Round round) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        do {
            System.out.println(round.figure());
        } while (in.readLine() != null);
    }
}
