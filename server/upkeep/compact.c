#include "compact.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "log.h"

#define STEP_RANGES 16
#define STEP_VERSIONS STORE_DROP_MAX
#define STEP_CONFIGS 1024
#define RETRY_NS INT64_C(10000000000)
#define TAKE_OVER_NS INT64_C(60000000000) /* until the compaction of another node is resumed */

struct compactor {
    struct store *store;
    const struct registry *registry;
    uint64_t wanted;  /* the revision of the newest compaction; 0: there is none */
    int64_t after_ns; /* earliest time to begin or to retry */
    uint64_t done;    /* compactions up to this revision are finished, as last read from the mark */
    uint64_t revision; /* compaction of the members below */
    struct head_cursor cursor;
    struct head *head; /* owned; its versions next to through are still to be dropped */
    uint64_t next, through;
    bool space_left; /* the store has more space to release */
};

/* ---- What goes ---- */

/* The newest change of a config at or before a revision: the head itself if it is old enough, else
 * read from the log. */
static bool find_change(struct compactor *c, const struct head *head, uint64_t revision,
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
    if (*ret_found) { /* no pointers: the commit is released */
        const struct change *change = version_change(&found);
        ret_change->head_version = change->head_version;
        ret_change->previous_version = change->previous_version;
        ret_change->source_version = change->source_version;
    }
    commit_unref(found.commit);
    return true;
}

/* Whether the compaction drops nothing of this config: it had few versions at the compaction, or
 * has not changed since the compaction before, which kept no more. */
static bool is_untouched(const struct compaction *compaction, const struct head *head)
{
    return (head->version != 0 && head->version <= compaction->keep_versions &&
            head->row_revision <= compaction->revision) ||
           (compaction->floor_before > 0 && head->row_revision <= compaction->floor_before &&
            compaction->keep_versions >= compaction->keep_versions_before);
}

static bool find_through(struct compactor *c, const struct compaction *compaction,
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

static void reset(struct compactor *c)
{
    head_unref(MOVE(c->head));
    str_fini(&c->cursor.after);
    c->cursor = (struct head_cursor){.done = false};
    c->next = 1;
    c->through = 0;
}

/* Finds the next config with versions to drop. None: the step has examined enough heads. */
static bool next_config(struct compactor *c, const struct compaction *compaction, size_t *looks,
                        struct status *st)
{
    static const struct head_filter everything = {.kind = KEY_ANY};
    c->next = 1;
    c->through = 0;
    while (c->through == 0 && !c->cursor.done && (*looks)++ < STEP_CONFIGS) {
        head_unref(MOVE(c->head));
        if (registry_list(c->registry, &everything, &c->cursor, &c->head, 1) == 1 &&
            !find_through(c, compaction, c->head, &c->through, st)) {
            return false;
        }
    }
    return true;
}

struct step {
    struct version_range ranges[STEP_RANGES];
    struct head *heads[STEP_RANGES]; /* owned; the names in ranges point into them */
    size_t n;
};

static void add_range(struct compactor *c, struct step *step, uint64_t *left)
{
    uint64_t all = c->through - c->next + 1;
    uint64_t n = all < *left ? all : *left;
    step->heads[step->n] = head_ref(c->head);
    step->ranges[step->n++] = (struct version_range){.environment = head_environment(c->head),
                                                     .service = head_service(c->head),
                                                     .from = c->next,
                                                     .through = c->next + n - 1};
    c->next += n;
    *left -= n;
}

static bool gather(struct compactor *c, const struct compaction *compaction, struct step *step,
                   struct status *st)
{
    uint64_t left = STEP_VERSIONS;
    size_t looks = 0;
    while (left > 0 && step->n < STEP_RANGES) {
        if (c->next > c->through && !next_config(c, compaction, &looks, st)) {
            return false;
        }
        if (c->through == 0) {
            return true;
        }
        add_range(c, step, &left);
    }
    return true;
}

static bool take_step(struct compactor *c, const struct compaction *compaction, struct status *st)
{
    struct step step = {.n = 0};
    bool ok = gather(c, compaction, &step, st) &&
              store_drop(c->store, step.ranges, step.n, &c->space_left, st);
    for (size_t i = 0; i < step.n; i++) {
        head_unref(step.heads[i]);
    }
    return ok;
}

static bool is_complete(const struct compactor *c)
{
    return c->cursor.done && c->next > c->through && !c->space_left;
}

static bool finish(struct compactor *c, const struct compaction *compaction, struct status *st)
{
    if (!store_set_mark(c->store, STORE_MARK_COMPACTED, compaction->revision, st)) {
        return false;
    }
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, compaction->floor);
    log_event(LOG_INFO, "compacted", "floor", text, NULL);
    c->done = compaction->revision;
    reset(c);
    return true;
}

/* Reads the mark first: another node may have finished the compaction. */
static bool begin(struct compactor *c, uint64_t revision, struct status *st)
{
    if (c->revision == revision) {
        return true;
    }
    if (!store_get_mark(c->store, STORE_MARK_COMPACTED, &c->done, st)) {
        return false;
    }
    reset(c);
    c->revision = revision;
    return true;
}

/* ---- When ---- */

int64_t compactor_due_ns(const struct compactor *c)
{
    return c->wanted > c->done ? c->after_ns : INT64_MAX;
}

/* Runs one step, if the registry shows the compaction already. */
static bool work(struct compactor *c, struct status *st)
{
    struct compaction compaction = registry_compaction(c->registry);
    if (compaction.revision != c->wanted) {
        return true; /* the registry has a newer one; its note follows */
    }
    if (!begin(c, compaction.revision, st)) {
        return false;
    }
    return c->done >= compaction.revision ||
           (take_step(c, &compaction, st) && (!is_complete(c) || finish(c, &compaction, st)));
}

bool compactor_step(struct compactor *c, struct status *st)
{
    bool ok = work(c, st);
    if (!ok) {
        reset(c);
        c->after_ns = clock_monotonic_ns() + RETRY_NS;
    }
    return ok;
}

void compactor_note(struct compactor *c, uint64_t revision, bool own)
{
    c->wanted = revision;
    c->after_ns = own ? 0 : clock_monotonic_ns() + TAKE_OVER_NS;
}

struct compactor *compactor_new(struct store *store, const struct registry *registry)
{
    struct compactor *c = mem_zalloc(sizeof *c);
    c->store = store;
    c->registry = registry;
    c->wanted = registry_compaction(registry).revision;
    reset(c);
    return c;
}

void compactor_free(struct compactor *c)
{
    reset(c);
    free(c);
}

bool compact_may_begin(struct store *store, const struct registry *registry, struct status *st)
{
    uint64_t done = 0;
    uint64_t last = registry_compaction(registry).revision;
    if (!store_get_mark(store, STORE_MARK_COMPACTED, &done, st)) {
        return false;
    }
    return done >= last ||
           status_set(st, STATUS_FAILED_PRECONDITION, "COMPACTION_RUNNING",
                      "the compaction of revision %" PRIu64 " is not finished", last);
}
