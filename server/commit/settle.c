#include "settle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

#define PATIENCE_NS INT64_C(5000000000)
#define FIRST_PAUSE_NS INT64_C(1000000)
#define LAST_PAUSE_NS INT64_C(100000000)

struct settler {
    struct settler_options options;
    struct batch *doubt; /* owned; an append that may have happened and was answered as unknown */
};

struct settler *settler_new(const struct settler_options *options)
{
    struct settler *settler = mem_zalloc(sizeof *settler);
    settler->options = *options;
    return settler;
}

void settler_free(struct settler *settler)
{
    batch_free(settler->doubt);
    free(settler);
}

struct own_commits *settler_doubt(struct settler *settler)
{
    return settler->doubt == NULL ? NULL : batch_own(settler->doubt);
}

/* A commit that is not in the log is lost for good when another's has its revision; those behind it
 * build on it. */
static bool is_settled(const struct settler *settler, const struct own_commits *own)
{
    return own->landed == own->n || registry_position(settler->options.registry).revision >=
                                        own->commits[own->landed]->revision;
}

static bool read_log(struct settler *settler, struct own_commits *own, struct status *st)
{
    const struct settler_options *options = &settler->options;
    bool ok = catch_up_run(options->catch_up, own, st);
    options->caught_up(options->user, ok, st);
    return ok;
}

/* One round. */
static bool settle_once(struct settler *settler, struct own_commits *own, struct status *st)
{
    if (!read_log(settler, own, st)) {
        return false;
    }
    if (is_settled(settler, own)) {
        return true;
    }
    enum append_result result = appender_append(
        settler->options.appender, own->commits + own->landed, own->n - own->landed, st);
    bool told = result == APPEND_DONE || result == APPEND_LOST;
    if (!told || !read_log(settler, own, st)) {
        return false;
    }
    return is_settled(settler, own) || status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                                                  "the log does not show revision %" PRIu64 " yet",
                                                  own->commits[own->landed]->revision);
}

static void outcome_unknown(struct status *st)
{
    status_context(st, "whether the write happened could not be found out");
    status_become(st, OUTCOME_UNKNOWN);
}

/* Answers the writes whose deadline has passed; all: every write. */
static void answer_unknown(struct settler *settler, struct batch *batch, const struct status *fault,
                           bool all)
{
    struct status st = *fault;
    outcome_unknown(&st);
    int64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < batch_own(batch)->n; i++) {
        const struct write *write = batch_write(batch, i);
        if (write != NULL && (all || write->deadline_ns <= now_ns)) {
            answers_fail(settler->options.answers, batch_take_write(batch, i), &st);
        }
    }
}

static void note_landed(struct settler *settler, struct batch *batch)
{
    const struct own_commits *own = batch_own(batch);
    for (size_t i = 0; i < own->landed; i++) {
        settler->options.landed(settler->options.user, own->commits[i]);
    }
}

/* Answers the writes whose commits are in the log; puts the others back in front of `rest`, in
 * their order. */
static struct write *answer_settled(struct settler *settler, struct batch *batch,
                                    struct write *rest)
{
    const struct own_commits *own = batch_own(batch);
    struct write *first = rest;
    for (size_t i = own->n; i-- > own->landed;) {
        struct write *write = batch_take_write(batch, i);
        if (write != NULL) {
            staged_free(MOVE(write->staged));
            write->next = first;
            first = write;
        }
    }
    for (size_t i = 0; i < own->landed; i++) {
        struct write *write = batch_take_write(batch, i);
        if (write != NULL) {
            answers_succeed(settler->options.answers, write);
        }
    }
    return first;
}

static bool is_stopped(struct settler *settler, int64_t give_up_ns, int64_t pause_ns)
{
    struct status ignored;
    return clock_monotonic_ns() > give_up_ns ||
           log_identity_is_changed(settler->options.identity, &ignored) ||
           write_queue_pause(settler->options.queue, pause_ns);
}

static void keep_in_doubt(struct settler *settler, struct batch *batch, const struct status *st)
{
    assert(settler->doubt == NULL && "nothing is appended while something is in doubt");
    answer_unknown(settler, batch, st, true);
    settler->doubt = batch;
    write_health_note_append(settler->options.health, st);
}

struct write *settler_settle(struct settler *settler, struct batch *batch, struct status *st,
                             struct write *rest)
{
    int64_t give_up_ns = clock_monotonic_ns() + PATIENCE_NS;
    int64_t pause_ns = FIRST_PAUSE_NS;
    while (!settle_once(settler, batch_own(batch), st)) {
        if (is_stopped(settler, give_up_ns, pause_ns)) {
            keep_in_doubt(settler, batch, st);
            return rest;
        }
        answer_unknown(settler, batch, st, false);
        pause_ns = 2 * pause_ns < LAST_PAUSE_NS ? 2 * pause_ns : LAST_PAUSE_NS;
    }
    note_landed(settler, batch);
    write_health_note_append(settler->options.health, NULL);
    rest = answer_settled(settler, batch, rest);
    batch_free(batch);
    return rest;
}

bool settler_clear_doubt(struct settler *settler, struct status *st)
{
    if (settler->doubt == NULL) {
        return true;
    }
    if (!settle_once(settler, batch_own(settler->doubt), st)) {
        status_context(st, "what became of an earlier write is not known yet");
        st->code = STATUS_UNAVAILABLE;
        if (st->outcome == OUTCOME_UNKNOWN) { /* of that one, not of those that wait */
            status_set_reason(st, "STORE_UNAVAILABLE");
        }
        return false;
    }
    note_landed(settler, settler->doubt);
    batch_free(MOVE(settler->doubt));
    write_health_note_append(settler->options.health, NULL);
    return true;
}
