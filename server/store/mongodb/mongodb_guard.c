#include "mongodb_guard.h"

#include <assert.h>
#include <string.h>

struct mongo_guard {
    struct mongo_store *store;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t begun; /* looks that were asked for, … */
    uint64_t ended; /* … and how many of these have ended */
    bool stopping;
    bool ok; /* of the look that ended last */
    struct status st;
};

/* ---- A look ---- */

static bool has_bytes(const bson_t *document, const char *name, const uint8_t *wanted, size_t n)
{
    const uint8_t *bytes = mongo_bytes(document, name, n);
    return bytes != NULL && memcmp(bytes, wanted, n) == 0;
}

static bool is_ours(const struct mongo_store *s, const bson_t *document)
{
    const struct store_identity *identity = &s->store.identity;
    return has_bytes(document, "epoch", identity->epoch, EPOCH_SIZE) &&
           has_bytes(document, "secret", identity->secret, STORE_SECRET_SIZE);
}

/* By the key alone, which every server looks up by an index, and at local concern: a majority that
 * does not know yet that the database was dropped must not hide it. */
bool mongo_check_identity(struct mongo_store *s, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8("identity"));
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("limit", BCON_INT64(1), "projection", "{", "epoch", BCON_INT32(1), "secret",
                 BCON_INT32(1), "}", "readConcern", "{", "level", BCON_UTF8("local"), "}");
    mongo_find(s, MONGO_META, filter, options, &walk);
    bool ours = mongo_next(&walk, &document) && is_ours(s, document);
    if (!mongo_end(&walk, "looking at its identity", st)) {
        return false;
    }
    if (!ours) {
        atomic_store(&s->store.replaced, true);
        return status_set(st, STATUS_UNAVAILABLE, "STORE_REPLACED",
                          "database %s was dropped or replaced: it lacks the identity that it had",
                          s->database);
    }
    return true;
}

/* ---- The thread ---- */

/* Waits until a look is asked for. *ret_number: which one. False: the thread is to end. */
static bool wait_for_look(struct mongo_guard *guard, uint64_t *ret_number)
{
    pthread_mutex_lock(&guard->lock);
    while (guard->begun == guard->ended && !guard->stopping) {
        pthread_cond_wait(&guard->changed, &guard->lock);
    }
    bool stopping = guard->stopping;
    *ret_number = guard->begun;
    pthread_mutex_unlock(&guard->lock);
    return !stopping;
}

static void *run(void *argument)
{
    struct mongo_guard *guard = argument;
    uint64_t number = 0;
    struct status st;
    while (wait_for_look(guard, &number)) {
        bool ok = mongo_check_identity(guard->store, &st);
        pthread_mutex_lock(&guard->lock);
        guard->ended = number;
        guard->ok = ok;
        if (!ok) {
            guard->st = st;
        }
        pthread_cond_broadcast(&guard->changed);
        pthread_mutex_unlock(&guard->lock);
    }
    return NULL;
}

struct mongo_guard *mongo_guard_new(struct mongo_store *s)
{
    struct mongo_guard *guard = mem_zalloc(sizeof *guard);
    guard->store = s;
    pthread_mutex_init(&guard->lock, NULL);
    pthread_cond_init(&guard->changed, NULL);
    int failed = pthread_create(&guard->thread, NULL, run, guard);
    assert(failed == 0 && "a thread can be had at start");
    return guard;
}

void mongo_guard_free(struct mongo_guard *guard)
{
    if (guard == NULL) {
        return;
    }
    pthread_mutex_lock(&guard->lock);
    guard->stopping = true;
    pthread_cond_broadcast(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
    pthread_join(guard->thread, NULL);
    pthread_cond_destroy(&guard->changed);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

/* ---- For an append ---- */

void mongo_guard_begin(struct mongo_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->begun++;
    pthread_cond_broadcast(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
}

bool mongo_guard_end(struct mongo_guard *guard, struct status *st)
{
    pthread_mutex_lock(&guard->lock);
    while (guard->ended < guard->begun) {
        pthread_cond_wait(&guard->changed, &guard->lock);
    }
    bool ok = guard->ok;
    if (!ok) {
        *st = guard->st;
    }
    pthread_mutex_unlock(&guard->lock);
    return ok;
}
