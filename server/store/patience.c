/* How long calls wait for a store. */
#include "store.h"

static _Thread_local int64_t thread_deadline_ns = INT64_MAX;

int64_t store_set_deadline(int64_t deadline_ns)
{
    int64_t before = thread_deadline_ns;
    thread_deadline_ns = deadline_ns;
    return before;
}

int64_t store_deadline(void)
{
    return thread_deadline_ns;
}

void store_interrupt(struct store *store)
{
    if (store->ops->interrupt != NULL) {
        store->ops->interrupt(store);
    }
}
