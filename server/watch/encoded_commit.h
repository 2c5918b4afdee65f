/* A commit as watches deliver it: its events, encoded. One in the ring serves all streams; one that
 * was read from the store was made for one stream. It has one owner; its events' bytes are shared.
 */
#ifndef WATCH_ENCODED_COMMIT_H
#define WATCH_ENCODED_COMMIT_H

#include "commit.h"

struct encoded_event {
    size_t change;           /* its place in the commit */
    const char *environment; /* of the config that it is about, borrowed of the commit or of whom
                                it was made for */
    struct buf *plain;       /* owned; as field 3 of a WatchResponse */
    struct buf *full;        /* the same with the value before; NULL: was not made */
};

struct encoded_commit {
    struct commit *commit; /* owned; its payloads are given back by others and not looked at */
    size_t bytes;          /* what it holds in memory, about */
    bool chosen;           /* made for one stream, which wants all of its events */
    bool has_previous;     /* every event has its full form */
    size_t n_events;
    struct encoded_event events[]; /* in the order of the changes */
};

/* Without events, with room for n of them. */
struct encoded_commit *encoded_commit_new(struct commit *commit, size_t room);
/* The references move. */
void encoded_commit_add(struct encoded_commit *encoded, size_t change, const char *environment,
                        struct buf *plain, struct buf *full);
/* NULL is ignored. */
void encoded_commit_free(struct encoded_commit *encoded);

#endif
