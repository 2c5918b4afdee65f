#include "commits.h"

#include <assert.h>

#define PART_MIN 16
#define PART_MAX 1000
static_assert(PART_MAX <= STORE_SEARCH_COMMITS, "a part is one search");

/* The commits of one read. */
struct commits_part {
    struct commit *commits[PART_MAX]; /* owned references */
    size_t n;
};

static bool keep(void *user, struct commit *commit)
{
    struct commits_part *part = user;
    part->commits[part->n++] = commit_ref(commit);
    return true;
}

static void turn_round(struct commits_part *part)
{
    for (size_t i = 0; i < part->n / 2; i++) {
        struct commit *commit = part->commits[i];
        part->commits[i] = part->commits[part->n - 1 - i];
        part->commits[part->n - 1 - i] = commit;
    }
}

/* Reads up to n commits at the near end of the range, in its direction. *ret_end: there are no
 * more. */
static bool read_part(struct store *store, const struct commit_range *range, size_t n,
                      struct commits_part *part, bool *ret_end, struct status *st)
{
    if (range->n_configs > 0) {
        const struct store_search search = {.configs = range->configs,
                                            .n_configs = range->n_configs,
                                            .from = range->from,
                                            .through = range->through,
                                            .newest_first = range->newest_first,
                                            .max = n};
        bool ok = store_search(store, &search, keep, part, st);
        *ret_end = part->n < n;
        return ok;
    }
    uint64_t size = range->through - range->from + 1;
    n = size < n ? size : n;
    *ret_end = n == size;
    uint64_t from = range->newest_first ? range->through - n + 1 : range->from;
    bool ok = store_read_all_commits(store, from, from + n - 1, false, keep, part, st);
    if (range->newest_first) {
        turn_round(part);
    }
    return ok;
}

/* Releases all commits; visits them first until the visitor returns false, which is the result. */
static bool visit_part(struct commits_part *part, bool more, store_commit_visitor *visit,
                       void *user)
{
    for (size_t i = 0; i < part->n; i++) {
        more = more && visit(user, part->commits[i]);
        commit_unref(part->commits[i]);
    }
    return more;
}

/* Takes what a part has visited off the range. */
static void go_on(struct commit_range *range, uint64_t last)
{
    if (range->newest_first) {
        range->through = last - 1;
    } else {
        range->from = last + 1;
    }
}

/* Where any read of the log reads all of it, as much as possible is taken from one. */
static size_t first_part(const struct store *store, size_t wanted)
{
    if (store->loads_at_once || wanted > PART_MAX) {
        return PART_MAX;
    }
    return wanted < PART_MIN ? PART_MIN : wanted;
}

bool history_commits(struct store *store, const struct commit_range *whole, size_t wanted,
                     store_commit_visitor *visit, void *user, struct status *st)
{
    struct commit_range range = *whole;
    size_t n = first_part(store, wanted);
    AUTO(free) struct commits_part *part = mem_alloc(sizeof *part);
    bool ok = true;
    bool more = true;
    bool end = false;
    while (ok && more && !end && range.from <= range.through) {
        part->n = 0;
        ok = read_part(store, &range, n, part, &end, st);
        uint64_t last = part->n == 0 ? 0 : part->commits[part->n - 1]->revision;
        more = visit_part(part, ok, visit, user);
        if (last != 0) {
            go_on(&range, last);
        }
        n = n * 2 < PART_MAX ? n * 2 : PART_MAX;
    }
    return ok;
}

/* ---- By time ---- */

struct time_search {
    int64_t time_us;
    uint64_t found; /* the first commit at or after that time; 0: none was visited */
};

static bool is_before(void *user, struct commit *commit)
{
    struct time_search *search = user;
    search->found = commit->time_us >= search->time_us ? commit->revision : 0;
    return search->found == 0;
}

static bool search_all(struct store *store, struct time_search *search, uint64_t through,
                       struct status *st)
{
    return through == 0 || store_read_all_commits(store, 1, through, false, is_before, search, st);
}

static bool search_by_halves(struct store *store, struct time_search *search, uint64_t through,
                             struct status *st)
{
    uint64_t low = 1;
    uint64_t high = through + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (!store_read_all_commits(store, middle, middle, false, is_before, search, st)) {
            return false;
        }
        low = search->found != 0 ? low : middle + 1;
        high = search->found != 0 ? middle : high;
    }
    search->found = low;
    return true;
}

bool history_revision_at(struct store *store, int64_t time_us, uint64_t through,
                         uint64_t *ret_revision, struct status *st)
{
    struct time_search search = {.time_us = time_us};
    bool ok = store->loads_at_once ? search_all(store, &search, through, st)
                                   : search_by_halves(store, &search, through, st);
    if (ok) {
        *ret_revision = search.found == 0 ? through + 1 : search.found;
    }
    return ok;
}
