#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "state.h"

#define PATIENCE_NS INT64_C(5000000000)
#define FIRST_PAUSE_NS INT64_C(1000000)
#define LAST_PAUSE_NS INT64_C(100000000)

void batch_fini(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        commit_unref(MOVE(batch->commits[i]));
    }
    batch->n = 0;
}

/* A commit that is not in the log is lost for good when another's has its revision; those behind it
 * build on it. */
static bool is_settled(const struct committer *c, const struct batch *batch)
{
    return batch->landed == batch->n ||
           registry_position(c->registry).revision >= batch->commits[batch->landed]->revision;
}

/* One round: the log is read; where it does not tell, the same commits are sent again, so that one
 * that is still on its way cannot come in beside another of the same write. */
static bool settle_once(struct committer *c, struct batch *batch, struct status *st)
{
    if (!catch_up(c, batch, st)) {
        return false;
    }
    if (is_settled(c, batch)) {
        return true;
    }
    size_t n = batch->n - batch->landed;
    bool appended = committer_append(c, batch->commits + batch->landed, n, st);
    bool taken = !appended && st->outcome == OUTCOME_REVISION_TAKEN;
    if (!(appended || taken) || !catch_up(c, batch, st)) {
        return false;
    }
    return is_settled(c, batch) || status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                                              "the log does not show revision %" PRIu64 " yet",
                                              batch->commits[batch->landed]->revision);
}

static void outcome_unknown(struct status *st)
{
    status_context(st, "whether the write happened could not be found out");
    status_become(st, OUTCOME_UNKNOWN);
}

/* Answers those that cannot wait any longer; all: nobody can. */
static void answer_unknown(struct committer *c, struct batch *batch, const struct status *fault,
                           bool all)
{
    struct status st = *fault;
    outcome_unknown(&st);
    int64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < batch->n; i++) {
        struct write *write = batch->writes[i];
        if (write != NULL && (all || write->deadline_ns <= now_ns)) {
            batch->writes[i] = NULL;
            committer_fail(c, write, &st);
        }
    }
}

static void keep_in_doubt(struct committer *c, struct batch *batch)
{
    assert(c->doubt == NULL && "nothing is appended while something is in doubt");
    c->doubt = mem_alloc(sizeof *c->doubt);
    *c->doubt = *batch;
    batch->n = 0;
}

static void count_landed(struct committer *c, const struct batch *batch)
{
    for (size_t i = 0; i < batch->landed; i++) {
        committer_count(c, batch->commits[i]);
    }
}

/* Those that are in the log are done; the others go back, in their order. */
static struct write *answer_settled(struct committer *c, struct batch *batch, struct write *rest)
{
    struct write *first = rest;
    for (size_t i = batch->n; i-- > batch->landed;) {
        struct write *write = batch->writes[i];
        if (write != NULL) {
            staged_free(MOVE(write->staged));
            write->next = first;
            first = write;
        }
    }
    for (size_t i = 0; i < batch->landed; i++) {
        if (batch->writes[i] != NULL) {
            committer_succeed_scrubbed(c, batch->writes[i]);
        }
    }
    return first;
}

struct write *settle_batch(struct committer *c, struct batch *batch, struct status *st,
                           struct write *rest)
{
    int64_t give_up = clock_monotonic_ns() + PATIENCE_NS;
    int64_t pause_ns = FIRST_PAUSE_NS;
    while (!settle_once(c, batch, st)) {
        bool late = clock_monotonic_ns() > give_up || c->diverged;
        if (late || write_queue_pause(&c->queue, pause_ns)) {
            answer_unknown(c, batch, st, true);
            keep_in_doubt(c, batch);
            committer_set_health(c, st->message);
            return rest;
        }
        answer_unknown(c, batch, st, false);
        pause_ns = 2 * pause_ns < LAST_PAUSE_NS ? 2 * pause_ns : LAST_PAUSE_NS;
    }
    count_landed(c, batch);
    committer_set_health(c, "");
    return answer_settled(c, batch, rest);
}

bool settle_doubt(struct committer *c, struct status *st)
{
    if (c->doubt == NULL) {
        return true;
    }
    if (!settle_once(c, c->doubt, st)) {
        status_context(st, "what became of an earlier write is not known yet");
        st->code = STATUS_UNAVAILABLE;
        if (st->outcome == OUTCOME_UNKNOWN) { /* of that one, not of those that wait */
            status_set_reason(st, "STORE_UNAVAILABLE");
        }
        return false;
    }
    count_landed(c, c->doubt);
    batch_fini(c->doubt);
    free(MOVE(c->doubt));
    committer_set_health(c, "");
    return true;
}
