#include "mongodb_log.h"

#include "mongodb_rows.h"

#define NEAR_COMMITS 32 /* asked for one by one, then twice as many, … */
#define NEAR_MOST 512   /* … up to so many, before all that may follow them */
#define FARTHEST (UINT64_C(1) << 40)

/* ---- The tail ---- */

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

static void append_revision(bson_t *list, uint32_t *n, uint64_t revision)
{
    char room[16];
    const char *name = NULL;
    bson_uint32_to_string((*n)++, &name, room, sizeof room);
    bson_append_int64(list, name, -1, mongo_storable(revision));
}

/* Finds the commits of a block and, at growing distances up to `last`, a sample of those behind it.
 * If the block ends early and one of the sample exists, the log has a hole. */
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

/* The tail is the last commit of a block with nothing behind it. *ret_revision 0: not found. */
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

static bool find_tail(struct mongo_store *s, uint64_t *ret_revision, struct row_room *room,
                      struct status *st)
{
    uint64_t known = atomic_load(&s->searched) ? atomic_load(&s->store.known) : 0;
    if (known != 0 && !find_tail_near(s, known, ret_revision, room, st)) {
        return false;
    }
    if (known != 0 && *ret_revision != 0) {
        return true;
    }
    AUTO(bson_destroy) bson_t *all = bson_new();
    bool ok = find_newest(s, all, ret_revision, room, st);
    atomic_store(&s->searched, atomic_load(&s->searched) || ok);
    return ok;
}

bool mongo_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                struct hash *ret_hash, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    AUTO(row_room_free) struct row_room *room = row_room_new();
    uint64_t revision = 0;
    if (!find_tail(s, &revision, room, st)) {
        return false;
    }
    *ret_revision = revision;
    *ret_hash = room->row.hash;
    *ret_record = MOVE(room->row.record);
    return true;
}

bool mongo_last_revision(struct mongo_store *s, uint64_t *ret_revision, struct status *st)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "limit", BCON_INT64(1),
                               "projection", "{", "_id", BCON_INT32(1), "}", MONGO_LINEARIZABLE);
    return mongo_find_number(s, MONGO_COMMITS, all, options, "_id", ret_revision, st);
}

/* ---- Following ---- */

/* A walk over the log in parts. */
struct log_walk {
    bool with_payloads;
    store_row_visitor *visit;
    void *user;
    uint64_t last; /* the revision of the newest commit that was visited */
    bool more;     /* the visitor wants more */
};

static bool visit_commit(struct log_walk *log, const bson_t *document, uint64_t revision,
                         struct row_room *room)
{
    mongo_read_row(document, SIZE_MAX, room);
    room->row.tells_erased = log->with_payloads;
    log->last = revision;
    bool more = log->visit(log->user, &room->row);
    row_room_clear(room);
    return more;
}

/* Visits the commits that match the filter, up to a revision. If the log ends before it but has a
 * commit behind it, that one is visited, too, so that the visitor detects the hole. */
static bool walk_log(struct mongo_store *s, const bson_t *filter, uint64_t through,
                     struct log_walk *log, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", MONGO_MAJORITY);
    if (!log->with_payloads) {
        BCON_APPEND(options, "projection", "{", "record", BCON_INT32(1), "hash", BCON_INT32(1),
                    "}");
    }
    mongo_find(s, MONGO_COMMITS, filter, options, &walk);
    while (log->more && log->last < through && mongo_next(&walk, &document)) {
        log->more = visit_commit(log, document, mongo_number(document, "_id"), room);
    }
    return mongo_end(&walk, "reading the log", st);
}

/* Who follows the log asks for little, often, from near its end: single look-ups by key are cheap
 * on every server, a range by a sorted index is not. */
bool mongo_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_row_visitor *visit, void *user, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    struct log_walk log = {
        .with_payloads = with_payloads, .visit = visit, .user = user, .more = true};
    uint64_t next = from;
    for (uint64_t n = NEAR_COMMITS; n <= NEAR_MOST && next <= through; n *= 2) {
        uint64_t last = through - next < n ? through : next + n - 1;
        AUTO(bson_destroy) bson_t *near = block_of(next, last, through);
        if (!walk_log(s, near, last, &log, st)) {
            return false;
        }
        if (!log.more || log.last < last) {
            return true;
        }
        next = last + 1;
    }
    if (next > through) {
        return true;
    }
    AUTO(bson_destroy)
    bson_t *far = BCON_NEW("_id", "{", "$gte", BCON_INT64(mongo_storable(next)), "$lte",
                           BCON_INT64(mongo_storable(through)), "}");
    return walk_log(s, far, through, &log, st);
}
