#include "mongodb_open.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mongodb.h"
#include "mongodb_changes.h"
#include "mongodb_guard.h"
#include "mongodb_log.h"
#include "mongodb_marks.h"
#include "mongodb_plan.h"
#include "mongodb_rows.h"
#include "mongodb_stream.h"
#include "seal.h"

#define DEFAULT_DATABASE "confreg"
#define PART_HEADS 10000
#define MIN_WIRE_VERSION 7 /* MongoDB 4.0 */

MEM_CLEANUP(mongoc_uri_t, mongoc_uri_destroy)

/* ---- The driver ---- */

/* Silences the driver's own log; its messages also come as errors. The library initializes itself,
 * and may print a line, before main and all constructors of this program. So this is called from
 * .preinit_array, which the loader runs before all constructors. */
static void silence_driver(void)
{
    mongoc_log_set_handler(NULL, NULL);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_constructors)(void) = silence_driver;

static void ready_driver(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, mongoc_init);
}

/* ---- The address ---- */

/* Default time-outs in milliseconds, if the address has none. serverSelectionTimeoutMS is enforced
 * here, because the driver only waits for a slice at a time. */
static const struct {
    const char *name;
    int32_t value;
} patience[] = {
    {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 3000},
    {MONGOC_URI_CONNECTTIMEOUTMS, 3000},
    {MONGOC_URI_SOCKETTIMEOUTMS, MONGO_WRITE_PATIENCE_MS + 2000},
};

static bool parse_address(const char *address, mongoc_uri_t **ret_uri, int32_t *ret_patience_ms,
                          struct status *st)
{
    bson_error_t error;
    AUTO(mongoc_uri_destroy) mongoc_uri_t *uri = mongoc_uri_new_with_error(address, &error);
    if (uri == NULL) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
                          "the address of the store is none of MongoDB's: %s", error.message);
    }
    for (size_t i = 0; i < COUNT_OF(patience); i++) {
        if (!mongoc_uri_has_option(uri, patience[i].name)) {
            mongoc_uri_set_option_as_int32(uri, patience[i].name, patience[i].value);
        }
    }
    *ret_patience_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 0);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGO_SLICE_MS);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_uri_set_read_prefs_t(uri, primary);
    mongoc_read_prefs_destroy(primary);
    *ret_uri = MOVE(uri);
    return true;
}

static bool connect_to(struct mongo_store *s, const char *address, struct status *st)
{
    AUTO(mongoc_uri_destroy) mongoc_uri_t *uri = NULL;
    bson_error_t error;
    int32_t patience_ms = 0;
    if (!parse_address(address, &uri, &patience_ms, st)) {
        return false;
    }
    s->patience_ns = patience_ms * INT64_C(1000000);
    s->own_streams = mongo_stream_fits(uri);
    s->connections = (size_t)mongoc_uri_get_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, 100);
    const char *database = mongoc_uri_get_database(uri);
    s->database = mem_string(database == NULL ? DEFAULT_DATABASE : database);
    s->uri = mongoc_uri_copy(uri);
    s->pool = mongoc_client_pool_new_with_error(uri, &error);
    if (s->pool == NULL) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
                          "the address of the store cannot be used: %s", error.message);
    }
    mongoc_client_pool_set_error_api(s->pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(s->pool, "confregd");
    return true;
}

/* ---- The server ---- */

static bool check_server(struct mongo_store *s, struct status *st)
{
    bson_t reply;
    bson_error_t error;
    AUTO(bson_destroy) bson_t *command = BCON_NEW("isMaster", BCON_INT32(1));
    bool told = mongo_run(s, "admin", command, &reply, &error);
    uint64_t version = told ? mongo_number(&reply, "maxWireVersion") : 0;
    bson_destroy(&reply);
    if (!told) {
        return mongo_fault(&error, "looking at the server", st);
    }
    return version >= MIN_WIRE_VERSION ||
           status_set(st, STATUS_FAILED_PRECONDITION, "STORE_TOO_OLD",
                      "the database server speaks version %" PRIu64
                      " of its protocol, %d (MongoDB 4.0) is the oldest that will do",
                      version, MIN_WIRE_VERSION);
}

/* ---- Identity ---- */

static bool foreign(const struct mongo_store *s, const char *what, struct status *st)
{
    return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FOREIGN",
                      "database %s is not a store of confreg: %s", s->database, what);
}

static bool take_bytes(const bson_t *document, const char *name, uint8_t *out, size_t n)
{
    const uint8_t *bytes = mongo_bytes(document, name, n);
    if (bytes != NULL) {
        memcpy(out, bytes, n);
    }
    return bytes != NULL;
}

/* The field is missing until the log gets its second epoch. */
static bool take_epochs(const bson_t *document, struct store_identity *identity)
{
    bson_iter_t at;
    const uint8_t *bytes = NULL;
    uint32_t n = 0;
    if (!bson_iter_init_find(&at, document, "epochs")) {
        return true;
    }
    if (!BSON_ITER_HOLDS_BINARY(&at)) {
        return false;
    }
    bson_iter_binary(&at, NULL, &n, &bytes);
    return store_epochs_decode(bytes, n, identity);
}

static bool take_identity(struct mongo_store *s, const bson_t *document, uint64_t *ret_format,
                          struct status *st)
{
    struct store_identity *identity = &s->store.identity;
    uint64_t format = mongo_number(document, "format");
    if (format > STORE_FORMAT) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FORMAT_NEWER",
                          "database %s has data format %" PRIu64
                          ", this release knows formats up to %d",
                          s->database, format, STORE_FORMAT);
    }
    if (format == 0 || !take_bytes(document, "epoch", identity->epoch, EPOCH_SIZE) ||
        !take_bytes(document, "secret", identity->secret, STORE_SECRET_SIZE) ||
        !take_epochs(document, identity)) {
        return foreign(s, "its identity has another form", st);
    }
    struct hash seal = seal_of_identity(identity, format);
    struct hash stored;
    *ret_format = format;
    return format == 1 ||
           (mongo_read_hash(document, "seal", &stored) && hash_equal(&seal, &stored)) ||
           status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                      "the store: its identity does not match its seal");
}

/* *ret_format 0: there is no identity. */
static bool read_identity(struct mongo_store *s, uint64_t *ret_format, struct status *st)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8("identity"));
    AUTO(bson_destroy) bson_t *options = BCON_NEW("limit", BCON_INT64(1), MONGO_MAJORITY);
    struct mongo_walk walk;
    const bson_t *document = NULL;
    mongo_find(s, MONGO_META, filter, options, &walk);
    *ret_format = 0;
    bool fits = !mongo_next(&walk, &document) || take_identity(s, document, ret_format, st);
    return mongo_end(&walk, "reading its identity", st) && fits;
}

/* Creates the identity, unless another node was faster. A log without an identity has lost it and
 * does not get a new one. */
static bool make_identity(struct mongo_store *s, struct status *st)
{
    uint64_t revision = 0;
    struct store_identity made = {.n_earlier = 0};
    struct mongo_updates updates;
    if (!mongo_last_revision(s, &revision, st)) {
        return false;
    }
    if (revision != 0) {
        return foreign(s, "it has commits, but no identity", st);
    }
    random_bytes(made.epoch, EPOCH_SIZE);
    random_bytes(made.secret, STORE_SECRET_SIZE);
    struct hash seal = seal_of_identity(&made, STORE_FORMAT);
    AUTO(bson_destroy) bson_t *query = BCON_NEW("_id", BCON_UTF8("identity"));
    AUTO(bson_destroy)
    bson_t *change = BCON_NEW("$setOnInsert", "{", "format", BCON_INT32(STORE_FORMAT), "epoch",
                              BCON_BIN(BSON_SUBTYPE_BINARY, made.epoch, EPOCH_SIZE), "secret",
                              BCON_BIN(BSON_SUBTYPE_BINARY, made.secret, STORE_SECRET_SIZE), "seal",
                              BCON_BIN(BSON_SUBTYPE_BINARY, seal.bytes, HASH_SIZE), "}");
    mongo_updates_init(&updates, s, MONGO_META);
    bool ok =
        mongo_updates_add(&updates, query, change, true, st) && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    return ok;
}

bool mongo_renew(struct store *store, const struct store_identity *identity, struct status *st)
{
    uint8_t epochs[STORE_EPOCHS_BYTES];
    uint32_t n = (uint32_t)store_epochs_encode(identity, epochs);
    struct mongo_updates updates;
    struct hash seal = seal_of_identity(identity, STORE_FORMAT);
    AUTO(bson_destroy) bson_t *query = BCON_NEW("_id", BCON_UTF8("identity"));
    AUTO(bson_destroy)
    bson_t *change =
        BCON_NEW("$set", "{", "epoch", BCON_BIN(BSON_SUBTYPE_BINARY, identity->epoch, EPOCH_SIZE),
                 "epochs", BCON_BIN(BSON_SUBTYPE_BINARY, epochs, n), "seal",
                 BCON_BIN(BSON_SUBTYPE_BINARY, seal.bytes, HASH_SIZE), "}");
    mongo_updates_init(&updates, mongo_of(store), MONGO_META);
    bool ok =
        mongo_updates_add(&updates, query, change, false, st) && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    return ok;
}

static bool is_empty(struct mongo_store *s, enum mongo_collection collection, bool *ret_empty,
                     struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("limit", BCON_INT64(1), "projection", "{", "_id", BCON_INT32(1), "}",
                               MONGO_MAJORITY);
    mongo_find(s, collection, all, options, &walk);
    *ret_empty = !mongo_next(&walk, &document);
    return mongo_end(&walk, "looking at it", st);
}

/* Marks of format 1 had no seals. Nodes of the old build may still run and must not continue with
 * new ones, so dropping them is left to the operator. */
static bool check_no_old_marks(struct mongo_store *s, struct status *st)
{
    bool none = false;
    if (!is_empty(s, MONGO_MARKS, &none, st)) {
        return false;
    }
    if (!none) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_FORMAT_OLDER",
                          "database %s has data format 1, of before the first release: stop all "
                          "nodes, drop confreg_heads and confreg_marks, which are made again from "
                          "the log, and start",
                          s->database);
    }
    return true;
}

/* Nodes of format 2 may go on: they know their format from when they opened the store, and their
 * heads and their mark HEADS have other places. */
static bool upgrade(struct mongo_store *s, uint64_t format, struct status *st)
{
    if (format == 1 && !check_no_old_marks(s, st)) {
        return false;
    }
    struct mongo_updates updates;
    struct hash seal = seal_of_identity(&s->store.identity, STORE_FORMAT);
    AUTO(bson_destroy)
    bson_t *query = BCON_NEW("_id", BCON_UTF8("identity"), "format", BCON_INT32((int32_t)format));
    AUTO(bson_destroy)
    bson_t *change = BCON_NEW("$set", "{", "format", BCON_INT32(STORE_FORMAT), "seal",
                              BCON_BIN(BSON_SUBTYPE_BINARY, seal.bytes, HASH_SIZE), "}");
    mongo_updates_init(&updates, s, MONGO_META);
    bool ok =
        mongo_updates_add(&updates, query, change, false, st) && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    return ok;
}

static bool make_or_refuse(struct mongo_store *s, bool may_create, struct status *st)
{
    if (!may_create) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_MISSING",
                          "database %s holds no store of confreg, and none is to be made",
                          s->database);
    }
    s->store.is_new = true;
    return make_identity(s, st);
}

static bool settle_identity(struct mongo_store *s, bool may_create, struct status *st)
{
    uint64_t format = 0;
    if (!read_identity(s, &format, st)) {
        return false;
    }
    if (format == STORE_FORMAT) {
        return true;
    }
    return (format == 0 ? make_or_refuse(s, may_create, st) : upgrade(s, format, st)) &&
           read_identity(s, &format, st) &&
           (format == STORE_FORMAT || foreign(s, "its identity does not stay", st));
}

/* ---- Indexes ---- */

/* Indexes of confreg_commits: the name, and definitions as JSON, the preferred one first.
 * `request` is missing in most documents; no two commits have the same one, as a node that has
 * followed the log to its end replays the first. */
static const struct index_row {
    const char *name;
    const char *definitions[2];
} index_rows[] = {
    {"history", {"{\"name\": \"history\", \"key\": {\"configs\": 1, \"_id\": -1}}"}},
    {"versions", {"{\"name\": \"versions\", \"key\": {\"versions\": 1}}"}},
    {"requests",
     {"{\"name\": \"requests\", \"key\": {\"request\": 1}, \"unique\": true,"
      " \"partialFilterExpression\": {\"request\": {\"$exists\": true}}}",
      "{\"name\": \"requests\", \"key\": {\"request\": 1}, \"sparse\": true}"}},
};

static bool find_indexes(struct mongo_store *s, bool found[static COUNT_OF(index_rows)],
                         struct status *st)
{
    struct mongo_walk walk = {.store = s};
    const bson_t *document = NULL;
    bson_iter_t name;
    walk.client = mongo_take_client(s, &walk.error);
    if (walk.client == NULL) {
        return mongo_fault(&walk.error, "looking at its indexes", st);
    }
    walk.collection =
        mongoc_client_get_collection(walk.client, s->database, mongo_name(MONGO_COMMITS));
    walk.cursor = mongoc_collection_find_indexes_with_opts(walk.collection, NULL);
    while (mongo_next(&walk, &document)) {
        for (size_t i = 0; i < COUNT_OF(index_rows); i++) {
            found[i] = found[i] || (bson_iter_init_find(&name, document, "name") &&
                                    BSON_ITER_HOLDS_UTF8(&name) &&
                                    strcmp(bson_iter_utf8(&name, NULL), index_rows[i].name) == 0);
        }
    }
    return mongo_end(&walk, "looking at its indexes", st);
}

static bool make_index(struct mongo_store *s, const char *definition, bson_error_t *ret_error)
{
    bson_t reply;
    AUTO(bson_destroy)
    bson_t *index = bson_new_from_json((const uint8_t *)definition, -1, NULL);
    AUTO(bson_destroy)
    bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(mongo_name(MONGO_COMMITS)), "indexes",
                               "[", BCON_DOCUMENT(index), "]");
    bool ok = mongo_run(s, s->database, command, &reply, ret_error);
    bson_destroy(&reply);
    return ok;
}

/* Uses the second definition where the server refuses the first, as one without partial indexes
 * does. */
static bool make_best(struct mongo_store *s, const struct index_row *row, struct status *st)
{
    bson_error_t error;
    bool ok = make_index(s, row->definitions[0], &error);
    bool refused = !ok && error.domain == MONGOC_ERROR_SERVER && row->definitions[1] != NULL;
    return ok || (refused && make_index(s, row->definitions[1], &error)) ||
           mongo_fault(&error, "making an index", st);
}

/* Makes only the missing ones, so that a user without the right to make indexes can open a store
 * that has them. */
static bool make_indexes(struct mongo_store *s, struct status *st)
{
    bool found[COUNT_OF(index_rows)] = {false};
    if (!find_indexes(s, found, st)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(index_rows); i++) {
        if (!found[i] && !make_best(s, &index_rows[i], st)) {
            return false;
        }
    }
    return true;
}

/* ---- Open and close ---- */

static void init_waiting(struct mongo_store *s)
{
    pthread_cond_init(&s->given, NULL);
    pthread_mutex_init(&s->lock, NULL);
    wake_init(&s->stop);
}

void mongo_store_interrupt(struct store *store)
{
    struct mongo_store *s = mongo_of(store);
    wake_stop(&s->stop);
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->given);
    pthread_mutex_unlock(&s->lock);
}

static bool open_address(const char *address, bool may_create, struct store **ret_store,
                         struct status *st)
{
    struct mongo_store *s = mem_zalloc(sizeof *s);
    s->store.ops = &store_mongodb;
    s->store.shared = true;
    ready_driver();
    init_waiting(s);
    if (!connect_to(s, address, st) || !check_server(s, st) ||
        !settle_identity(s, may_create, st) || !mongo_make_marks(s, st) || !make_indexes(s, st) ||
        !mongo_ask_plan(s, &s->plan, st)) {
        mongo_store_close(&s->store);
        return false;
    }
    s->store.loads_at_once = s->plan == MONGO_SCANS;
    s->part_heads = s->plan == MONGO_RANGES ? PART_HEADS : 0;
    s->guard = mongo_guard_new(s);
    *ret_store = &s->store;
    return true;
}

static bool open_scheme(const char *scheme, const char *location, bool may_create,
                        struct store **ret_store, struct status *st)
{
    AUTO_STR address = {0};
    str_addf(&address, "%s:%s", scheme, location);
    return open_address(address.data, may_create, ret_store, st);
}

bool mongo_store_open(const char *location, bool may_create, struct store **ret_store,
                      struct status *st)
{
    return open_scheme(store_mongodb.scheme, location, may_create, ret_store, st);
}

bool mongo_store_open_srv(const char *location, bool may_create, struct store **ret_store,
                          struct status *st)
{
    return open_scheme(store_mongodb_srv.scheme, location, may_create, ret_store, st);
}

void mongo_store_close(struct store *store)
{
    struct mongo_store *s = mongo_of(store);
    mongo_unlisten(store);
    mongo_guard_free(s->guard);
    if (s->pool != NULL) {
        mongoc_client_pool_destroy(s->pool);
    }
    mongoc_uri_destroy(s->uri);
    wake_fini(&s->stop);
    pthread_cond_destroy(&s->given);
    pthread_mutex_destroy(&s->lock);
    free(s->database);
    free(s);
}
