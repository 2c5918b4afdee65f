#include "mongodb_heads.h"

#include "mongodb_history.h"
#include "mongodb_marks.h"
#include "seal.h"

#define HEADS_TOGETHER 500

/* ---- Saving ---- */

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

bool mongo_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st)
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

/* ---- Loading ---- */

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
            batch->damaged = mongo_payload_lost(room) ? revision : 0;
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
           (batch->damaged == 0 || mongo_tell_lost(batch->damaged, st));
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

bool mongo_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
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
