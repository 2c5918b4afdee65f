/* Catching up: reads what the log has and the registry has not, and applies it. The log is read
 * from the registry's position on; other nodes' commits and this node's own whose outcome was not
 * known are applied alike, in order.
 *
 * Where the log behind the registry is damaged, as by a hole, that is remembered: nothing may be
 * appended then, because an append could fill the hole.
 *
 * Committer's thread. */
#ifndef NODES_CATCH_UP_H
#define NODES_CATCH_UP_H

#include "log_identity.h"

struct catch_up;

struct catch_up_options {
    struct store *store;           /* borrowed, as all here */
    struct registry *registry;     /* what was accepted and not applied is dropped by each run */
    struct log_identity *identity; /* asked where the log looks damaged */
    /* A commit was applied; own: it is one of the caller's. */
    void (*applied)(void *user, const struct staged *staged, bool own);
    /* After the last of a run; own: at least one was. */
    void (*settled)(void *user, bool own);
    void *user;
};

/* Commits of this node that may be in the log, in order. */
struct own_commits {
    struct commit *const *commits; /* borrowed */
    size_t n;
    size_t landed; /* so many, from the first on, were seen in the log and applied */
};

struct catch_up *catch_up_new(const struct catch_up_options *options);
void catch_up_free(struct catch_up *catch_up);

/* Reads to the log's end, as far as the store shows it. own (NULL: none): counts those that are
 * found. Fails as the store does, and with UNAVAILABLE, reason LOG_CHANGED, for good. */
bool catch_up_run(struct catch_up *catch_up, struct own_commits *own, struct status *st);
/* The damage that the last run found behind the registry: DATA_LOSS; false: none. */
bool catch_up_is_damaged(const struct catch_up *catch_up, struct status *st);
/* A look that began then found the log to end where the registry does. */
void catch_up_note_end(struct catch_up *catch_up, int64_t begun_ns);
/* Whether a commit of another node was applied since the last call. */
bool catch_up_take_rival(struct catch_up *catch_up);

#endif
