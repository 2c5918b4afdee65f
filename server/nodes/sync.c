#include "sync.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>

#include "clock.h"
#include "condition.h"

#define LOOK_NS INT64_C(1000000000) /* shortest time between two looks without a sync, … */
#define LOOK_SHARE 10               /* … but at least this many times the duration of a look */
#define REACH_PATIENCE_NS INT64_C(2000000000)
#define REACH_PAUSE_NS INT64_C(2000000)

struct looker {
    struct looker_options options;
    pthread_t thread;
    bool joined; /* looker_stop has joined the thread */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sync *syncs; /* that came since the last look began */
    struct sync **syncs_end;
    bool stopping;
    struct log_seen seen;
    struct look_news news;
    uint64_t n_caught_up; /* times that the committer tried, … */
    bool caught_up;       /* … how the last one went, … */
    struct status why;    /* … and why not well */

    /* The thread's. */
    int64_t next_ns;        /* when to look without being asked */
    int64_t took_ns;        /* how long the last look took, … */
    int64_t took_before_ns; /* … and the one before */
};

/* ---- Who waits ---- */

static bool shutting_down(struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
}

static void answer(struct sync *syncs, bool ok, const struct status *st)
{
    while (syncs != NULL) {
        struct sync *next = syncs->next;
        syncs->ok = ok;
        if (!ok) {
            syncs->st = *st;
            syncs->st.code = st->code == STATUS_DATA_LOSS ? STATUS_DATA_LOSS : STATUS_UNAVAILABLE;
        }
        syncs->done(syncs);
        syncs = next;
    }
}

void looker_sync(struct looker *l, struct sync *sync)
{
    sync->next = NULL;
    pthread_mutex_lock(&l->lock);
    bool stopping = l->stopping;
    if (!stopping) {
        *l->syncs_end = sync;
        l->syncs_end = &sync->next;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    if (stopping) {
        struct status st;
        answer(sync, shutting_down(&st), &st);
    }
}

/* Under the lock. */
static struct sync *take_syncs(struct looker *l)
{
    struct sync *syncs = MOVE(l->syncs);
    l->syncs_end = &l->syncs;
    return syncs;
}

/* ---- What is known of the log ---- */

/* Under the lock. */
static void note_seen(struct looker *l, uint64_t revision)
{
    l->seen.time_us = clock_wall_us();
    l->seen.revision = revision > l->seen.revision ? revision : l->seen.revision;
}

void looker_note_seen(struct looker *l, uint64_t revision)
{
    pthread_mutex_lock(&l->lock);
    note_seen(l, revision);
    pthread_mutex_unlock(&l->lock);
}

struct log_seen looker_seen(struct looker *l)
{
    pthread_mutex_lock(&l->lock);
    struct log_seen seen = l->seen;
    pthread_mutex_unlock(&l->lock);
    return seen;
}

/* ---- Hand-over with the committer ---- */

struct look_news looker_take(struct looker *l)
{
    pthread_mutex_lock(&l->lock);
    struct look_news news = l->news;
    l->news = (struct look_news){.looked = false};
    pthread_mutex_unlock(&l->lock);
    return news;
}

void looker_caught_up(struct looker *l, bool ok, const struct status *st)
{
    uint64_t applied = registry_position(l->options.registry).revision;
    pthread_mutex_lock(&l->lock);
    l->n_caught_up++;
    l->caught_up = ok;
    if (ok) {
        note_seen(l, applied);
    } else {
        l->why = *st;
    }
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* at_end_ns: 0, or when a look began that found the registry at the end. */
static void tell(struct looker *l, bool behind, int64_t at_end_ns)
{
    pthread_mutex_lock(&l->lock);
    l->news.looked = true;
    l->news.behind = l->news.behind || behind;
    l->news.at_end_ns = at_end_ns != 0 ? at_end_ns : l->news.at_end_ns;
    pthread_mutex_unlock(&l->lock);
    l->options.wake(l->options.user);
}

/* Has the committer catch up once. */
static bool have_caught_up(struct looker *l, struct status *st)
{
    pthread_mutex_lock(&l->lock);
    uint64_t before = l->n_caught_up;
    pthread_mutex_unlock(&l->lock);
    tell(l, true, 0);
    pthread_mutex_lock(&l->lock);
    while (l->n_caught_up == before && !l->stopping) {
        pthread_cond_wait(&l->changed, &l->lock);
    }
    bool tried = l->n_caught_up != before;
    bool ok = tried && l->caught_up;
    if (tried && !ok) {
        *st = l->why;
    }
    pthread_mutex_unlock(&l->lock);
    return tried ? ok : shutting_down(st);
}

/* False where the looker stops. */
static bool rest(struct looker *l, int64_t pause_ns)
{
    int64_t until_ns = clock_monotonic_ns() + pause_ns;
    bool in_time = true;
    pthread_mutex_lock(&l->lock);
    while (!l->stopping && in_time) {
        in_time = condition_wait_until(&l->changed, &l->lock, until_ns);
    }
    bool stopping = l->stopping;
    pthread_mutex_unlock(&l->lock);
    return !stopping;
}

/* ---- A look ---- */

static bool is_reached(const struct looker *l, uint64_t revision)
{
    return registry_position(l->options.registry).revision >= revision;
}

/* The log is known to have this revision, and may show it late. */
static bool reach(struct looker *l, uint64_t revision, struct status *st)
{
    int64_t give_up_ns = clock_monotonic_ns() + REACH_PATIENCE_NS;
    while (!is_reached(l, revision)) {
        if (!have_caught_up(l, st)) {
            return false;
        }
        if (is_reached(l, revision)) {
            break;
        }
        if (clock_monotonic_ns() > give_up_ns || !rest(l, REACH_PAUSE_NS)) {
            return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                              "revision %" PRIu64 " is in the log and cannot be read", revision);
        }
    }
    return true;
}

/* Measures only the search for the end, not the catching up: a node that is behind must not look
 * less often. */
static bool find_end(struct looker *l, int64_t begun_ns, struct store_tail *ret_tail,
                     struct status *st)
{
    if (!store_tail(l->options.store, ret_tail, st)) {
        return false;
    }
    l->took_before_ns = l->took_ns;
    l->took_ns = clock_monotonic_ns() - begun_ns;
    looker_note_seen(l, ret_tail->revision);
    return true;
}

/* Reads the registry's position before the log's end. So a log that is shorter or differs was
 * replaced, or its end is not visible yet. */
static bool look(struct looker *l, struct status *st)
{
    int64_t begun_ns = clock_monotonic_ns();
    struct position applied = registry_position(l->options.registry);
    struct store_tail tail;
    if (log_identity_is_changed(l->options.identity, st) || !find_end(l, begun_ns, &tail, st)) {
        return false;
    }
    if (tail.revision > applied.revision) {
        return reach(l, tail.revision, st);
    }
    if (tail.revision < applied.revision || !hash_equal(&tail.hash, &applied.hash)) {
        return log_identity_check(l->options.identity, &applied, st);
    }
    log_identity_confirm(l->options.identity);
    tell(l, false, begun_ns);
    return true;
}

/* Uses the shorter of the last two durations: one slow look may be due to a fault. */
static int64_t interval_ns(const struct looker *l)
{
    int64_t took_ns = l->took_ns < l->took_before_ns ? l->took_ns : l->took_before_ns;
    return LOOK_SHARE * took_ns > LOOK_NS ? LOOK_SHARE * took_ns : LOOK_NS;
}

/* ---- The thread ---- */

/* Waits for a sync or the time of the next look. *ret_syncs: all that wait. False: the looker
 * stops. */
static bool wait_for_turn(struct looker *l, struct sync **ret_syncs)
{
    bool in_time = true;
    pthread_mutex_lock(&l->lock);
    while (l->syncs == NULL && !l->stopping && in_time) {
        in_time = condition_wait_until(&l->changed, &l->lock, l->next_ns);
    }
    bool stopping = l->stopping;
    *ret_syncs = take_syncs(l);
    pthread_mutex_unlock(&l->lock);
    return !stopping;
}

static void *run(void *argument)
{
    struct looker *l = argument;
    struct sync *syncs = NULL;
    struct status st;
    while (wait_for_turn(l, &syncs)) {
        bool ok = look(l, &st);
        l->next_ns = clock_monotonic_ns() + (ok ? interval_ns(l) : LOOK_NS);
        l->options.looked(l->options.user, ok, &st);
        answer(syncs, ok, &st);
        if (!ok) {
            tell(l, false, 0);
        }
    }
    answer(syncs, shutting_down(&st), &st);
    return NULL;
}

struct looker *looker_new(const struct looker_options *options)
{
    struct looker *l = mem_zalloc(sizeof *l);
    assert(options->store->shared && "nobody else appends to a store that is not shared");
    l->options = *options;
    l->syncs_end = &l->syncs;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    int failed = pthread_create(&l->thread, NULL, run, l);
    assert(failed == 0 && "a thread can be had at start");
    return l;
}

void looker_stop(struct looker *l)
{
    if (l == NULL || l->joined) {
        return;
    }
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->joined = true;
}

void looker_free(struct looker *l)
{
    if (l == NULL) {
        return;
    }
    looker_stop(l);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
