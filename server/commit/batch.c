#include <string.h>

#include "clock.h"
#include "compact.h"
#include "replay.h"
#include "state.h"

static bool read_stored(void *user, const char *environment, const char *service, uint64_t version,
                        struct version_ref *ret_version, struct status *st)
{
    return store_read_live_version(user, environment, service, version, ret_version, st);
}

static bool find_stored(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret_change, struct status *st)
{
    return store_find_change(user, environment, service, revision, ret_change, st);
}

struct version_source committer_source(struct committer *c)
{
    return (struct version_source){
        .read = read_stored, .find_change = find_stored, .user = c->store};
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

/* Another node answered the first one, and this one has not followed so far. A batch that has begun
 * comes too late then; it is tried again after this node has followed. */
static enum fate catch_up_with_first(struct committer *c, const struct batch *batch,
                                     struct write *write, uint64_t first)
{
    struct status st;
    if (batch->n > 0 || catch_up_through(c, first, &st)) {
        return FATE_WAIT;
    }
    committer_fail(c, write, &st);
    return FATE_ANSWERED;
}

bool batch_is_once(const struct write *write)
{
    return write->command.request_id[0] != '\0' && !write->validate_only;
}

/* Whether it is clear that the log has no commit with the write's request_id, or which is the
 * first. Where the store was asked, what came since then went through this node and is remembered.
 */
static bool find_first(struct committer *c, const struct write *write, uint64_t *ret_revision)
{
    uint64_t now = registry_position(c->registry).revision;
    bool asked = write->asked && now - write->asked_at <= RECENT_REQUESTS;
    *ret_revision = recent_requests_find(&c->recent, &write->request);
    if (*ret_revision == 0 && asked) {
        *ret_revision = write->first;
    }
    return *ret_revision != 0 || asked;
}

/* Asks the store for the request_ids of all that wait, at once. */
static void ask_for_firsts(struct committer *c, struct batch *batch, struct write *writes)
{
    struct write *asking[BATCH_WRITES];
    struct hash keys[BATCH_WRITES];
    uint64_t firsts[BATCH_WRITES];
    size_t n = 0;
    for (struct write *write = writes; write != NULL && n < BATCH_WRITES; write = write->next) {
        uint64_t known = 0;
        if (batch_is_once(write) && !find_first(c, write, &known)) {
            keys[n] = write->request;
            asking[n++] = write;
        }
    }
    bool answered = n > 0 && store_find_requests(c->store, keys, n, firsts, &batch->asked);
    for (size_t i = 0; i < n && answered; i++) {
        asking[i]->asked = true;
        asking[i]->asked_at = registry_position(c->registry).revision;
        asking[i]->first = firsts[i];
    }
}

/* A repeat gets the first answer. Of a write in this very batch there is none yet: it has to wait
 * for the next batch, as does one that the store was not asked for. */
static enum fate check_repeat(struct committer *c, const struct batch *batch, struct write *write)
{
    struct status st = batch->asked;
    uint64_t first = 0;
    if (!batch_is_once(write)) {
        return FATE_STAGE;
    }
    if (find_in_batch(batch, &write->command) != NULL) {
        return FATE_WAIT;
    }
    bool known = find_first(c, write, &first);
    if (known && first == 0) {
        return FATE_STAGE;
    }
    if (!known && st.code == STATUS_OK) {
        return FATE_WAIT;
    }
    if (first > registry_position(c->registry).revision) {
        return catch_up_with_first(c, batch, write, first);
    }
    if (known && replay_first(c->store, first, &write->command, &write->staged, &st)) {
        committer_succeed_scrubbed(c, write);
    } else {
        committer_fail(c, write, &st);
    }
    return FATE_ANSWERED;
}

static void answer(struct committer *c, struct write *write)
{
    if (write->ok) {
        committer_succeed_scrubbed(c, write);
    } else {
        struct status st = write->st;
        committer_fail(c, write, &st);
    }
}

/* An answer that changes nothing says what is so. What stands before it in the batch is so when it
 * is in the log, and not seen before. Where other nodes write, too, it must be known first that the
 * registry had all of the log at some time since the write came. */
static void answer_or_hold(struct committer *c, struct batch *batch, struct write *write)
{
    bool current = write->current || !c->store->shared;
    if (current && batch->n == 0) {
        answer(c, write);
        return;
    }
    batch->held_on_commits = batch->held_on_commits || batch->n > 0;
    write->next = NULL;
    *batch->held_end = write;
    batch->held_end = &write->next;
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

static void stage(struct committer *c, struct batch *batch, struct write *write)
{
    struct version_source source = committer_source(c);
    write->command.now_us = clock_wall_us();
    write->ok = (!is_compaction(write) || compact_may_begin(c->store, c->registry, &write->st)) &&
                registry_stage(c->registry, &write->command, &source, &write->staged, &write->st);
    if (!write->ok || write->validate_only || write->staged->commit == NULL) {
        answer_or_hold(c, batch, write);
        return;
    }
    registry_accept(c->registry, write->staged);
    batch->writes[batch->n] = write;
    batch->commits[batch->n] = commit_ref(write->staged->commit);
    batch->bytes += bytes_of(write->staged->commit);
    batch->n++;
}

static bool drop_expired(struct committer *c, struct write *write)
{
    if (clock_monotonic_ns() < write->deadline_ns) {
        return false;
    }
    struct status st;
    status_set(&st, STATUS_DEADLINE_EXCEEDED, "NOT_STARTED",
               "the deadline passed before the write was looked at; nothing was changed");
    committer_fail(c, write, &st);
    return true;
}

/* Rollbacks and patches bring more than they hold while they wait. */
static bool is_full(const struct batch *batch)
{
    return batch->bytes >= BATCH_BYTES;
}

/* A validate_only answer is as of the registry's position and must not see what only this batch
 * will bring, so that it, too, ends a batch that has begun. */
struct write *batch_stage(struct committer *c, struct batch *batch, struct write *writes)
{
    *batch = (struct batch){.base = registry_position(c->registry).revision};
    batch->held_end = &batch->held;
    ask_for_firsts(c, batch, writes);
    while (writes != NULL) {
        struct write *write = writes;
        bool alone = is_compaction(write);
        if (is_full(batch) || (batch->n > 0 && (write->validate_only || alone))) {
            return writes;
        }
        struct write *next = write->next;
        enum fate fate = drop_expired(c, write) ? FATE_ANSWERED : check_repeat(c, batch, write);
        if (fate == FATE_WAIT) {
            return writes;
        }
        writes = next;
        if (fate == FATE_STAGE) {
            stage(c, batch, write);
        }
        if (alone) {
            return writes;
        }
    }
    return NULL;
}

/* ---- Answers that were held ---- */

static struct write *take_held(struct batch *batch)
{
    struct write *first = MOVE(batch->held);
    batch->held_end = &batch->held;
    return first;
}

void batch_release_held(struct committer *c, struct batch *batch)
{
    for (struct write *write = take_held(batch), *next; write != NULL; write = next) {
        next = write->next;
        answer(c, write);
    }
}

static void fail_held(struct committer *c, struct batch *batch, const struct status *st)
{
    for (struct write *write = take_held(batch), *next; write != NULL; write = next) {
        next = write->next;
        committer_fail(c, write, st);
    }
}

static struct write *stage_again(struct batch *batch, struct write *rest)
{
    *batch->held_end = rest;
    struct write *first = take_held(batch);
    for (struct write *write = first; write != rest; write = write->next) {
        staged_free(MOVE(write->staged));
        write->current = true;
    }
    return first;
}

struct write *batch_settle_held(struct committer *c, struct batch *batch, struct write *rest)
{
    struct status st;
    if (batch->held == NULL) {
        return rest;
    }
    if (c->store->shared && !catch_up_to_end(c, &st)) {
        st.code = STATUS_UNAVAILABLE;
        fail_held(c, batch, &st);
        return rest;
    }
    if (!batch->held_on_commits && registry_position(c->registry).revision == batch->base) {
        batch_release_held(c, batch);
        return rest;
    }
    return stage_again(batch, rest);
}
