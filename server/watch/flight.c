/* Accounting of messages in flight. While the ring has the commits of a message, the message costs
 * nothing. If its client does not read, the commits leave the ring, and only the message keeps
 * their memory. */
#include <assert.h>

#include "watch.h"

void flight_begin(struct watch *watch, uint64_t first, size_t bytes)
{
    assert(!watch->flight_counted && "a stream has one message on its way at most");
    if (bytes > BACKLOG_LEAST) {
        watch->flight_bytes = bytes;
        heap_put(&watch->hub->flights, &watch->flight, first);
    }
}

void flight_end(struct watch *watch)
{
    heap_remove(&watch->hub->flights, &watch->flight);
    if (watch->flight_counted) {
        watch->flight_counted = false;
        atomic_fetch_sub(&watch->hub->backlog_bytes, watch->flight_bytes);
    }
}

void flights_count(struct hub *hub)
{
    for (struct heap_node *node; (node = heap_first(&hub->flights)) != NULL;) {
        if (node->key >= ring_first(&hub->ring)) {
            return;
        }
        struct watch *watch = CONTAINER_OF(node, struct watch, flight);
        heap_remove(&hub->flights, node);
        watch->flight_counted = true;
        atomic_fetch_add(&hub->backlog_bytes, watch->flight_bytes);
    }
}
