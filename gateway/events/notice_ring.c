#include "notice_ring.h"

#include <assert.h>

#define ROOM_MIN 64
#define NOTICE_BYTES 128 /* what one takes beside its text */

static struct notice **slot(const struct notice_ring *ring, uint64_t number)
{
    return &ring->items[number & (ring->room - 1)];
}

static size_t bytes_of(const struct notice *notice)
{
    return NOTICE_BYTES + (notice->text == NULL ? 0 : notice->text->len);
}

static void drop_first(struct notice_ring *ring)
{
    struct notice *notice = *slot(ring, ring->first);
    ring->bytes -= bytes_of(notice);
    ring->floor = notice->revision;
    notice_free(notice);
    ring->first++;
}

void notice_ring_clear(struct notice_ring *ring)
{
    while (ring->first < ring->next) {
        drop_first(ring);
    }
    ring->is_set = false;
}

void notice_ring_fini(struct notice_ring *ring)
{
    notice_ring_clear(ring);
    free(MOVE(ring->items));
    ring->room = 0;
}

static void grow(struct notice_ring *ring)
{
    struct notice_ring larger = *ring;
    larger.room = ring->room == 0 ? ROOM_MIN : ring->room * 2;
    larger.items = mem_array(larger.room, sizeof larger.items[0]);
    for (uint64_t i = ring->first; i < ring->next; i++) {
        *slot(&larger, i) = *slot(ring, i);
    }
    free(ring->items);
    *ring = larger;
}

/* A commit stays or goes whole; the newest one stays. */
static void drop_commit(struct notice_ring *ring)
{
    uint64_t revision = notice_ring_at(ring, ring->first)->revision;
    while (ring->first < ring->next && notice_ring_at(ring, ring->first)->revision == revision) {
        drop_first(ring);
    }
}

void notice_ring_add(struct notice_ring *ring, struct notice *notice)
{
    if (ring->next - ring->first == ring->room) {
        grow(ring);
    }
    if (!ring->is_set) {
        ring->is_set = true;
        ring->floor = notice->revision - 1;
    }
    *slot(ring, ring->next++) = notice;
    ring->bytes += bytes_of(notice);
    while (ring->bytes > ring->max_bytes &&
           notice_ring_at(ring, ring->first)->revision != notice->revision) {
        drop_commit(ring);
    }
}

const struct notice *notice_ring_at(const struct notice_ring *ring, uint64_t number)
{
    assert(number >= ring->first && number < ring->next);
    return *slot(ring, number);
}

uint64_t notice_ring_seek(const struct notice_ring *ring, uint64_t revision)
{
    uint64_t low = ring->first;
    uint64_t high = ring->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (notice_ring_at(ring, middle)->revision <= revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
