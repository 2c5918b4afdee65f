#include "mongodb_marks.h"

#include <assert.h>

#include "mongodb_rows.h"
#include "seal.h"

/* ---- Reading ---- */

struct stored_mark {
    bool found;
    uint64_t value;
    bool fits; /* its seal matches */
};

static struct hash seal_of(const struct mongo_store *s, enum store_mark mark, uint64_t value)
{
    struct mark_row row = {.value = value};
    return seal_of_mark(&s->store.identity, mark, &row);
}

static bool find_mark(struct mongo_store *s, enum store_mark mark, struct stored_mark *ret,
                      struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    struct hash stored;
    assert(mark > 0 && mark < STORE_MARKS && "a mark is one of the enum");
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_INT32((int32_t)mark));
    AUTO(bson_destroy) bson_t *options = BCON_NEW("limit", BCON_INT64(1), MONGO_MAJORITY);
    *ret = (struct stored_mark){.found = false};
    mongo_find(s, MONGO_MARKS, filter, options, &walk);
    if (mongo_next(&walk, &document)) {
        ret->found = true;
        ret->value = mongo_number(document, "value");
        struct hash seal = seal_of(s, mark, ret->value);
        ret->fits = mongo_read_hash(document, "seal", &stored) && hash_equal(&seal, &stored);
    }
    return mongo_end(&walk, "reading a mark", st);
}

bool mongo_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st)
{
    struct stored_mark found;
    if (!find_mark(mongo_of(store), mark, &found, st)) {
        return false;
    }
    if (!found.fits) {
        return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED", "the store: mark %d %s", (int)mark,
                          found.found ? "does not match its seal" : "is missing");
    }
    *ret_value = found.value;
    return true;
}

/* ---- Writing ---- */

static bson_t *members_of(const struct mongo_store *s, enum store_mark mark, uint64_t value)
{
    uint64_t stored = (uint64_t)mongo_storable(value);
    struct hash seal = seal_of(s, mark, stored);
    return BCON_NEW("value", BCON_INT64((int64_t)stored), "seal",
                    BCON_BIN(BSON_SUBTYPE_BINARY, seal.bytes, HASH_SIZE));
}

static bool update_mark(struct mongo_store *s, const bson_t *query, const bson_t *change,
                        uint64_t *ret_modified, struct status *st)
{
    struct mongo_updates updates;
    mongo_updates_init(&updates, s, MONGO_MARKS);
    bool ok =
        mongo_updates_add(&updates, query, change, false, st) && mongo_updates_send(&updates, st);
    *ret_modified = updates.modified;
    mongo_updates_fini(&updates);
    return ok;
}

bool mongo_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st)
{
    uint64_t ignored = 0;
    AUTO(bson_destroy) bson_t *members = members_of(mongo_of(store), mark, value);
    AUTO(bson_destroy)
    bson_t *query = BCON_NEW("_id", BCON_INT32((int32_t)mark), "value", "{", "$lt",
                             BCON_INT64(mongo_storable(value)), "}");
    AUTO(bson_destroy) bson_t *change = BCON_NEW("$set", BCON_DOCUMENT(members));
    return update_mark(mongo_of(store), query, change, &ignored, st);
}

/* An update from a value to itself modifies nothing, so a read has to tell whether the mark has it.
 */
bool mongo_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     bool *ret_moved, struct status *st)
{
    uint64_t modified = 0;
    uint64_t value = 0;
    AUTO(bson_destroy)
    bson_t *query =
        BCON_NEW("_id", BCON_INT32((int32_t)mark), "value", BCON_INT64(mongo_storable(from)));
    AUTO(bson_destroy) bson_t *members = members_of(mongo_of(store), mark, to);
    AUTO(bson_destroy) bson_t *change = BCON_NEW("$set", BCON_DOCUMENT(members));
    if (!update_mark(mongo_of(store), query, change, &modified, st) ||
        (modified == 0 && !mongo_get_mark(store, mark, &value, st))) {
        return false;
    }
    *ret_moved = modified > 0 || (from == to && value == to);
    return true;
}

static bool make_mark(struct mongo_updates *updates, struct mongo_store *s, enum store_mark mark,
                      struct status *st)
{
    AUTO(bson_destroy) bson_t *query = BCON_NEW("_id", BCON_INT32((int32_t)mark));
    AUTO(bson_destroy) bson_t *members = members_of(s, mark, 0);
    AUTO(bson_destroy) bson_t *change = BCON_NEW("$setOnInsert", BCON_DOCUMENT(members));
    return mongo_updates_add(updates, query, change, true, st);
}

static bool make_all(struct mongo_updates *updates, struct mongo_store *s, struct status *st)
{
    for (int mark = 1; mark < STORE_MARKS; mark++) {
        if (mark != STORE_MARK_HEADS && !make_mark(updates, s, (enum store_mark)mark, st)) {
            return false;
        }
    }
    return make_mark(updates, s, STORE_MARK_HEADS, st) && mongo_updates_send(updates, st);
}

bool mongo_make_marks(struct mongo_store *s, struct status *st)
{
    struct stored_mark heads;
    struct mongo_updates updates;
    if (!find_mark(s, STORE_MARK_HEADS, &heads, st)) {
        return false;
    }
    mongo_updates_init(&updates, s, MONGO_MARKS);
    bool ok = heads.found || make_all(&updates, s, st);
    mongo_updates_fini(&updates);
    return ok;
}
