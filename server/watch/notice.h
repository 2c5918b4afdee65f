/* A commit as watches deliver it: its events, each encoded once and shared by all streams.
 * Immutable. */
#ifndef WATCH_NOTICE_H
#define WATCH_NOTICE_H

#include "commit.h"

struct notice {
    atomic_uint refs;
    struct commit *commit; /* owned; its payloads are given back by others and not looked at */
    size_t bytes;          /* what it holds in memory, about */
    struct buf *events[];  /* owned, one a change, as field 3 of a WatchResponse; NULL: left out */
};

/* configs: one a change, the head after it as encode_config gives it, NULL where the event carries
 * none. wanted: one a change, false leaves the event out; NULL: all. */
struct notice *notice_new(struct commit *commit, struct buf *const *configs, const bool *wanted);
struct notice *notice_ref(struct notice *notice);
void notice_unref(struct notice *notice);

#endif
