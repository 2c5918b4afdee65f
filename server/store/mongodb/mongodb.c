#include "mongodb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mongodb_marks.h"
#include "mongodb_open.h"
#include "mongodb_rows.h"
#include "seal.h"

#define INSERT_BYTES (16u << 20) /* one command's, unless one commit alone is larger */
#define INSERT_COMMITS 1000
#define HEADS_TOGETHER 500
#define NEAR_COMMITS 32 /* asked for one by one, then twice as many, … */
#define NEAR_MOST 512   /* … up to so many, before all that may follow them */
#define FARTHEST (UINT64_C(1) << 40)

/* ---- Appending ---- */

struct documents {
    const bson_t **list; /* owned, with all it points to */
    size_t n;
};

static void documents_fini(struct documents *documents)
{
    for (size_t i = 0; i < documents->n; i++) {
        bson_destroy((bson_t *)(uintptr_t)documents->list[i]);
    }
    free(documents->list);
}
#define AUTO_DOCUMENTS __attribute__((cleanup(documents_fini))) struct documents

/* As many of the commits as one command takes. */
static void make_documents(struct commit *const *commits, size_t n, struct documents *out)
{
    size_t bytes = 0;
    out->list = mem_array(n, sizeof out->list[0]);
    while (out->n < n && out->n < INSERT_COMMITS) {
        bson_t *document = mongo_commit_document(commits[out->n]);
        bytes += document->len;
        if (out->n > 0 && bytes > INSERT_BYTES) {
            bson_destroy(document);
            return;
        }
        out->list[out->n++] = document;
    }
}

static bool insert(struct mongo_store *s, const struct documents *documents, bson_t *ret_reply,
                   bson_error_t *ret_error)
{
    AUTO(bson_destroy)
    bson_t *options =
        BCON_NEW("ordered", BCON_BOOL(true), "validate", BCON_BOOL(false), "writeConcern", "{", "w",
                 BCON_UTF8("majority"), "wtimeout", BCON_INT32(MONGO_WRITE_PATIENCE_MS), "}");
    mongoc_client_t *client = mongo_take_client(s, ret_error);
    if (client == NULL) {
        bson_init(ret_reply);
        return false;
    }
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, s->database, mongo_name(MONGO_COMMITS));
    bool ok = mongoc_collection_insert_many(collection, documents->list, documents->n, options,
                                            ret_reply, ret_error);
    mongoc_collection_destroy(collection);
    mongo_give_client(s, client);
    return ok;
}

/* What a failed insert is for the caller of append. first: nothing of the append came before it. */
static bool refuse(const bson_t *reply, const bson_error_t *said, const struct commit *commit,
                   bool first, struct status *st)
{
    bson_error_t error = *said;
    size_t index = SIZE_MAX;
    bool of_document = mongo_write_error(reply, &error, &index) && index != SIZE_MAX;
    enum mongo_effect effect = mongo_explain(&error, "appending", st);
    if (effect == MONGO_DUPLICATE) {
        return status_set(st, STATUS_ABORTED, "REVISION_TAKEN",
                          "revision %" PRIu64 " is in the log already",
                          commit->revision + (of_document ? index : 0));
    }
    /* The server said which document it did not take, or never got to see any. */
    bool nothing = effect == MONGO_NOTHING || (of_document && index == 0);
    if (!first || !nothing) {
        snprintf(st->reason, sizeof st->reason, "OUTCOME_UNKNOWN");
    }
    return false;
}

static bool mongo_append(struct store *store, struct commit *const *commits, size_t n,
                         struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    for (size_t done = 0; done < n;) {
        AUTO_DOCUMENTS documents = {0};
        bson_t reply;
        bson_error_t error = {0};
        make_documents(commits + done, n - done, &documents);
        bool ok = insert(s, &documents, &reply, &error) ||
                  refuse(&reply, &error, commits[done], done == 0, st);
        bson_destroy(&reply);
        if (!ok) {
            return false;
        }
        done += documents.n;
    }
    return true;
}

/* ---- Reading the log ---- */

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

static bool mongo_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
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
static bool mongo_read_commits(struct store *store, uint64_t from, uint64_t through,
                               bool with_payloads, store_row_visitor *visit, void *user,
                               struct status *st)
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

/* ---- Reading history ---- */

/* One number of the first document that fits; 0 where there is none. */
static bool find_number(struct mongo_store *s, enum mongo_collection collection,
                        const bson_t *filter, const bson_t *options, const char *name,
                        uint64_t *ret_number, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    uint64_t found = 0;
    mongo_find(s, collection, filter, options, &walk);
    if (mongo_next(&walk, &document)) {
        found = mongo_number(document, name);
    }
    if (!mongo_end(&walk, "looking up", st)) {
        return false;
    }
    *ret_number = found;
    return true;
}

bool mongo_last_revision(struct mongo_store *s, uint64_t *ret_revision, struct status *st)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "limit", BCON_INT64(1),
                               "projection", "{", "_id", BCON_INT32(1), "}", MONGO_LINEARIZABLE);
    return find_number(s, MONGO_COMMITS, all, options, "_id", ret_revision, st);
}

/* The commit that brought a version; 0: none. */
static bool find_version(struct mongo_store *s, const char *environment, const char *service,
                         uint64_t version, uint64_t *ret_revision, struct status *st)
{
    AUTO_STR key = {0};
    mongo_version_key(environment, service, version, &key);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_UTF8(filter, "versions", key.data);
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("limit", BCON_INT64(1), "projection", "{", "_id", BCON_INT32(1), "}",
                               MONGO_MAJORITY);
    return find_number(s, MONGO_COMMITS, filter, options, "_id", ret_revision, st);
}

/* A walk over the versions of one config, newest first: they rise along the log. */
struct version_walk {
    struct str config; /* the key */
    uint64_t from, down_to;
    bool with_payloads;
    store_row_visitor *visit;
    void *user;
    struct row_room *room;
    uint64_t damaged; /* the revision that lacks a payload; 0: none does */
};

/* A payload is never just missing. */
static bool payload_lost(const struct row_room *room)
{
    return room->row.n_payloads + room->row.n_erased == 0;
}

static bool tell_lost(uint64_t revision, struct status *st)
{
    return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                      "the store: a payload of revision %" PRIu64 " is missing", revision);
}

/* The versions that one commit brought; false to end the walk. */
static bool walk_document(struct version_walk *walk, const bson_t *document)
{
    struct mongo_keys keys;
    bool more = true;
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = keys.n; more && i-- > 0;) {
        uint64_t version = mongo_key_version(keys.keys[i], &walk->config);
        if (version == 0 || version > walk->from) {
            continue;
        }
        if (version < walk->down_to) {
            return false;
        }
        mongo_read_row(document, i, walk->room);
        walk->room->row.index = (uint32_t)i;
        bool lost = walk->with_payloads && payload_lost(walk->room);
        walk->damaged = lost ? mongo_number(document, "_id") : 0;
        more = !lost && walk->visit(walk->user, &walk->room->row);
        row_room_clear(walk->room);
    }
    return more;
}

/* Commits that changed a config, up to a revision, newest first. */
static void find_history(struct mongo_store *s, const struct str *config, uint64_t through,
                         const char *left_out, struct mongo_walk *ret_walk)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_UTF8(filter, "configs", config->data);
    BCON_APPEND(filter, "_id", "{", "$lte", BCON_INT64(mongo_storable(through)), "}");
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "projection", "{", left_out,
                               BCON_INT32(0), "}", MONGO_MAJORITY);
    mongo_find(s, MONGO_COMMITS, filter, options, ret_walk);
}

static bool walk_versions(struct mongo_store *s, struct version_walk *versions, uint64_t through,
                          struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    find_history(s, &versions->config, through, versions->with_payloads ? "request" : "payloads",
                 &walk);
    while (mongo_next(&walk, &document) && walk_document(versions, document)) {
        continue;
    }
    return mongo_end(&walk, "reading versions", st) &&
           (versions->damaged == 0 || tell_lost(versions->damaged, st));
}

static bool mongo_read_versions(struct store *store, const char *environment, const char *service,
                                uint64_t from, uint64_t down_to, bool with_payloads,
                                store_row_visitor *visit, void *user, struct status *st)
{
    uint64_t through = 0;
    if (!find_version(mongo_of(store), environment, service, from, &through, st)) {
        return false;
    }
    struct version_walk walk = {.from = from,
                                .down_to = down_to,
                                .with_payloads = with_payloads,
                                .visit = visit,
                                .user = user,
                                .room = row_room_new()};
    mongo_config_key(environment, service, &walk.config);
    bool ok = walk_versions(mongo_of(store), &walk, through == 0 ? UINT64_MAX : through, st);
    row_room_free(walk.room);
    str_fini(&walk.config);
    return ok;
}

static bool mongo_read_version(struct store *store, const char *environment, const char *service,
                               uint64_t version, store_row_visitor *visit, void *user,
                               struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    struct version_walk versions = {.from = version,
                                    .down_to = version,
                                    .with_payloads = true,
                                    .visit = visit,
                                    .user = user,
                                    .room = row_room_new()};
    AUTO_STR key = {0};
    mongo_config_key(environment, service, &versions.config);
    mongo_version_key(environment, service, version, &key);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_UTF8(filter, "versions", key.data);
    AUTO(bson_destroy) bson_t *options = BCON_NEW("limit", BCON_INT64(1), MONGO_MAJORITY);
    mongo_find(mongo_of(store), MONGO_COMMITS, filter, options, &walk);
    if (mongo_next(&walk, &document)) {
        walk_document(&versions, document);
    }
    bool ok = mongo_end(&walk, "reading a version", st) &&
              (versions.damaged == 0 || tell_lost(versions.damaged, st));
    row_room_free(versions.room);
    str_fini(&versions.config);
    return ok;
}

static bool mongo_find_change(struct store *store, const char *environment, const char *service,
                              uint64_t revision, uint64_t *ret_revision, uint32_t *ret_index,
                              struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    struct mongo_keys keys = {.n = 0};
    uint64_t found = 0;
    size_t index = 0;
    AUTO_STR config = {0};
    mongo_config_key(environment, service, &config);
    find_history(mongo_of(store), &config, revision, "payloads", &walk);
    if (mongo_next(&walk, &document)) {
        found = mongo_number(document, "_id");
        mongo_read_keys(document, "configs", &keys);
    }
    for (size_t i = 0; i < keys.n; i++) {
        bool same = keys.keys[i] != NULL && strcmp(keys.keys[i], config.data) == 0;
        index = same ? i : index;
    }
    *ret_revision = found;
    *ret_index = (uint32_t)index;
    return mongo_end(&walk, "looking for a change", st);
}

static bson_t *any_request_of(const struct hash *keys, size_t n)
{
    bson_t *filter = bson_new();
    bson_t in;
    bson_t list;
    bson_append_document_begin(filter, "request", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (uint32_t i = 0; i < n; i++) {
        char room[16];
        const char *name = NULL;
        bson_uint32_to_string(i, &name, room, sizeof room);
        bson_append_binary(&list, name, -1, BSON_SUBTYPE_BINARY, keys[i].bytes, HASH_SIZE);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

static void note_request(const bson_t *document, const struct hash *keys, size_t n,
                         uint64_t *revisions)
{
    struct hash key;
    uint64_t revision = mongo_number(document, "_id");
    if (!mongo_read_hash(document, "request", &key)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool first = revisions[i] == 0 || revision < revisions[i];
        revisions[i] = first && hash_equal(&keys[i], &key) ? revision : revisions[i];
    }
}

static bool mongo_find_requests(struct store *store, const struct hash *keys, size_t n,
                                uint64_t *revisions, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy) bson_t *filter = any_request_of(keys, n);
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("projection", "{", "request", BCON_INT32(1), "}", MONGO_MAJORITY);
    mongo_find(mongo_of(store), MONGO_COMMITS, filter, options, &walk);
    while (mongo_next(&walk, &document)) {
        note_request(document, keys, n, revisions);
    }
    return mongo_end(&walk, "looking for requests", st);
}

/* ---- Erasing ---- */

/* What makes the payloads of a commit go away; NULL where it brought none of those versions. */
static bson_t *make_erasure(const bson_t *document, const struct version_walk *wanted)
{
    struct mongo_keys keys;
    AUTO(bson_destroy) bson_t *names = bson_new();
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; i < keys.n; i++) {
        uint64_t version = mongo_key_version(keys.keys[i], &wanted->config);
        if (version != 0 && version >= wanted->down_to && version <= wanted->from) {
            char name[32];
            snprintf(name, sizeof name, "payloads.%zu", i);
            BSON_APPEND_NULL(names, name);
        }
    }
    return bson_empty(names) ? NULL : BCON_NEW("$set", BCON_DOCUMENT(names));
}

static bool mongo_scrub(struct store *store, const char *environment, const char *service,
                        uint64_t from, uint64_t through, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    struct version_walk wanted = {.from = through, .down_to = from};
    struct mongo_walk walk;
    struct mongo_updates updates;
    const bson_t *document = NULL;
    bool ok = true;
    mongo_config_key(environment, service, &wanted.config);
    mongo_updates_init(&updates, s, MONGO_COMMITS);
    find_history(s, &wanted.config, UINT64_MAX, "payloads", &walk);
    while (ok && mongo_next(&walk, &document)) {
        AUTO(bson_destroy) bson_t *erasure = make_erasure(document, &wanted);
        AUTO(bson_destroy)
        bson_t *query = BCON_NEW("_id", BCON_INT64((int64_t)mongo_number(document, "_id")));
        ok = erasure == NULL || mongo_updates_add(&updates, query, erasure, false, st);
    }
    struct status fault;
    if (!mongo_end(&walk, "erasing", &fault) && ok) {
        *st = fault;
        ok = false;
    }
    ok = ok && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    str_fini(&wanted.config);
    return ok;
}

/* ---- Compacting ---- */

/* One change's payload gives way to a mark, unless it was erased before. */
static bool drop_payload(struct mongo_updates *updates, const bson_t *document, size_t index,
                         struct status *st)
{
    char name[32];
    snprintf(name, sizeof name, "payloads.%zu", index);
    AUTO(bson_destroy)
    bson_t *query = BCON_NEW("_id", BCON_INT64((int64_t)mongo_number(document, "_id")), name, "{",
                             "$ne", BCON_NULL, "}");
    AUTO(bson_destroy) bson_t *change = BCON_NEW("$set", "{", name, BCON_BOOL(false), "}");
    return mongo_updates_add(updates, query, change, false, st);
}

/* Of the versions that one commit brought. *ret_more: older ones may be wanted, too. */
static bool drop_document(struct mongo_updates *updates, const bson_t *document,
                          const struct version_walk *wanted, bool *ret_more, struct status *st)
{
    struct mongo_keys keys;
    bool ok = true;
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; i < keys.n && ok; i++) {
        uint64_t version = mongo_key_version(keys.keys[i], &wanted->config);
        *ret_more = *ret_more && (version == 0 || version > wanted->down_to);
        if (version >= wanted->down_to && version <= wanted->from) {
            ok = version == 0 || drop_payload(updates, document, i, st);
        }
    }
    return ok;
}

static bool drop_range(struct mongo_store *s, const struct version_range *range,
                       struct mongo_updates *updates, struct status *st)
{
    struct version_walk wanted = {.from = range->through, .down_to = range->from};
    struct mongo_walk walk;
    struct status fault;
    const bson_t *document = NULL;
    uint64_t revision = 0;
    bool ok = true;
    if (!find_version(s, range->environment, range->service, range->through, &revision, st)) {
        return false;
    }
    mongo_config_key(range->environment, range->service, &wanted.config);
    find_history(s, &wanted.config, revision == 0 ? UINT64_MAX : revision, "payloads", &walk);
    for (bool more = true; ok && more && mongo_next(&walk, &document);) {
        ok = drop_document(updates, document, &wanted, &more, st);
    }
    str_fini(&wanted.config);
    if (!mongo_end(&walk, "compacting", &fault) && ok) {
        *st = fault;
        return false;
    }
    return ok;
}

/* The server gives the space back, or uses it again, as it sees fit. */
static bool mongo_drop(struct store *store, const struct version_range *ranges, size_t n,
                       bool *ret_more, struct status *st)
{
    struct mongo_updates updates;
    bool ok = true;
    mongo_updates_init(&updates, mongo_of(store), MONGO_COMMITS);
    for (size_t i = 0; i < n && ok; i++) {
        ok = drop_range(mongo_of(store), &ranges[i], &updates, st);
    }
    ok = ok && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    if (ok) {
        *ret_more = false;
    }
    return ok;
}

/* ---- Heads ---- */

/* Two updates, neither of which can fail for what is there: one makes the head where there is none,
 * one renews an older one. */
static bool save_head(struct mongo_updates *updates, const struct head *head, struct status *st)
{
    AUTO_STR key = {0};
    mongo_config_key(head_environment(head), head_service(head), &key);
    AUTO(bson_destroy) bson_t *document = mongo_head_document(head);
    AUTO(bson_destroy) bson_t *any = BCON_NEW("_id", BCON_UTF8(key.data));
    AUTO(bson_destroy) bson_t *make = BCON_NEW("$setOnInsert", BCON_DOCUMENT(document));
    AUTO(bson_destroy) bson_t *older = bson_copy(any);
    BCON_APPEND(older, "row_revision", "{", "$lt", BCON_INT64((int64_t)head->row_revision), "}");
    AUTO(bson_destroy) bson_t *renew = BCON_NEW("$set", BCON_DOCUMENT(document));
    return mongo_updates_add(updates, any, make, true, st) &&
           mongo_updates_add(updates, older, renew, false, st);
}

static bool mongo_save_heads(struct store *store, struct head *const *heads, size_t n,
                             uint64_t through, struct status *st)
{
    struct mongo_updates updates;
    bool ok = true;
    mongo_updates_init(&updates, mongo_of(store), MONGO_HEADS);
    for (size_t i = 0; i < n && ok; i++) {
        ok = save_head(&updates, heads[i], st);
    }
    ok = ok && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    return ok && mongo_set_mark(store, STORE_MARK_HEADS, through, st);
}

/* Heads that are loaded together: their newest versions are found by one query. */
struct head_batch {
    struct mongo_head heads[HEADS_TOGETHER];
    size_t n;
    bool visited[HEADS_TOGETHER];
    store_head_row_visitor *visit;
    void *user;
    bool stop;
    uint64_t damaged; /* as in struct version_walk */
};

static void visit_head(struct head_batch *batch, size_t i, const struct store_row *newest)
{
    if (!batch->stop && !batch->visited[i]) {
        batch->visited[i] = true;
        batch->heads[i].row.newest = newest;
        batch->stop = !batch->visit(batch->user, &batch->heads[i].row);
    }
}

static void visit_heads_of(struct head_batch *batch, const bson_t *document, struct row_room *room)
{
    uint64_t revision = mongo_number(document, "_id");
    for (size_t i = 0; i < batch->n && !batch->stop; i++) {
        const struct store_head_row *row = &batch->heads[i].row;
        if (row->version != 0 && row->revision == revision) {
            mongo_read_row(document, row->index, room);
            room->row.index = row->index;
            batch->damaged = payload_lost(room) ? revision : 0;
            batch->stop = batch->damaged != 0;
            visit_head(batch, i, &room->row);
            row_room_clear(room);
        }
    }
}

static bool read_newest(struct mongo_store *s, struct head_batch *batch, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    AUTO(bson_destroy) bson_t *revisions = bson_new();
    for (uint32_t i = 0; i < batch->n; i++) {
        char name_room[16];
        const char *name = NULL;
        bson_uint32_to_string(i, &name, name_room, sizeof name_room);
        BSON_APPEND_INT64(revisions, name, (int64_t)batch->heads[i].row.revision);
    }
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", "{", "$in", BCON_ARRAY(revisions), "}");
    AUTO(bson_destroy) bson_t *options = BCON_NEW(MONGO_MAJORITY);
    mongo_find(s, MONGO_COMMITS, filter, options, &walk);
    while (!batch->stop && mongo_next(&walk, &document)) {
        visit_heads_of(batch, document, room);
    }
    return mongo_end(&walk, "loading heads", st) &&
           (batch->damaged == 0 || tell_lost(batch->damaged, st));
}

static void forget_batch(struct head_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        mongo_head_fini(&batch->heads[i]);
        batch->visited[i] = false;
    }
    batch->n = 0;
}

/* Tombstones have no newest version; neither does a head whose commit is missing. */
static bool visit_batch(struct mongo_store *s, struct head_batch *batch, struct status *st)
{
    bool ok = batch->n == 0 || read_newest(s, batch, st);
    for (size_t i = 0; i < batch->n && ok; i++) {
        visit_head(batch, i, NULL);
    }
    forget_batch(batch);
    return ok;
}

static bool take_head(struct head_batch *batch, const bson_t *document, struct status *st)
{
    struct mongo_head *head = &batch->heads[batch->n++];
    struct hash stored;
    mongo_read_head(document, head);
    struct hash seal = seal_of_head(&head->row);
    return (mongo_read_hash(document, "seal", &stored) && hash_equal(&seal, &stored)) ||
           status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                      "the store: the head of %.255s/%.255s does not match its seal",
                      head->row.service, head->row.environment);
}

static bool mongo_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                             struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy) bson_t *options = BCON_NEW(MONGO_MAJORITY);
    AUTO(free) struct head_batch *batch = mem_zalloc(sizeof *batch);
    bool ok = true;
    batch->visit = visit;
    batch->user = user;
    mongo_find(s, MONGO_HEADS, all, options, &walk);
    while (ok && !batch->stop && mongo_next(&walk, &document)) {
        ok = take_head(batch, document, st) &&
             (batch->n < HEADS_TOGETHER || visit_batch(s, batch, st));
    }
    ok = ok && visit_batch(s, batch, st);
    forget_batch(batch);
    struct status fault;
    if (!mongo_end(&walk, "loading heads", &fault) && ok) {
        *st = fault;
        ok = false;
    }
    return ok;
}

#define METHODS                                                                                    \
    .close = mongo_store_close, .interrupt = mongo_store_interrupt, .tail = mongo_tail,            \
    .append = mongo_append, .read_commits = mongo_read_commits,                                    \
    .read_version = mongo_read_version, .read_versions = mongo_read_versions,                      \
    .find_change = mongo_find_change, .find_requests = mongo_find_requests,                        \
    .load_heads = mongo_load_heads, .save_heads = mongo_save_heads, .scrub = mongo_scrub,          \
    .drop = mongo_drop, .get_mark = mongo_get_mark, .renew = mongo_renew,                          \
    .set_mark = mongo_set_mark, .move_mark = mongo_move_mark

const struct store_ops store_mongodb = {.scheme = "mongodb", .open = mongo_store_open, METHODS};
/* The same behind an address that names its servers by DNS. */
const struct store_ops store_mongodb_srv = {
    .scheme = "mongodb+srv", .open = mongo_store_open_srv, METHODS};
