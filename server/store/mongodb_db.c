#include "mongodb_db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UPDATES_BYTES (4u << 20) /* sent together, about */
#define UPDATES_MAX 100
#define UPDATE_TRIES 4

const char *mongo_name(enum mongo_collection collection)
{
    static const char *const names[] = {
        [MONGO_META] = "confreg_meta",
        [MONGO_COMMITS] = "confreg_commits",
        [MONGO_HEADS] = "confreg_heads",
        [MONGO_MARKS] = "confreg_marks",
    };
    return names[collection];
}

/* ---- Errors ---- */

#define ANY 0

/* The first row that fits counts. Codes of the server's are those of MongoDB's error_codes.yml. */
static const struct error_row {
    uint32_t domain;
    uint32_t code;
    enum mongo_effect effect;
    const char *reason;
} error_rows[] = {
    {MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION, MONGO_NOTHING,
     "STORE_TOO_OLD"},
    {MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, MONGO_NOTHING, "STORE_TOO_OLD"},
    {MONGOC_ERROR_SERVER_SELECTION, ANY, MONGO_NOTHING, NULL},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION, MONGO_NOTHING, NULL},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, MONGO_NOTHING, NULL},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, MONGO_NOTHING, "STORE_DENIED"},
    {MONGOC_ERROR_SCRAM, ANY, MONGO_NOTHING, "STORE_DENIED"},
    {MONGOC_ERROR_SERVER, 13, MONGO_NOTHING, "STORE_DENIED"},   /* Unauthorized */
    {MONGOC_ERROR_SERVER, 18, MONGO_NOTHING, "STORE_DENIED"},   /* AuthenticationFailed */
    {MONGOC_ERROR_SERVER, 8000, MONGO_UNKNOWN, "STORE_DENIED"}, /* of a hosted service */
    {MONGOC_ERROR_SERVER, 11000, MONGO_DUPLICATE, NULL},
    {MONGOC_ERROR_SERVER, 11001, MONGO_DUPLICATE, NULL},
    {MONGOC_ERROR_SERVER, 12582, MONGO_DUPLICATE, NULL},
    {ANY, ANY, MONGO_UNKNOWN, NULL},
};

enum mongo_effect mongo_explain(const bson_error_t *error, const char *doing, struct status *st)
{
    const struct error_row *row = error_rows;
    while ((row->domain != ANY && row->domain != error->domain) ||
           (row->code != ANY && row->code != error->code)) {
        row++;
    }
    status_set(st, STATUS_UNAVAILABLE, row->reason != NULL ? row->reason : "STORE_UNAVAILABLE",
               "the store, %s: %s", doing, error->message);
    if (strcmp(st->reason, "STORE_TOO_OLD") == 0) {
        st->code = STATUS_FAILED_PRECONDITION;
    }
    return row->effect;
}

bool mongo_fault(const bson_error_t *error, const char *doing, struct status *st)
{
    mongo_explain(error, doing, st);
    return false;
}

static void take_error(bson_iter_t *document, bson_error_t *ret_error, size_t *ret_index)
{
    ret_error->domain = MONGOC_ERROR_SERVER;
    ret_error->code = 0;
    snprintf(ret_error->message, sizeof ret_error->message, "it gives no reason");
    *ret_index = SIZE_MAX;
    while (bson_iter_next(document)) {
        const char *key = bson_iter_key(document);
        if (strcmp(key, "code") == 0) {
            ret_error->code = (uint32_t)bson_iter_as_int64(document);
        } else if (strcmp(key, "index") == 0) {
            *ret_index = (size_t)bson_iter_as_int64(document);
        } else if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(document)) {
            snprintf(ret_error->message, sizeof ret_error->message, "%s",
                     bson_iter_utf8(document, NULL));
        }
    }
}

bool mongo_write_error(const bson_t *reply, bson_error_t *ret_error, size_t *ret_index)
{
    /* Lists of errors, as the driver and the server call them; and one alone. */
    static const char *const paths[] = {"writeErrors.0", "writeConcernErrors.0",
                                        "writeConcernError"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        bson_iter_t at;
        bson_iter_t found;
        bson_iter_t inside;
        if (bson_iter_init(&at, reply) && bson_iter_find_descendant(&at, paths[i], &found) &&
            BSON_ITER_HOLDS_DOCUMENT(&found) && bson_iter_recurse(&found, &inside)) {
            take_error(&inside, ret_error, ret_index);
            *ret_index = i == 0 ? *ret_index : SIZE_MAX;
            return true;
        }
    }
    return false;
}

/* ---- Reading ---- */

void mongo_find(struct mongo_store *s, enum mongo_collection collection, const bson_t *filter,
                const bson_t *options, struct mongo_walk *ret_walk)
{
    ret_walk->store = s;
    ret_walk->client = mongoc_client_pool_pop(s->pool);
    ret_walk->collection =
        mongoc_client_get_collection(ret_walk->client, s->database, mongo_name(collection));
    ret_walk->cursor =
        mongoc_collection_find_with_opts(ret_walk->collection, filter, options, NULL);
}

bool mongo_next(struct mongo_walk *walk, const bson_t **ret_document)
{
    return mongoc_cursor_next(walk->cursor, ret_document);
}

bool mongo_end(struct mongo_walk *walk, const char *doing, struct status *st)
{
    bson_error_t error;
    bool ok = !mongoc_cursor_error(walk->cursor, &error) || mongo_fault(&error, doing, st);
    mongoc_cursor_destroy(walk->cursor);
    mongoc_collection_destroy(walk->collection);
    mongoc_client_pool_push(walk->store->pool, walk->client);
    return ok;
}

/* ---- Writing ---- */

void mongo_updates_init(struct mongo_updates *updates, struct mongo_store *s,
                        enum mongo_collection collection)
{
    *updates = (struct mongo_updates){.store = s, .collection = collection};
    bson_init(&updates->list);
}

void mongo_updates_fini(struct mongo_updates *updates)
{
    bson_destroy(&updates->list);
}

bool mongo_updates_add(struct mongo_updates *updates, const bson_t *query, const bson_t *change,
                       bool upsert, struct status *st)
{
    char room[16];
    const char *key = NULL;
    bson_t update;
    bson_uint32_to_string(updates->n++, &key, room, sizeof room);
    bson_append_document_begin(&updates->list, key, -1, &update);
    BSON_APPEND_DOCUMENT(&update, "q", query);
    BSON_APPEND_DOCUMENT(&update, "u", change);
    BSON_APPEND_BOOL(&update, "upsert", upsert);
    bson_append_document_end(&updates->list, &update);
    return (updates->n < UPDATES_MAX && updates->list.len < UPDATES_BYTES) ||
           mongo_updates_send(updates, st);
}

static uint64_t count_modified(const bson_t *reply)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, "nModified") ? (uint64_t)bson_iter_as_int64(&at) : 0;
}

/* One try. ret_again: another client made the same document at the same time. */
static bool send_once(struct mongo_updates *updates, bool *ret_again, struct status *st)
{
    struct mongo_store *s = updates->store;
    AUTO(bson_destroy)
    bson_t *command = BCON_NEW("update", BCON_UTF8(mongo_name(updates->collection)), "updates",
                               BCON_ARRAY(&updates->list), "ordered", BCON_BOOL(true));
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("writeConcern", "{", "w", BCON_UTF8("majority"), "wtimeout",
                               BCON_INT32(MONGO_WRITE_PATIENCE_MS), "}");
    bson_t reply;
    bson_error_t error;
    size_t index = 0;
    mongoc_client_t *client = mongoc_client_pool_pop(s->pool);
    bool ok = mongoc_client_write_command_with_opts(client, s->database, command, options, &reply,
                                                    &error);
    mongoc_client_pool_push(s->pool, client);
    ok = !mongo_write_error(&reply, &error, &index) && ok;
    updates->modified += count_modified(&reply);
    bson_destroy(&reply);
    *ret_again = !ok && mongo_explain(&error, "updating", st) == MONGO_DUPLICATE;
    return ok;
}

bool mongo_updates_send(struct mongo_updates *updates, struct status *st)
{
    bool again = updates->n > 0;
    bool ok = !again;
    for (int i = 0; again && i < UPDATE_TRIES; i++) {
        ok = send_once(updates, &again, st);
    }
    bson_reinit(&updates->list);
    updates->n = 0;
    return ok;
}
