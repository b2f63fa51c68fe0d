/* Bits: page size, byte order, the budget, its reclaimer and its waiters. */
#include <offheap.h>

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static struct offheap_budget_t budget(void) {
    struct offheap_budget_t now;
    CHECK(0, offheap_budget(&now));
    return now;
}

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

static void the_page_size_is_the_systems(void) {
    CHECK(sysconf(_SC_PAGESIZE), pageSize());
}

static void the_version_is_a_text(void) {
    CHECK(0, strcmp(offheap_version(), OFFHEAP_TEST_VERSION));
}

static void bytes_are_ordered_at_any_alignment(void) {
    for (size_t at = 0; at < 8; at++) {
        unsigned char b[16] = {0};
        CHECK(0, offheap_put_u16be(b + at, 0x0102));
        CHECK(0, memcmp(b + at, "\x01\x02", 2));
        CHECK(0x0102, offheap_get_u16be(b + at));
        CHECK(0x0201, offheap_get_u16le(b + at));
        CHECK(0, offheap_put_u16le(b + at, 0x0102));
        CHECK(0x0201, offheap_get_u16be(b + at));
        CHECK(0, offheap_put_u32be(b + at, 0x01020384u));
        CHECK(0, memcmp(b + at, "\x01\x02\x03\x84", 4));
        CHECK(0x01020384u, offheap_get_u32be(b + at));
        CHECK(0x84030201u, offheap_get_u32le(b + at));
        CHECK(0, offheap_put_u32le(b + at, 0x01020384u));
        CHECK(0x84030201u, offheap_get_u32be(b + at));
        CHECK(0, offheap_put_u64be(b + at, 0x0102030405060788u));
        CHECK(0, memcmp(b + at, "\x01\x02\x03\x04\x05\x06\x07\x88", 8));
        CHECK(0x0102030405060788u, offheap_get_u64be(b + at));
        CHECK((long long)0x8807060504030201u, offheap_get_u64le(b + at));
        CHECK(0, offheap_put_u64le(b + at, 0x0102030405060788u));
        CHECK((long long)0x8807060504030201u, offheap_get_u64be(b + at));
    }
}

static void null_is_refused(void) {
    CHECK_ERRNO(0, EINVAL, offheap_get_u16be(NULL));
    CHECK_ERRNO(0, EINVAL, offheap_get_u16le(NULL));
    CHECK_ERRNO(0, EINVAL, offheap_get_u32be(NULL));
    CHECK_ERRNO(0, EINVAL, offheap_get_u32le(NULL));
    CHECK_ERRNO(0, EINVAL, offheap_get_u64be(NULL));
    CHECK_ERRNO(0, EINVAL, offheap_get_u64le(NULL));
    CHECK(EINVAL, offheap_put_u16be(NULL, 1));
    CHECK(EINVAL, offheap_put_u16le(NULL, 1));
    CHECK(EINVAL, offheap_put_u32be(NULL, 1));
    CHECK(EINVAL, offheap_put_u32le(NULL, 1));
    CHECK(EINVAL, offheap_put_u64be(NULL, 1));
    CHECK(EINVAL, offheap_put_u64le(NULL, 1));
    CHECK(EINVAL, offheap_budget(NULL));
    CHECK(0, offheap_set_reclaimer(NULL, NULL));
}

static void there_is_no_limit_at_first(void) {
    CHECK(INT64_MAX, offheap_max_memory());
    CHECK(0, reserveMemory(INT64_MAX, INT64_MAX));
    CHECK(EINVAL, tryReserveMemory(1, 0));
    CHECK(ENOMEM, tryReserveMemory(0, 1));
    CHECK(0, unreserveMemory(INT64_MAX, INT64_MAX));
    CHECK(0, budget().count);
}

static void the_limit_is_on_capacity_and_the_count_on_size(void) {
    CHECK(0, offheap_set_max_memory(100));
    CHECK(100, offheap_max_memory());
    CHECK(0, tryReserveMemory(4096, 60));
    CHECK(ENOMEM, tryReserveMemory(1, 41));
    CHECK(0, tryReserveMemory(4096, 40));
    CHECK(100, budget().max_memory);
    CHECK(8192, budget().reserved_memory);
    CHECK(100, budget().total_capacity);
    CHECK(2, budget().count);
    CHECK(0, unreserveMemory(4096, 60));
    CHECK(0, unreserveMemory(4096, 40));
    CHECK(0, budget().reserved_memory);
}

static void impossible_figures_are_refused_and_change_nothing(void) {
    const int64_t negative[] = {-1, -4096, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        CHECK(EINVAL, reserveMemory(negative[i], 1));
        CHECK(EINVAL, reserveMemory(1, negative[i]));
        CHECK(EINVAL, tryReserveMemory(negative[i], 1));
        CHECK(EINVAL, tryReserveMemory(1, negative[i]));
        CHECK(EINVAL, unreserveMemory(negative[i], 1));
        CHECK(EINVAL, unreserveMemory(1, negative[i]));
        CHECK(EINVAL, offheap_set_max_memory(negative[i]));
    }
    CHECK(EINVAL, unreserveMemory(0, 0));
    CHECK(EINVAL, unreserveMemory(0, 1));
    CHECK(EINVAL, unreserveMemory(1, 0));
    CHECK(0, reserveMemory(10, 10));
    CHECK(EINVAL, unreserveMemory(11, 10));
    CHECK(EINVAL, unreserveMemory(10, 11));
    CHECK(0, unreserveMemory(10, 10));
    CHECK(EINVAL, unreserveMemory(10, 10));
    CHECK(EINVAL, offheap_set_policy(-1));
    CHECK(EINVAL, offheap_set_policy(2));
    CHECK(100, offheap_max_memory());
    CHECK(0, budget().count);
}

static void a_full_budget_is_no_memory_after_the_policys_wait(void) {
    CHECK(0, offheap_set_max_memory(0));
    CHECK(0, reserveMemory(1, 0));
    CHECK(0, unreserveMemory(1, 0));
    CHECK(0, offheap_set_policy(OFFHEAP_POLICY_LEGACY));
    long long start = milliseconds();
    CHECK(ENOMEM, reserveMemory(1, 1));
    CHECK(1, milliseconds() - start >= 100);
    CHECK(0, offheap_set_policy(OFFHEAP_POLICY_BACKOFF));
    start = milliseconds();
    CHECK(ENOMEM, reserveMemory(INT64_MAX, INT64_MAX));
    CHECK(1, milliseconds() - start >= 500);
    CHECK(0, budget().count);
}

struct hoard {
    int calls;
    int64_t shortfall;
    int64_t kept;
};

static void give_back(void *context, int64_t shortfall) {
    struct hoard *hoard = (struct hoard *)context;
    hoard->calls++;
    hoard->shortfall = shortfall;
    CHECK(ENOMEM, reserveMemory(INT64_MAX, INT64_MAX));
    CHECK(EDEADLK, offheap_set_reclaimer(NULL, NULL));
    CHECK(0, unreserveMemory(hoard->kept, hoard->kept));
    hoard->kept = 0;
}

static void the_reclaimer_makes_room_until_it_is_removed(void) {
    struct hoard hoard = {0, 0, 70};
    CHECK(0, offheap_set_max_memory(100));
    CHECK(0, offheap_set_reclaimer(give_back, &hoard));
    CHECK(0, reserveMemory(70, 70));
    CHECK(ENOMEM, tryReserveMemory(50, 50));
    CHECK(0, hoard.calls);
    CHECK(0, reserveMemory(50, 50));
    CHECK(1, hoard.calls);
    CHECK(20, hoard.shortfall);
    CHECK(0, offheap_set_reclaimer(NULL, &hoard));
    CHECK(0, offheap_set_policy(OFFHEAP_POLICY_LEGACY));
    CHECK(ENOMEM, reserveMemory(60, 60));
    CHECK(1, hoard.calls);
    CHECK(0, unreserveMemory(50, 50));
    CHECK(0, offheap_set_policy(OFFHEAP_POLICY_BACKOFF));
}

struct slow {
    int entered;
    int left;
};

static void sleep_inside(void *context, int64_t shortfall) {
    struct slow *slow = (struct slow *)context;
    (void)shortfall;
    __atomic_store_n(&slow->entered, 1, __ATOMIC_SEQ_CST);
    sleep_ms(100);
    __atomic_store_n(&slow->left, 1, __ATOMIC_SEQ_CST);
}

static void *reserve_100(void *result) {
    *(int *)result = reserveMemory(100, 100);
    return NULL;
}

static void a_replaced_reclaimer_is_waited_for(void) {
    struct slow slow = {0, 0};
    pthread_t thread;
    int result = -1;
    CHECK(0, reserveMemory(1, 1));
    CHECK(0, offheap_set_reclaimer(sleep_inside, &slow));
    CHECK(0, pthread_create(&thread, NULL, reserve_100, &result));
    while (!__atomic_load_n(&slow.entered, __ATOMIC_SEQ_CST))
        sleep_ms(1);
    CHECK(0, offheap_set_reclaimer(NULL, NULL));
    CHECK(1, __atomic_load_n(&slow.left, __ATOMIC_SEQ_CST));
    CHECK(0, pthread_join(thread, NULL));
    CHECK(ENOMEM, result);
    CHECK(0, unreserveMemory(1, 1));
}

static void release(void) {
    CHECK(0, unreserveMemory(100, 100));
}

static void raise_limit(void) {
    CHECK(0, offheap_set_max_memory(100));
}

/* Another thread asks for 100 bytes that are not there; `make_room` lets it have them. The wait is
 * bounded, so on a machine that stood still meanwhile it may have ended before: once more then. */
static void a_waiting_thread_gets_the_room(void (*no_room)(void), void (*make_room)(void)) {
    int result = ENOMEM;
    for (int round = 0; round < 20 && result == ENOMEM; round++) {
        pthread_t thread;
        no_room();
        CHECK(0, pthread_create(&thread, NULL, reserve_100, &result));
        sleep_ms(50);
        make_room();
        CHECK(0, pthread_join(thread, NULL));
    }
    CHECK(0, result);
    CHECK(1, budget().count);
    CHECK(0, unreserveMemory(100, 100));
}

static void reserve_all(void) {
    CHECK(0, reserveMemory(100, 100));
}

static void a_waiting_thread_is_woken_by_the_release_that_makes_room(void) {
    a_waiting_thread_gets_the_room(reserve_all, release);
}

static void lower_limit(void) {
    CHECK(0, offheap_set_max_memory(10));
}

static void a_waiting_thread_is_woken_by_a_higher_limit(void) {
    a_waiting_thread_gets_the_room(lower_limit, raise_limit);
}

static void *reserve_and_unreserve(void *failures) {
    for (int i = 0; i < 2000; i++) {
        if (reserveMemory(10, 10) != 0)
            ++*(int *)failures;
        else if (offheap_budget(NULL) != EINVAL || unreserveMemory(10, 10) != 0)
            ++*(int *)failures;
    }
    return NULL;
}

static void many_threads_share_the_budget(void) {
    pthread_t threads[4];
    int lost[4] = {0, 0, 0, 0};
    CHECK(0, offheap_set_max_memory(30));
    for (int i = 0; i < 4; i++)
        CHECK(0, pthread_create(&threads[i], NULL, reserve_and_unreserve, &lost[i]));
    for (int i = 0; i < 4; i++) {
        CHECK(0, pthread_join(threads[i], NULL));
        CHECK(0, lost[i]);
    }
    CHECK(0, budget().reserved_memory);
    CHECK(0, budget().total_capacity);
    CHECK(0, budget().count);
}

int main(void) {
    the_page_size_is_the_systems();
    the_version_is_a_text();
    bytes_are_ordered_at_any_alignment();
    null_is_refused();
    there_is_no_limit_at_first();
    the_limit_is_on_capacity_and_the_count_on_size();
    impossible_figures_are_refused_and_change_nothing();
    a_full_budget_is_no_memory_after_the_policys_wait();
    the_reclaimer_makes_room_until_it_is_removed();
    a_replaced_reclaimer_is_waited_for();
    a_waiting_thread_is_woken_by_the_release_that_makes_room();
    a_waiting_thread_is_woken_by_a_higher_limit();
    many_threads_share_the_budget();
    return report();
}
