#include "sqlite_search.h"

#include <stdlib.h>

#include "sqlite_rows.h"

/* Changes that brought a version are indexed by their version, all others by their place in the log
 * (id). Later changes of a config bring higher versions, so both indexes have the order of the log.
 * The revisions of each config are collected from both; the nearest of all are the result. */

struct searching {
    struct connection *c;
    const struct store_search *search;
    int64_t first_id, last_id; /* of the changes that are searched */
    uint64_t *revisions;       /* owned */
    size_t n;
    struct status *st;
};

static sqlite3_stmt *statement_of(struct searching *s, enum statement which,
                                  const struct store_config *config, int64_t bound)
{
    sqlite3_stmt *q = connection_statement(s->c, which, s->st);
    if (q != NULL) {
        sqlite_bind_text(q, 1, config->environment);
        sqlite_bind_text(q, 2, config->service);
        sqlite3_bind_int64(q, 3, bound);
    }
    return q;
}

/* Gets the id of the config's first version that is not below `version`; INT64_MAX: none. */
static bool version_at(struct searching *s, const struct store_config *config, int64_t version,
                       int64_t *ret_id)
{
    sqlite3_stmt *q = statement_of(s, SQL_VERSION_AT, config, version);
    if (q == NULL) {
        return false;
    }
    int code = sqlite3_step(q);
    *ret_id = code == SQLITE_ROW ? sqlite3_column_int64(q, 1) : INT64_MAX;
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(s->c, "searching", s->st);
    sqlite3_reset(q);
    return ok;
}

/* Finds a number such that all versions from it on have at least this id, and all lower ones a
 * lower id: by doubling, then by bisection. */
static bool first_version_from(struct searching *s, const struct store_config *config, int64_t id,
                               int64_t *ret_version)
{
    int64_t low = 1;
    int64_t high = 1;
    int64_t found;
    for (;;) {
        if (!version_at(s, config, high, &found)) {
            return false;
        }
        if (found >= id) {
            break;
        }
        low = high + 1;
        high = high > INT64_MAX / 2 ? INT64_MAX : high * 2;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (!version_at(s, config, middle, &found)) {
            return false;
        }
        low = found >= id ? low : middle + 1;
        high = found >= id ? middle : high;
    }
    *ret_version = low;
    return true;
}

/* Collects revisions from the ids that a statement gives, until one is outside. */
static bool collect(struct searching *s, enum statement which, const struct store_config *config,
                    int64_t bound)
{
    sqlite3_stmt *q = statement_of(s, which, config, bound);
    if (q == NULL) {
        return false;
    }
    int code = SQLITE_DONE;
    uint64_t last = 0;
    for (size_t n = 0; n < s->search->max && (code = sqlite3_step(q)) == SQLITE_ROW;) {
        int64_t id = sqlite3_column_int64(q, 0);
        if (id < s->first_id || id > s->last_id) {
            break;
        }
        uint64_t revision = sqlite_change_revision((uint64_t)id);
        if (revision != last) {
            s->revisions[s->n++] = last = revision;
            n++;
        }
    }
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(s->c, "searching", s->st);
    sqlite3_reset(q);
    return ok;
}

static bool collect_config(struct searching *s, const struct store_config *config)
{
    int64_t version = 0;
    if (s->search->newest_first) {
        return (s->last_id == INT64_MAX
                    ? (version = INT64_MAX)
                    : first_version_from(s, config, s->last_id + 1, &version)) &&
               collect(s, SQL_VERSIONS_DOWN, config, version - 1) &&
               collect(s, SQL_REMOVALS_DOWN, config, s->last_id);
    }
    return first_version_from(s, config, s->first_id, &version) &&
           collect(s, SQL_VERSIONS_UP, config, version) &&
           collect(s, SQL_REMOVALS_UP, config, s->first_id);
}

static int compare_up(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int compare_down(const void *a, const void *b)
{
    return compare_up(b, a);
}

/* Sorts the revisions and leaves each once. */
static void put_in_order(struct searching *s)
{
    size_t n = 0;
    qsort(s->revisions, s->n, sizeof s->revisions[0],
          s->search->newest_first ? compare_down : compare_up);
    for (size_t i = 0; i < s->n; i++) {
        if (n == 0 || s->revisions[n - 1] != s->revisions[i]) {
            s->revisions[n++] = s->revisions[i];
        }
    }
    s->n = n < s->search->max ? n : s->search->max;
}

static bool visit_commits(struct searching *s, store_row_visitor *visit, void *user)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    sqlite3_stmt *q = connection_statement(s->c, SQL_READ_COMMITS, s->st);
    bool ok = q != NULL;
    bool more = true;
    for (size_t i = 0; i < s->n && ok && more; i++) {
        sqlite_bind_number(q, 1, s->revisions[i]);
        sqlite_bind_number(q, 2, s->revisions[i]);
        ok = sqlite3_step(q) == SQLITE_ROW || sqlite_damaged(s->st, "a change has no commit");
        if (ok) {
            room->row.record = sqlite_buf(q, 1);
            room->row.hash = sqlite_hash(q, 2);
            more = visit(user, &room->row);
            row_room_clear(room);
        }
        sqlite3_reset(q);
    }
    return ok;
}

bool sqlite_search(struct store *store, const struct store_search *search, store_row_visitor *visit,
                   void *user, struct status *st)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    struct searching s = {.search = search, .st = st};
    s.first_id = sqlite_last_change_id(search->from - 1) + 1;
    s.last_id = sqlite_last_change_id(search->through);
    s.c = sqlite_take_reader(sqlite, st);
    if (s.c == NULL) {
        return false;
    }
    s.revisions = mem_array(search->n_configs * 2 * search->max, sizeof s.revisions[0]);
    bool ok = true;
    for (size_t i = 0; i < search->n_configs && ok; i++) {
        ok = collect_config(&s, &search->configs[i]);
    }
    put_in_order(&s);
    ok = ok && visit_commits(&s, visit, user);
    free(s.revisions);
    sqlite_give_reader(sqlite, s.c);
    return ok;
}
