#include "mongodb_heads.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "mongodb_history.h"
#include "mongodb_log.h"
#include "mongodb_marks.h"
#include "seal.h"

#define SAVE_HEADS 100        /* of one command: a slow server takes a while for each */
#define SAVE_BYTES (4u << 20) /* of one command, unless one head alone is larger */
#define BLOCK_COMMITS 512     /* looked up by one find */
#define LOADERS_MAX 4         /* threads, each with a connection */
#define SCAN_RANGES 8         /* of the one find that loads all */

/* ---- Saving ---- */

enum save_step {
    MAKE,  /* the heads that are not there */
    RENEW, /* those that are there and older */
};

static void add_update(bson_t *list, uint32_t key, const struct head *head, enum save_step step)
{
    char room[16];
    const char *name = NULL;
    bson_t update;
    AUTO_STR config = {0};
    mongo_config_key(head_environment(head), head_service(head), &config);
    AUTO(bson_destroy) bson_t *members = mongo_head_document(head);
    AUTO(bson_destroy) bson_t *query = BCON_NEW("_id", BCON_UTF8(config.data));
    if (step == RENEW) {
        BCON_APPEND(query, "row_revision", "{", "$lt", BCON_INT64((int64_t)head->row_revision),
                    "}");
    }
    AUTO(bson_destroy)
    bson_t *change = BCON_NEW(step == MAKE ? "$setOnInsert" : "$set", BCON_DOCUMENT(members));
    bson_uint32_to_string(key, &name, room, sizeof room);
    bson_append_document_begin(list, name, -1, &update);
    BSON_APPEND_DOCUMENT(&update, "q", query);
    BSON_APPEND_DOCUMENT(&update, "u", change);
    BSON_APPEND_BOOL(&update, "upsert", step == MAKE);
    bson_append_document_end(list, &update);
}

/* Sends one command for the first *n heads, and lowers *n to how many fit into it. */
static bool send_step(struct mongo_store *s, struct head *const *heads, size_t *n,
                      enum save_step step, uint64_t *ret_made, struct status *st)
{
    AUTO(bson_destroy) bson_t *list = bson_new();
    size_t taken = 0;
    while (taken < *n && taken < SAVE_HEADS && (taken == 0 || list->len < SAVE_BYTES)) {
        add_update(list, (uint32_t)taken, heads[taken], step);
        taken++;
    }
    *n = taken;
    return mongo_update_each(s, MONGO_HEADS, list, ret_made, st);
}

/* Creates missing heads first, then renews older ones: a head that another node creates at the same
 * moment may be older than ours, and is renewed by the second step. One upsert with the condition
 * "is older" would fail with a duplicate key for each head that is newer. */
static bool save_portion(struct mongo_store *s, struct head *const *heads, size_t *n,
                         struct status *st)
{
    uint64_t made = 0;
    uint64_t ignored = 0;
    return send_step(s, heads, n, MAKE, &made, st) &&
           (made == *n || send_step(s, heads, n, RENEW, &ignored, st));
}

/* The heads are written at majority before the mark moves. With w:1, a primary elected in between
 * could lack the heads and still accept the mark. */
bool mongo_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    for (size_t done = 0; done < n;) {
        size_t portion = n - done;
        if (!save_portion(s, heads + done, &portion, st)) {
            return false;
        }
        done += portion;
    }
    if (through <= s->heads_mark) { /* all but the last portion */
        return true;
    }
    bool ok = mongo_set_mark(store, STORE_MARK_HEADS, through, st);
    s->heads_mark = ok ? through : s->heads_mark;
    return ok;
}

/* ---- Loading ----
 *
 * All heads are read, and sorted by the commit that has their newest version: each of these commits
 * is then read once, in blocks, by several threads at the same time. */

struct loading {
    struct mongo_store *store;
    struct mongo_head *heads; /* owned */
    size_t n, room;
    int64_t deadline_ns; /* of the caller's thread */

    pthread_mutex_t lock;
    size_t next; /* the first head of the next block */
    bool stop;   /* the visitor wants no more, or a thread has failed */
    bool failed;
    struct status st; /* why */
    store_head_row_visitor *visit;
    void *user;
};

static void loading_init(struct loading *loading, struct store *store,
                         store_head_row_visitor *visit, void *user)
{
    *loading = (struct loading){
        .store = mongo_of(store), .deadline_ns = store_deadline(), .visit = visit, .user = user};
    pthread_mutex_init(&loading->lock, NULL);
}

static void loading_fini(struct loading *loading)
{
    for (size_t i = 0; i < loading->n; i++) {
        mongo_head_fini(&loading->heads[i]);
    }
    free(loading->heads);
    pthread_mutex_destroy(&loading->lock);
}

/* Heads whose newest commits are read by one find. */
struct block {
    struct mongo_head *heads;
    size_t n;
    size_t next; /* the first one that was not visited */
};

static int by_revision(const void *a, const void *b)
{
    const struct store_head_row *one = &((const struct mongo_head *)a)->row;
    const struct store_head_row *other = &((const struct mongo_head *)b)->row;
    return (one->revision > other->revision) - (one->revision < other->revision);
}

static bool take_head(struct loading *loading, const bson_t *document, struct status *st)
{
    struct hash stored;
    if (loading->n == loading->room) {
        loading->room = loading->room == 0 ? 256 : 2 * loading->room;
        loading->heads = mem_grow(loading->heads, loading->room, sizeof loading->heads[0]);
    }
    struct mongo_head *head = &loading->heads[loading->n++];
    mongo_read_head(document, head);
    struct hash seal = seal_of_head(&head->row);
    return (mongo_read_hash(document, "seal", &stored) && hash_equal(&seal, &stored)) ||
           status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                      "the store: the head of %.255s/%.255s does not match its seal",
                      head->row.service, head->row.environment);
}

/* Reads the heads behind a name, at most those of one find; it moves on to the last of them. */
static bool read_part(struct loading *loading, struct str *after, struct status *st)
{
    struct mongo_walk walk;
    struct status fault;
    const bson_t *document = NULL;
    bson_iter_t name;
    bool ok = true;
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *options = BCON_NEW(MONGO_MAJORITY);
    if (loading->store->part_heads != 0) {
        BCON_APPEND(filter, "_id", "{", "$gt", BCON_UTF8(str_text(after)), "}");
        BCON_APPEND(options, "sort", "{", "_id", BCON_INT32(1), "}");
        mongo_limit(options, loading->store->part_heads);
    }
    mongo_find(loading->store, MONGO_HEADS, filter, options, &walk);
    while (ok && mongo_next(&walk, &document)) {
        ok = take_head(loading, document, st);
        if (bson_iter_init_find(&name, document, "_id") && BSON_ITER_HOLDS_UTF8(&name)) {
            str_clear(after);
            str_add_text(after, bson_iter_utf8(&name, NULL));
        }
    }
    if (!mongo_end(&walk, "loading heads", &fault) && ok) {
        *st = fault;
        return false;
    }
    return ok;
}

static bool read_heads(struct loading *loading, struct status *st)
{
    AUTO_STR after = {0};
    size_t part = loading->store->part_heads;
    size_t before = 0;
    do {
        before = loading->n;
        if (!read_part(loading, &after, st)) {
            return false;
        }
    } while (part != 0 && loading->n - before == part);
    if (loading->n > 0) {
        qsort(loading->heads, loading->n, sizeof loading->heads[0], by_revision);
    }
    return true;
}

/* Takes the next heads of at most BLOCK_COMMITS commits, or all heads if any find reads the whole
 * log. False: none are left. */
static bool take_block(struct loading *loading, struct block *ret_block)
{
    pthread_mutex_lock(&loading->lock);
    size_t first = loading->next;
    size_t end = loading->stop ? first : loading->n;
    if (loading->store->plan != MONGO_SCANS) {
        size_t commits = 0;
        for (size_t i = first; i < end; i++) {
            bool another =
                i == first || loading->heads[i].row.revision != loading->heads[i - 1].row.revision;
            commits += another;
            end = commits > BLOCK_COMMITS ? i : end;
        }
    }
    loading->next = end;
    pthread_mutex_unlock(&loading->lock);
    *ret_block = (struct block){.heads = loading->heads + first, .n = end - first};
    return end > first;
}

/* The visitor is called by one thread at a time. False: no more is wanted. */
static bool visit_head(struct loading *loading, struct mongo_head *head,
                       const struct store_row *newest)
{
    pthread_mutex_lock(&loading->lock);
    assert(head->row.newest == NULL && "each head is visited once");
    head->row.newest = newest;
    loading->stop = loading->stop || !loading->visit(loading->user, &head->row);
    bool more = !loading->stop;
    head->row.newest = NULL;
    pthread_mutex_unlock(&loading->lock);
    return more;
}

/* Makes the row of one change of a commit. The payload stays owned by the room. False: there is no
 * payload. */
static bool only_change(const struct row_room *room, uint32_t index, struct store_row *ret_row)
{
    for (size_t i = 0; i < room->row.n_payloads; i++) {
        if (room->row.payloads[i].index == index) {
            *ret_row = (struct store_row){.record = room->row.record,
                                          .hash = room->row.hash,
                                          .payloads = &room->row.payloads[i],
                                          .n_payloads = 1,
                                          .index = index};
            return true;
        }
    }
    return false;
}

/* Visits the heads below a revision without a newest version: tombstones, and heads whose commit is
 * missing. */
static bool visit_until(struct loading *loading, struct block *block, uint64_t revision)
{
    bool more = true;
    while (more && block->next < block->n && block->heads[block->next].row.revision < revision) {
        more = visit_head(loading, &block->heads[block->next++], NULL);
    }
    return more;
}

static bool visit_heads_of(struct loading *loading, struct block *block, const bson_t *document,
                           struct row_room *room, uint64_t *ret_damaged)
{
    uint64_t revision = mongo_number(document, "_id");
    bool more = visit_until(loading, block, revision);
    mongo_read_row(document, SIZE_MAX, room);
    while (more && block->next < block->n && block->heads[block->next].row.revision == revision) {
        struct mongo_head *head = &block->heads[block->next++];
        struct store_row newest;
        bool there = head->row.version == 0 || only_change(room, head->row.index, &newest);
        *ret_damaged = there ? 0 : revision;
        more = there && visit_head(loading, head, head->row.version == 0 ? NULL : &newest);
    }
    row_room_clear(room);
    return more;
}

static bool is_another_commit(const struct block *block, size_t i)
{
    return i == 0 || block->heads[i].row.revision != block->heads[i - 1].row.revision;
}

static size_t count_commits(const struct block *block)
{
    size_t n = 0;
    for (size_t i = 0; i < block->n; i++) {
        n += is_another_commit(block, i);
    }
    return n;
}

/* A list of them, or a range where there are too many for one find: a block that large is only
 * taken where any find reads the whole log. */
static bson_t *commits_of(const struct block *block)
{
    if (count_commits(block) > BLOCK_COMMITS) {
        return mongo_range_of(block->heads[0].row.revision,
                              block->heads[block->n - 1].row.revision);
    }
    bson_t *filter = bson_new();
    bson_t in;
    bson_t list;
    uint32_t n = 0;
    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (size_t i = 0; i < block->n; i++) {
        char room[16];
        const char *name = NULL;
        if (is_another_commit(block, i)) {
            bson_uint32_to_string(n++, &name, room, sizeof room);
            bson_append_int64(&list, name, -1, mongo_storable(block->heads[i].row.revision));
        }
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

static bool load_block(struct loading *loading, struct block *block, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    uint64_t damaged = 0;
    bool more = true;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    AUTO(bson_destroy) bson_t *filter = commits_of(block);
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "projection", "{", "record", BCON_INT32(1),
                 "hash", BCON_INT32(1), "payloads", BCON_INT32(1), "}", MONGO_MAJORITY);
    if (count_commits(block) <= BLOCK_COMMITS) {
        mongo_limit(options, count_commits(block));
    }
    mongo_find(loading->store, MONGO_COMMITS, filter, options, &walk);
    while (more && mongo_next(&walk, &document)) {
        more = visit_heads_of(loading, block, document, room, &damaged);
    }
    if (!mongo_end(&walk, "loading heads", st)) {
        return false;
    }
    if (damaged != 0) {
        return mongo_tell_lost(damaged, st);
    }
    if (more) {
        visit_until(loading, block, UINT64_MAX);
    }
    return true;
}

static void *load_blocks(void *argument)
{
    struct loading *loading = argument;
    struct block block;
    struct status st;
    int64_t before_ns = store_set_deadline(loading->deadline_ns);
    while (take_block(loading, &block)) {
        if (!load_block(loading, &block, &st)) {
            pthread_mutex_lock(&loading->lock);
            loading->st = loading->failed ? loading->st : st;
            loading->failed = loading->stop = true;
            pthread_mutex_unlock(&loading->lock);
        }
    }
    store_set_deadline(before_ns);
    return NULL;
}

/* The calling thread is one of the loaders. */
static void load_in_parallel(struct loading *loading)
{
    pthread_t threads[LOADERS_MAX];
    size_t n_threads = 0;
    size_t most = loading->n > BLOCK_COMMITS && loading->store->plan != MONGO_SCANS
                      ? loading->store->connections
                      : 1;
    while (n_threads + 1 < most && n_threads + 1 < LOADERS_MAX) {
        int failed = pthread_create(&threads[n_threads++], NULL, load_blocks, loading);
        assert(failed == 0 && "a thread can be had at start");
    }
    load_blocks(loading);
    for (size_t i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
    }
}

bool mongo_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                      struct status *st)
{
    struct loading loading;
    loading_init(&loading, store, visit, user);
    bool ok = read_heads(&loading, st);
    if (ok && loading.n > 0) {
        load_in_parallel(&loading);
        ok = !loading.failed;
        if (!ok) {
            *st = loading.st;
        }
    }
    loading_fini(&loading);
    return ok;
}

/* ---- Loading all that a start reads by one find ----
 *
 * Commits come in the order of their revisions. A commit that follows the mark HEADS can come
 * before that of a head or a compaction, which were saved before the mark moved: such commits are
 * kept until those were visited. */

struct scan {
    struct loading loading;
    struct block block; /* all heads */
    uint64_t from, compaction;
    const struct store_load_rows *rows;
    struct row_room *room; /* owned */
    bson_t **kept;         /* owned */
    size_t n_kept;
    uint64_t damaged; /* the revision that lacks a payload; 0: none does */
};

static bool scan_commit(struct scan *scan, const bson_t *document)
{
    mongo_read_row(document, SIZE_MAX, scan->room);
    scan->room->row.tells_erased = true;
    bool more = scan->rows->commit(scan->rows->user, &scan->room->row);
    row_room_clear(scan->room);
    return more;
}

static bool scan_kept(struct scan *scan)
{
    bool more = true;
    for (size_t i = 0; i < scan->n_kept; i++) {
        more = more && scan_commit(scan, scan->kept[i]);
        bson_destroy(scan->kept[i]);
    }
    scan->n_kept = 0;
    return more;
}

static bool scan_compaction(struct scan *scan, const bson_t *document)
{
    mongo_read_row(document, SIZE_MAX, scan->room);
    bool more = scan->rows->compaction(scan->rows->user, &scan->room->row);
    row_room_clear(scan->room);
    return more;
}

static bool scan_document(struct scan *scan, const bson_t *document)
{
    uint64_t revision = mongo_number(document, "_id");
    if (revision == scan->compaction && !scan_compaction(scan, document)) {
        return false;
    }
    if (!visit_heads_of(&scan->loading, &scan->block, document, scan->room, &scan->damaged)) {
        return false;
    }
    if (revision < scan->from) {
        return true;
    }
    if (scan->block.next < scan->block.n || revision < scan->compaction) {
        scan->kept = mem_grow(scan->kept, scan->n_kept + 1, sizeof scan->kept[0]);
        scan->kept[scan->n_kept++] = bson_copy(document);
        return true;
    }
    return scan_kept(scan) && scan_commit(scan, document);
}

/* How many ranges cover the commits of a block, where one that is not needed may lie between two
 * that are, and how far apart these may be. */
static size_t count_ranges(const struct block *block, uint64_t gap)
{
    size_t n = block->n > 0;
    for (size_t i = 1; i < block->n; i++) {
        n += block->heads[i].row.revision - block->heads[i - 1].row.revision > gap;
    }
    return n;
}

static void append_range(bson_t *list, uint32_t *n, uint64_t from, uint64_t through)
{
    char room[16];
    const char *name = NULL;
    AUTO(bson_destroy) bson_t *range = mongo_range_of(from, through);
    bson_uint32_to_string((*n)++, &name, room, sizeof room);
    bson_append_document(list, name, -1, range);
}

/* The commits of the heads and of the compaction, and those from `from` on, as few ranges: the
 * server compares each commit of the log with each of them. A list of 500 keys instead took it a
 * third of the time of the whole read. */
static bson_t *filter_of_scan(const struct scan *scan)
{
    const struct block *block = &scan->block;
    bson_t *filter = bson_new();
    bson_t list;
    uint32_t n = 0;
    uint64_t gap = 1;
    size_t first = 0;
    while (count_ranges(block, gap) > SCAN_RANGES) {
        gap *= 2;
    }
    bson_append_array_begin(filter, "$or", -1, &list);
    append_range(&list, &n, scan->from, UINT64_MAX);
    if (scan->compaction != 0) {
        append_range(&list, &n, scan->compaction, scan->compaction);
    }
    for (size_t i = 1; i <= block->n; i++) {
        uint64_t last = block->heads[i - 1].row.revision;
        if (i == block->n || block->heads[i].row.revision - last > gap) {
            append_range(&list, &n, block->heads[first].row.revision, last);
            first = i;
        }
    }
    bson_append_array_end(filter, &list);
    return filter;
}

static bool scan_all(struct scan *scan, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    bool more = true;
    AUTO(bson_destroy) bson_t *filter = filter_of_scan(scan);
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "projection", "{", "record", BCON_INT32(1),
                 "hash", BCON_INT32(1), "payloads", BCON_INT32(1), "}", MONGO_MAJORITY);
    mongo_find(scan->loading.store, MONGO_COMMITS, filter, options, &walk);
    while (more && mongo_next(&walk, &document)) {
        more = scan_document(scan, document);
    }
    if (!mongo_end(&walk, "loading", st)) {
        return false;
    }
    if (scan->damaged != 0) {
        return mongo_tell_lost(scan->damaged, st);
    }
    if (more && visit_until(&scan->loading, &scan->block, UINT64_MAX)) {
        scan_kept(scan);
    }
    return true;
}

bool mongo_load(struct store *store, uint64_t from, uint64_t compaction,
                const struct store_load_rows *rows, struct status *st)
{
    struct scan scan = {
        .from = from, .compaction = compaction, .rows = rows, .room = row_room_new()};
    loading_init(&scan.loading, store, rows->head, rows->user);
    bool ok = read_heads(&scan.loading, st);
    if (ok) {
        scan.block = (struct block){.heads = scan.loading.heads, .n = scan.loading.n};
        ok = scan_all(&scan, st);
    }
    for (size_t i = 0; i < scan.n_kept; i++) {
        bson_destroy(scan.kept[i]);
    }
    free(scan.kept);
    row_room_free(scan.room);
    loading_fini(&scan.loading);
    return ok;
}
