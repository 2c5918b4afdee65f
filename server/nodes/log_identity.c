#include "log_identity.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "clock.h"
#include "log.h"

#define MISSING_FOR_NS INT64_C(5000000000) /* then the log is another one */

struct log_identity {
    struct store *store;
    void (*changed)(void *user);
    void *user;
    pthread_mutex_t lock;
    bool is_changed;
    int64_t missing_since_ns; /* since when the applied commit has not been found; 0: it was */
};

struct log_identity *log_identity_new(struct store *store, void (*changed)(void *user), void *user)
{
    struct log_identity *identity = mem_zalloc(sizeof *identity);
    identity->store = store;
    identity->changed = changed;
    identity->user = user;
    pthread_mutex_init(&identity->lock, NULL);
    return identity;
}

void log_identity_free(struct log_identity *identity)
{
    pthread_mutex_destroy(&identity->lock);
    free(identity);
}

static bool log_changed(struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "LOG_CHANGED",
                      "the store's log is another one; this node starts anew");
}

void log_identity_confirm(struct log_identity *identity)
{
    pthread_mutex_lock(&identity->lock);
    identity->missing_since_ns = 0;
    pthread_mutex_unlock(&identity->lock);
}

/* Notes that the log is another one. The first call also calls `changed`. */
static bool note_change(struct log_identity *identity, uint64_t revision, struct status *st)
{
    pthread_mutex_lock(&identity->lock);
    bool is_new = !identity->is_changed;
    identity->is_changed = true;
    pthread_mutex_unlock(&identity->lock);
    if (is_new) {
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, revision);
        log_event(LOG_ERROR, "log_changed", "revision", text, "message",
                  "the store's log is not the one that was loaded; this node starts anew", NULL);
        identity->changed(identity->user);
    }
    return log_changed(st);
}

bool log_identity_is_changed(struct log_identity *identity, struct status *st)
{
    pthread_mutex_lock(&identity->lock);
    bool is_changed = identity->is_changed;
    pthread_mutex_unlock(&identity->lock);
    if (is_changed || atomic_load(&identity->store->replaced)) {
        note_change(identity, atomic_load(&identity->store->known), st);
        return true;
    }
    return false;
}

/* How long the applied commit has been missing, in a row. */
static int64_t missing_for_ns(struct log_identity *identity)
{
    int64_t now_ns = clock_monotonic_ns();
    pthread_mutex_lock(&identity->lock);
    if (identity->missing_since_ns == 0) {
        identity->missing_since_ns = now_ns;
    }
    int64_t since_ns = identity->missing_since_ns;
    pthread_mutex_unlock(&identity->lock);
    return now_ns - since_ns;
}

enum applied_commit { APPLIED_FOUND, APPLIED_REPLACED, APPLIED_MISSING };

struct applied_look {
    const struct position *applied;
    enum applied_commit result;
};

static bool compare(void *user, struct commit *commit)
{
    struct applied_look *look = user;
    look->result =
        hash_equal(&commit->hash, &look->applied->hash) ? APPLIED_FOUND : APPLIED_REPLACED;
    return false;
}

bool log_identity_check(struct log_identity *identity, const struct position *applied,
                        struct status *st)
{
    struct applied_look look = {.applied = applied, .result = APPLIED_MISSING};
    uint64_t revision = applied->revision;
    if (revision == 0) {
        return true;
    }
    if (!store_read_commits(identity->store, revision, revision, false, compare, &look, st)) {
        return false;
    }
    if (look.result == APPLIED_FOUND) {
        log_identity_confirm(identity);
        return true;
    }
    return (look.result == APPLIED_MISSING && missing_for_ns(identity) < MISSING_FOR_NS) ||
           note_change(identity, revision, st);
}
