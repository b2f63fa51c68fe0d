package bench;

/** In a program of many threads the failure of one ends it: it must not tell a figure then, nor wait for it. */
final class Failure {
    private Failure() {}

    static void endsAll() {
        Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> end(failure));
    }

    static void end(Throwable failure) {
        failure.printStackTrace();
        Runtime.getRuntime().halt(1);
    }
}
