#include "sqlite_erase.h"

#include "sqlite_checkpoint.h"
#include "sqlite_rows.h"
#include "sqlite_write.h"

#define FREE_PAGES 512 /* pages given back by one call of drop */

/* ---- Overwriting payloads ---- */

/* The progress of overwriting payloads. */
struct overwriting {
    enum statement how; /* SQL_SCRUB or SQL_DROP */
    const struct version_range *ranges;
    size_t n, at;
    uint64_t next; /* of the range at `at`: the first version that is left */
};

static void begin_range(struct overwriting *work, size_t at)
{
    work->at = at;
    work->next = at < work->n ? work->ranges[at].from : 0;
}

static sqlite3_stmt *range_statement(struct sqlite_store *s, enum statement which,
                                     const struct version_range *range, uint64_t from,
                                     struct status *st)
{
    sqlite3_stmt *q = connection_statement(&s->keeper, which, st);
    if (q != NULL) {
        sqlite_bind_text(q, 1, range->environment);
        sqlite_bind_text(q, 2, range->service);
        sqlite_bind_number(q, 3, from);
    }
    return q;
}

/* The first version of the range that is left; 0: none. */
static bool find_next(struct sqlite_store *s, const struct overwriting *work, uint64_t *ret_version,
                      struct status *st)
{
    const struct version_range *range = &work->ranges[work->at];
    sqlite3_stmt *q = range_statement(s, SQL_NEXT_PAYLOAD, range, work->next, st);
    if (q == NULL) {
        return false;
    }
    sqlite_bind_number(q, 4, range->through);
    return sqlite_find_number(&s->keeper, q, ret_version, st);
}

static bool overwrite_next(struct sqlite_store *s, struct overwriting *work, struct status *st)
{
    uint64_t version = 0;
    if (!find_next(s, work, &version, st)) {
        return false;
    }
    if (version == 0) {
        begin_range(work, work->at + 1);
        return true;
    }
    work->next = version + 1;
    sqlite3_stmt *q = range_statement(s, work->how, &work->ranges[work->at], version, st);
    return q != NULL && sqlite_step(&s->keeper, q, "erasing", st);
}

static bool overwrite_some(struct sqlite_store *s, const struct sqlite_piece *piece,
                           struct overwriting *work, struct status *st)
{
    do {
        if (!overwrite_next(s, work, st)) {
            return false;
        }
    } while (work->at < work->n && sqlite_piece_goes_on(piece));
    return true;
}

/* In pieces; what was done before a failure stays done. */
static bool overwrite(struct sqlite_store *s, enum statement how,
                      const struct version_range *ranges, size_t n, struct status *st)
{
    struct overwriting work = {.how = how, .ranges = ranges, .n = n};
    for (begin_range(&work, 0); work.at < n;) {
        struct sqlite_piece piece;
        if (!sqlite_begin_piece(s, &piece, st) ||
            !sqlite_finish_piece(&piece, overwrite_some(s, &piece, &work, st), st)) {
            return false;
        }
    }
    return true;
}

bool sqlite_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                  uint64_t through, struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    const struct version_range range = {environment, service, from, through};
    return overwrite(s, SQL_SCRUB, &range, 1, st) && sqlite_empty_log(s, st);
}

/* ---- Giving space back ---- */

/* Moves a few pages from the file's end into free ones. SQLite does one a step. */
static bool free_few(struct connection *c, struct status *st)
{
    sqlite3_stmt *q = connection_statement(c, SQL_FREE_PAGES, st);
    int code = q == NULL ? SQLITE_ERROR : SQLITE_ROW;
    while (code == SQLITE_ROW) {
        code = sqlite3_step(q);
    }
    bool ok = code == SQLITE_DONE || (q != NULL && sqlite_fault(c, "giving space back", st));
    sqlite3_reset(q);
    return ok;
}

static bool free_some(struct sqlite_store *s, const struct sqlite_piece *piece, int64_t least,
                      int64_t *left, struct status *st)
{
    int64_t before;
    do {
        before = *left;
        if (!free_few(&s->keeper, st) ||
            !connection_number(&s->keeper, "PRAGMA freelist_count", left, st)) {
            return false;
        }
    } while (*left > least && *left < before && sqlite_piece_goes_on(piece));
    return true;
}

static bool count_free(struct sqlite_store *s, int64_t *ret_n)
{
    struct sqlite_piece piece;
    struct status ignored;
    return sqlite_begin_piece(s, &piece, &ignored) &&
           sqlite_finish_piece(
               &piece, connection_number(&s->keeper, "PRAGMA freelist_count", ret_n, &ignored),
               &ignored);
}

/* Gives free pages back to the file system, in pieces. If that fails, as in files of older
 * releases, SQLite reuses the pages. The file shrinks with the checkpoint after the last piece.
 * Returns whether there is more. */
static bool free_pages(struct sqlite_store *s)
{
    struct sqlite_piece piece;
    struct status ignored;
    int64_t left = 0;
    int64_t before = 0;
    if (!count_free(s, &left) || left == 0) {
        return false;
    }
    int64_t least = left > FREE_PAGES ? left - FREE_PAGES : 0;
    do {
        before = left;
        if (!sqlite_begin_piece(s, &piece, &ignored) ||
            !sqlite_finish_piece(&piece, free_some(s, &piece, least, &left, &ignored), &ignored)) {
            left = before;
        }
    } while (left > least && left < before);
    bool more = left > 0 && left < before;
    if (!more) {
        sqlite_want_checkpoint(s);
    }
    return more;
}

bool sqlite_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                 struct status *st)
{
    struct sqlite_store *s = sqlite_of(store);
    if (!overwrite(s, SQL_DROP, ranges, n, st)) {
        return false;
    }
    *ret_more = free_pages(s);
    return true;
}
