/*
 * A native library joins the budget: its images count against the same limit as direct buffers,
 * and it gives cached ones back when somebody else needs the room.
 *
 *     cc budget.c $(pkg-config --cflags --libs offheap) && ./a.out
 */
#include <offheap.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE = 1 << 20, CACHED = 3 };

static void *cache[CACHED];

static void drop_cache(void *context, int64_t shortfall) {
    (void)context;
    printf("%" PRId64 " bytes are missing: dropping the cache\n", shortfall);
    for (int i = 0; i < CACHED; i++) {
        if (cache[i] != NULL)
            unreserveMemory(IMAGE, IMAGE);
        free(cache[i]);
        cache[i] = NULL;
    }
}

static void *load_image(void) {
    int status = reserveMemory(IMAGE, IMAGE);
    if (status != 0) {
        fprintf(stderr, "no room for an image: %s\n", strerror(status));
        return NULL;
    }
    void *image = malloc(IMAGE); /* or mmap, or a graphics card's: what the library itself takes */
    if (image == NULL)
        unreserveMemory(IMAGE, IMAGE);
    return image;
}

int main(void) {
    struct offheap_budget_t budget;
    offheap_set_max_memory(4 * IMAGE);
    offheap_set_reclaimer(drop_cache, NULL);
    for (int i = 0; i < CACHED; i++)
        cache[i] = load_image();

    void *buffer = offheap_direct_allocate(2 * IMAGE, false); /* 2 MiB, and 1 MiB is free */
    offheap_budget(&budget);
    printf("%" PRId64 " of %" PRId64 " bytes in %" PRId64 " reservation\n", budget.total_capacity,
           budget.max_memory, budget.count);
    return buffer != NULL && offheap_direct_free(buffer) == 0 ? 0 : 1;
}
