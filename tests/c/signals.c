/* Sends signals that a JVM tolerates to threads of the process PID, one after the other, until
 * stdin ends. Then prints how many it has sent.
 *
 * A signal to the process as a whole reaches the main thread nearly always; only tgkill reaches
 * the one that is blocked in a system call. */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 4096 };

static int threads_of(long pid, long *threads) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return 0;
    }
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL && count < MAX_THREADS) {
        long thread = strtol(entry->d_name, NULL, 10);
        if (thread > 0) {
            threads[count++] = thread;
        }
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: signals PID SEED\n");
        return 2;
    }
    long pid = strtol(argv[1], NULL, 10);
    unsigned seed = (unsigned)strtoul(argv[2], NULL, 10);
    /* The first is the one the JDK wakes blocked threads with. HotSpot's handler swallows SIGPIPE and
     * SIGXFSZ; the other two have no handler. */
    const int signals[] = {SIGRTMAX - 2, SIGRTMAX - 2, SIGRTMAX - 2, SIGPIPE, SIGXFSZ, SIGURG, SIGWINCH};
    static long threads[MAX_THREADS];
    int count = 0;
    unsigned long sent = 0;
    for (unsigned long turn = 0;; turn++) {
        /* Threads come and go. */
        if (turn % 256 == 0 && (count = threads_of(pid, threads)) == 0) {
            break;
        }
        long thread = threads[rand_r(&seed) % (unsigned)count];
        int signal = signals[(unsigned)rand_r(&seed) % (sizeof signals / sizeof *signals)];
        if (syscall(SYS_tgkill, pid, thread, signal) == 0) {
            sent++;
        }
        struct pollfd end = {.fd = 0, .events = POLLIN};
        const struct timespec pause = {.tv_nsec = 100 * 1000};
        if (ppoll(&end, 1, &pause, NULL) != 0) {
            break;
        }
    }
    printf("%lu\n", sent);
    return 0;
}
