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

/* A config of a page, and what the compaction drops of it. */
struct candidate {
    struct head *head; /* owned */
    uint64_t through;  /* versions up to this one; 0: none */
};

struct compactor {
    struct store *store;
    const struct registry *registry;
    uint64_t wanted;  /* the revision of the newest compaction; 0: there is none */
    int64_t after_ns; /* earliest time to begin or to retry */
    uint64_t done;    /* compactions up to this revision are finished, as last read from the mark */
    uint64_t revision; /* compaction of the members below */
    struct head_cursor cursor;
    struct candidate page[STORE_FIND_MAX]; /* configs that are looked up together, … */
    size_t n_page;
    size_t at;       /* … those before this one are done … */
    uint64_t next;   /* … and of this one, the versions before this one */
    bool space_left; /* the store has more space to release */
};

/* ---- What goes ---- */

/* Whether the compaction drops nothing of this config: it had few versions at the compaction, or
 * has not changed since the compaction before, which kept no more. */
static bool is_untouched(const struct compaction *compaction, const struct head *head)
{
    return (head->version != 0 && head->version <= compaction->keep_versions &&
            head->row_revision <= compaction->revision) ||
           (compaction->floor_before > 0 && head->row_revision <= compaction->floor_before &&
            compaction->keep_versions >= compaction->keep_versions_before);
}

/* The changes of a page's configs, by index. head_version and the like only: no pointers. */
struct page_changes {
    struct change changes[STORE_FIND_MAX];
    bool found[STORE_FIND_MAX];
};

/* Of a config that has not changed since the revision, the head tells the change. */
static bool head_tells_change(const struct head *head, uint64_t revision)
{
    return head->row_revision <= revision && head->version != 0;
}

/* Finds the newest change at or before a revision of each of the page's configs: from the heads,
 * and for those that are newer in one read of the log. */
static bool find_changes(const struct compactor *c, uint64_t revision,
                         struct page_changes *ret_changes, struct status *st)
{
    struct store_config configs[STORE_FIND_MAX];
    struct version_ref found[STORE_FIND_MAX];
    size_t places[STORE_FIND_MAX]; /* in the page */
    size_t n = 0;
    for (size_t i = 0; i < c->n_page; i++) {
        const struct head *head = c->page[i].head;
        ret_changes->changes[i] = (struct change){.head_version = head->version};
        ret_changes->found[i] = true;
        if (!head_tells_change(head, revision)) {
            places[n] = i;
            configs[n++] = (struct store_config){head_environment(head), head_service(head)};
        }
    }
    if (n > 0 && !store_find_changes(c->store, configs, n, revision, found, st)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct change *change = &ret_changes->changes[places[i]];
        ret_changes->found[places[i]] = found[i].commit != NULL;
        if (found[i].commit != NULL) {
            change->head_version = version_change(&found[i])->head_version;
            change->previous_version = version_change(&found[i])->previous_version;
            change->source_version = version_change(&found[i])->source_version;
        }
        commit_unref(found[i].commit);
    }
    return true;
}

/* Finds out what the compaction drops of each of the page's configs. */
static bool find_through(struct compactor *c, const struct compaction *compaction,
                         struct status *st)
{
    struct page_changes at_floor;
    struct page_changes at_commit;
    if (!find_changes(c, compaction->floor, &at_floor, st) ||
        !find_changes(c, compaction->revision, &at_commit, st)) {
        return false;
    }
    for (size_t i = 0; i < c->n_page; i++) {
        const struct change *floor = at_floor.found[i] ? &at_floor.changes[i] : NULL;
        c->page[i].through = compaction_through(compaction, floor, &at_commit.changes[i]);
    }
    return true;
}

/* ---- Step by step ---- */

static void drop_page(struct compactor *c)
{
    for (size_t i = 0; i < c->n_page; i++) {
        head_unref(MOVE(c->page[i].head));
    }
    c->n_page = 0;
    c->at = 0;
    c->next = 1;
}

static void reset(struct compactor *c)
{
    drop_page(c);
    str_fini(&c->cursor.after);
    c->cursor = (struct head_cursor){.done = false};
}

/* Replaces the page by the next configs, without those of which nothing is dropped. looks: counts
 * the heads that were examined. */
static bool next_page(struct compactor *c, const struct compaction *compaction, size_t *looks,
                      struct status *st)
{
    static const struct head_filter everything = {.kind = KEY_ANY};
    struct head *heads[STORE_FIND_MAX];
    drop_page(c);
    size_t n = registry_list(c->registry, &everything, &c->cursor, heads, COUNT_OF(heads));
    *looks += COUNT_OF(heads);
    for (size_t i = 0; i < n; i++) {
        if (is_untouched(compaction, heads[i])) {
            head_unref(heads[i]);
        } else {
            c->page[c->n_page++] = (struct candidate){.head = heads[i]};
        }
    }
    return c->n_page == 0 || find_through(c, compaction, st);
}

/* Finds the next config with versions to drop. NULL: none is left, or the step has examined enough
 * heads. */
static bool next_candidate(struct compactor *c, const struct compaction *compaction, size_t *looks,
                           const struct candidate **ret_candidate, struct status *st)
{
    for (;;) {
        while (c->at < c->n_page && c->next > c->page[c->at].through) {
            c->at++;
            c->next = 1;
        }
        bool found = c->at < c->n_page;
        if (found || c->cursor.done || *looks >= STEP_CONFIGS) {
            *ret_candidate = found ? &c->page[c->at] : NULL;
            return true;
        }
        if (!next_page(c, compaction, looks, st)) {
            return false;
        }
    }
}

struct drop_step {
    struct version_range ranges[STEP_RANGES];
    struct head *heads[STEP_RANGES]; /* owned; the names in ranges point into them */
    size_t n;
};

static void add_range(struct compactor *c, const struct candidate *candidate,
                      struct drop_step *step, uint64_t *left)
{
    uint64_t all = candidate->through - c->next + 1;
    uint64_t n = all < *left ? all : *left;
    step->heads[step->n] = head_ref(candidate->head);
    step->ranges[step->n++] =
        (struct version_range){.environment = head_environment(candidate->head),
                               .service = head_service(candidate->head),
                               .from = c->next,
                               .through = c->next + n - 1};
    c->next += n;
    *left -= n;
}

static bool gather(struct compactor *c, const struct compaction *compaction, struct drop_step *step,
                   struct status *st)
{
    uint64_t left = STEP_VERSIONS;
    size_t looks = 0;
    while (left > 0 && step->n < STEP_RANGES) {
        const struct candidate *candidate = NULL;
        if (!next_candidate(c, compaction, &looks, &candidate, st)) {
            return false;
        }
        if (candidate == NULL) {
            return true;
        }
        add_range(c, candidate, step, &left);
    }
    return true;
}

static bool take_step(struct compactor *c, const struct compaction *compaction, struct status *st)
{
    struct drop_step step = {.n = 0};
    bool ok = gather(c, compaction, &step, st) &&
              store_drop(c->store, step.ranges, step.n, &c->space_left, st);
    for (size_t i = 0; i < step.n; i++) {
        head_unref(step.heads[i]);
    }
    return ok;
}

static bool is_complete(const struct compactor *c)
{
    bool all_dropped =
        c->at == c->n_page || (c->at + 1 == c->n_page && c->next > c->page[c->at].through);
    return c->cursor.done && all_dropped && !c->space_left;
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
