/* The configs that the newest commits have changed, so that a check that was made as of a revision
 * can be brought up to date without a walk over all heads. Not thread-safe: the committer's. */
#ifndef REGISTRY_CHANGED_KEYS_H
#define REGISTRY_CHANGED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

/* At most this many changes are remembered. */
#define CHANGED_KEYS 8192

struct changed_key {
    uint64_t revision;
    struct str key; /* environment, NUL, service; owned */
};

struct changed_keys {
    struct changed_key *ring; /* owned; NULL: nothing was added yet */
    uint64_t begin, end;      /* those that are remembered, by number; slot: modulo CHANGED_KEYS */
    uint64_t floor;           /* all changes of later revisions are remembered */
};

void changed_keys_fini(struct changed_keys *keys);
/* Forgets all; changes are remembered from the next revision on. */
void changed_keys_start(struct changed_keys *keys, uint64_t revision);
/* Adds a change. Revisions do not decrease. */
void changed_keys_add(struct changed_keys *keys, uint64_t revision, const char *environment,
                      const char *service);
/* Forgets changes of later revisions, which did not get into the log. */
void changed_keys_cut(struct changed_keys *keys, uint64_t revision);
/* The changes of later revisions, newest first: *place starts at 0; NULL at the end. Borrowed. */
const struct changed_key *changed_keys_next(const struct changed_keys *keys, uint64_t revision,
                                            uint64_t *place);

#endif
