package same;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Runs the cases whose names start with one of the arguments, or all, and prints what each found. An argument
 * {@code -NAME} leaves those out whose names start so.
 *
 * <p>What is printed is the same in every run on a JDK, so that a run on the JDK's natives can be compared with one
 * on others: no addresses, ports, times, counts that depend on scheduling. Exceptions keep their messages under
 * {@code -XX:-OmitStackTraceInFastThrow}; without it, compiled code may leave out that of one often thrown.
 */
public final class Main {
    /** Far longer than any case takes, even compiled in full on a busy machine. */
    private static final int SECONDS = 60;

    private Main() {
    }

    /**
     * Runs the cases.
     *
     * @param args starts of names
     */
    public static void main(String[] args) throws InterruptedException {
        Cases cases = new Cases();
        MemoryCases.add(cases);
        BufferCases.add(cases);
        ArenaCases.add(cases);
        StreamCases.add(cases);
        ChannelCases.add(cases);
        DatagramCases.add(cases);
        FileCases.add(cases);
        ThreadCases.add(cases);
        int count = 0;
        boolean times = Boolean.getBoolean("same.times");
        for (Map.Entry<String, Cases.Body> entry : cases.bodies.entrySet()) {
            if (isWanted(entry.getKey(), args)) {
                long start = System.nanoTime();
                run(entry.getKey(), entry.getValue());
                count++;
                if (times) {
                    System.err.println((System.nanoTime() - start) / 1000000 + " ms " + entry.getKey());
                }
            }
        }
        print("same: " + count + " cases");
        // Threads of thread pools must not keep the run from ending.
        System.exit(0);
    }

    private static boolean isWanted(String name, String[] args) {
        List<String> in = new ArrayList<>();
        List<String> out = new ArrayList<>();
        for (String arg : args) {
            if (arg.startsWith("-")) {
                out.add(arg.substring(1));
            } else {
                in.add(arg);
            }
        }
        return (in.isEmpty() || in.stream().anyMatch(name::startsWith)) && out.stream().noneMatch(name::startsWith);
    }

    private static void run(String name, Cases.Body body) throws InterruptedException {
        Work<Object> work = Work.start(() -> {
            try {
                Object result = body.run();
                if (result instanceof Findings) {
                    ((Findings) result).lines.forEach(line -> print(name + ", " + line));
                } else {
                    print(name + ": " + result);
                }
            } catch (Throwable thrown) {
                print(name + ": " + Text.of(thrown));
            }
            return null;
        });
        work.thread.join(SECONDS * 1000L);
        if (work.thread.isAlive()) {
            print(name + ": hung");
            Thread.getAllStackTraces().forEach((thread, stack) -> {
                System.err.println(thread);
                for (StackTraceElement frame : stack) {
                    System.err.println("    at " + frame);
                }
            });
            System.err.flush();
            Runtime.getRuntime().halt(3);
        }
    }

    private static void print(String line) {
        PrintStream out = System.out;
        synchronized (out) {
            out.println(line);
            out.flush();
        }
    }
}
