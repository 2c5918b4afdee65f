#include "batch.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "compact.h"
#include "history.h"
#include "replay.h"

/* Writes in the order in which they came. */
struct write_list {
    struct write *first;
    struct write **end;
};

struct batch {
    struct write *writes[BATCH_WRITES];   /* NULL: answered or taken */
    struct commit *commits[BATCH_WRITES]; /* owned references */
    struct own_commits own;
    size_t bytes;              /* of their payloads */
    bool shared;               /* other nodes append, too */
    struct write_list held;    /* with their answers, staged */
    struct write_list to_look; /* they need to know more of the log than the registry has */
    struct status asked;       /* why the store did not answer for request_ids; STATUS_OK: it did */
};

static void add(struct write_list *list, struct write *write)
{
    write->next = NULL;
    *list->end = write;
    list->end = &write->next;
}

static struct write *take(struct write_list *list)
{
    list->end = &list->first;
    return MOVE(list->first);
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) {
        return;
    }
    for (size_t i = 0; i < batch->own.n; i++) {
        commit_unref(batch->commits[i]);
    }
    free(batch);
}

struct own_commits *batch_own(struct batch *batch)
{
    return &batch->own;
}

struct write *batch_write(struct batch *batch, size_t index)
{
    return batch->writes[index];
}

struct write *batch_take_write(struct batch *batch, size_t index)
{
    return MOVE(batch->writes[index]);
}

/* ---- Repeats ---- */

static struct commit *find_in_batch(const struct batch *batch, const struct command *command)
{
    for (size_t i = 0; i < batch->own.n; i++) {
        struct commit *commit = batch->commits[i];
        if (strcmp(commit->request_id, command->request_id) == 0 &&
            strcmp(commit->actor, command->actor) == 0) {
            return commit;
        }
    }
    return NULL;
}

/* The result of checking a write before it is staged. */
enum fate { FATE_STAGE, FATE_ANSWERED, FATE_WAIT, FATE_LOOK };

/* Another node answered the first one, and this one has not applied it so far. */
static enum fate look_for_first(const struct staging_desk *desk, struct write *write,
                                uint64_t first)
{
    struct status st;
    if (!write->current && desk->store->shared) {
        return FATE_LOOK;
    }
    status_set(&st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
               "revision %" PRIu64 " is in the log and cannot be read", first);
    answers_fail(desk->answers, write, &st);
    return FATE_ANSWERED;
}

bool batch_is_once(const struct write *write)
{
    return write->command.request_id[0] != '\0' && !write->validate_only;
}

/* Whether it is clear that the log has no commit with the write's request_id, or which is the
 * first. Where the store was asked, what came since then went through this node and is remembered.
 */
static bool find_first(const struct staging_desk *desk, const struct write *write,
                       uint64_t *ret_revision)
{
    uint64_t now = registry_position(desk->registry).revision;
    bool asked = write->asked && now - write->asked_at <= RECENT_REQUESTS;
    *ret_revision = recent_requests_find(desk->recent, &write->request);
    if (*ret_revision == 0 && asked) {
        *ret_revision = write->first;
    }
    return *ret_revision != 0 || asked;
}

/* Asks the store for the request_ids of all that wait, at once. */
static void ask_for_firsts(const struct staging_desk *desk, struct batch *batch,
                           struct write *writes)
{
    struct write *asking[BATCH_WRITES];
    struct hash keys[BATCH_WRITES];
    uint64_t firsts[BATCH_WRITES];
    size_t n = 0;
    for (struct write *write = writes; write != NULL && n < BATCH_WRITES; write = write->next) {
        uint64_t known = 0;
        if (batch_is_once(write) && !find_first(desk, write, &known)) {
            keys[n] = write->request;
            asking[n++] = write;
        }
    }
    bool answered = n > 0 && store_find_requests(desk->store, keys, n, firsts, &batch->asked);
    for (size_t i = 0; i < n && answered; i++) {
        asking[i]->asked = true;
        asking[i]->asked_at = registry_position(desk->registry).revision;
        asking[i]->first = firsts[i];
    }
}

/* A repeat gets the first answer. Of a write in this very batch there is none yet: it has to wait
 * for the next batch, as does one that the store was not asked for. */
static enum fate check_repeat(const struct staging_desk *desk, const struct batch *batch,
                              struct write *write)
{
    struct status st = batch->asked;
    uint64_t first = 0;
    if (!batch_is_once(write)) {
        return FATE_STAGE;
    }
    if (find_in_batch(batch, &write->command) != NULL) {
        return FATE_WAIT;
    }
    bool known = find_first(desk, write, &first);
    if (known && first == 0) {
        return FATE_STAGE;
    }
    if (!known && st.code == STATUS_OK) {
        return FATE_WAIT;
    }
    if (first > registry_position(desk->registry).revision) {
        return look_for_first(desk, write, first);
    }
    if (known && replay_first(desk->store, first, &write->command, &write->staged, &st)) {
        answers_succeed(desk->answers, write);
    } else {
        answers_fail(desk->answers, write, &st);
    }
    return FATE_ANSWERED;
}

static void answer(const struct staging_desk *desk, struct write *write)
{
    if (write->ok) {
        answers_succeed(desk->answers, write);
    } else {
        struct status st = write->st;
        answers_fail(desk->answers, write, &st);
    }
}

static void answer_or_hold(const struct staging_desk *desk, struct batch *batch,
                           struct write *write)
{
    bool current = write->current || !batch->shared;
    if (current && batch->own.n == 0) {
        answer(desk, write);
    } else {
        add(&batch->held, write);
    }
}

/* Stands alone in its batch: what is decided on it reads the log. */
static bool is_compaction(const struct write *write)
{
    return write->command.mutations[0].kind == MUTATE_COMPACT;
}

/* The size of a write in the store and on watches, where each event carries the comment. */
static size_t bytes_of(const struct commit *commit)
{
    size_t bytes = strlen(commit->comment) * commit->n_changes;
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct buf *payload = commit->changes[i].payload;
        bytes += payload == NULL ? 0 : payload->len;
    }
    return bytes;
}

static void stage(const struct staging_desk *desk, struct batch *batch, struct write *write)
{
    struct version_source source = history_source(desk->store);
    write->command.now_us = clock_wall_us();
    write->ok =
        (!is_compaction(write) || compact_may_begin(desk->store, desk->registry, &write->st)) &&
        registry_stage(desk->registry, &write->command, &source, &write->staged, &write->st);
    if (!write->ok || write->validate_only || write->staged->commit == NULL) {
        answer_or_hold(desk, batch, write);
        return;
    }
    registry_accept(desk->registry, write->staged);
    batch->writes[batch->own.n] = write;
    batch->commits[batch->own.n] = commit_ref(write->staged->commit);
    batch->bytes += bytes_of(write->staged->commit);
    batch->own.n++;
}

static bool drop_expired(const struct staging_desk *desk, struct write *write)
{
    if (clock_monotonic_ns() < write->deadline_ns) {
        return false;
    }
    struct status st;
    status_set(&st, STATUS_DEADLINE_EXCEEDED, "NOT_STARTED",
               "the deadline passed before the write was looked at; nothing was changed");
    answers_fail(desk->answers, write, &st);
    return true;
}

/* Rollbacks and patches bring more than they hold while they wait. */
static bool is_full(const struct batch *batch)
{
    return batch->own.n == BATCH_WRITES || batch->bytes >= BATCH_BYTES;
}

static struct batch *batch_new(const struct staging_desk *desk)
{
    struct batch *batch = mem_zalloc(sizeof *batch);
    batch->own.commits = batch->commits;
    batch->shared = desk->store->shared;
    batch->held.end = &batch->held.first;
    batch->to_look.end = &batch->to_look.first;
    return batch;
}

/* Whether the write ends the batch that has begun without it. A validate_only answer is as of the
 * registry's position and must not see what only this batch will bring. */
static bool ends_batch(const struct batch *batch, const struct write *write)
{
    return is_full(batch) || (batch->own.n > 0 && (write->validate_only || is_compaction(write)));
}

struct batch *batch_stage(const struct staging_desk *desk, struct write *writes,
                          struct write **ret_rest)
{
    struct batch *batch = batch_new(desk);
    ask_for_firsts(desk, batch, writes);
    while (writes != NULL && !ends_batch(batch, writes)) {
        struct write *write = writes;
        bool alone = is_compaction(write);
        struct write *next = write->next;
        enum fate fate =
            drop_expired(desk, write) ? FATE_ANSWERED : check_repeat(desk, batch, write);
        if (fate == FATE_WAIT) {
            break;
        }
        writes = next;
        if (fate == FATE_STAGE) {
            stage(desk, batch, write);
        } else if (fate == FATE_LOOK) {
            add(&batch->to_look, write);
        }
        if (alone) {
            break;
        }
    }
    *ret_rest = writes;
    return batch;
}

/* ---- What it holds ---- */

void batch_release_held(const struct staging_desk *desk, struct batch *batch)
{
    for (struct write *write = take(&batch->held), *next; write != NULL; write = next) {
        next = write->next;
        answer(desk, write);
    }
}

struct write *batch_take_held(struct batch *batch, struct write **ret_to_look)
{
    struct write_list again = {.end = &again.first};
    for (struct write *write = take(&batch->held), *next; write != NULL; write = next) {
        next = write->next;
        staged_free(MOVE(write->staged));
        add(write->current || !batch->shared ? &again : &batch->to_look, write);
    }
    *ret_to_look = take(&batch->to_look);
    return again.first;
}
