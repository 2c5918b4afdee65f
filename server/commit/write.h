/* One write on its way through the committer. */
#ifndef COMMIT_WRITE_H
#define COMMIT_WRITE_H

#include "registry.h"
#include "sync.h"
#include "upkeep.h"

struct write {
    /* The submitter's to fill; borrowed until done is called. */
    struct command command; /* but for now_us */
    bool validate_only;
    size_t bytes; /* memory that it holds while it waits, roughly: payloads and comment */
    /* On clock_monotonic_ns(); a write that is still waiting then is dropped. */
    int64_t deadline_ns;
    /* The last use of the write. On a thread of the committer's (its own, the looker's, upkeep's)
     * or the submitter's; must not block. */
    void (*done)(struct write *write);

    /* The committer's, until done is called. */
    struct write *next;
    int64_t submitted_ns;    /* on clock_monotonic_ns() */
    struct hash request;     /* the key of its request_id, where it has one */
    bool asked;              /* the store was asked for the request_id … */
    uint64_t asked_at;       /* … when the registry was at this revision, … */
    uint64_t first;          /* … and had its commit here (0: none) */
    bool current;            /* the log was followed to its end since the write came */
    struct sync look;        /* while it waits for that, … */
    struct scrub_wait scrub; /* … or for what it erased to be gone; … */
    void *waits_at;          /* … and who handles it then */

    /* What came of it: the submitter's from done on. */
    bool ok;
    struct status st;      /* where !ok */
    struct staged *staged; /* where ok; owned. commit NULL: nothing had to be changed. A replay has
                              no `before` heads */
    struct position position; /* of the registry, this write included */
};

#endif
