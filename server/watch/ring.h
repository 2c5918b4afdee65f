/* The ring: the newest encoded commits, in revision order without gaps, bounded in bytes. Not
 * thread-safe: the stream thread owns it. */
#ifndef WATCH_RING_H
#define WATCH_RING_H

#include "encoded_commit.h"

struct ring {
    struct encoded_commit **slots; /* owned */
    size_t n_slots;                /* a power of two, or 0 */
    size_t n;
    uint64_t next; /* the next revision to push; the oldest in the ring is next - n */
    size_t bytes;
    size_t max_bytes;
};

void ring_init(struct ring *ring, uint64_t next, size_t max_bytes);
void ring_fini(struct ring *ring);
/* Adds the encoded commit and takes ownership. Its revision must be ring->next. Drops the oldest
 * commits if the ring is full. */
void ring_push(struct ring *ring, struct encoded_commit *encoded);
/* Adds a commit at the old end and takes ownership. False, without doing so: its revision is not
 * ring_first - 1, or there is no room. */
bool ring_put_before(struct ring *ring, struct encoded_commit *encoded);
static inline uint64_t ring_first(const struct ring *ring)
{
    return ring->next - ring->n;
}
/* The encoded commit of a revision in [ring_first, next); borrowed. */
struct encoded_commit *ring_at(const struct ring *ring, uint64_t revision);
/* Drops the newest encoded commit that contains a payload which `erasing` erased, as new or
 * previous value, and all older ones. */
void ring_erase(struct ring *ring, const struct commit *erasing);

#endif
