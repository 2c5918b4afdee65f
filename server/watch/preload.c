/* The ring at start: what a restart has thrown away is read from the log, once for all streams that
 * come back. What cannot be read is left to them. */
#include "watch.h"

#define PRELOAD_COMMITS 16384 /* a fraction of a second */
#define CHUNK 256             /* the log is read forwards, in pieces from its end */

struct preload {
    struct hub *hub;
    struct encoded_commit **encoded; /* the newest is the last */
    size_t n;                        /* how many of them, counted from the end, are there */
    size_t bytes;
    size_t max_bytes;
    size_t n_chunk; /* read of the chunk before them, which ends where they begin */
    size_t chunk;
};

static bool keep_commit(void *user, struct commit *commit)
{
    struct preload *p = user;
    struct status st;
    struct encoded_commit **slot = &p->encoded[PRELOAD_COMMITS - p->n - p->chunk + p->n_chunk];
    if (!watch_encode_commit(p->hub->store, NULL, commit, slot, &st)) {
        return false;
    }
    p->n_chunk++;
    p->bytes += (*slot)->bytes;
    return p->bytes <= p->max_bytes;
}

static void drop_chunk(struct preload *p)
{
    for (size_t i = 0; i < p->n_chunk; i++) {
        encoded_commit_free(p->encoded[PRELOAD_COMMITS - p->n - p->chunk + i]);
    }
}

/* The chunk before what is there. False: there is none, or not all of it could be had. */
static bool read_chunk(struct preload *p)
{
    struct status st;
    uint64_t left = p->hub->tail.revision - p->n;
    size_t room = PRELOAD_COMMITS - p->n;
    p->chunk = room < CHUNK ? room : CHUNK;
    p->chunk = left < p->chunk ? (size_t)left : p->chunk;
    p->n_chunk = 0;
    if (p->chunk == 0) {
        return false;
    }
    if (!store_read_commits(p->hub->store, left - p->chunk + 1, left, true, keep_commit, p, &st) ||
        p->n_chunk < p->chunk) {
        drop_chunk(p);
        return false;
    }
    p->n += p->chunk;
    return true;
}

void watch_preload(struct hub *hub, size_t ring_bytes)
{
    struct preload p = {.hub = hub, .max_bytes = ring_bytes};
    p.encoded = mem_array(PRELOAD_COMMITS, sizeof(struct encoded_commit *));
    while (read_chunk(&p)) {
    }
    ring_init(&hub->ring, hub->tail.revision + 1 - p.n, ring_bytes);
    for (size_t i = 0; i < p.n; i++) {
        ring_push(&hub->ring, p.encoded[PRELOAD_COMMITS - p.n + i]);
    }
    free(p.encoded);
}
