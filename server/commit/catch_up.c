#include <assert.h>
#include <inttypes.h>

#include "clock.h"
#include "log.h"
#include "state.h"

#define APPLY_AT_ONCE 128
#define SHORT_FOR_NS INT64_C(5000000000) /* a log that is too short for so long is another one */
#define END_PATIENCE_NS INT64_C(2000000000)
#define END_PAUSE_NS INT64_C(2000000)
#define LOOK_NS INT64_C(1000000000) /* between looks at the log's end, … */
#define LOOK_SHARE 10               /* … or so many times as long as one takes */

/* A walk over the log; what it has staged and not applied. */
struct following {
    struct committer *committer;
    struct batch *batch;
    struct staged **staged; /* owned */
    size_t n;
    size_t n_own; /* of these, those of the batch */
    bool applied;
    bool own; /* some that were applied are of the batch */
    struct status *st;
    bool failed;
};

static void apply(struct following *f)
{
    registry_apply(f->committer->registry);
    if (f->n_own > 0) {
        f->batch->landed += f->n_own;
        f->own = true;
        f->n_own = 0;
    }
    for (size_t i = 0; i < f->n; i++) {
        committer_announce(f->committer, f->staged[i], f->own);
        staged_free(f->staged[i]);
    }
    f->applied = f->applied || f->n > 0;
    f->n = 0;
}

static bool is_next_own(const struct following *f, const struct commit *commit)
{
    const struct batch *batch = f->batch;
    if (batch == NULL || batch->landed + f->n_own == batch->n) {
        return false;
    }
    const struct commit *own = batch->commits[batch->landed + f->n_own];
    return own->revision == commit->revision && hash_equal(&own->hash, &commit->hash);
}

static void note_origin(struct following *f, const struct commit *commit)
{
    if (is_next_own(f, commit)) {
        f->n_own++;
    } else {
        f->committer->rival_seen = true;
    }
}

static bool take_commit(void *user, struct commit *commit)
{
    struct following *f = user;
    struct registry *registry = f->committer->registry;
    struct version_source source = committer_source(f->committer);
    struct staged *staged = NULL;
    f->failed = !registry_stage_logged(registry, commit, &source, &staged, f->st);
    if (f->failed) {
        return false;
    }
    registry_accept(registry, staged);
    f->staged = mem_grow(f->staged, f->n + 1, sizeof f->staged[0]);
    f->staged[f->n++] = staged;
    note_origin(f, commit);
    if (f->n >= APPLY_AT_ONCE && registry_is_whole(registry)) {
        apply(f);
    }
    return true;
}

/* ---- Whether the log is still ours ---- */

enum own_end { END_SAME, END_OTHER, END_MISSING };

struct own_end_look {
    struct position position;
    enum own_end result;
};

static bool compare_end(void *user, struct commit *commit)
{
    struct own_end_look *look = user;
    look->result = hash_equal(&commit->hash, &look->position.hash) ? END_SAME : END_OTHER;
    return false;
}

static bool log_changed(struct committer *c, struct status *st)
{
    if (!c->diverged) {
        char revision[24];
        snprintf(revision, sizeof revision, "%" PRIu64, registry_position(c->registry).revision);
        log_event(LOG_ERROR, "log_changed", "revision", revision, "message",
                  "the store's log is not the one that was loaded; this node starts anew", NULL);
        c->diverged = true;
        upkeep_halt(c->upkeep);
        if (c->listener.diverged != NULL) {
            c->listener.diverged(c->listener.user);
        }
    }
    return status_set(st, STATUS_UNAVAILABLE, "LOG_CHANGED",
                      "the store's log is another one; this node starts anew");
}

/* How long the log has seemed to end before the registry does, in a row. */
static int64_t short_for_ns(struct committer *c, bool is_short)
{
    int64_t now_ns = clock_monotonic_ns();
    if (!is_short) {
        c->short_since_ns = 0;
    } else if (c->short_since_ns == 0) {
        c->short_since_ns = now_ns;
    }
    return is_short ? now_ns - c->short_since_ns : 0;
}

/* Looks for the registry's last commit in the log. One that is missing may only be late in coming
 * to sight. */
static bool check_own_end(struct committer *c, struct status *st)
{
    struct own_end_look look = {.position = registry_position(c->registry), .result = END_MISSING};
    uint64_t revision = look.position.revision;
    if (revision == 0) {
        return true;
    }
    if (!store_read_commits(c->store, revision, revision, false, compare_end, &look, st)) {
        return false;
    }
    bool too_long = short_for_ns(c, look.result == END_MISSING) >= SHORT_FOR_NS;
    return (look.result != END_OTHER && !too_long) || log_changed(c, st);
}

/* ---- Following ---- */

static void finish(struct following *f)
{
    if (registry_is_whole(f->committer->registry)) {
        apply(f);
    } else { /* the walk ended early: the rest comes with the next one */
        registry_discard(f->committer->registry);
    }
    for (size_t i = 0; i < f->n; i++) {
        staged_free(f->staged[i]);
    }
    free(f->staged);
    if (f->applied) {
        committer_announce_end(f->committer, f->own);
    }
}

static void note_seen(struct committer *c, uint64_t revision)
{
    pthread_mutex_lock(&c->lock);
    c->seen.time_us = clock_wall_us();
    c->seen.revision = revision > c->seen.revision ? revision : c->seen.revision;
    pthread_mutex_unlock(&c->lock);
}

/* An append writes the revision after the registry's last one, which may be a hole in the log. */
static void note_damage(struct committer *c, const struct status *st)
{
    if (c->damage.code == STATUS_OK) {
        log_event(LOG_ERROR, "log_damaged", "reason", st->message, NULL);
    }
    c->damage = *st;
}

bool catch_up(struct committer *c, struct batch *batch, struct status *st)
{
    struct following f = {.committer = c, .batch = batch, .st = st};
    if (c->diverged) {
        return log_changed(c, st);
    }
    registry_discard(c->registry);
    uint64_t next = registry_position(c->registry).revision + 1;
    bool ok = store_read_commits(c->store, next, UINT64_MAX, true, take_commit, &f, st);
    finish(&f);
    if (ok && !f.failed) {
        c->damage.code = STATUS_OK;
        note_seen(c, registry_position(c->registry).revision);
        return true;
    }
    struct status other;
    if (st->code == STATUS_DATA_LOSS) {
        note_damage(c, st);
        if (!check_own_end(c, &other)) {
            *st = other;
        }
    }
    return false;
}

bool catch_up_through(struct committer *c, uint64_t revision, struct status *st)
{
    int64_t give_up = clock_monotonic_ns() + END_PATIENCE_NS;
    while (registry_position(c->registry).revision < revision) {
        if (!catch_up(c, c->doubt, st)) {
            return false;
        }
        bool there = registry_position(c->registry).revision >= revision;
        if (!there &&
            (clock_monotonic_ns() > give_up || write_queue_pause(&c->queue, END_PAUSE_NS))) {
            return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                              "revision %" PRIu64 " is in the log and cannot be read", revision);
        }
    }
    return true;
}

/* Without what is read then: a node that is behind must not look less often for that. */
static bool find_end(struct committer *c, struct store_tail *ret_tail, struct status *st)
{
    int64_t begun_ns = clock_monotonic_ns();
    if (!store_tail(c->store, ret_tail, st)) {
        return false;
    }
    c->look_before_ns = c->look_ns;
    c->look_ns = clock_monotonic_ns() - begun_ns;
    note_seen(c, ret_tail->revision);
    return true;
}

bool catch_up_to_end(struct committer *c, struct status *st)
{
    struct store_tail tail;
    struct position position = registry_position(c->registry);
    if (c->diverged) {
        return log_changed(c, st);
    }
    if (!find_end(c, &tail, st)) {
        return false;
    }
    if (tail.revision > position.revision) {
        return catch_up_through(c, tail.revision, st);
    }
    if (tail.revision < position.revision || !hash_equal(&tail.hash, &position.hash)) {
        return check_own_end(c, st);
    }
    c->short_since_ns = 0;
    c->damage.code = STATUS_OK;
    return true;
}

/* ---- When to look ---- */

bool catch_up_is_due(const struct committer *c)
{
    return clock_monotonic_ns() >= c->next_look_ns;
}

/* Who cannot read the log cannot write to it, either; what an append found out counts more. */
static void note_readable(struct committer *c, bool readable, const struct status *st)
{
    char ignored[256];
    if (!readable && committer_writable(c, ignored)) {
        committer_set_health(c, st->message);
        c->unread = true;
    } else if (readable && c->unread) {
        committer_set_health(c, "");
    }
}

/* Some servers read all of the log for a look, and this thread's writes wait for it: where it takes
 * long it is not made each second. One that took long once may have met with a fault. */
static int64_t pause_ns(const struct committer *c)
{
    int64_t took_ns = c->look_ns < c->look_before_ns ? c->look_ns : c->look_before_ns;
    return LOOK_SHARE * took_ns > LOOK_NS ? LOOK_SHARE * took_ns : LOOK_NS;
}

bool catch_up_when_due(struct committer *c, struct status *st)
{
    bool ok = catch_up_to_end(c, st);
    int64_t ended_ns = clock_monotonic_ns();
    note_readable(c, ok, st);
    c->next_look_ns = ended_ns + (ok ? pause_ns(c) : LOOK_NS);
    return ok;
}

void catch_up_note_append(struct committer *c, const struct commit *newest)
{
    note_seen(c, newest->revision);
}
