/* A commit as watches deliver it: its events, encoded. One in the ring serves all streams; one that
 * was read from the store was made for one stream. It has one owner; its events' bytes are shared.
 */
#ifndef WATCH_NOTICE_H
#define WATCH_NOTICE_H

#include "commit.h"

struct notice_event {
    size_t change;           /* its place in the commit */
    const char *environment; /* of the config that it is about, borrowed of the commit or of whom
                                it was made for */
    struct buf *plain;       /* owned; as field 3 of a WatchResponse */
    struct buf *full;        /* the same with the value before; NULL: was not made */
};

struct notice {
    struct commit *commit; /* owned; its payloads are given back by others and not looked at */
    size_t bytes;          /* what it holds in memory, about */
    bool chosen;           /* made for one stream, which wants all of its events */
    bool has_previous;     /* every event has its full form */
    size_t n_events;
    struct notice_event events[]; /* in the order of the changes */
};

/* Without events, with room for n of them. */
struct notice *notice_new(struct commit *commit, size_t room);
/* The references move. */
void notice_add(struct notice *notice, size_t change, const char *environment, struct buf *plain,
                struct buf *full);
/* NULL is ignored. */
void notice_free(struct notice *notice);

#endif
