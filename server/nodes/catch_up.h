/* Catches up: reads the commits after the registry's position from the log, and applies them in
 * order. They are commits of other nodes, and commits of this node whose outcome was not known.
 *
 * Damage of the log after the registry's position, such as a hole, is remembered: until it is gone
 * nothing may be appended, because an append could fill the hole.
 *
 * Committer's thread. */
#ifndef NODES_CATCH_UP_H
#define NODES_CATCH_UP_H

#include "log_identity.h"

struct catch_up;

struct catch_up_options {
    struct store *store;           /* borrowed, as all here */
    struct registry *registry;     /* each run drops what was accepted but not applied */
    struct log_identity *identity; /* checked if the log looks damaged */
    /* Called after each commit was applied; own: it is one of the caller's. */
    void (*applied)(void *user, const struct staged *staged, bool own);
    /* Called after the last commit of a run; own: at least one was the caller's. */
    void (*settled)(void *user, bool own);
    void *user;
};

/* Commits of this node that may be in the log, in order. */
struct own_commits {
    struct commit *const *commits; /* borrowed */
    size_t n;
    size_t landed; /* number, from the first on, that were seen in the log and applied */
};

struct catch_up *catch_up_new(const struct catch_up_options *options);
void catch_up_free(struct catch_up *catch_up);

/* Reads to the log's end, as far as the store shows it. own (may be NULL): counts its commits that
 * are found. Errors: those of the store, and UNAVAILABLE with reason LOG_CHANGED, which is final.
 */
bool catch_up_run(struct catch_up *catch_up, struct own_commits *own, struct status *st);
/* Whether the last run found damage after the registry's position; st: DATA_LOSS. */
bool catch_up_is_damaged(const struct catch_up *catch_up, struct status *st);
/* Notes that a look which began at begun_ns found the log to end at the registry's position:
 * earlier damage is gone. */
void catch_up_note_end(struct catch_up *catch_up, int64_t begun_ns);
/* Whether a commit of another node was applied since the last call. */
bool catch_up_take_rival(struct catch_up *catch_up);

#endif
