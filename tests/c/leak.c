/* Forgets blocks: the leak checker must fail this program. Many, because one address may survive
 * in a register or in old stack. */
#include <offheap.h>

#include <stddef.h>

static void *volatile block;

int main(void) {
    for (int i = 0; i < 100; i++)
        block = allocateMemory(1000);
    block = NULL;
    return 0;
}
