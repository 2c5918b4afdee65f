#include "committer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "queue.h"
#include "replay.h"
#include "scrub.h"
#include "table.h"

#define BATCH_WRITES 128
#define BATCH_BYTES (8u << 20)
#define DIRTY_HEADS 4096            /* saved when so many have changed, … */
#define UNSAVED_COMMITS 10000       /* … so many commits came, … */
#define IDLE_NS INT64_C(1000000000) /* … or nothing came for so long */
#define SETTLE_PAUSE_NS INT64_C(100000000)
#define SETTLE_PATIENCE_NS INT64_C(5000000000)

/* A batch on its way: the writes that go into the log, in order. Others are answered at once. */
struct batch {
    struct write *writes[BATCH_WRITES];
    struct commit *commits[BATCH_WRITES]; /* borrowed of the writes */
    size_t n;
};

struct committer {
    struct store *store;
    struct registry *registry;
    struct commit_listener listener;
    struct write_queue queue;
    pthread_t thread;
    struct commit_stats stats;

    /* The thread's own. */
    struct table dirty;   /* heads that the store's copy lacks */
    uint64_t heads_saved; /* through this revision */
    bool scrub_due;
    bool in_doubt; /* the log may hold commits that the registry does not know */

    pthread_mutex_t health_lock;
    char reason[256]; /* why the last append failed; "" where it went well */
};

/* ---- Health ---- */

bool committer_writable(struct committer *committer, char reason[256])
{
    pthread_mutex_lock(&committer->health_lock);
    memcpy(reason, committer->reason, sizeof committer->reason);
    pthread_mutex_unlock(&committer->health_lock);
    return reason[0] == '\0';
}

/* "" for well. Logs the change from one to the other. */
static void set_health(struct committer *committer, const char *reason)
{
    pthread_mutex_lock(&committer->health_lock);
    bool was_well = committer->reason[0] == '\0';
    snprintf(committer->reason, sizeof committer->reason, "%s", reason);
    pthread_mutex_unlock(&committer->health_lock);
    if (was_well && reason[0] != '\0') {
        log_event(LOG_ERROR, "writes_refused", "reason", reason, NULL);
    } else if (!was_well && reason[0] == '\0') {
        log_event(LOG_INFO, "writes_resumed", NULL);
    }
}

/* ---- Answers ---- */

static void succeed(struct committer *committer, struct write *write)
{
    write->ok = true;
    write->position = registry_position(committer->registry);
    write->done(write);
}

static void fail(struct write *write, const struct status *st)
{
    write->ok = false;
    write->st = *st;
    staged_free(MOVE(write->staged));
    write->done(write);
}

/* ---- From waiting to staged ---- */

static bool read_stored(void *user, const char *environment, const char *service, uint64_t version,
                        struct version_ref *ret_version, struct status *st)
{
    return store_read_version(user, environment, service, version, ret_version, st);
}

static struct commit *find_in_batch(const struct batch *batch, const struct command *command)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct commit *commit = batch->commits[i];
        if (strcmp(commit->request_id, command->request_id) == 0 &&
            strcmp(commit->actor, command->actor) == 0) {
            return commit;
        }
    }
    return NULL;
}

/* What became of a write before it could be staged. */
enum fate { FATE_STAGE, FATE_ANSWERED, FATE_WAIT };

/* A repeat gets the first answer. Of a write in this very batch there is none yet: it has to wait
 * for the next batch. */
static enum fate check_repeat(struct committer *committer, const struct batch *batch,
                              struct write *write)
{
    if (write->command.request_id[0] == '\0' || write->validate_only) {
        return FATE_STAGE;
    }
    if (find_in_batch(batch, &write->command) != NULL) {
        return FATE_WAIT;
    }
    if (!replay_find(committer->store, &write->command, &write->staged, &write->st)) {
        struct status st = write->st;
        fail(write, &st);
        return FATE_ANSWERED;
    }
    if (write->staged != NULL) {
        succeed(committer, write);
        return FATE_ANSWERED;
    }
    return FATE_STAGE;
}

static void stage(struct committer *committer, struct batch *batch, struct write *write)
{
    struct version_source source = {.read = read_stored, .user = committer->store};
    struct status st;
    write->command.now_us = clock_wall_us();
    if (!registry_stage(committer->registry, &write->command, &source, &write->staged, &st)) {
        fail(write, &st);
        return;
    }
    if (write->validate_only || write->staged->commit == NULL) {
        succeed(committer, write);
        return;
    }
    registry_accept(committer->registry, write->staged);
    batch->writes[batch->n] = write;
    batch->commits[batch->n] = write->staged->commit;
    batch->n++;
}

static bool drop_expired(struct write *write)
{
    if (clock_monotonic_ns() < write->deadline_ns) {
        return false;
    }
    struct status st;
    status_set(&st, STATUS_DEADLINE_EXCEEDED, "NOT_STARTED",
               "the deadline passed before the write was looked at; nothing was changed");
    fail(write, &st);
    return true;
}

/* Fills the batch from the list; what has to wait for the next one comes back. A validate_only
 * answer is as of the registry's position and must not see what only this batch will bring, so
 * that it, too, ends a batch that has begun. */
static struct write *fill(struct committer *committer, struct batch *batch, struct write *writes)
{
    while (writes != NULL) {
        struct write *write = writes;
        if (batch->n > 0 && write->validate_only) {
            return writes;
        }
        struct write *next = write->next;
        enum fate fate =
            drop_expired(write) ? FATE_ANSWERED : check_repeat(committer, batch, write);
        if (fate == FATE_WAIT) {
            return writes;
        }
        writes = next;
        if (fate == FATE_STAGE) {
            stage(committer, batch, write);
        }
    }
    return NULL;
}

/* ---- From staged to durable ---- */

/* The append's answer was lost: the tail tells whether it happened. Waits for the store; when
 * patience ends the callers get OUTCOME_UNKNOWN, and nothing new is taken before the log was read.
 */
static bool settle(struct committer *committer, struct batch *batch, struct status *st)
{
    const struct commit *last = batch->commits[batch->n - 1];
    int64_t give_up = clock_monotonic_ns() + SETTLE_PATIENCE_NS;
    for (;;) {
        struct store_tail tail;
        struct status fault;
        if (store_tail(committer->store, &tail, &fault)) {
            return tail.revision == last->revision && hash_equal(&tail.hash, &last->hash);
        }
        if (clock_monotonic_ns() > give_up ||
            write_queue_pause(&committer->queue, SETTLE_PAUSE_NS)) {
            *st = fault;
            status_context(st, "whether the write happened could not be found out");
            st->code = STATUS_UNAVAILABLE;
            committer->in_doubt = true;
            snprintf(st->reason, sizeof st->reason, "OUTCOME_UNKNOWN");
            return false;
        }
    }
}

static bool append(struct committer *committer, struct batch *batch, struct status *st)
{
    struct commit_stats *stats = &committer->stats;
    int64_t begun = clock_monotonic_ns();
    bool ok = store_append(committer->store, batch->commits, batch->n, st);
    histogram_observe(&stats->append, (uint64_t)(clock_monotonic_ns() - begun));
    histogram_observe(&stats->batch, batch->n);
    if (ok) {
        return true;
    }
    metric_add(&stats->failed_appends, 1);
    return strcmp(st->reason, "OUTCOME_UNKNOWN") == 0 && settle(committer, batch, st);
}

static void remember_heads(struct committer *committer, const struct staged *staged)
{
    for (size_t i = 0; i < staged->commit->n_changes; i++) {
        head_unref(table_put(&committer->dirty, head_ref(staged->after[i])));
    }
}

static void scrub(struct committer *committer)
{
    struct status st;
    if (!committer->scrub_due) {
        return;
    }
    uint64_t through = registry_position(committer->registry).revision;
    committer->scrub_due = !scrub_finish(committer->store, through, &st);
    if (committer->scrub_due) {
        metric_add(&committer->stats.failed_scrubs, 1);
        log_event(LOG_WARNING, "scrub_failed", "reason", st.message, NULL);
    }
}

static void count(struct commit_stats *stats, const struct commit *commit)
{
    metric_add(&stats->commits, 1);
    for (size_t i = 0; i < commit->n_changes; i++) {
        metric_add(&stats->changes[commit->changes[i].kind], 1);
    }
}

/* After it was applied. */
static void announce(struct committer *committer, const struct staged *staged)
{
    count(&committer->stats, staged->commit);
    remember_heads(committer, staged);
    committer->scrub_due = committer->scrub_due || scrub_wanted(staged->commit);
    committer->listener.committed(committer->listener.user, staged);
    commit_forget_payloads(staged->commit);
}

static void announce_end(struct committer *committer)
{
    struct position position = registry_position(committer->registry);
    committer->listener.settled(committer->listener.user, &position);
}

static void finish(struct committer *committer, struct batch *batch)
{
    registry_apply(committer->registry);
    for (size_t i = 0; i < batch->n; i++) {
        announce(committer, batch->writes[i]->staged);
    }
    announce_end(committer);
    scrub(committer);
    for (size_t i = 0; i < batch->n; i++) {
        succeed(committer, batch->writes[i]);
    }
}

static void commit_batch(struct committer *committer, struct batch *batch)
{
    struct status st;
    if (batch->n == 0) {
        return;
    }
    if (append(committer, batch, &st)) {
        set_health(committer, "");
        finish(committer, batch);
        return;
    }
    set_health(committer, st.message);
    registry_discard(committer->registry);
    for (size_t i = 0; i < batch->n; i++) {
        fail(batch->writes[i], &st);
    }
}

/* ---- After a doubt ---- */

struct catching_up {
    struct committer *committer;
    struct status *st;
    bool failed;
};

static bool follow(void *user, struct commit *commit)
{
    struct catching_up *c = user;
    struct registry *registry = c->committer->registry;
    struct version_source source = {.read = read_stored, .user = c->committer->store};
    AUTO(staged_free) struct staged *staged = NULL;
    c->failed = !registry_follow(registry, commit, &source, &staged, c->st);
    if (!c->failed) {
        registry_accept(registry, staged);
        registry_apply(registry);
        announce(c->committer, staged);
    }
    return !c->failed;
}

/* Takes in what the log has and the registry has not. */
static bool catch_up(struct committer *committer, struct status *st)
{
    struct catching_up c = {.committer = committer, .st = st};
    uint64_t next = registry_position(committer->registry).revision + 1;
    if (!store_read_commits(committer->store, next, UINT64_MAX, true, follow, &c, st) || c.failed) {
        return false;
    }
    committer->in_doubt = false;
    announce_end(committer);
    return true;
}

static void fail_all(struct write *writes, const struct status *st)
{
    while (writes != NULL) {
        struct write *next = writes->next;
        fail(writes, st);
        writes = next;
    }
}

/* ---- Heads ---- */

static void save_heads(struct committer *committer)
{
    struct table *dirty = &committer->dirty;
    struct head **heads = mem_array(dirty->n_heads, sizeof heads[0]);
    size_t n = 0;
    for (size_t i = 0; i < dirty->n_slots; i++) {
        if (dirty->slots[i].head != NULL) {
            heads[n++] = dirty->slots[i].head;
        }
    }
    struct status st;
    uint64_t through = registry_position(committer->registry).revision;
    if (store_save_heads(committer->store, heads, n, through, &st)) {
        table_fini(dirty);
        committer->heads_saved = through;
    } else {
        metric_add(&committer->stats.failed_head_saves, 1);
        log_event(LOG_WARNING, "heads_not_saved", "reason", st.message, NULL);
    }
    free(heads);
    if (!committer->scrub_due &&
        !store_set_mark(committer->store, STORE_MARK_SCRUBBED, through, &st)) {
        log_event(LOG_WARNING, "mark_not_saved", "reason", st.message, NULL);
    }
}

/* What recovery read out of the log is not in the store's copy yet. Where it cannot be known how
 * far the copy goes, all heads are taken for unsaved. */
static void find_unsaved(struct committer *committer)
{
    static const struct head_filter everything;
    struct status st;
    uint64_t through = 0;
    if (!store_get_mark(committer->store, STORE_MARK_HEADS, &through, &st)) {
        through = 0;
    }
    committer->heads_saved = through;
    if (through == registry_position(committer->registry).revision) {
        return;
    }
    struct head_cursor cursor = {.done = false};
    while (!cursor.done) {
        struct head *heads[256];
        size_t n = registry_list(committer->registry, &everything, &cursor, heads, COUNT_OF(heads));
        for (size_t i = 0; i < n; i++) {
            bool unsaved = heads[i]->row_revision > through;
            head_unref(unsaved ? table_put(&committer->dirty, heads[i]) : heads[i]);
        }
    }
    str_fini(&cursor.after);
}

/* ---- The thread ---- */

static void count_waits(struct committer *committer, const struct write *writes)
{
    int64_t now = clock_monotonic_ns();
    for (; writes != NULL; writes = writes->next) {
        histogram_observe(&committer->stats.wait, (uint64_t)(now - writes->submitted_ns));
    }
}

static void process(struct committer *committer, struct write *writes)
{
    struct status st;
    count_waits(committer, writes);
    if (committer->in_doubt && !catch_up(committer, &st)) {
        fail_all(writes, &st);
        return;
    }
    while (writes != NULL) {
        struct batch batch = {.n = 0};
        writes = fill(committer, &batch, writes);
        commit_batch(committer, &batch);
    }
}

static void keep_house(struct committer *committer, bool idle)
{
    uint64_t unsaved = registry_position(committer->registry).revision - committer->heads_saved;
    if (idle) {
        scrub(committer);
    }
    if (unsaved >= UNSAVED_COMMITS || committer->dirty.n_heads >= DIRTY_HEADS ||
        (idle && unsaved > 0)) {
        save_heads(committer);
    }
}

static void *run(void *argument)
{
    struct committer *committer = argument;
    for (bool stopped = false; !stopped;) {
        struct write *writes =
            write_queue_take(&committer->queue, BATCH_WRITES, BATCH_BYTES, IDLE_NS, &stopped);
        bool idle = writes == NULL;
        process(committer, writes);
        keep_house(committer, idle);
    }
    return NULL;
}

struct committer *committer_new(const struct committer_options *options)
{
    struct committer *committer = mem_zalloc(sizeof *committer);
    committer->store = options->store;
    committer->registry = options->registry;
    committer->listener = options->listener;
    find_unsaved(committer);
    write_queue_init(&committer->queue, options->max_waiting != 0 ? options->max_waiting : 10000,
                     options->max_waiting_bytes != 0 ? options->max_waiting_bytes
                                                     : (size_t)256 << 20);
    pthread_mutex_init(&committer->health_lock, NULL);
    histogram_init(&committer->stats.batch, &scale_count);
    histogram_init(&committer->stats.append, &scale_latency);
    histogram_init(&committer->stats.wait, &scale_latency);
    int failed = pthread_create(&committer->thread, NULL, run, committer);
    assert(failed == 0 && "a thread can be had at start");
    return committer;
}

void committer_free(struct committer *committer)
{
    if (committer == NULL) {
        return;
    }
    write_queue_stop(&committer->queue);
    pthread_join(committer->thread, NULL);
    table_fini(&committer->dirty);
    write_queue_fini(&committer->queue);
    pthread_mutex_destroy(&committer->health_lock);
    free(committer);
}

void committer_submit(struct committer *committer, struct write *write)
{
    struct status st;
    write->staged = NULL;
    write->submitted_ns = clock_monotonic_ns();
    if (!write_queue_put(&committer->queue, write, &st)) {
        fail(write, &st);
    }
}

const struct commit_stats *committer_stats(const struct committer *committer)
{
    return &committer->stats;
}

size_t committer_waiting(struct committer *committer)
{
    return write_queue_size(&committer->queue);
}
