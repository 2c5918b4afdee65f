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
    uint64_t config_count;
    struct compaction compaction;
    size_t head_bytes;

    /* The committer's: what was accepted on top of that. */
    struct staged **accepted;
    size_t n_accepted;
    size_t room_accepted;
    struct table pending;
    size_t n_removed; /* live heads in it without their payload */
    struct position pending_position;
    struct compaction pending_compaction;
    int64_t last_time_us;
};

/* The head as the next command sees it; borrowed. */
struct head *registry_pending_head(const struct registry *registry, const char *environment,
                                   const char *service);

/* A command on its way to a commit. */
struct staging {
    const struct registry *registry;
    const struct command *command;
    const struct version_source *source;
    struct staged *staged;
    size_t n_made; /* changes of staged->commit that are filled */
    size_t bytes;  /* of their payloads */
};

/* ---- compaction.c ---- */

bool stage_compact(struct staging *s, const struct mutation *m, struct status *st);
/* Whether a version's payload (of this commit) stays. ret_kept false: it is gone, or is going. */
bool compaction_keeps(const struct registry *registry, const struct version_source *source,
                      const struct version_ref *version, bool *ret_kept, struct status *st);
/* The compaction that a commit makes on top of the one before; the same where it makes none. */
struct compaction compaction_after(const struct compaction *before, const struct commit *commit);

#endif
