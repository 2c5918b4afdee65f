/* The newest commits as encoded commits, in revision order without gaps, bounded in bytes. One
 * thread. */
#ifndef WATCH_RING_H
#define WATCH_RING_H

#include "encoded_commit.h"

struct ring {
    struct encoded_commit **slots; /* owned */
    size_t n_slots;                /* a power of two, or 0 */
    size_t n;
    uint64_t next; /* the revision that comes next; the oldest here is next - n */
    size_t bytes;
    size_t max_bytes;
};

void ring_init(struct ring *ring, uint64_t next, size_t max_bytes);
void ring_fini(struct ring *ring);
/* Takes the encoded commit over; its revision must be ring->next. The oldest make room. */
void ring_push(struct ring *ring, struct encoded_commit *encoded);
/* Takes a commit over that is the one before ring_first. False, and nothing is done: it is another
 * one, or there is no room for it. */
bool ring_put_before(struct ring *ring, struct encoded_commit *encoded);
static inline uint64_t ring_first(const struct ring *ring)
{
    return ring->next - ring->n;
}
/* Borrowed; revision must be in [ring_first, next). */
struct encoded_commit *ring_at(const struct ring *ring, uint64_t revision);
/* Drops every encoded commit that shows a payload which this commit erased, as the new value or as
 * the one before, and what is older. */
void ring_erase(struct ring *ring, const struct commit *erasing);

#endif
