/* Upkeep: the store's work that no write waits for, on a thread of its own.
 *
 * - heads: copies changed heads into the store, so that a start need not replay the whole log;
 * - scrub: removes erased payloads from the store;
 * - compact: drops the payloads that compactions let go of;
 * - policy: says when a compaction is due by itself.
 *
 * The committer hands over each commit after it was applied (upkeep_note). That never blocks: heads
 * are kept once a config, the newest one. Upkeep hands back compactions through its options, and
 * each write that waits for its scrub through the wait's done.
 *
 * Upkeep works in portions that the store takes no longer for than for an append, and rests as long
 * after each as it took, so that appends come in between.
 *
 * Whatever fails is tried again later; a failure is logged once, until it went well again. Nothing
 * is lost with a crash: the log says what is to be done, marks say how far it was done. */
#ifndef UPKEEP_UPKEEP_H
#define UPKEEP_UPKEEP_H

#include "metrics.h"
#include "registry.h"
#include "store.h"

struct upkeep;

/* When to compact without being asked; all zero: never. */
struct compaction_policy {
    uint64_t keep_versions; /* of each config; 0: one, where an age is given */
    int64_t keep_age_us;    /* what is younger stays */
    int64_t interval_us;    /* between two compactions, whichever node makes them */
};

struct upkeep_options {
    struct store *store;             /* borrowed */
    const struct registry *registry; /* borrowed; loaded */
    struct compaction_policy policy;
    /* Compact up to this revision, if that can be done now. Upkeep's thread; must not block. */
    void (*compact)(void *user, uint64_t floor, uint64_t keep_versions);
    void *user;
};

/* Someone who waits until erased payloads are gone. */
struct scrub_wait {
    /* The payloads have been removed, or could not be removed now and will be later. On upkeep's
     * thread or the caller's; must not block. */
    void (*done)(struct scrub_wait *wait);
    struct scrub_wait *next; /* upkeep's */
};

struct upkeep_stats {
    struct metric failed_head_saves, failed_scrubs;
};

/* The registry must not be changed until this returns. What nodes before left undone is found in
 * the store and finished. */
struct upkeep *upkeep_new(const struct upkeep_options *options);
/* Scrubs and saves what is left, answers who waits, ends the thread. After the last call of
 * upkeep_note. NULL is ignored. */
void upkeep_stop(struct upkeep *upkeep);
/* Stops it where that was not done. NULL is ignored. */
void upkeep_free(struct upkeep *upkeep);

/* A commit was applied; own: by this node. In the order of revisions; one thread at a time. */
void upkeep_note(struct upkeep *upkeep, const struct staged *staged, bool own);
/* Waits for the scrub of all that was noted so far. `wait` stays borrowed until done is called,
 * which may be before this returns. Any thread. */
void upkeep_wait_scrubbed(struct upkeep *upkeep, struct scrub_wait *wait);
/* The store's log is another one: writes nothing to the store any more. Any thread. */
void upkeep_halt(struct upkeep *upkeep);

/* Borrowed; counts on. Any thread. */
const struct upkeep_stats *upkeep_stats(const struct upkeep *upkeep);

#endif
