#include "committer.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "own_compaction.h"
#include "state.h"

#define LOOK_NS INT64_C(1000000000) /* whether the log's end is due to be looked at */

/* ---- Health ---- */

bool committer_writable(struct committer *committer, char reason[256])
{
    pthread_mutex_lock(&committer->lock);
    memcpy(reason, committer->reason, sizeof committer->reason);
    pthread_mutex_unlock(&committer->lock);
    return reason[0] == '\0';
}

void committer_set_health(struct committer *committer, const char *reason)
{
    committer->unread = false;
    pthread_mutex_lock(&committer->lock);
    bool was_well = committer->reason[0] == '\0';
    snprintf(committer->reason, sizeof committer->reason, "%s", reason);
    pthread_mutex_unlock(&committer->lock);
    if (was_well && reason[0] != '\0') {
        log_event(LOG_ERROR, "writes_refused", "reason", reason, NULL);
    } else if (!was_well && reason[0] == '\0') {
        log_event(LOG_INFO, "writes_resumed", NULL);
    }
}

/* ---- Answers ---- */

void committer_succeed(struct committer *committer, struct write *write)
{
    write->ok = true;
    metric_add(&committer->stats.writes[STATUS_OK], 1);
    write->position = registry_position(committer->registry);
    write->done(write);
}

static bool erases(const struct write *write)
{
    const struct command *command = &write->command;
    for (size_t i = 0; i < command->n_mutations; i++) {
        const struct mutation *m = &command->mutations[i];
        if (m->kind == MUTATE_DELETE && (m->erase || m->version != 0)) {
            return !write->validate_only;
        }
    }
    return false;
}

static void scrubbed(struct scrub_wait *wait)
{
    struct write *write = CONTAINER_OF(wait, struct write, scrub);
    write->done(write);
}

/* Also a repeat, and one that finds nothing left to erase: what an earlier one erased may not be
 * gone yet. */
void committer_succeed_scrubbed(struct committer *committer, struct write *write)
{
    if (!erases(write)) {
        committer_succeed(committer, write);
        return;
    }
    write->ok = true;
    metric_add(&committer->stats.writes[STATUS_OK], 1);
    write->position = registry_position(committer->registry);
    write->scrub.done = scrubbed;
    upkeep_wait_scrubbed(committer->upkeep, &write->scrub);
}

void committer_fail(struct committer *committer, struct write *write, const struct status *st)
{
    metric_add(&committer->stats.writes[st->code], 1);
    write->ok = false;
    write->st = *st;
    staged_free(MOVE(write->staged));
    write->done(write);
}

/* ---- From staged to durable ---- */

bool committer_append(struct committer *committer, struct commit *const *commits, size_t n,
                      struct status *st)
{
    struct commit_stats *stats = &committer->stats;
    if (committer->damage.code != STATUS_OK) {
        *st = committer->damage;
        return false;
    }
    int64_t begun = clock_monotonic_ns();
    FAILPOINT(append_before);
    bool ok = store_append(committer->store, commits, n, st);
    FAILPOINT(append_after);
    histogram_observe(&stats->append, (uint64_t)(clock_monotonic_ns() - begun));
    histogram_observe(&stats->batch, n);
    bool lost = !ok && st->outcome == OUTCOME_REVISION_TAKEN;
    metric_add(&stats->lost_appends, lost);
    metric_add(&stats->failed_appends, !ok && !lost);
    if (ok) {
        catch_up_note_append(committer, commits[n - 1]);
    }
    return ok;
}

void committer_count(struct committer *committer, const struct commit *commit)
{
    struct commit_stats *stats = &committer->stats;
    metric_add(&stats->commits, 1);
    for (size_t i = 0; i < commit->n_changes; i++) {
        metric_add(&stats->changes[commit->changes[i].kind], 1);
    }
}

void committer_announce(struct committer *committer, const struct staged *staged, bool own)
{
    recent_requests_add(&committer->recent, staged->commit);
    commit_forget_payloads(staged->commit); /* from here on others read it */
    upkeep_note(committer->upkeep, staged, own);
    int64_t begun = clock_monotonic_ns();
    committer->listener.committed(committer->listener.user, staged);
    committer->announce_ns += clock_monotonic_ns() - begun;
}

void committer_announce_end(struct committer *committer, bool own)
{
    struct position position = registry_position(committer->registry);
    int64_t begun = clock_monotonic_ns();
    committer->listener.settled(committer->listener.user, &position, own);
    committer->announce_ns += clock_monotonic_ns() - begun;
    histogram_observe(&committer->stats.announce, (uint64_t)committer->announce_ns);
    committer->announce_ns = 0;
}

static void finish(struct committer *committer, struct batch *batch)
{
    FAILPOINT(apply_before);
    registry_apply(committer->registry);
    FAILPOINT(apply_after);
    for (size_t i = 0; i < batch->n; i++) {
        committer_count(committer, batch->commits[i]);
        committer_announce(committer, batch->writes[i]->staged, true);
    }
    FAILPOINT(fanout_before);
    committer_announce_end(committer, true);
    FAILPOINT(fanout_after);
    FAILPOINT(answer_before);
    for (size_t i = 0; i < batch->n; i++) {
        committer_succeed_scrubbed(committer, batch->writes[i]);
        FAILPOINT(answer_after);
    }
}

static void refuse(struct committer *committer, struct batch *batch, const struct status *st)
{
    committer_set_health(committer, st->message);
    registry_discard(committer->registry);
    for (size_t i = 0; i < batch->n; i++) {
        committer_fail(committer, batch->writes[i], st);
    }
}

/* Returns `rest` with what has to be staged again in front of it. */
static struct write *commit_batch(struct committer *committer, struct batch *batch,
                                  struct write *rest)
{
    struct status st;
    if (batch->n == 0) {
        return rest;
    }
    int64_t begun = clock_monotonic_ns();
    if (committer_append(committer, batch->commits, batch->n, &st)) {
        turns_won(committer, clock_monotonic_ns() - begun);
        committer_set_health(committer, "");
        finish(committer, batch);
        batch_release_held(committer, batch);
        return rest;
    }
    if (st.outcome == OUTCOME_REVISION_TAKEN) {
        turns_lost(committer);
        return settle_batch(committer, batch, &st, rest);
    }
    if (st.outcome == OUTCOME_UNKNOWN) {
        return settle_batch(committer, batch, &st, rest);
    }
    refuse(committer, batch, &st);
    return rest;
}

static void fail_all(struct committer *committer, struct write *writes, const struct status *st)
{
    while (writes != NULL) {
        struct write *next = writes->next;
        committer_fail(committer, writes, st);
        writes = next;
    }
}

/* ---- The log's end ---- */

void committer_wake(struct committer *committer, uint64_t revision)
{
    if (committer->store->shared && registry_position(committer->registry).revision < revision) {
        write_queue_poke(&committer->queue);
    }
}

void committer_sync(struct committer *committer, struct sync *sync)
{
    sync->ok = true;
    if (!committer->store->shared) { /* a write is answered after it was applied */
        sync->done(sync);
        return;
    }
    pthread_mutex_lock(&committer->lock);
    bool stopped = committer->stopped;
    if (!stopped) {
        sync->next = committer->syncs;
        committer->syncs = sync;
    }
    pthread_mutex_unlock(&committer->lock);
    if (!stopped) {
        write_queue_poke(&committer->queue);
        return;
    }
    sync->ok = status_set(&sync->st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    sync->done(sync);
}

struct log_seen committer_seen(struct committer *committer)
{
    pthread_mutex_lock(&committer->lock);
    struct log_seen seen = committer->seen;
    pthread_mutex_unlock(&committer->lock);
    return seen;
}

static struct sync *take_syncs(struct committer *committer, bool stop)
{
    pthread_mutex_lock(&committer->lock);
    struct sync *syncs = MOVE(committer->syncs);
    committer->stopped = stop;
    pthread_mutex_unlock(&committer->lock);
    return syncs;
}

static void answer_syncs(struct sync *syncs, bool ok, const struct status *st)
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

/* Who waits, or the time that has passed, wants the end as the store knows it for sure; for a
 * wake-up what can be read at once will do. */
void committer_look(struct committer *committer, bool poked)
{
    bool due = catch_up_is_due(committer);
    if (!committer->store->shared || (!poked && !due)) {
        return;
    }
    struct status st;
    struct sync *syncs = take_syncs(committer, false);
    if (syncs == NULL && !due) {
        catch_up(committer, committer->doubt, &st);
        return;
    }
    bool ok = catch_up_when_due(committer, &st);
    answer_syncs(syncs, ok, &st);
    settle_doubt(committer, &st);
}

/* ---- The thread ---- */

static void count_waits(struct committer *committer, const struct write *writes)
{
    int64_t now = clock_monotonic_ns();
    for (; writes != NULL; writes = writes->next) {
        histogram_observe(&committer->stats.wait, (uint64_t)(now - writes->submitted_ns));
    }
}

static bool may_append(struct committer *committer, struct status *st)
{
    if (committer->diverged) {
        return status_set(st, STATUS_UNAVAILABLE, "LOG_CHANGED",
                          "the store's log is another one; this node starts anew");
    }
    return settle_doubt(committer, st);
}

static void process(struct committer *committer, struct write *writes)
{
    struct status st;
    count_waits(committer, writes);
    while (writes != NULL) {
        turns_give_way(committer); /* perhaps to find another log meanwhile */
        if (!may_append(committer, &st)) {
            fail_all(committer, writes, &st);
            return;
        }
        struct batch batch;
        writes = batch_stage(committer, &batch, writes);
        writes = commit_batch(committer, &batch, writes);
        writes = batch_settle_held(committer, &batch, writes);
        batch_fini(&batch);
    }
}

static void *run(void *argument)
{
    struct committer *committer = argument;
    enum write_queue_news news = WRITE_QUEUE_NOTHING;
    while (news != WRITE_QUEUE_STOPPED) {
        struct write *writes =
            write_queue_take(&committer->queue, BATCH_WRITES, BATCH_BYTES, LOOK_NS, &news);
        committer_look(committer, news == WRITE_QUEUE_POKED);
        process(committer, writes);
    }
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    answer_syncs(take_syncs(committer, true), false, &st);
    return NULL;
}

/* On upkeep's thread. */
static void compact_by_policy(void *user, uint64_t floor, uint64_t keep_versions)
{
    committer_submit(user, own_compaction_new(floor, keep_versions));
}

struct committer *committer_new(const struct committer_options *options)
{
    struct committer *committer = mem_zalloc(sizeof *committer);
    committer->store = options->store;
    committer->registry = options->registry;
    committer->listener = options->listener;
    write_queue_init(&committer->queue, options->max_waiting != 0 ? options->max_waiting : 10000,
                     options->max_waiting_bytes != 0 ? options->max_waiting_bytes
                                                     : (size_t)256 << 20);
    pthread_mutex_init(&committer->lock, NULL);
    histogram_init(&committer->stats.batch, &scale_count);
    histogram_init(&committer->stats.append, &scale_latency);
    histogram_init(&committer->stats.wait, &scale_latency);
    histogram_init(&committer->stats.announce, &scale_latency);
    const struct upkeep_options upkeep_options = {.store = options->store,
                                                  .registry = options->registry,
                                                  .policy = options->policy,
                                                  .compact = compact_by_policy,
                                                  .user = committer};
    committer->upkeep = upkeep_new(&upkeep_options);
    int failed = pthread_create(&committer->thread, NULL, run, committer);
    assert(failed == 0 && "a thread can be had at start");
    return committer;
}

void committer_refuse(struct committer *committer)
{
    write_queue_stop(&committer->queue);
}

void committer_stop(struct committer *committer)
{
    if (committer != NULL && !committer->joined) {
        committer_refuse(committer);
        pthread_join(committer->thread, NULL);
        upkeep_stop(committer->upkeep);
        committer->joined = true;
    }
}

void committer_free(struct committer *committer)
{
    if (committer == NULL) {
        return;
    }
    committer_stop(committer);
    if (committer->doubt != NULL) {
        batch_fini(committer->doubt);
    }
    free(committer->doubt);
    upkeep_free(committer->upkeep);
    recent_requests_fini(&committer->recent);
    write_queue_fini(&committer->queue);
    pthread_mutex_destroy(&committer->lock);
    free(committer);
}

static void prepare(struct write *write, int64_t now_ns)
{
    write->staged = NULL;
    write->asked = false;
    if (batch_is_once(write)) {
        write->request = commit_request_key(write->command.actor, write->command.request_id);
    }
    write->current = false;
    write->submitted_ns = now_ns;
}

void committer_submit_all(struct committer *committer, struct write *const *writes, size_t n)
{
    struct status st;
    int64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < n; i++) {
        prepare(writes[i], now_ns);
    }
    for (size_t i = write_queue_put(&committer->queue, writes, n, &st); i < n; i++) {
        committer_fail(committer, writes[i], &st);
    }
}

void committer_submit(struct committer *committer, struct write *write)
{
    committer_submit_all(committer, &write, 1);
}

const struct commit_stats *committer_stats(const struct committer *committer)
{
    return &committer->stats;
}

const struct upkeep_stats *committer_upkeep_stats(const struct committer *committer)
{
    return upkeep_stats(committer->upkeep);
}

size_t committer_waiting(struct committer *committer)
{
    return write_queue_size(&committer->queue);
}
