/* Upkeep: the work on the store that no write waits for, on its own thread.
 *
 * - heads: saves changed heads to the store, so that a start need not replay the whole log;
 * - scrub: removes erased payloads from the store;
 * - compact: drops the payloads that compactions release;
 * - policy: decides when a compaction is due.
 *
 * Input: the committer passes each commit after it was applied (upkeep_note). That never blocks,
 * and only the newest head of each config is kept. Output: options->compact requests a compaction,
 * and a wait's `done` tells a write that its payloads were scrubbed.
 *
 * Upkeep works in portions, each as short for the store as an append. It then rests as long as the
 * portion took, so that appends get their turn.
 *
 * Errors: failed work is tried again later. A failure is logged once, until the next success. A
 * crash loses nothing: the log defines the work, and marks record how far it was done. */
#ifndef UPKEEP_UPKEEP_H
#define UPKEEP_UPKEEP_H

#include "metrics.h"
#include "registry.h"
#include "store.h"

struct upkeep;

/* When to compact without being asked; all zero: never. */
struct compaction_policy {
    uint64_t keep_versions; /* kept of each config; 0 with an age: one */
    int64_t keep_age_us;    /* younger versions are kept */
    int64_t interval_us;    /* between two compactions, whichever node makes them */
};

struct upkeep_options {
    struct store *store;             /* borrowed */
    const struct registry *registry; /* borrowed; loaded */
    struct compaction_policy policy;
    /* Requests a compaction up to this revision; it may be refused. Called on upkeep's thread; must
     * not block. */
    void (*compact)(void *user, uint64_t floor, uint64_t keep_versions);
    void *user;
};

/* A caller that waits until erased payloads are removed. */
struct scrub_wait {
    /* Called once the payloads are removed, or once a try has failed, which upkeep repeats later.
     * On upkeep's thread or the caller's; must not block. */
    void (*done)(struct scrub_wait *wait);
    struct scrub_wait *next; /* for upkeep only */
};

struct upkeep_stats {
    struct metric failed_head_saves, failed_scrubs;
};

/* Starts the thread, and resumes work that earlier processes left unfinished in the store. The
 * registry must not be changed until this returns. */
struct upkeep *upkeep_new(const struct upkeep_options *options);
/* Finishes scrubbing and saving, completes all waits, and ends the thread. Must follow the last
 * call of upkeep_note. NULL is ignored. */
void upkeep_stop(struct upkeep *upkeep);
/* Stops upkeep if it is running, and frees it. NULL is ignored. */
void upkeep_free(struct upkeep *upkeep);

/* Hands over a commit that was applied; own: this node made it. Call in the order of revisions, on
 * one thread at a time. Never blocks. */
void upkeep_note(struct upkeep *upkeep, const struct staged *staged, bool own);
/* Calls wait->done after everything noted so far was scrubbed, possibly before this returns. `wait`
 * is borrowed until then. Any thread. */
void upkeep_wait_scrubbed(struct upkeep *upkeep, struct scrub_wait *wait);
/* Stops all writes to the store, because its log was replaced. Any thread. */
void upkeep_halt(struct upkeep *upkeep);

/* Borrowed; counters that keep changing. Any thread. */
const struct upkeep_stats *upkeep_stats(const struct upkeep *upkeep);

#endif
