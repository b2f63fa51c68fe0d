/*
 * A check prints what was expected and what came; `return report();` ends a test program.
 * Each argument is evaluated once.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int checks;
static int failures;

static inline void check_number(const char *file, int line, const char *text, long long expected,
                                long long actual) {
    __atomic_fetch_add(&checks, 1, __ATOMIC_RELAXED);
    if (expected != actual) {
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
        printf("%s:%d: %s: expected %lld, got %lld\n", file, line, text, expected, actual);
    }
}

/* The expression gives this number. */
#define CHECK(expected, expression) \
    check_number(__FILE__, __LINE__, #expression, (long long)(expected), (long long)(expression))

/* The expression gives this number, and errno that one. */
#define CHECK_ERRNO(expected, code, expression) \
    do { \
        errno = 0; \
        CHECK(expected, expression); \
        check_number(__FILE__, __LINE__, "errno of " #expression, code, errno); \
    } while (0)

/* The expression gives NULL, and errno this number. */
#define CHECK_NULL(code, expression) CHECK_ERRNO(1, code, (expression) == NULL)

static inline int report(void) {
    if (checks == 0) {
        printf("no check was made\n");
        return 1;
    }
    if (failures != 0) {
        printf("%d of %d checks failed\n", failures, checks);
        return 1;
    }
    printf("ok: %d checks\n", checks);
    return 0;
}

#endif
