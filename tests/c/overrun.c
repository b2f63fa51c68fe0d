/* Writes beyond a block: the sanitizer must end this program. */
#include <offheap.h>

int main(void) {
    volatile char *block = (volatile char *)allocateMemory(16);
    block[16] = 1;
    freeMemory((void *)block);
    return 0;
}
