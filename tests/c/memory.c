/* Unsafe: allocate, reallocate, free, fill, copy, swap-copy. */
#include <offheap.h>

#include "check.h"

/* More than any address space: never to be had. */
static const size_t TOO_LARGE[] = {SIZE_MAX, SIZE_MAX - 6, SIZE_MAX - 7, SIZE_MAX / 2, (size_t)1 << 62};

static void zero_bytes_is_null_without_an_error(void) {
    CHECK_NULL(0, allocateMemory(0));
    CHECK_NULL(0, reallocateMemory(NULL, 0));
    CHECK_NULL(0, reallocateMemory(allocateMemory(8), 0));
    CHECK(0, freeMemory(NULL));
}

static void too_large_is_no_memory(void) {
    for (size_t i = 0; i < sizeof TOO_LARGE / sizeof *TOO_LARGE; i++) {
        CHECK_NULL(ENOMEM, allocateMemory(TOO_LARGE[i]));
        CHECK_NULL(ENOMEM, reallocateMemory(NULL, TOO_LARGE[i]));
    }
}

static void blocks_are_16_aligned_and_writable(void) {
    for (size_t bytes = 1; bytes <= 4097; bytes += 7) {
        void *block = allocateMemory(bytes);
        CHECK(0, (uintptr_t)block % 16);
        CHECK(0, setMemory(block, bytes, 0xA5));
        CHECK(0xA5, ((unsigned char *)block)[bytes - 1]);
        CHECK(0, freeMemory(block));
    }
}

static void reallocation_keeps_content_and_failure_keeps_the_block(void) {
    unsigned char *block = (unsigned char *)reallocateMemory(NULL, 16);
    memcpy(block, "0123456789abcdef", 16);
    block = (unsigned char *)reallocateMemory(block, 1 << 20);
    CHECK(0, memcmp(block, "0123456789abcdef", 16));
    for (size_t i = 0; i < sizeof TOO_LARGE / sizeof *TOO_LARGE; i++)
        CHECK_NULL(ENOMEM, reallocateMemory(block, TOO_LARGE[i]));
    block = (unsigned char *)reallocateMemory(block, 4);
    CHECK(0, memcmp(block, "0123", 4));
    CHECK(0, freeMemory(block));
}

static void fill_sets_its_range_and_nothing_else(void) {
    for (size_t start = 0; start < 9; start++) {
        for (size_t bytes = 0; bytes < 33; bytes++) {
            unsigned char arena[64], expected[64];
            memset(arena, 1, sizeof arena);
            memset(expected, 1, sizeof expected);
            memset(expected + start, 0xFF, bytes);
            CHECK(0, setMemory(arena + start, bytes, 0xFF));
            CHECK(0, memcmp(arena, expected, sizeof arena));
        }
    }
}

static void copy_is_memmove(void) {
    for (size_t from = 0; from < 20; from += 3) {
        for (size_t to = 0; to < 20; to++) {
            unsigned char arena[64], expected[64];
            for (size_t i = 0; i < sizeof arena; i++)
                arena[i] = expected[i] = (unsigned char)i;
            memmove(expected + to, expected + from, 32);
            CHECK(0, copyMemory(arena + from, arena + to, 32));
            CHECK(0, memcmp(arena, expected, sizeof arena));
        }
    }
}

static void swap_copy_reverses_elements_also_in_place_and_misaligned(void) {
    unsigned char in[17] = "0123456789abcdef", out[17] = "";
    CHECK(0, copySwapMemory(in, out, 16, 2));
    CHECK(0, memcmp(out, "1032547698badcfe", 16));
    CHECK(0, copySwapMemory(in, out, 16, 4));
    CHECK(0, memcmp(out, "32107654ba98fedc", 16));
    CHECK(0, copySwapMemory(in, in, 16, 8));
    CHECK(0, memcmp(in, "76543210fedcba98", 16));
    unsigned char overlap[17] = "0123456789abcdef";
    CHECK(0, copySwapMemory(overlap, overlap + 1, 8, 4));
    CHECK(0, memcmp(overlap, "032107654", 9));
}

static void bad_ranges_and_elements_are_refused(void) {
    unsigned char byte[8] = {7, 7, 7, 7, 7, 7, 7, 7};
    const size_t sizes[] = {1, 8, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        CHECK(EINVAL, setMemory(NULL, sizes[i], 0));
        CHECK(EINVAL, copyMemory(NULL, byte, sizes[i]));
        CHECK(EINVAL, copyMemory(byte, NULL, sizes[i]));
    }
    CHECK(EINVAL, copySwapMemory(NULL, byte, 8, 2));
    CHECK(EINVAL, copySwapMemory(byte, NULL, 8, 2));
    CHECK(EINVAL, setMemory(byte, SIZE_MAX, 0));
    CHECK(EINVAL, setMemory(byte, SIZE_MAX - (uintptr_t)byte + 1, 0));
    CHECK(EINVAL, copyMemory(byte, byte, SIZE_MAX));
    CHECK(EINVAL, copySwapMemory(byte, byte, SIZE_MAX - 1, 2));
    const size_t elements[] = {0, 1, 3, 5, 6, 7, 16, SIZE_MAX};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        CHECK(EINVAL, copySwapMemory(byte, byte, 0, elements[i]));
    CHECK(EINVAL, copySwapMemory(byte, byte, 6, 4));
    CHECK(0, setMemory(NULL, 0, 1));
    CHECK(0, copyMemory(NULL, NULL, 0));
    CHECK(0, copySwapMemory(NULL, NULL, 0, 2));
    for (size_t i = 0; i < sizeof byte; i++)
        CHECK(7, byte[i]);
}

int main(void) {
    zero_bytes_is_null_without_an_error();
    too_large_is_no_memory();
    blocks_are_16_aligned_and_writable();
    reallocation_keeps_content_and_failure_keeps_the_block();
    fill_sets_its_range_and_nothing_else();
    copy_is_memmove();
    swap_copy_reverses_elements_also_in_place_and_misaligned();
    bad_ranges_and_elements_are_refused();
    return report();
}
