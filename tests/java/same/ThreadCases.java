package same;

import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** Virtual threads, where there are any, and processes. */
final class ThreadCases {
    private interface Body {
        Object run() throws Throwable;
    }

    private ThreadCases() {
    }

    private static void virtual(Cases cases, String name, Body body) {
        cases.add("virtual threads: " + name, () -> {
            try {
                Thread.class.getMethod("ofVirtual");
            } catch (NoSuchMethodException absent) {
                return "not in this Java";
            }
            return body.run();
        });
    }

    static void add(Cases cases) {
        virtual(cases, "many connections", () -> StreamCases.manyConnections(30, Work::startVirtual));
        virtual(cases, "streams", ThreadCases::streams);
        virtual(cases, "close during a read", () -> during(pair -> read(pair, 0), true));
        virtual(cases, "close during a timed read", () -> during(pair -> read(pair, 60_000), true));
        virtual(cases, "close during a write", () -> during(ThreadCases::flood, true));
        virtual(cases, "interrupt during a read", () -> during(pair -> read(pair, 0), false));
        virtual(cases, "interrupt during a timed read", () -> during(pair -> read(pair, 60_000), false));
        virtual(cases, "interrupt during a write", () -> during(ThreadCases::flood, false));
        virtual(cases, "channels", ThreadCases::channels);
        virtual(cases, "accept", ThreadCases::accept);
        virtual(cases, "files", ThreadCases::files);
        cases.add("processes: a MiB through cat", ThreadCases::cat);
        cases.add("processes: ends", ThreadCases::exitCodes);
        cases.add("processes: several at once", ThreadCases::several);
    }

    private static Object read(Pair pair, int timeout) throws Exception {
        pair.near.setSoTimeout(timeout);
        return pair.in.read();
    }

    private static Object flood(Pair pair) throws Exception {
        byte[] array = new byte[300_000];
        while (true) {
            pair.out.write(array);
        }
    }

    private interface Use {
        Object run(Pair pair) throws Exception;
    }

    private static Object during(Use use, boolean close) throws Exception {
        try (Pair pair = new Pair()) {
            Work<String> work = Work.startVirtual(() -> {
                String outcome = Text.outcome(() -> use.run(pair));
                return outcome + ", interrupted: " + Thread.interrupted();
            }).blocked();
            if (close) {
                pair.near.close();
            } else {
                work.thread.interrupt();
            }
            return work.get() + ", closed: " + pair.near.isClosed();
        }
    }

    private static Object streams() throws Exception {
        try (Pair pair = new Pair()) {
            Findings findings = new Findings();
            findings.add("time out", () -> Work.startVirtual(() -> read(pair, 20)).get());
            pair.near.setSoTimeout(0);
            findings.add("transfer", () -> {
                Work<String> reader = Work.startVirtual(() -> Text.digest(StreamCases.all(pair.far.getInputStream())));
                Work<Object> writer = Work.startVirtual(() -> {
                    pair.out.write(Text.bytes(700_001));
                    pair.near.shutdownOutput();
                    return "written";
                });
                return writer.get() + " " + reader.get();
            });
            findings.add("reset", () -> Work.startVirtual(() -> {
                pair.reset();
                return pair.in.read();
            }).get());
            return findings.add("write after it", () -> Work.startVirtual(() -> {
                pair.out.write(1);
                return "written";
            }).get());
        }
    }

    private static Object channels() throws Exception {
        Findings findings = new Findings();
        try (ChannelPair pair = new ChannelPair()) {
            findings.add("transfer", () -> {
                Work<String> reader = Work.startVirtual(() -> {
                    ByteBuffer received = ByteBuffer.allocateDirect(700_001);
                    while (received.hasRemaining()) {
                        pair.far.read(received);
                    }
                    received.flip();
                    return Text.digest(received);
                });
                return Work.startVirtual(() -> {
                    ChannelPair.writeAll(pair.near, ByteBuffer.wrap(Text.bytes(700_001)));
                    return "written";
                }).get() + " " + reader.get();
            });
            findings.add("close during a read", () -> {
                Work<Integer> work = Work.startVirtual(() -> pair.near.read(ByteBuffer.allocate(1))).blocked();
                pair.near.close();
                return work.get();
            });
            findings.add("the other end", () -> Work.startVirtual(() -> pair.far.read(ByteBuffer.allocate(1))).get());
        }
        try (ChannelPair pair = new ChannelPair()) {
            findings.add("interrupt during a scatter", () -> {
                Callable<Long> scatter = () -> pair.near.read(new ByteBuffer[] {ByteBuffer.allocate(1)});
                Work<Long> work = Work.startVirtual(scatter).blocked();
                work.thread.interrupt();
                return work.get();
            });
        }
        return findings;
    }

    private static Object accept() throws Exception {
        Findings findings = new Findings();
        ServerSocket server = Pair.server();
        findings.add("time out", () -> {
            server.setSoTimeout(20);
            return Work.startVirtual(server::accept).get();
        });
        findings.add("close during it", () -> {
            server.setSoTimeout(0);
            Work<Socket> work = Work.startVirtual(server::accept).blocked();
            server.close();
            return work.get();
        });
        return findings;
    }

    private static Object files() throws Exception {
        java.nio.file.Path path = Scratch.file("virtual", Text.bytes(50_000));
        try {
            return Work.startVirtual(() -> Text.digest(java.nio.file.Files.readAllBytes(path))).get();
        } finally {
            java.nio.file.Files.delete(path);
        }
    }

    private static Object cat() throws Exception {
        Process process = new ProcessBuilder("/bin/cat").start();
        Work<String> output = Work.start(() -> Text.digest(StreamCases.all(process.getInputStream())));
        process.getOutputStream().write(Text.bytes(1 << 20));
        process.getOutputStream().close();
        return output.get() + ", " + process.waitFor();
    }

    private static Object exitCodes() {
        Findings findings = new Findings();
        String[] commands = {"exit 0", "exit 7", "kill -9 $$", "echo to stdout; echo to stderr >&2; exit 1"};
        for (String command : commands) {
            findings.add(command, () -> {
                Process process = new ProcessBuilder("/bin/sh", "-c", command).start();
                process.getOutputStream().close();
                String out = new String(StreamCases.all(process.getInputStream()), "UTF-8").trim();
                String err = new String(StreamCases.all(process.getErrorStream()), "UTF-8").trim();
                return process.waitFor() + " [" + out + "] [" + err + "]";
            });
        }
        findings.add("destroyed", () -> {
            Process process = new ProcessBuilder("/bin/cat").start();
            process.destroy();
            return process.waitFor();
        });
        findings.add("its environment", () -> {
            ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", "echo $SAME");
            builder.environment().put("SAME", "a value");
            return new String(StreamCases.all(builder.start().getInputStream()), "UTF-8").trim();
        });
        return findings.add("absent", () -> new ProcessBuilder("/absent/program").start());
    }

    private static Object several() throws Exception {
        List<Work<Object>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            all.add(Work.start(ThreadCases::cat));
        }
        Findings findings = new Findings();
        for (int i = 0; i < all.size(); i++) {
            findings.add(String.valueOf(i), all.get(i)::get);
        }
        return findings;
    }
}
