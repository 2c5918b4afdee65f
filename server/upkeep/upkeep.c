#include "upkeep.h"

#include <assert.h>
#include <pthread.h>

#include "clock.h"
#include "compact.h"
#include "heads.h"
#include "log.h"
#include "news.h"
#include "policy.h"
#include "scrub.h"

#define SHORTEST_REST_NS INT64_C(1000000)

struct upkeep {
    struct upkeep_options options;
    struct upkeep_stats stats;
    struct news_queue *news;
    atomic_bool halted;
    pthread_t thread;
    bool joined; /* the thread was joined */

    /* For upkeep's thread only. */
    struct head_saver *heads;
    struct scrubber *scrubber;
    struct compactor *compactor;
    struct policy *policy;
    uint64_t through;       /* the newest revision that was noted */
    int64_t rest_ns;        /* duration of the last portion */
    int64_t heads_after_ns; /* earliest time to save heads, … */
    int64_t scrub_after_ns; /* … and to scrub, after a failure */
    bool heads_failed;      /* the last try failed and was logged */
    bool scrub_failed;
};

static void warn(const char *event, const struct status *st)
{
    log_event(LOG_WARNING, event, "reason", st->message, NULL);
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t later(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

/* ---- The tasks ---- */

static void scrub(struct upkeep *u)
{
    struct status st;
    if (!scrubber_run(u->scrubber, u->through, &st)) {
        metric_add(&u->stats.failed_scrubs, 1);
        if (!u->scrub_failed) {
            warn("scrub_failed", &st);
        }
        u->scrub_after_ns = clock_monotonic_ns() + NEWS_TICK_NS;
    }
    u->scrub_failed = scrubber_is_due(u->scrubber);
}

/* Moves the mark SCRUBBED, if nothing is left to scrub, so that the next start need not search the
 * log. */
static void mark_scrubbed(struct upkeep *u)
{
    struct status st;
    if (!scrubber_is_due(u->scrubber) &&
        !store_set_mark(u->options.store, STORE_MARK_SCRUBBED, head_saver_saved(u->heads), &st)) {
        warn("mark_not_saved", &st);
    }
}

/* Returns whether it succeeded. */
static bool save_heads(struct upkeep *u)
{
    struct status st;
    bool done = false;
    bool ok = head_saver_step(u->heads, &done, &st);
    if (!ok) {
        metric_add(&u->stats.failed_head_saves, 1);
        if (!u->heads_failed) {
            warn("heads_not_saved", &st);
        }
        u->heads_after_ns = clock_monotonic_ns() + NEWS_TICK_NS;
    } else if (done) {
        mark_scrubbed(u);
    }
    u->heads_failed = !ok;
    return ok;
}

static void compact(struct upkeep *u)
{
    struct status st;
    if (!compactor_step(u->compactor, &st)) {
        warn("compaction_failed", &st);
    }
}

static void check_policy(struct upkeep *u)
{
    uint64_t floor = 0;
    uint64_t keep_versions = 0;
    if (policy_check(u->policy, &floor, &keep_versions)) {
        u->options.compact(u->options.user, floor, keep_versions);
    }
}

/* ---- When ---- */

/* Time to save heads: unsaved heads wait, tick by tick, until no more commits come. */
static int64_t heads_due_ns(const struct upkeep *u, int64_t now_ns)
{
    if (!head_saver_has_unsaved(u->heads)) {
        return INT64_MAX;
    }
    int64_t due_ns = head_saver_is_due(u->heads, false) ? now_ns : now_ns + NEWS_TICK_NS;
    return later(due_ns, u->heads_after_ns);
}

static int64_t scrub_due_ns(const struct upkeep *u)
{
    return scrubber_is_due(u->scrubber) ? u->scrub_after_ns : INT64_MAX;
}

/* Time of the next work if no news comes; not before the rest that leaves room for appends. */
static int64_t next_ns(const struct upkeep *u)
{
    int64_t now_ns = clock_monotonic_ns();
    if (atomic_load(&u->halted)) {
        return INT64_MAX;
    }
    int64_t due_ns = earlier(heads_due_ns(u, now_ns), scrub_due_ns(u));
    due_ns = earlier(due_ns, compactor_due_ns(u->compactor));
    due_ns = earlier(due_ns, policy_due_ns(u->policy));
    return later(due_ns, now_ns + u->rest_ns);
}

static void take_in(struct upkeep *u, struct news *news)
{
    u->through = news->position.revision != 0 ? news->position.revision : u->through;
    head_saver_add(u->heads, news);
    scrubber_add_waits(u->scrubber, MOVE(news->waits));
    if (news->erases) {
        scrubber_want(u->scrubber);
        u->scrub_after_ns = 0; /* writes wait for it */
    }
    if (news->compaction != 0) {
        compactor_note(u->compactor, news->compaction, news->compaction_is_own);
    }
}

/* Runs one portion of the work that is due, first the work that writes wait for. */
static void work(struct upkeep *u, const struct news *news)
{
    int64_t now_ns = clock_monotonic_ns();
    if (scrub_due_ns(u) <= now_ns) {
        scrub(u);
    }
    scrubber_answer(u->scrubber);
    if (compactor_due_ns(u->compactor) <= now_ns) {
        compact(u);
    }
    if (policy_due_ns(u->policy) <= now_ns) {
        check_policy(u);
    }
    if (head_saver_is_due(u->heads, news->quiet) && u->heads_after_ns <= now_ns) {
        save_heads(u);
    }
    int64_t took_ns = clock_monotonic_ns() - now_ns;
    u->rest_ns = later(took_ns, SHORTEST_REST_NS);
}

/* Runs after the last append: no rests are needed. */
static void finish(struct upkeep *u)
{
    scrub(u);
    scrubber_answer(u->scrubber);
    while (head_saver_is_due(u->heads, true) && save_heads(u)) {
        continue;
    }
}

static void *run(void *argument)
{
    struct upkeep *u = argument;
    bool stopped = false;
    head_saver_find(u->heads);
    while (!stopped) {
        struct news news;
        news_queue_take(u->news, next_ns(u), &news);
        stopped = news.stopped;
        take_in(u, &news);
        if (atomic_load(&u->halted)) {
            scrubber_answer(u->scrubber);
        } else if (stopped) {
            finish(u);
        } else {
            work(u, &news);
        }
    }
    return NULL;
}

/* ---- What others call ---- */

struct upkeep *upkeep_new(const struct upkeep_options *options)
{
    struct upkeep *u = mem_zalloc(sizeof *u);
    struct position position = registry_position(options->registry);
    u->options = *options;
    u->through = position.revision;
    u->news = news_queue_new();
    u->heads = head_saver_new(options->store, options->registry, &position);
    u->scrubber = scrubber_new(options->store, position.revision);
    u->compactor = compactor_new(options->store, options->registry);
    u->policy = policy_new(options);
    int failed = pthread_create(&u->thread, NULL, run, u);
    assert(failed == 0 && "a thread can be had at start");
    return u;
}

void upkeep_stop(struct upkeep *upkeep)
{
    if (upkeep != NULL && !upkeep->joined) {
        news_queue_stop(upkeep->news);
        pthread_join(upkeep->thread, NULL);
        upkeep->joined = true;
    }
}

void upkeep_free(struct upkeep *upkeep)
{
    if (upkeep == NULL) {
        return;
    }
    upkeep_stop(upkeep);
    head_saver_free(upkeep->heads);
    scrubber_free(upkeep->scrubber);
    compactor_free(upkeep->compactor);
    policy_free(upkeep->policy);
    news_queue_free(upkeep->news);
    free(upkeep);
}

void upkeep_note(struct upkeep *upkeep, const struct staged *staged, bool own)
{
    news_queue_put(upkeep->news, staged, own);
}

void upkeep_wait_scrubbed(struct upkeep *upkeep, struct scrub_wait *wait)
{
    if (!news_queue_put_wait(upkeep->news, wait)) {
        wait->done(wait);
    }
}

void upkeep_halt(struct upkeep *upkeep)
{
    atomic_store(&upkeep->halted, true);
}

const struct upkeep_stats *upkeep_stats(const struct upkeep *upkeep)
{
    return &upkeep->stats;
}
