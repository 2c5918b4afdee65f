/* The newest notices, in a window bounded in bytes. Notices have numbers that only grow; whole
 * commits leave the window. HTTP thread only. */
#ifndef GATEWAY_NOTICE_RING_H
#define GATEWAY_NOTICE_RING_H

#include "notice.h"

struct notice_ring {
    size_t max_bytes;
    struct notice **items; /* owned; a power of two of them */
    size_t room;
    uint64_t first; /* number of the oldest */
    uint64_t next;  /* number that the next one gets */
    size_t bytes;
    uint64_t floor; /* every commit after this revision is in the window; where it is set */
    bool is_set;
};

void notice_ring_fini(struct notice_ring *ring);
/* Forgets everything: another log begins. */
void notice_ring_clear(struct notice_ring *ring);
/* Takes the notice over; they come in the order of commits, each in one piece. */
void notice_ring_add(struct notice_ring *ring, struct notice *notice);
/* Borrowed until one is added. */
const struct notice *notice_ring_at(const struct notice_ring *ring, uint64_t number);
/* The number of the first one after a revision. */
uint64_t notice_ring_seek(const struct notice_ring *ring, uint64_t revision);

#endif
