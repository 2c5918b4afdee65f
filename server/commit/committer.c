#include "committer.h"

#include <assert.h>
#include <pthread.h>

#include "announcer.h"
#include "answers.h"
#include "appender.h"
#include "batch.h"
#include "clock.h"
#include "failpoint.h"
#include "own_compaction.h"
#include "recent_requests.h"
#include "settle.h"
#include "turns.h"
#include "write_health.h"
#include "write_queue.h"

#define MAX_WAITING 10000
#define MAX_WAITING_BYTES ((size_t)256 << 20)

/* All parts are owned. What several threads use is safe by itself; the committer's thread has the
 * rest. */
struct committer {
    struct store *store;       /* borrowed */
    struct registry *registry; /* borrowed */
    struct commit_listener listener;
    struct commit_stats stats;

    struct write_queue *queue;
    struct answers *answers;
    struct write_health *health;
    struct upkeep *upkeep;
    struct log_identity *identity;
    struct looker *looker;          /* NULL where the store is not shared */
    atomic_uint_fast64_t woken_for; /* the newest revision that other nodes told of */

    struct recent_requests *recent;
    struct announcer *announcer;
    struct catch_up *catch_up;
    struct appender *appender;
    struct settler *settler;
    struct turns *turns; /* NULL where the store is not shared */
    struct staging_desk desk;

    pthread_t thread;
    bool joined; /* committer_stop has joined the thread */
};

/* ---- The log's end ---- */

static void note_caught_up(void *user, bool ok, const struct status *st)
{
    struct committer *c = user;
    if (c->looker != NULL) {
        looker_caught_up(c->looker, ok, st);
    }
}

static void catch_up(struct committer *c)
{
    struct status st;
    bool ok = catch_up_run(c->catch_up, settler_doubt(c->settler), &st);
    note_caught_up(c, ok, &st);
}

/* Handles the results of looks and the wake-ups of other nodes. force: catch up in any case. */
static void take_news(struct committer *c, bool force)
{
    struct status ignored;
    if (c->looker == NULL) {
        return;
    }
    struct look_news news = looker_take(c->looker);
    uint64_t applied = registry_position(c->registry).revision;
    if (news.at_end_ns != 0) {
        catch_up_note_end(c->catch_up, news.at_end_ns);
    }
    if (force || news.behind || atomic_load(&c->woken_for) > applied) {
        catch_up(c);
    }
    if (news.looked) {
        settler_clear_doubt(c->settler, &ignored);
    }
}

static void follow(void *user)
{
    take_news(user, true);
}

/* Looker's thread. */
static void wake(void *user)
{
    struct committer *c = user;
    write_queue_poke(c->queue);
}

/* Looker's thread. */
static void note_look(void *user, bool ok, const struct status *st)
{
    struct committer *c = user;
    write_health_note_look(c->health, ok, st);
}

/* Any thread. */
static void note_changed_log(void *user)
{
    struct committer *c = user;
    upkeep_halt(c->upkeep);
    if (c->listener.diverged != NULL) {
        c->listener.diverged(c->listener.user);
    }
}

void committer_wake(struct committer *c, uint64_t revision)
{
    uint_fast64_t known = atomic_load(&c->woken_for);
    if (c->looker == NULL || registry_position(c->registry).revision >= revision) {
        return;
    }
    while (known < revision && !atomic_compare_exchange_weak(&c->woken_for, &known, revision)) {
        continue;
    }
    write_queue_poke(c->queue);
}

void committer_sync(struct committer *c, struct sync *sync)
{
    if (c->looker != NULL) {
        looker_sync(c->looker, sync);
    } else { /* a write is answered after it was applied */
        sync->ok = true;
        sync->done(sync);
    }
}

struct log_seen committer_seen(struct committer *c)
{
    return c->looker == NULL ? (struct log_seen){.revision = 0} : looker_seen(c->looker);
}

/* ---- Writes that wait for a look ---- */

/* Looker's thread. */
static void looked(struct sync *sync)
{
    struct write *write = CONTAINER_OF(sync, struct write, look);
    struct committer *c = write->waits_at;
    if (sync->ok) {
        write->current = true;
        write_queue_give_back(c->queue, write);
        return;
    }
    struct status st = sync->st;
    st.code = STATUS_UNAVAILABLE;
    answers_fail(c->answers, write, &st);
    write_queue_give_back(c->queue, NULL);
}

static void lend_to_looker(struct committer *c, struct write *writes)
{
    while (writes != NULL) {
        struct write *next = writes->next;
        write_queue_lend(c->queue);
        writes->waits_at = c;
        writes->look.done = looked;
        looker_sync(c->looker, &writes->look);
        writes = next;
    }
}

/* ---- From staged to answered ---- */

static void count_commit(void *user, const struct commit *commit)
{
    struct committer *c = user;
    metric_add(&c->stats.commits, 1);
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct change *change = &commit->changes[i];
        metric_add(&c->stats.changes[key_kind(change->environment)][change->kind], 1);
    }
}

/* The batch is durable. */
static void finish(struct committer *c, struct batch *batch)
{
    const struct own_commits *own = batch_own(batch);
    FAILPOINT(apply_before);
    registry_apply(c->registry);
    FAILPOINT(apply_after);
    for (size_t i = 0; i < own->n; i++) {
        count_commit(c, own->commits[i]);
        announcer_commit(c->announcer, batch_write(batch, i)->staged, true);
    }
    FAILPOINT(fanout_before);
    announcer_settle(c->announcer, true);
    FAILPOINT(fanout_after);
    FAILPOINT(answer_before);
    for (size_t i = 0; i < own->n; i++) {
        answers_succeed(c->answers, batch_take_write(batch, i));
        FAILPOINT(answer_after);
    }
    batch_release_held(&c->desk, batch);
}

/* Nothing of the batch is in the log. */
static void refuse(struct committer *c, struct batch *batch, const struct status *st)
{
    write_health_note_append(c->health, st);
    registry_discard(c->registry);
    for (size_t i = 0; i < batch_own(batch)->n; i++) {
        answers_fail(c->answers, batch_take_write(batch, i), st);
    }
}

static enum append_result append(struct committer *c, struct batch *batch, struct status *st)
{
    const struct own_commits *own = batch_own(batch);
    int64_t begun_ns = clock_monotonic_ns();
    enum append_result result = appender_append(c->appender, own->commits, own->n, st);
    if (c->turns != NULL && result == APPEND_DONE) {
        turns_won(c->turns, clock_monotonic_ns() - begun_ns);
    } else if (c->turns != NULL && result == APPEND_LOST) {
        turns_lost(c->turns);
    }
    return result;
}

static struct write *chain(struct write *first, struct write *rest)
{
    struct write **end = &first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = rest;
    return first;
}

/* Takes the held writes. Those that can be staged again at once come before `rest`; the others wait
 * for a look. */
static struct write *take_held(struct committer *c, struct batch *batch, struct write *rest)
{
    struct write *to_look = NULL;
    struct write *again = batch_take_held(batch, &to_look);
    lend_to_looker(c, to_look);
    return chain(again, rest);
}

/* Takes ownership of the batch. Returns the writes to stage again, followed by `rest`. */
static struct write *commit_batch(struct committer *c, struct batch *batch, struct write *rest)
{
    struct status st;
    enum append_result result = batch_own(batch)->n > 0 ? append(c, batch, &st) : APPEND_DONE;
    if (batch_own(batch)->n > 0 && result == APPEND_DONE) {
        write_health_note_append(c->health, NULL);
        finish(c, batch);
    }
    rest = take_held(c, batch, rest);
    if (result == APPEND_LOST || result == APPEND_UNKNOWN) {
        return settler_settle(c->settler, batch, &st, rest);
    }
    if (result == APPEND_FAILED) {
        refuse(c, batch, &st);
    }
    batch_free(batch);
    return rest;
}

/* ---- The thread ---- */

static void count_waits(struct committer *c, const struct write *writes)
{
    int64_t now_ns = clock_monotonic_ns();
    for (; writes != NULL; writes = writes->next) {
        histogram_observe(&c->stats.wait, (uint64_t)(now_ns - writes->submitted_ns));
    }
}

static bool may_append(struct committer *c, struct status *st)
{
    return !log_identity_is_changed(c->identity, st) && settler_clear_doubt(c->settler, st);
}

static void process(struct committer *c, struct write *writes)
{
    struct status st;
    count_waits(c, writes);
    while (writes != NULL) {
        if (c->turns != NULL) {
            turns_give_way(c->turns); /* perhaps to find another log meanwhile */
        }
        if (!may_append(c, &st)) {
            answers_fail_all(c->answers, writes, &st);
            return;
        }
        struct write *rest = NULL;
        struct batch *batch = batch_stage(&c->desk, writes, &rest);
        writes = commit_batch(c, batch, rest);
    }
}

static void *run(void *argument)
{
    struct committer *c = argument;
    enum write_queue_news news = WRITE_QUEUE_POKED;
    while (news != WRITE_QUEUE_STOPPED) {
        struct write *writes = write_queue_take(c->queue, BATCH_WRITES, BATCH_BYTES, &news);
        if (news == WRITE_QUEUE_POKED) {
            take_news(c, false);
        }
        process(c, writes);
    }
    return NULL;
}

/* ---- Start and end ---- */

/* On upkeep's thread. */
static void compact_by_policy(void *user, uint64_t floor, uint64_t keep_versions)
{
    committer_submit(user, own_compaction_new(floor, keep_versions));
}

static bool pause_committer(void *user, int64_t wait_ns)
{
    struct committer *c = user;
    return write_queue_pause(c->queue, wait_ns);
}

static void announce_commit(void *user, const struct staged *staged, bool own)
{
    struct committer *c = user;
    announcer_commit(c->announcer, staged, own);
}

static void announce_end(void *user, bool own)
{
    struct committer *c = user;
    announcer_settle(c->announcer, own);
}

static void make_upkeep(struct committer *c, const struct committer_options *options)
{
    const struct upkeep_options upkeep_options = {.store = c->store,
                                                  .registry = c->registry,
                                                  .policy = options->policy,
                                                  .compact = compact_by_policy,
                                                  .user = c};
    c->upkeep = upkeep_new(&upkeep_options);
}

static void make_looker(struct committer *c)
{
    const struct looker_options options = {.store = c->store,
                                           .registry = c->registry,
                                           .identity = c->identity,
                                           .wake = wake,
                                           .looked = note_look,
                                           .user = c};
    c->looker = c->store->shared ? looker_new(&options) : NULL;
}

static void make_turns(struct committer *c)
{
    const struct turns_options options = {.store = c->store,
                                          .registry = c->registry,
                                          .identity = c->identity,
                                          .catch_up = c->catch_up,
                                          .follow = follow,
                                          .pause = pause_committer,
                                          .user = c};
    c->turns = c->store->shared ? turns_new(&options) : NULL;
}

static void make_writing_parts(struct committer *c)
{
    const struct announcer_options announcer_options = {.listener = c->listener,
                                                        .registry = c->registry,
                                                        .upkeep = c->upkeep,
                                                        .recent = c->recent,
                                                        .stats = &c->stats};
    const struct catch_up_options catch_up_options = {.store = c->store,
                                                      .registry = c->registry,
                                                      .identity = c->identity,
                                                      .applied = announce_commit,
                                                      .settled = announce_end,
                                                      .user = c};
    c->announcer = announcer_new(&announcer_options);
    c->catch_up = catch_up_new(&catch_up_options);
    c->appender = appender_new(c->store, c->catch_up, c->looker, &c->stats);
    const struct settler_options settler_options = {.registry = c->registry,
                                                    .catch_up = c->catch_up,
                                                    .identity = c->identity,
                                                    .appender = c->appender,
                                                    .answers = c->answers,
                                                    .health = c->health,
                                                    .queue = c->queue,
                                                    .landed = count_commit,
                                                    .caught_up = note_caught_up,
                                                    .user = c};
    c->settler = settler_new(&settler_options);
    c->desk = (struct staging_desk){
        .store = c->store, .registry = c->registry, .recent = c->recent, .answers = c->answers};
}

static void init_stats(struct commit_stats *stats)
{
    histogram_init(&stats->batch, &scale_count);
    histogram_init(&stats->append, &scale_latency);
    histogram_init(&stats->wait, &scale_latency);
    histogram_init(&stats->announce, &scale_latency);
}

struct committer *committer_new(const struct committer_options *options)
{
    struct committer *c = mem_zalloc(sizeof *c);
    c->store = options->store;
    c->registry = options->registry;
    c->listener = options->listener;
    init_stats(&c->stats);
    c->queue = write_queue_new(options->max_waiting != 0 ? options->max_waiting : MAX_WAITING,
                               options->max_waiting_bytes != 0 ? options->max_waiting_bytes
                                                               : MAX_WAITING_BYTES);
    c->health = write_health_new();
    c->recent = recent_requests_new();
    c->identity = log_identity_new(c->store, note_changed_log, c);
    /* These parts start threads that call back: everything that the callbacks use exists by now. */
    make_upkeep(c, options);
    c->answers = answers_new(c->registry, c->upkeep, &c->stats);
    make_looker(c);
    make_writing_parts(c);
    make_turns(c);
    int failed = pthread_create(&c->thread, NULL, run, c);
    assert(failed == 0 && "a thread can be had at start");
    return c;
}

void committer_refuse(struct committer *c)
{
    write_queue_stop(c->queue);
}

/* The looker goes on until no write waits for it, upkeep until nothing is noted any more. */
void committer_stop(struct committer *c)
{
    if (c == NULL || c->joined) {
        return;
    }
    committer_refuse(c);
    pthread_join(c->thread, NULL);
    looker_stop(c->looker);
    upkeep_stop(c->upkeep);
    c->joined = true;
}

void committer_free(struct committer *c)
{
    if (c == NULL) {
        return;
    }
    committer_stop(c);
    turns_free(c->turns);
    settler_free(c->settler);
    appender_free(c->appender);
    catch_up_free(c->catch_up);
    announcer_free(c->announcer);
    looker_free(c->looker);
    answers_free(c->answers);
    upkeep_free(c->upkeep);
    log_identity_free(c->identity);
    recent_requests_free(c->recent);
    write_health_free(c->health);
    write_queue_free(c->queue);
    free(c);
}

/* ---- Handing in ---- */

static void prepare(struct write *write, int64_t now_ns)
{
    write->staged = NULL;
    write->asked = false;
    write->current = false;
    write->submitted_ns = now_ns;
    if (batch_is_once(write)) {
        write->request = commit_request_key(write->command.actor, write->command.request_id);
    }
}

void committer_submit_all(struct committer *c, struct write *const *writes, size_t n)
{
    struct status st;
    int64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < n; i++) {
        prepare(writes[i], now_ns);
    }
    for (size_t i = write_queue_put(c->queue, writes, n, &st); i < n; i++) {
        answers_fail(c->answers, writes[i], &st);
    }
}

void committer_submit(struct committer *c, struct write *write)
{
    committer_submit_all(c, &write, 1);
}

/* ---- Watching it ---- */

const struct commit_stats *committer_stats(const struct committer *c)
{
    return &c->stats;
}

const struct upkeep_stats *committer_upkeep_stats(const struct committer *c)
{
    return upkeep_stats(c->upkeep);
}

size_t committer_waiting(struct committer *c)
{
    return write_queue_size(c->queue);
}

bool committer_writable(struct committer *c, char reason[256])
{
    return write_health_is_well(c->health, reason);
}
