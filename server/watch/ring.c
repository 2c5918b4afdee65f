#include "ring.h"

#include <assert.h>
#include <string.h>

void ring_init(struct ring *ring, uint64_t next, size_t max_bytes)
{
    *ring = (struct ring){.next = next, .max_bytes = max_bytes};
}

struct encoded_commit *ring_at(const struct ring *ring, uint64_t revision)
{
    assert(revision >= ring_first(ring) && revision < ring->next && "the ring has the commit");
    return ring->slots[revision & (ring->n_slots - 1)];
}

static void drop_oldest(struct ring *ring)
{
    assert(ring->n > 0 && "there is a commit to drop");
    struct encoded_commit *oldest = ring_at(ring, ring_first(ring));
    ring->bytes -= oldest->bytes;
    ring->n--;
    encoded_commit_free(oldest);
}

void ring_fini(struct ring *ring)
{
    while (ring->n > 0) {
        drop_oldest(ring);
    }
    free(ring->slots);
    *ring = (struct ring){0};
}

static void grow(struct ring *ring)
{
    struct ring bigger = *ring;
    bigger.n_slots = ring->n_slots == 0 ? 64 : ring->n_slots * 2;
    bigger.slots = mem_array(bigger.n_slots, sizeof bigger.slots[0]);
    for (uint64_t revision = ring_first(ring); revision < ring->next; revision++) {
        bigger.slots[revision & (bigger.n_slots - 1)] = ring_at(ring, revision);
    }
    free(ring->slots);
    *ring = bigger;
}

void ring_push(struct ring *ring, struct encoded_commit *encoded)
{
    assert(encoded->commit->revision == ring->next && "the log has no gaps");
    if (ring->n == ring->n_slots) {
        grow(ring);
    }
    ring->slots[ring->next & (ring->n_slots - 1)] = encoded;
    ring->next++;
    ring->n++;
    ring->bytes += encoded->bytes;
    while (ring->bytes > ring->max_bytes && ring->n > 1) {
        drop_oldest(ring);
    }
}

bool ring_put_before(struct ring *ring, struct encoded_commit *encoded)
{
    uint64_t revision = encoded->commit->revision;
    if (revision + 1 != ring_first(ring) || encoded->bytes > ring->max_bytes ||
        ring->bytes > ring->max_bytes - encoded->bytes) {
        return false;
    }
    if (ring->n == ring->n_slots) {
        grow(ring);
    }
    ring->slots[revision & (ring->n_slots - 1)] = encoded;
    ring->n++;
    ring->bytes += encoded->bytes;
    return true;
}

static bool covers(const struct change *erase, const struct change *shown)
{
    uint64_t last = erase->version != 0 ? erase->version : erase->source_version;
    uint64_t first = erase->version != 0 ? erase->version : 1;
    bool shows = (shown->head_version >= first && shown->head_version <= last) ||
                 (shown->previous_version >= first && shown->previous_version <= last);
    return erase->kind == CHANGE_ERASE && shows && strcmp(erase->service, shown->service) == 0 &&
           strcmp(erase->environment, shown->environment) == 0;
}

static bool shows_erased(const struct commit *commit, const struct commit *erasing)
{
    for (size_t i = 0; i < erasing->n_changes; i++) {
        for (size_t k = 0; k < commit->n_changes; k++) {
            if (covers(&erasing->changes[i], &commit->changes[k])) {
                return true;
            }
        }
    }
    return false;
}

void ring_erase(struct ring *ring, const struct commit *erasing)
{
    /* Most commits erase nothing: they must not search the ring. */
    uint64_t revision = commit_erases(erasing) ? ring->next : ring_first(ring);
    while (revision > ring_first(ring)) {
        if (shows_erased(ring_at(ring, revision - 1)->commit, erasing)) {
            break;
        }
        revision--;
    }
    while (ring_first(ring) < revision) {
        drop_oldest(ring);
    }
}
