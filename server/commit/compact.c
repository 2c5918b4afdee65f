#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "state.h"

#define STEP_RANGES 16
#define STEP_VERSIONS 256
#define STEP_CONFIGS 1024
#define RETRY_NS INT64_C(10000000000)
#define TAKE_OVER_NS INT64_C(60000000000) /* what another node began and has not finished */

/* ---- What goes ---- */

/* A head is the newest change of its config where that is old enough; else the log is asked. */
static bool find_change(struct committer *c, const struct head *head, uint64_t revision,
                        struct change *ret_change, bool *ret_found, struct status *st)
{
    *ret_change = (struct change){.head_version = head->version};
    *ret_found = true;
    if (head->row_revision <= revision && head->version != 0) {
        return true;
    }
    struct version_ref found = {0};
    if (!store_find_change(c->store, head_environment(head), head_service(head), revision, &found,
                           st)) {
        return false;
    }
    *ret_found = found.commit != NULL;
    if (*ret_found) { /* numbers only */
        const struct change *change = version_change(&found);
        ret_change->head_version = change->head_version;
        ret_change->previous_version = change->previous_version;
        ret_change->source_version = change->source_version;
    }
    commit_unref(found.commit);
    return true;
}

/* What the compaction before this one has seen to needs no second look. */
static bool is_untouched(const struct compaction *compaction, const struct head *head)
{
    return (head->version != 0 && head->first_live_version == 1 &&
            head->last_version <= compaction->keep_versions) ||
           (compaction->floor_before > 0 && head->row_revision <= compaction->floor_before &&
            compaction->keep_versions >= compaction->keep_versions_before);
}

static bool find_through(struct committer *c, const struct compaction *compaction,
                         const struct head *head, uint64_t *ret_through, struct status *st)
{
    struct change at_floor;
    struct change at_commit;
    bool floor_found = false;
    bool commit_found = false;
    *ret_through = 0;
    if (is_untouched(compaction, head)) {
        return true;
    }
    if (!find_change(c, head, compaction->floor, &at_floor, &floor_found, st) ||
        !find_change(c, head, compaction->revision, &at_commit, &commit_found, st)) {
        return false;
    }
    *ret_through = compaction_through(compaction, floor_found ? &at_floor : NULL, &at_commit);
    return true;
}

/* ---- Step by step ---- */

static void reset(struct dropping *dropping)
{
    head_unref(MOVE(dropping->head));
    str_fini(&dropping->cursor.after);
    dropping->cursor = (struct head_cursor){.done = false};
    dropping->next = 1;
    dropping->through = 0;
}

/* Moves on to the next config with something to drop; none where the step has looked at enough. */
static bool next_config(struct committer *c, const struct compaction *compaction, size_t *looks,
                        struct status *st)
{
    static const struct head_filter everything;
    struct dropping *dropping = &c->dropping;
    dropping->next = 1;
    dropping->through = 0;
    while (dropping->through == 0 && !dropping->cursor.done && (*looks)++ < STEP_CONFIGS) {
        head_unref(MOVE(dropping->head));
        if (registry_list(c->registry, &everything, &dropping->cursor, &dropping->head, 1) == 1 &&
            !find_through(c, compaction, dropping->head, &dropping->through, st)) {
            return false;
        }
    }
    return true;
}

struct step {
    struct version_range ranges[STEP_RANGES];
    struct head *heads[STEP_RANGES]; /* owned; they hold the ranges' names */
    size_t n;
};

static void add_range(struct dropping *dropping, struct step *step, uint64_t *left)
{
    uint64_t all = dropping->through - dropping->next + 1;
    uint64_t n = all < *left ? all : *left;
    step->heads[step->n] = head_ref(dropping->head);
    step->ranges[step->n++] =
        (struct version_range){.environment = head_environment(dropping->head),
                               .service = head_service(dropping->head),
                               .from = dropping->next,
                               .through = dropping->next + n - 1};
    dropping->next += n;
    *left -= n;
}

static bool gather(struct committer *c, const struct compaction *compaction, struct step *step,
                   struct status *st)
{
    struct dropping *dropping = &c->dropping;
    uint64_t left = STEP_VERSIONS;
    size_t looks = 0;
    while (left > 0 && step->n < STEP_RANGES) {
        if (dropping->next > dropping->through && !next_config(c, compaction, &looks, st)) {
            return false;
        }
        if (dropping->through == 0) {
            return true;
        }
        add_range(dropping, step, &left);
    }
    return true;
}

static bool take_step(struct committer *c, const struct compaction *compaction, struct status *st)
{
    struct step step = {.n = 0};
    bool ok = gather(c, compaction, &step, st) &&
              store_drop(c->store, step.ranges, step.n, &c->dropping.space_left, st);
    for (size_t i = 0; i < step.n; i++) {
        head_unref(step.heads[i]);
    }
    return ok;
}

static bool is_complete(const struct dropping *dropping)
{
    return dropping->cursor.done && dropping->next > dropping->through && !dropping->space_left;
}

static bool finish(struct committer *c, uint64_t revision, struct status *st)
{
    if (!store_set_mark(c->store, STORE_MARK_COMPACTED, revision, st)) {
        return false;
    }
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, registry_floor(c->registry));
    log_event(LOG_INFO, "compacted", "floor", text, NULL);
    c->dropping.done = revision;
    reset(&c->dropping);
    return true;
}

/* Another node may have done it meanwhile. */
static bool begin(struct committer *c, uint64_t revision, struct status *st)
{
    struct dropping *dropping = &c->dropping;
    if (dropping->revision == revision) {
        return true;
    }
    if (!store_get_mark(c->store, STORE_MARK_COMPACTED, &dropping->done, st)) {
        return false;
    }
    reset(dropping);
    dropping->revision = revision;
    return true;
}

bool compact_is_due(struct committer *c)
{
    struct dropping *dropping = &c->dropping;
    return !c->diverged && dropping->wanted > dropping->done &&
           clock_monotonic_ns() >= dropping->after_ns;
}

void compact_step(struct committer *c)
{
    struct dropping *dropping = &c->dropping;
    struct compaction compaction = registry_compaction(c->registry);
    struct status st;
    if (!compact_is_due(c) || compaction.revision != dropping->wanted) {
        return;
    }
    bool ok = begin(c, compaction.revision, &st);
    if (ok && dropping->done < compaction.revision) {
        ok = take_step(c, &compaction, &st) &&
             (!is_complete(dropping) || finish(c, compaction.revision, &st));
    }
    if (!ok) {
        log_event(LOG_WARNING, "compaction_failed", "reason", st.message, NULL);
        reset(dropping);
        dropping->after_ns = clock_monotonic_ns() + RETRY_NS;
    }
}

void compact_note(struct committer *c, const struct commit *commit, bool own)
{
    if (commit->changes[0].kind == CHANGE_COMPACT) {
        c->dropping.wanted = commit->revision;
        c->dropping.after_ns = own ? 0 : clock_monotonic_ns() + TAKE_OVER_NS;
    }
}

void compact_resume(struct committer *c)
{
    c->dropping.wanted = registry_compaction(c->registry).revision;
    c->dropping.next = 1;
}

void compact_fini(struct committer *c)
{
    reset(&c->dropping);
}

bool compact_may_begin(struct committer *c, struct status *st)
{
    uint64_t done = 0;
    uint64_t last = registry_compaction(c->registry).revision;
    if (!store_get_mark(c->store, STORE_MARK_COMPACTED, &done, st)) {
        return false;
    }
    return done >= last ||
           status_set(st, STATUS_FAILED_PRECONDITION, "COMPACTION_RUNNING",
                      "the compaction of revision %" PRIu64 " is not finished", last);
}
