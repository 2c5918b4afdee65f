#include "stress_node.h"

#include "everybody.h"
#include "stress.h"

/* Long, because the watchdog of a stop ends the process, and sanitizers make a stop slow. */
#define GRACE_MS 30000

struct node *stress_node_start(const char *listen, const char *store, uint64_t threads,
                               uint64_t ring_bytes)
{
    struct node_options options = {
        .listen = listen,
        .store = store,
        .may_create = true,
        .bus = "local:",
        .access = everybody(),
        .max_payload_bytes = 1 << 20,
        .ring_bytes = ring_bytes,
        .threads = threads,
        .grace_ms = GRACE_MS,
    };
    struct node *node = NULL;
    struct status st;
    CHECK(node_start(&options, &node, &st), "%s", st.message);
    return node;
}
