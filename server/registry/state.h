/* What the parts of the registry share. */
#ifndef REGISTRY_STATE_H
#define REGISTRY_STATE_H

#include <pthread.h>

#include "order.h"
#include "registry.h"
#include "table.h"

struct registry {
    uint8_t epoch[EPOCH_SIZE];
    char epoch_text[EPOCH_TEXT_SIZE];

    /* Readers take it shared; the committer takes it alone, only to apply. Outside of apply the
     * committer reads without it: it is the only writer. */
    pthread_rwlock_t lock;
    struct table heads;
    struct order order;
    struct position position;
    uint64_t floor;
    uint64_t config_count;
    size_t head_bytes;

    /* The committer's: what was accepted on top of that. */
    struct staged **accepted;
    size_t n_accepted;
    size_t room_accepted;
    struct table pending;
    size_t n_removed; /* live heads in it without their payload */
    struct position pending_position;
    int64_t last_time_us;
};

/* The head as the next command sees it; borrowed. */
struct head *registry_pending_head(const struct registry *registry, const char *environment,
                                   const char *service);

#endif
