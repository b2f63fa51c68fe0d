package same;

import java.util.LinkedHashMap;
import java.util.Map;

/** The cases of a run by name, in the order they run. */
final class Cases {
    /** What a case does; its result is what is printed. */
    interface Body {
        Object run() throws Throwable;
    }

    final Map<String, Body> bodies = new LinkedHashMap<>();

    void add(String name, Body body) {
        if (bodies.put(name, body) != null) {
            throw new IllegalStateException("two cases of the name " + name);
        }
    }
}
