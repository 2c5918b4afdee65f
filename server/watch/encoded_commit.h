/* An encoded commit: the events of a commit as watches send them. In the ring, one serves all
 * streams; one that was read from the store belongs to one stream. It has one owner; the bytes of
 * its events are shared by reference. Not thread-safe. */
#ifndef WATCH_ENCODED_COMMIT_H
#define WATCH_ENCODED_COMMIT_H

#include "commit.h"

struct encoded_event {
    size_t change;           /* index of the change in the commit */
    const char *environment; /* of the config; borrowed from the commit, or from the stream */
    struct buf *plain;       /* owned; encoded as field 3 of a WatchResponse */
    struct buf *full;        /* owned; the same with the previous value; NULL: not made */
    struct buf *brief_plain, *brief_full; /* owned; without payloads; NULL: the form is not large */
};

struct encoded_commit {
    struct commit *commit; /* owned reference; its payloads may have been released */
    size_t bytes;          /* approximate memory that it uses */
    bool chosen;           /* made for one stream, which selects all of its events */
    bool has_previous;     /* every event has its full form */
    size_t n_events;
    struct encoded_event events[]; /* in the order of the changes */
};

/* Without events, with room for `room` of them. Takes a reference to the commit. */
struct encoded_commit *encoded_commit_new(struct commit *commit, size_t room);
/* Adds an event; the references to plain and full move. */
void encoded_commit_add(struct encoded_commit *encoded, size_t change, const char *environment,
                        struct buf *plain, struct buf *full);
/* NULL is ignored. */
void encoded_commit_free(struct encoded_commit *encoded);

#endif
