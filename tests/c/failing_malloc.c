/* Preloaded: allocations of certain odd sizes fail.
 * The sizes are ones that nothing but the test asks for. */
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

/* In tests/java/NoMemory.java: 100003 as it is (a socket's buffer), 777208 as rounded to 8. */
static int fails(size_t size) {
    if (size == 100003 || size == 777208) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *malloc(size_t size) {
    return fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return fails(size) ? NULL : __libc_realloc(block, size);
}
