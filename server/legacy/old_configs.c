#include "old_configs.h"

#include <inttypes.h>
#include <mongoc/mongoc.h>
#include <stdlib.h>
#include <string.h>

#include "bson_json.h"
#include "commit.h"
#include "utf8.h"

#define SERVER_PATIENCE_MS 5000
#define VERSION_MAX INT64_MAX

MEM_CLEANUP(bson_t, bson_destroy)
MEM_CLEANUP(mongoc_uri_t, mongoc_uri_destroy)

struct old_configs {
    mongoc_client_t *client;
    mongoc_collection_t *collection;
    struct old_key *keys;
    size_t n_keys, room;
};

static bool cannot_read(const bson_error_t *error, struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "SOURCE_UNAVAILABLE",
                      "the database to import from: %s", error->message);
}

bool old_configs_open(const char *address, const char *collection, struct old_configs **ret,
                      struct status *st)
{
    bson_error_t error;
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* all failures are returned as errors */
    AUTO(mongoc_uri_destroy) mongoc_uri_t *uri = mongoc_uri_new_with_error(address, &error);
    if (uri == NULL || mongoc_uri_get_database(uri) == NULL) {
        return status_bad_field(st, "from", "SOURCE_ADDRESS",
                                "from: a MongoDB URI that names a database (%s)",
                                uri == NULL ? error.message : "it names none");
    }
    if (!mongoc_uri_has_option(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS)) {
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                       SERVER_PATIENCE_MS);
    }
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &error);
    if (client == NULL) {
        return cannot_read(&error, st);
    }
    struct old_configs *old = mem_zalloc(sizeof *old);
    old->client = client;
    old->collection =
        mongoc_client_get_collection(client, mongoc_uri_get_database(uri), collection);
    *ret = old;
    return true;
}

static void forget_key(struct old_key *key)
{
    free(key->service);
    free(key->environment);
    bson_value_destroy(&key->id);
}

void old_configs_close(struct old_configs *old)
{
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; i < old->n_keys; i++) {
        forget_key(&old->keys[i]);
    }
    free(old->keys);
    mongoc_collection_destroy(old->collection);
    mongoc_client_destroy(old->client);
    free(old);
}

/* ---- Fields ---- */

static bool wrong(struct status *st, const char *field, const char *what)
{
    return status_bad_field(st, field, "VALUE_NOT_USABLE", "%s: %s", field, what);
}

/* A text, owned; NULL: the field is absent or null. */
static bool take_text(const bson_t *document, const char *field, char **ret, size_t *ret_n,
                      struct status *st)
{
    bson_iter_t iter;
    *ret = NULL;
    *ret_n = 0;
    if (!bson_iter_init_find(&iter, document, field) || bson_iter_type(&iter) == BSON_TYPE_NULL) {
        return true;
    }
    if (!BSON_ITER_HOLDS_UTF8(&iter)) {
        return wrong(st, field, "a text is needed");
    }
    uint32_t n;
    const char *text = bson_iter_utf8(&iter, &n);
    *ret = mem_text(text, n);
    *ret_n = n;
    return true;
}

static bool take_name(const bson_t *document, const char *field, const char *otherwise, char **ret,
                      struct status *st)
{
    size_t n;
    if (!take_text(document, field, ret, &n, st)) {
        return false;
    }
    if (*ret == NULL) {
        *ret = mem_string(otherwise);
        n = strlen(otherwise);
    }
    return name_check(*ret, n, field, st);
}

static bool take_version(const bson_t *document, uint64_t *ret, struct status *st)
{
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, document, "version") || !BSON_ITER_HOLDS_NUMBER(&iter)) {
        return wrong(st, "version", "a number is needed");
    }
    double value = bson_iter_as_double(&iter);
    if (value < 1 || value >= (double)VERSION_MAX || value != (double)(int64_t)value) {
        return wrong(st, "version", "a whole number from 1 on is needed");
    }
    *ret = (uint64_t)bson_iter_as_int64(&iter);
    return true;
}

/* ---- Listing ---- */

static bool take_key(const bson_t *document, struct old_key *key, struct status *st)
{
    return take_name(document, "service_name", "", &key->service, st) &&
           take_name(document, "environment", "default", &key->environment, st) &&
           take_version(document, &key->version, st);
}

/* Reports a document by its _id. */
static void refuse_document(const bson_t *document, old_refusal *refuse, void *user,
                            const struct status *why)
{
    bson_iter_t iter;
    char id[25] = "?";
    if (bson_iter_init_find(&iter, document, "_id") && BSON_ITER_HOLDS_OID(&iter)) {
        bson_oid_to_string(bson_iter_oid(&iter), id);
    }
    AUTO_STR what = {0};
    str_addf(&what, "document %s", id);
    refuse(user, what.data, why);
}

static void add_document(struct old_configs *old, const bson_t *document, old_refusal *refuse,
                         void *user)
{
    struct old_key key = {0};
    struct status st;
    bson_iter_t id;
    if (!take_key(document, &key, &st) || !bson_iter_init_find(&id, document, "_id")) {
        refuse_document(document, refuse, user, &st);
        forget_key(&key);
        return;
    }
    bson_value_copy(bson_iter_value(&id), &key.id);
    if (old->n_keys == old->room) {
        old->room = old->room == 0 ? 256 : old->room * 2;
        old->keys = mem_grow(old->keys, old->room, sizeof old->keys[0]);
    }
    old->keys[old->n_keys++] = key;
}

static int compare_keys(const void *left, const void *right)
{
    const struct old_key *a = left;
    const struct old_key *b = right;
    int by_service = strcmp(a->service, b->service);
    int by_environment = by_service != 0 ? by_service : strcmp(a->environment, b->environment);
    return by_environment != 0 ? by_environment
                               : (a->version > b->version) - (a->version < b->version);
}

static void refuse_double(const struct old_key *key, old_refusal *refuse, void *user)
{
    AUTO_STR what = {0};
    struct status st;
    str_addf(&what, "%s/%s version %" PRIu64, key->environment, key->service, key->version);
    status_set(&st, STATUS_ALREADY_EXISTS, "VERSION_TWICE",
               "another document has the same name and version");
    refuse(user, what.data, &st);
}

/* Of documents with the same name and version, keeps the first and refuses the others. */
static void drop_doubles(struct old_configs *old, old_refusal *refuse, void *user)
{
    size_t n = 0;
    for (size_t i = 0; i < old->n_keys; i++) {
        if (n > 0 && compare_keys(&old->keys[n - 1], &old->keys[i]) == 0) {
            refuse_double(&old->keys[i], refuse, user);
            forget_key(&old->keys[i]);
        } else {
            old->keys[n++] = old->keys[i];
        }
    }
    old->n_keys = n;
}

bool old_configs_list(struct old_configs *old, old_refusal *refuse, void *user,
                      const struct old_key **ret_keys, size_t *ret_n, struct status *st)
{
    AUTO(bson_destroy) bson_t *all = bson_new();
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("projection", "{", "service_name", BCON_INT32(1), "environment",
                               BCON_INT32(1), "version", BCON_INT32(1), "}");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(old->collection, all, options, NULL);
    const bson_t *document;
    while (mongoc_cursor_next(cursor, &document)) {
        add_document(old, document, refuse, user);
    }
    bson_error_t error;
    bool failed = mongoc_cursor_error(cursor, &error);
    mongoc_cursor_destroy(cursor);
    if (failed) {
        return cannot_read(&error, st);
    }
    if (old->n_keys > 0) {
        qsort(old->keys, old->n_keys, sizeof old->keys[0], compare_keys);
    }
    drop_doubles(old, refuse, user);
    *ret_keys = old->keys;
    *ret_n = old->n_keys;
    return true;
}

/* ---- Reading ---- */

void old_version_fini(struct old_version *version)
{
    buf_unref(version->payload);
    free(version->author);
    free(version->comment);
}

static bool take_payload(const bson_t *document, const struct json_limits *limits,
                         struct buf **ret_payload, struct status *st)
{
    static const char field[] = "config_data";
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, document, field) || !BSON_ITER_HOLDS_DOCUMENT(&iter)) {
        return wrong(st, field, "an object is needed");
    }
    AUTO_STR json = {0};
    return bson_json(&iter, field, &json, st) &&
           json_check(json.data, json.len, limits, field, ret_payload, st);
}

static bool take_time(const bson_t *document, int64_t *ret_us, struct status *st)
{
    bson_iter_t iter;
    bool found =
        (bson_iter_init_find(&iter, document, "created_at") && BSON_ITER_HOLDS_DATE_TIME(&iter)) ||
        (bson_iter_init_find(&iter, document, "updated_at") && BSON_ITER_HOLDS_DATE_TIME(&iter));
    if (!found) {
        return wrong(st, "created_at", "a date is needed, here or in updated_at");
    }
    int64_t ms = bson_iter_date_time(&iter);
    if (ms > INT64_MAX / 1000 || ms < INT64_MIN / 1000) {
        return wrong(st, "created_at", "a date beyond all calendars");
    }
    *ret_us = ms * 1000;
    return true;
}

static bool take_texts(const bson_t *document, struct old_version *version, struct status *st)
{
    size_t n_author;
    size_t n_comment;
    return take_text(document, "created_by", &version->author, &n_author, st) &&
           text_check(version->author, n_author, AUTHOR_MAX_BYTES, "created_by", st) &&
           take_text(document, "comment", &version->comment, &n_comment, st) &&
           text_check(version->comment, n_comment, COMMENT_MAX_BYTES, "comment", st);
}

static bool take_document(const bson_t *document, const struct json_limits *limits,
                          struct old_version *ret_version, struct status *st)
{
    struct old_version version = {0};
    if (!take_payload(document, limits, &version.payload, st) ||
        !take_time(document, &version.time_us, st) || !take_texts(document, &version, st)) {
        old_version_fini(&version);
        return false;
    }
    if (version.comment == NULL) {
        version.comment = mem_string("");
    }
    *ret_version = version;
    return true;
}

bool old_configs_read(struct old_configs *old, const struct old_key *key,
                      const struct json_limits *limits, struct old_version *ret_version,
                      struct status *st)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_VALUE(filter, "_id", &key->id);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(old->collection, filter, NULL, NULL);
    const bson_t *document;
    bson_error_t error;
    bool ok;
    if (mongoc_cursor_next(cursor, &document)) {
        ok = take_document(document, limits, ret_version, st);
    } else if (mongoc_cursor_error(cursor, &error)) {
        ok = cannot_read(&error, st);
    } else {
        ok = status_set(st, STATUS_NOT_FOUND, "DOCUMENT_GONE", "it is no longer there");
    }
    mongoc_cursor_destroy(cursor);
    return ok;
}
