/* libnet: send and read, time limits, SIGPIPE, and a close from another thread. */
#include <offheap.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void sleep_ms(long ms) {
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

/* A descriptor number that is open nowhere. */
static int closed_number(void) {
    int fd = dup(0);
    close(fd);
    return fd;
}

static void bytes_go_from_end_to_end(void) {
    int pair[2];
    char buffer[16] = "";
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(5, NET_Send(pair[0], "hello", 5, 0));
    CHECK(1, NET_Timeout(pair[1], 0));
    CHECK(2, NET_Read(pair[1], buffer, 2));
    CHECK(3, NET_Read(pair[1], buffer + 2, sizeof buffer - 2));
    CHECK(0, memcmp(buffer, "hello", 5));
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(1, NET_Timeout(pair[1], -1));
    CHECK(0, NET_Read(pair[1], buffer, sizeof buffer));
    CHECK(0, NET_SocketClose(pair[1]));
}

static void bad_arguments_are_refused(void) {
    int pair[2];
    char byte = 'x';
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_ERRNO(-1, EINVAL, NET_Send(pair[0], &byte, -1, 0));
    CHECK_ERRNO(-1, EINVAL, NET_Send(pair[0], NULL, INT_MIN, 0));
    CHECK_ERRNO(-1, EFAULT, NET_Send(pair[0], NULL, 1, 0));
    CHECK_ERRNO(-1, EFAULT, NET_Read(pair[0], NULL, 1));
    CHECK_ERRNO(-1, EFAULT, NET_Read(pair[0], NULL, SIZE_MAX));
    CHECK(0, NET_Send(pair[0], NULL, 0, 0));
    CHECK(1, NET_Send(pair[0], &byte, 1, 0));
    CHECK(0, NET_Read(pair[1], NULL, 0));
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

static void what_is_no_open_descriptor_is_ebadf(void) {
    const int numbers[] = {-1, INT_MIN, INT_MAX, closed_number()};
    char byte = 'x';
    for (int i = 0; i < 4; i++) {
        CHECK_ERRNO(-1, EBADF, NET_Send(numbers[i], &byte, 1, 0));
        CHECK_ERRNO(-1, EBADF, NET_Read(numbers[i], &byte, 1));
        CHECK_ERRNO(-1, EBADF, NET_Timeout(numbers[i], 0));
        CHECK_ERRNO(-1, EBADF, NET_SocketClose(numbers[i]));
        CHECK_ERRNO(-1, EBADF, NET_Dup2(numbers[i], 1000));
    }
    CHECK_ERRNO(-1, EBADF, NET_Dup2(0, -1));
    CHECK_ERRNO(-1, EBADF, NET_Dup2(0, INT_MAX));
}

static void what_is_no_socket_is_enotsock(void) {
    int file = open("/dev/null", O_RDWR);
    char byte = 'x';
    CHECK_ERRNO(-1, ENOTSOCK, NET_Send(file, &byte, 1, 0));
    CHECK_ERRNO(-1, ENOTSOCK, NET_Read(file, &byte, 1));
    CHECK(0, NET_SocketClose(file));
}

static void a_time_limit_passes(void) {
    int pair[2];
    struct timespec start, end;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(0, NET_Timeout(pair[0], 0));
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK(0, NET_Timeout(pair[0], 60));
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK(1, (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 >= 59);
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

static void a_full_or_empty_non_blocking_socket_is_eagain(void) {
    int pair[2];
    static char block[1 << 16];
    int sent;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    CHECK_ERRNO(-1, EAGAIN, NET_Read(pair[0], block, sizeof block));
    do {
        errno = 0;
        sent = NET_Send(pair[0], block, (int)sizeof block, 0);
    } while (sent > 0);
    CHECK(-1, sent);
    CHECK(EAGAIN, errno);
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

static void sigpipe_does_not_kill(void) {
    int pair[2];
    CHECK(0, signal(SIGPIPE, SIG_DFL) == SIG_ERR);
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(0, NET_SocketClose(pair[1]));
    CHECK_ERRNO(-1, EPIPE, NET_Send(pair[0], "x", 1, 0));
    CHECK(0, NET_SocketClose(pair[0]));
}

struct call {
    int fd;
    int kind;
    int result;
    int code;
};

static void *block(void *argument) {
    static char buffer[1 << 22];
    struct call *call = (struct call *)argument;
    char byte;
    errno = 0;
    if (call->kind == 0)
        call->result = NET_Read(call->fd, &byte, 1);
    else if (call->kind == 1)
        call->result = NET_Timeout(call->fd, -1);
    else
        while ((call->result = NET_Send(call->fd, buffer, (int)sizeof buffer, 0)) > 0)
            ;
    call->code = errno;
    return NULL;
}

static void a_close_wakes_every_blocked_thread(void) {
    for (int round = 0; round < 20; round++) {
        int pair[2];
        struct call calls[4];
        pthread_t threads[4];
        CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        for (int i = 0; i < 4; i++) {
            struct call call = {pair[0], i % 3, 0, 0};
            calls[i] = call;
            CHECK(0, pthread_create(&threads[i], NULL, block, &calls[i]));
        }
        sleep_ms(round % 4 * 5);
        CHECK(0, NET_SocketClose(pair[0]));
        for (int i = 0; i < 4; i++) {
            CHECK(0, pthread_join(threads[i], NULL));
            CHECK(-1, calls[i].result);
            CHECK(EBADF, calls[i].code);
        }
        CHECK(0, NET_SocketClose(pair[1]));
    }
}

/* One round; false if the thread was so late that it began its call on the new file. */
static bool dup2_wakes_a_thread_that_is_inside(void) {
    int pair[2], other[2];
    struct call call;
    pthread_t thread;
    char byte = 0;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, other));
    call.fd = pair[0];
    call.kind = 0;
    CHECK(0, pthread_create(&thread, NULL, block, &call));
    sleep_ms(20);
    CHECK(pair[0], NET_Dup2(other[0], pair[0]));
    CHECK(1, NET_Send(other[1], "z", 1, 0));
    CHECK(0, pthread_join(thread, NULL));
    if (call.result == -1) {
        CHECK(EBADF, call.code);
        CHECK(1, NET_Read(pair[0], &byte, 1));
        CHECK('z', byte);
    } else {
        CHECK(1, call.result);
    }
    CHECK(1, NET_Send(pair[0], "y", 1, 0));
    CHECK(1, NET_Read(other[1], &byte, 1));
    CHECK('y', byte);
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
    CHECK(0, NET_SocketClose(other[0]));
    CHECK(0, NET_SocketClose(other[1]));
    return call.result == -1;
}

static void dup2_wakes_and_gives_the_number_a_new_file(void) {
    int late = 0;
    while (late < 100 && !dup2_wakes_a_thread_that_is_inside())
        late++;
    CHECK(1, late < 100);
}

static void dup2_onto_itself_changes_nothing(void) {
    int pair[2];
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(pair[0], NET_Dup2(pair[0], pair[0]));
    CHECK(1, NET_Send(pair[0], "y", 1, 0));
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

static void on_alarm(int signal) {
    (void)signal;
}

static void *send_later(void *argument) {
    sleep_ms(60);
    CHECK(1, NET_Send(*(int *)argument, "z", 1, 0));
    return NULL;
}

static void *shoot(void *target) {
    for (int i = 0; i < 10; i++) {
        sleep_ms(3);
        pthread_kill(*(pthread_t *)target, SIGALRM);
    }
    return NULL;
}

static void signals_do_not_end_a_call(void) {
    int pair[2];
    char byte = 0;
    pthread_t sender, shooter, self = pthread_self();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    CHECK(0, sigaction(SIGALRM, &action, NULL));
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(0, pthread_create(&sender, NULL, send_later, &pair[1]));
    CHECK(0, pthread_create(&shooter, NULL, shoot, &self));
    CHECK(1, NET_Timeout(pair[0], 5000));
    CHECK(1, NET_Read(pair[0], &byte, 1));
    CHECK('z', byte);
    CHECK(0, pthread_join(sender, NULL));
    CHECK(0, pthread_join(shooter, NULL));
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

struct cancelled {
    int fd;
    int read;
};

static void *cancelled_inside(void *argument) {
    struct cancelled *cancelled = (struct cancelled *)argument;
    char byte;
    cancelled->read = NET_Read(cancelled->fd, &byte, 1);
    pthread_testcancel();
    return NULL;
}

static void a_cancelled_thread_ends_after_its_call(void) {
    struct cancelled cancelled = {-1, -2};
    int pair[2];
    pthread_t thread;
    void *result = NULL;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    cancelled.fd = pair[0];
    CHECK(0, pthread_create(&thread, NULL, cancelled_inside, &cancelled));
    sleep_ms(50);
    CHECK(0, pthread_cancel(thread));
    sleep_ms(50);
    CHECK(1, NET_Send(pair[1], "x", 1, 0));
    CHECK(0, pthread_join(thread, &result));
    CHECK(1, result == PTHREAD_CANCELED);
    CHECK(1, cancelled.read);
    CHECK(0, NET_SocketClose(pair[0]));
    CHECK(0, NET_SocketClose(pair[1]));
}

int main(void) {
    bytes_go_from_end_to_end();
    bad_arguments_are_refused();
    what_is_no_open_descriptor_is_ebadf();
    what_is_no_socket_is_enotsock();
    a_time_limit_passes();
    a_full_or_empty_non_blocking_socket_is_eagain();
    sigpipe_does_not_kill();
    a_close_wakes_every_blocked_thread();
    dup2_wakes_and_gives_the_number_a_new_file();
    dup2_onto_itself_changes_nothing();
    signals_do_not_end_a_call();
    a_cancelled_thread_ends_after_its_call();
    return report();
}
