#include "preload.h"

#include <assert.h>
#include <pthread.h>

#include "clock.h"
#include "condition.h"
#include "watch.h"

#define FIRST_CHUNK 256
#define LARGEST_CHUNK 8192
#define ONLY_CHUNK 2048 /* where any read of the log reads all of it: there is one */

/* A chunk of commits in revision order without gaps; it precedes all chunks that were read earlier.
 */
struct preload_chunk {
    struct preload_chunk *next;
    size_t n;
    struct encoded_commit *commits[]; /* owned */
};

struct preload {
    struct store *store; /* borrowed */
    size_t max_bytes;
    pthread_t thread;
    atomic_bool closed; /* nothing more is wanted */

    pthread_mutex_t lock;
    pthread_cond_t news;
    struct preload_chunk *first; /* owned; the newest first */
    struct preload_chunk **end;
    bool done; /* nothing more comes */

    /* The thread's. */
    uint64_t newest; /* the next revision to read, downwards */
    size_t bytes;    /* read so far */
};

static void chunk_free(struct preload_chunk *chunk)
{
    for (size_t i = 0; i < chunk->n; i++) {
        encoded_commit_free(chunk->commits[i]);
    }
    free(chunk);
}

/* ---- The thread ---- */

struct preload_reading {
    struct preload *preload;
    struct preload_chunk *chunk;
};

static bool keep_commit(void *user, struct commit *commit)
{
    struct preload_reading *r = user;
    struct status st;
    struct encoded_commit **slot = &r->chunk->commits[r->chunk->n];
    if (atomic_load(&r->preload->closed) ||
        !watch_encode_commit(r->preload->store, NULL, commit, slot, &st)) {
        return false;
    }
    r->preload->bytes += (*slot)->bytes;
    r->chunk->n++;
    return r->preload->bytes <= r->preload->max_bytes;
}

/* Reads a chunk. NULL: it could not be read, or is too large. */
static struct preload_chunk *read_chunk(struct preload *preload, size_t n)
{
    struct status st;
    struct preload_chunk *chunk = mem_zalloc(sizeof *chunk + n * sizeof(struct encoded_commit *));
    struct preload_reading reading = {.preload = preload, .chunk = chunk};
    if (!store_read_commits(preload->store, preload->newest - n + 1, preload->newest, true,
                            keep_commit, &reading, &st) ||
        chunk->n < n) {
        chunk_free(chunk);
        return NULL;
    }
    preload->newest -= n;
    return chunk;
}

static void hand_over(struct preload *preload, struct preload_chunk *chunk, bool done)
{
    pthread_mutex_lock(&preload->lock);
    if (chunk != NULL) {
        *preload->end = chunk;
        preload->end = &chunk->next;
    }
    preload->done = done;
    pthread_cond_signal(&preload->news);
    pthread_mutex_unlock(&preload->lock);
}

static void *run(void *argument)
{
    struct preload *preload = argument;
    bool once = preload->store->loads_at_once;
    size_t most = once ? ONLY_CHUNK : LARGEST_CHUNK;
    for (size_t size = once ? ONLY_CHUNK : FIRST_CHUNK; size <= most; size *= 2) {
        size_t n = preload->newest < size ? (size_t)preload->newest : size;
        struct preload_chunk *chunk = n == 0 ? NULL : read_chunk(preload, n);
        if (chunk == NULL) {
            break;
        }
        hand_over(preload, chunk, false);
    }
    hand_over(preload, NULL, true);
    return NULL;
}

struct preload *preload_new(struct store *store, uint64_t newest, size_t max_bytes)
{
    struct preload *preload = mem_zalloc(sizeof *preload);
    preload->store = store;
    preload->newest = newest;
    preload->max_bytes = max_bytes;
    preload->end = &preload->first;
    pthread_mutex_init(&preload->lock, NULL);
    pthread_cond_init(&preload->news, NULL);
    int failed = pthread_create(&preload->thread, NULL, run, preload);
    assert(failed == 0 && "a thread can be had at start");
    return preload;
}

void preload_free(struct preload *preload)
{
    if (preload == NULL) {
        return;
    }
    preload_close(preload);
    pthread_join(preload->thread, NULL);
    while (preload->first != NULL) {
        struct preload_chunk *chunk = preload->first;
        preload->first = chunk->next;
        chunk_free(chunk);
    }
    pthread_cond_destroy(&preload->news);
    pthread_mutex_destroy(&preload->lock);
    free(preload);
}

/* ---- The ring's thread ---- */

void preload_close(struct preload *preload)
{
    atomic_store(&preload->closed, true);
}

/* Inserts commits from the newest on, until the ring is full. */
static void put_before(struct preload *preload, struct ring *ring, struct preload_chunk *chunk)
{
    while (chunk->n > 0 && !atomic_load(&preload->closed)) {
        if (ring_put_before(ring, chunk->commits[chunk->n - 1])) {
            chunk->n--;
        } else {
            preload_close(preload);
        }
    }
    chunk_free(chunk);
}

void preload_take(struct preload *preload, struct ring *ring)
{
    pthread_mutex_lock(&preload->lock);
    struct preload_chunk *chunk = preload->first;
    preload->first = NULL;
    preload->end = &preload->first;
    pthread_mutex_unlock(&preload->lock);
    while (chunk != NULL) {
        struct preload_chunk *next = chunk->next;
        put_before(preload, ring, chunk);
        chunk = next;
    }
}

void preload_wait(struct preload *preload, struct ring *ring)
{
    int64_t until_ns = clock_monotonic_ns() + PRELOAD_WAIT_NS;
    pthread_mutex_lock(&preload->lock);
    while (!preload->done && condition_wait_until(&preload->news, &preload->lock, until_ns)) {
    }
    pthread_mutex_unlock(&preload->lock);
    preload_take(preload, ring);
}
