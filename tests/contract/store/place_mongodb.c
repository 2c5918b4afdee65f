/* A database of its own on the server that CONFREG_TEST_STORE names. */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <string.h>

#include "place_kind.h"

#define COMMITS "confreg_commits"

static bool takes(const char *wanted)
{
    return strncmp(wanted, "mongodb://", 10) == 0;
}

/* The server's address with the database in it: before the options, where there are any. */
static void make(struct place *place)
{
    const char *server = getenv("CONFREG_TEST_STORE");
    const char *hosts = server + strlen("mongodb://");
    size_t n = strcspn(hosts, "/?");
    const char *options = strchr(hosts, '?');
    uint8_t draw[6];
    char name[2 * sizeof draw + 1];
    random_bytes(draw, sizeof draw);
    hex_encode(draw, sizeof draw, name);
    int size = snprintf(place->address, sizeof place->address, "mongodb://%.*s/confreg_test_%s%s",
                        (int)n, hosts, name, options == NULL ? "" : options);
    cr_assert_lt((size_t)size, sizeof place->address, "the server's address is too long");
}

/* ---- A client beside the store ---- */

struct side {
    mongoc_uri_t *uri;
    mongoc_client_t *client;
    mongoc_database_t *database;
    mongoc_collection_t *collection;
};

static void side_open(struct side *side, const struct place *place, const char *collection)
{
    side->uri = mongoc_uri_new(place->address);
    side->client = mongoc_client_new_from_uri(side->uri);
    const char *name = mongoc_uri_get_database(side->uri);
    side->database = mongoc_client_get_database(side->client, name);
    side->collection = mongoc_client_get_collection(side->client, name, collection);
}

static void side_close(struct side *side)
{
    mongoc_collection_destroy(side->collection);
    mongoc_database_destroy(side->database);
    mongoc_client_destroy(side->client);
    mongoc_uri_destroy(side->uri);
}

static void remove_place(struct place *place)
{
    struct side side;
    bson_error_t error;
    side_open(&side, place, COMMITS);
    cr_assert(mongoc_database_drop(side.database, &error), "%s", error.message);
    side_close(&side);
}

/* ---- Damage ---- */

static bson_t *read_commit(struct side *side, uint64_t revision)
{
    const bson_t *document = NULL;
    bson_t *filter = BCON_NEW("_id", BCON_INT64((int64_t)revision));
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(side->collection, filter, NULL, NULL);
    cr_assert(mongoc_cursor_next(cursor, &document), "there is no such commit");
    bson_t *copy = bson_copy(document);
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
    return copy;
}

/* Sets members of the document with this _id (owned, as is the change). */
static void set(struct side *side, bson_t *filter, bson_t *members)
{
    bson_error_t error;
    bson_t *change = BCON_NEW("$set", BCON_DOCUMENT(members));
    cr_assert(mongoc_collection_update_one(side->collection, filter, change, NULL, NULL, &error),
              "%s", error.message);
    bson_destroy(change);
    bson_destroy(members);
    bson_destroy(filter);
}

static bson_t *of_commit(uint64_t revision)
{
    return BCON_NEW("_id", BCON_INT64((int64_t)revision));
}

/* The bytes at a path of a commit, copied; NULL where there are none. */
static uint8_t *copy_bytes(const bson_t *document, const char *path, uint32_t *ret_n)
{
    bson_iter_t at;
    bson_iter_t found;
    const uint8_t *bytes = NULL;
    if (!bson_iter_init(&at, document) || !bson_iter_find_descendant(&at, path, &found) ||
        !BSON_ITER_HOLDS_BINARY(&found)) {
        return NULL;
    }
    bson_iter_binary(&found, NULL, ret_n, &bytes);
    uint8_t *copy = mem_alloc(*ret_n + 1);
    memcpy(copy, bytes, *ret_n);
    return copy;
}

static bool flip(const struct place *place, enum stored_field field, uint64_t revision,
                 uint32_t index, size_t position)
{
    char path[64];
    struct side side;
    uint32_t n = 0;
    static const char *const names[] = {"record", "hash", "salt", "data"};
    bool of_payload = field == STORED_SALT || field == STORED_PAYLOAD;
    snprintf(path, sizeof path, of_payload ? "payloads.%u.%s" : "%.0u%s", index, names[field]);
    side_open(&side, place, COMMITS);
    bson_t *document = read_commit(&side, revision);
    uint8_t *bytes = copy_bytes(document, path, &n);
    bool there = bytes != NULL && position < n;
    if (there) {
        bytes[position] ^= 0x10;
        set(&side, of_commit(revision), BCON_NEW(path, BCON_BIN(BSON_SUBTYPE_BINARY, bytes, n)));
    }
    free(bytes);
    bson_destroy(document);
    side_close(&side);
    return there;
}

static void remove_commit(const struct place *place, uint64_t revision)
{
    struct side side;
    bson_error_t error;
    bson_t *filter = of_commit(revision);
    side_open(&side, place, COMMITS);
    cr_assert(mongoc_collection_delete_one(side.collection, filter, NULL, NULL, &error), "%s",
              error.message);
    bson_destroy(filter);
    side_close(&side);
}

static void lose_payload(const struct place *place, uint64_t revision, uint32_t index)
{
    char path[32];
    struct side side;
    bson_error_t error;
    snprintf(path, sizeof path, "payloads.%u", index);
    bson_t *filter = of_commit(revision);
    bson_t *change = BCON_NEW("$unset", "{", path, BCON_INT32(1), "}");
    side_open(&side, place, COMMITS);
    cr_assert(mongoc_collection_update_one(side.collection, filter, change, NULL, NULL, &error),
              "%s", error.message);
    bson_destroy(change);
    bson_destroy(filter);
    side_close(&side);
}

static void copy_commit(const struct place *place, uint64_t from, uint64_t over)
{
    static const char *const names[] = {"record", "hash"};
    struct side side;
    side_open(&side, place, COMMITS);
    bson_t *document = read_commit(&side, from);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint32_t n = 0;
        uint8_t *bytes = copy_bytes(document, names[i], &n);
        set(&side, of_commit(over), BCON_NEW(names[i], BCON_BIN(BSON_SUBTYPE_BINARY, bytes, n)));
        free(bytes);
    }
    bson_destroy(document);
    side_close(&side);
}

static void set_format(const struct place *place, int format)
{
    struct side side;
    side_open(&side, place, "confreg_meta");
    set(&side, BCON_NEW("_id", BCON_UTF8("identity")), BCON_NEW("format", BCON_INT32(format)));
    side_close(&side);
}

static void drop_identity(const struct place *place)
{
    struct side side;
    bson_error_t error;
    side_open(&side, place, "confreg_meta");
    cr_assert(mongoc_collection_drop(side.collection, &error), "%s", error.message);
    side_close(&side);
}

const struct place_kind place_mongodb = {
    .takes = takes,
    .make = make,
    .remove = remove_place,
    .stride = 7,
    .flip = flip,
    .remove_commit = remove_commit,
    .lose_payload = lose_payload,
    .copy_commit = copy_commit,
    .set_format = set_format,
    .drop_identity = drop_identity,
};
