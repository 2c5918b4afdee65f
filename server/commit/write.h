/* One write on its way through the committer. */
#ifndef COMMIT_WRITE_H
#define COMMIT_WRITE_H

#include "registry.h"
#include "sync.h"
#include "upkeep.h"

struct write {
    /* Filled by the submitter; borrowed until done is called. */
    struct command command; /* but for now_us */
    bool validate_only;
    size_t bytes; /* approximate memory while it waits: payloads and comment */
    /* On clock_monotonic_ns(); a write that is still queued then is dropped. */
    int64_t deadline_ns;
    /* The last use of the write. On a thread of the committer's (its own, the looker's, upkeep's)
     * or the submitter's; must not block. */
    void (*done)(struct write *write);

    /* For the committer only, until done is called. */
    struct write *next;
    int64_t submitted_ns; /* on clock_monotonic_ns() */
    struct hash request;  /* key of its request_id, if it has one */
    bool asked;           /* the store was searched for the request_id … */
    uint64_t asked_at;    /* … with the registry at this revision, … */
    uint64_t first;       /* … and found its commit here (0: none) */
    bool current;         /* the registry has reached the log's end since the write was submitted */
    struct sync look;     /* while it waits for a look at the log's end, … */
    struct scrub_wait scrub; /* … or for the scrub of what it erased; … */
    void *waits_at;          /* … and the object that continues after the wait */

    /* The result; valid for the submitter from done on. */
    bool ok;
    struct status st;      /* where !ok */
    struct staged *staged; /* if ok; owned. commit NULL: the write changed nothing. A replay has no
                              `before` heads */
    struct position position; /* of the registry, this write included */
};

#endif
