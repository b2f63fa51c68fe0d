package same;

import java.util.ArrayList;
import java.util.List;

/** What a case with more than one result has found, one line each. */
final class Findings {
    final List<String> lines = new ArrayList<>();

    /** Runs {@code body} and notes what it returns or throws. */
    Findings add(String name, Cases.Body body) {
        lines.add(name + ": " + Text.outcome(body));
        return this;
    }
}
