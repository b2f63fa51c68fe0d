package bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;

/**
 * Takes so many blocks of raw memory of 64 bytes, prints the kilobytes of resident memory that a block has cost, and
 * then takes and frees one block after another until a line comes, of which it prints the longest time that one took,
 * in milliseconds: {@code MillionBlocks BLOCKS}.
 */
public final class MillionBlocks {
    private MillionBlocks() {}

    public static void main(String[] args) throws Exception {
        int blocks = Integer.parseInt(args[0]);
        Class<?> type = Class.forName("sun.misc.Unsafe");
        Field field = type.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        Object unsafe = field.get(null);
        Method allocate = type.getMethod("allocateMemory", long.class);
        Method free = type.getMethod("freeMemory", long.class);
        for (int i = 0; i < 100_000; i++) {
            free.invoke(unsafe, allocate.invoke(unsafe, 64L));
        }
        System.gc();
        long before = Resident.kilobytes();
        for (int i = 0; i < blocks; i++) {
            allocate.invoke(unsafe, 64L);
        }
        System.gc();
        System.out.println((Resident.kilobytes() - before) * 1024.0 / blocks);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        in.readLine();
        long longest = 0;
        while (!in.ready()) {
            for (int i = 0; i < 1000; i++) {
                long start = System.nanoTime();
                free.invoke(unsafe, allocate.invoke(unsafe, 64L));
                longest = Math.max(longest, System.nanoTime() - start);
            }
        }
        System.out.println(longest / 1e6);
        System.exit(0);
    }
}
