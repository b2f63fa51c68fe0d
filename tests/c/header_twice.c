/* The header needs no other before it, may be included twice, and declares real functions. */
#include <offheap.h>
#include <offheap.h>

int main(void) {
    struct offheap_budget_t budget;
    enum offheap_policy policy = OFFHEAP_POLICY_BACKOFF;
    offheap_reclaimer none = NULL;
    if (offheap_budget(&budget) != 0 || offheap_set_policy(policy) != 0)
        return 1;
    return offheap_set_reclaimer(none, NULL) == 0 && pageSize() % 4096 == 0 ? 0 : 1;
}
