/* Direct buffers: zeroed, aligned, counted, freed once. */
#include <offheap.h>

#include <pthread.h>

#include "check.h"

static struct offheap_budget_t budget(void) {
    struct offheap_budget_t now;
    CHECK(0, offheap_budget(&now));
    return now;
}

static void a_buffer_is_zero_and_counted(void) {
    unsigned char *buffer = (unsigned char *)offheap_direct_allocate(1000, false);
    CHECK(0, buffer == NULL);
    CHECK(0, (uintptr_t)buffer % 16);
    int sum = 0;
    for (int i = 0; i < 1000; i++)
        sum |= buffer[i];
    CHECK(0, sum);
    CHECK(1000, budget().reserved_memory);
    CHECK(1000, budget().total_capacity);
    CHECK(1, budget().count);
    CHECK(0, offheap_direct_free(buffer));
    CHECK(0, budget().reserved_memory);
    CHECK(0, budget().count);
}

static void a_buffer_without_capacity_has_an_address_and_a_size(void) {
    void *buffer = offheap_direct_allocate(0, false);
    CHECK(0, buffer == NULL);
    CHECK(1, budget().reserved_memory);
    CHECK(0, budget().total_capacity);
    CHECK(0, offheap_direct_free(buffer));
}

static void a_page_aligned_buffer_begins_a_page_and_pays_for_the_slack(void) {
    unsigned char *buffer = (unsigned char *)offheap_direct_allocate(5000, true);
    CHECK(0, buffer == NULL);
    CHECK(0, (uintptr_t)buffer % pageSize());
    CHECK(0, setMemory(buffer, 5000, 0xFF));
    CHECK(5000 + pageSize(), budget().reserved_memory);
    CHECK(5000, budget().total_capacity);
    CHECK(EINVAL, offheap_direct_free(buffer + 16));
    CHECK(0, offheap_direct_free(buffer));
}

static void what_is_no_live_buffer_is_refused(void) {
    char local;
    void *block = allocateMemory(64);
    void *buffer = offheap_direct_allocate(64, false);
    CHECK(EINVAL, offheap_direct_free(NULL));
    CHECK(EINVAL, offheap_direct_free(&local));
    CHECK(EINVAL, offheap_direct_free(block));
    CHECK(EINVAL, offheap_direct_free((void *)UINTPTR_MAX));
    CHECK(EINVAL, offheap_direct_free((char *)buffer + 1));
    CHECK(0, offheap_direct_free(buffer));
    CHECK(EINVAL, offheap_direct_free(buffer));
    CHECK(0, freeMemory(block));
    CHECK(0, budget().count);
}

static void a_failure_leaves_no_reservation(void) {
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - pageSize() + 1, SIZE_MAX / 2, (size_t)INT64_MAX,
                            (size_t)1 << 62};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_NULL(ENOMEM, offheap_direct_allocate(sizes[i], false));
        CHECK_NULL(ENOMEM, offheap_direct_allocate(sizes[i], true));
    }
    CHECK(0, offheap_set_max_memory(100));
    CHECK(0, offheap_set_policy(OFFHEAP_POLICY_LEGACY));
    CHECK_NULL(ENOMEM, offheap_direct_allocate(101, false));
    CHECK(0, budget().reserved_memory);
    CHECK(0, budget().total_capacity);
    CHECK(0, budget().count);
    CHECK(0, offheap_set_max_memory(0));
    CHECK_NULL(ENOMEM, offheap_direct_allocate(1, false));
    CHECK(0, offheap_set_max_memory(INT64_MAX));
}

static void *free_it(void *buffer) {
    return offheap_direct_free(buffer) == 0 ? buffer : NULL;
}

static void of_several_threads_that_free_a_buffer_one_succeeds(void) {
    for (int round = 0; round < 50; round++) {
        pthread_t threads[4];
        int successes = 0;
        void *buffer = offheap_direct_allocate(100, false);
        for (int i = 0; i < 4; i++)
            CHECK(0, pthread_create(&threads[i], NULL, free_it, buffer));
        for (int i = 0; i < 4; i++) {
            void *freed;
            CHECK(0, pthread_join(threads[i], &freed));
            successes += freed != NULL;
        }
        CHECK(1, successes);
    }
    CHECK(0, budget().count);
}

int main(void) {
    a_buffer_is_zero_and_counted();
    a_buffer_without_capacity_has_an_address_and_a_size();
    a_page_aligned_buffer_begins_a_page_and_pays_for_the_slack();
    what_is_no_live_buffer_is_refused();
    a_failure_leaves_no_reservation();
    of_several_threads_that_free_a_buffer_one_succeeds();
    return report();
}
