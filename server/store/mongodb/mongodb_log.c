#include "mongodb_log.h"

#include <assert.h>

#include "mongodb_guard.h"
#include "mongodb_rows.h"

#define PART_COMMITS 1000 /* limit of one find */
#define NEAR_COMMITS 32   /* keys in the first block; each next block has twice as many … */
#define NEAR_MOST 512     /* … up to this; a range reads what is after that block */
#define FARTHEST (UINT64_C(1) << 40)

/* A walk over the log in parts. */
struct log_walk {
    bool with_payloads;
    store_row_visitor *visit;
    void *user;
    uint64_t last; /* the revision of the newest commit that was visited; 0: none was */
    uint64_t n;    /* how many were visited */
    bool more;     /* the visitor wants more */
};

/* How the log is read on a server of each plan. */
struct log_ops {
    /* The newest commit without its payloads; *ret_revision 0: there is none. */
    bool (*tail)(struct mongo_store *s, uint64_t *ret_revision, struct row_room *room,
                 struct status *st);
    /* Visits the commits from … through in order. */
    bool (*walk)(struct mongo_store *s, uint64_t from, uint64_t through, struct log_walk *log,
                 struct status *st);
};

/* ---- One find ---- */

/* The newest of the commits that the filter takes; *ret_revision 0: it takes none. */
static bool find_newest(struct mongo_store *s, const bson_t *filter, uint64_t *ret_revision,
                        struct row_room *room, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "limit", BCON_INT64(1), "projection", "{",
                 "record", BCON_INT32(1), "hash", BCON_INT32(1), "}", MONGO_LINEARIZABLE);
    *ret_revision = 0;
    mongo_find(s, MONGO_COMMITS, filter, options, &walk);
    if (mongo_next(&walk, &document)) {
        *ret_revision = mongo_number(document, "_id");
        mongo_read_row(document, SIZE_MAX, room);
    }
    return mongo_end(&walk, "reading the tail", st);
}

static bool visit_commit(struct log_walk *log, const bson_t *document, struct row_room *room)
{
    mongo_read_row(document, SIZE_MAX, room);
    room->row.tells_erased = log->with_payloads;
    log->last = mongo_number(document, "_id");
    log->n++;
    bool more = log->visit(log->user, &room->row);
    row_room_clear(room);
    return more;
}

/* Visits the commits that match the filter, up to a revision. If the log ends before it but has a
 * commit behind it that matches, that one is visited, too, so that the visitor detects the hole.
 * limit 0: all of them. */
static bool walk_part(struct mongo_store *s, const bson_t *filter, uint64_t through, uint64_t limit,
                      struct log_walk *log, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", MONGO_MAJORITY);
    if (limit != 0) {
        mongo_limit(options, limit);
    }
    if (!log->with_payloads) {
        BCON_APPEND(options, "projection", "{", "record", BCON_INT32(1), "hash", BCON_INT32(1),
                    "}");
    }
    mongo_find(s, MONGO_COMMITS, filter, options, &walk);
    while (log->more && log->last < through && mongo_next(&walk, &document)) {
        log->more = visit_commit(log, document, room);
    }
    return mongo_end(&walk, "reading the log", st);
}

bson_t *mongo_range_of(uint64_t from, uint64_t through)
{
    return BCON_NEW("_id", "{", "$gte", BCON_INT64(mongo_storable(from)), "$lte",
                    BCON_INT64(mongo_storable(through)), "}");
}

/* ---- By ranges: MongoDB ---- */

static bool newest_of_all(struct mongo_store *s, uint64_t *ret_revision, struct row_room *room,
                          struct status *st)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    return find_newest(s, all, ret_revision, room, st);
}

/* One find, and one more for each PART_COMMITS. */
static bool walk_ranges(struct mongo_store *s, uint64_t from, uint64_t through,
                        struct log_walk *log, struct status *st)
{
    for (uint64_t next = from; log->more && next <= through; next = log->last + 1) {
        uint64_t before = log->n;
        uint64_t limit = through - next < PART_COMMITS ? through - next + 1 : PART_COMMITS;
        AUTO(bson_destroy) bson_t *range = mongo_range_of(next, through);
        if (!walk_part(s, range, through, limit, log, st)) {
            return false;
        }
        if (log->n - before < limit) {
            return true;
        }
    }
    return true;
}

/* ---- By scans: each find reads all commits, so there is one ---- */

static bool walk_scan(struct mongo_store *s, uint64_t from, uint64_t through, struct log_walk *log,
                      struct status *st)
{
    AUTO(bson_destroy) bson_t *range = mongo_range_of(from, through);
    return walk_part(s, range, through, 0, log, st);
}

/* ---- By keys: a range reads all commits, a list of keys does not ---- */

static void append_revision(bson_t *list, uint32_t *n, uint64_t revision)
{
    char room[16];
    const char *name = NULL;
    bson_uint32_to_string((*n)++, &name, room, sizeof room);
    bson_append_int64(list, name, -1, mongo_storable(revision));
}

/* A filter for the commits of a block and, at growing distances up to `last`, a sample of later
 * ones. If commits of the block are missing and one of the sample exists, the log has a hole. */
static bson_t *block_of(uint64_t from, uint64_t through, uint64_t last)
{
    bson_t *filter = bson_new();
    bson_t in;
    bson_t list;
    uint32_t n = 0;
    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (uint64_t revision = from; revision <= through; revision++) {
        append_revision(&list, &n, revision);
    }
    for (uint64_t step = 1; step <= FARTHEST && step <= last - through; step *= 2) {
        append_revision(&list, &n, through + step);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

/* Searches the tail in blocks: it is the last commit of a block that is not full. *ret_revision 0:
 * it is not in these blocks. */
static bool find_tail_near(struct mongo_store *s, uint64_t from, uint64_t *ret_revision,
                           struct row_room *room, struct status *st)
{
    *ret_revision = 0;
    for (uint64_t n = NEAR_COMMITS; n <= NEAR_MOST; n *= 2) {
        uint64_t through = from + n - 1;
        AUTO(bson_destroy) bson_t *near = block_of(from, through, UINT64_MAX);
        if (!find_newest(s, near, ret_revision, room, st)) {
            return false;
        }
        if (*ret_revision < through) {
            return true;
        }
        row_room_clear(room);
        from = *ret_revision; /* it exists, so the next block is not empty */
    }
    *ret_revision = 0;
    return true;
}

static bool newest_by_keys(struct mongo_store *s, uint64_t *ret_revision, struct row_room *room,
                           struct status *st)
{
    uint64_t known = atomic_load(&s->searched) ? atomic_load(&s->store.known) : 0;
    if (known != 0 && !find_tail_near(s, known, ret_revision, room, st)) {
        return false;
    }
    if (known != 0 && *ret_revision != 0) {
        return true;
    }
    bool ok = newest_of_all(s, ret_revision, room, st);
    atomic_store(&s->searched, atomic_load(&s->searched) || ok);
    return ok;
}

/* Blocks of keys, each of twice the size; then a range. */
static bool walk_keys(struct mongo_store *s, uint64_t from, uint64_t through, struct log_walk *log,
                      struct status *st)
{
    uint64_t next = from;
    for (uint64_t n = NEAR_COMMITS; n <= NEAR_MOST && next <= through; n *= 2) {
        uint64_t last = through - next < n ? through : next + n - 1;
        AUTO(bson_destroy) bson_t *near = block_of(next, last, through);
        if (!walk_part(s, near, last, 0, log, st)) {
            return false;
        }
        if (!log->more || log->last < last) {
            return true;
        }
        next = last + 1;
    }
    return next > through || walk_scan(s, next, through, log, st);
}

/* ---- The store's calls ---- */

static const struct log_ops log_ops[] = {
    [MONGO_RANGES] = {.tail = newest_of_all, .walk = walk_ranges},
    [MONGO_KEYS] = {.tail = newest_by_keys, .walk = walk_keys},
    [MONGO_SCANS] = {.tail = newest_of_all, .walk = walk_scan},
};

bool mongo_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    AUTO(row_room_free) struct row_room *room = row_room_new();
    uint64_t revision = 0;
    if (!log_ops[s->plan].tail(s, &revision, room, st)) {
        return false;
    }
    *ret_revision = revision;
    *ret_hash = room->row.hash;
    *ret_record = MOVE(room->row.record);
    return true;
}

bool mongo_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_row_visitor *visit, void *user, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    assert(from > 0 && "revisions begin at 1");
    struct log_walk log = {
        .with_payloads = with_payloads, .visit = visit, .user = user, .more = true};
    if (atomic_load(&s->unproved) && !mongo_check_identity(s, st)) {
        return false;
    }
    return log_ops[s->plan].walk(s, from, through, &log, st);
}

bool mongo_last_revision(struct mongo_store *s, uint64_t *ret_revision, struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    return newest_of_all(s, ret_revision, room, st);
}
