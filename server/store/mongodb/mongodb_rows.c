#include "mongodb_rows.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "seal.h"

static void append_bytes(bson_t *document, const char *name, const void *bytes, size_t n)
{
    bson_append_binary(document, name, -1, BSON_SUBTYPE_BINARY, bytes, (uint32_t)n);
}

/* ---- Keys ---- */

void mongo_config_key(const char *environment, const char *service, struct str *out)
{
    str_addf(out, "%s/%s", environment, service);
}

void mongo_version_key(const char *environment, const char *service, uint64_t version,
                       struct str *out)
{
    str_addf(out, "%s/%s/%" PRIu64, environment, service, version);
}

void mongo_read_keys(const bson_t *document, const char *name, struct mongo_keys *ret_keys)
{
    bson_iter_t at;
    bson_iter_t element;
    ret_keys->n = 0;
    if (!bson_iter_init_find(&at, document, name) || !BSON_ITER_HOLDS_ARRAY(&at) ||
        !bson_iter_recurse(&at, &element)) {
        return;
    }
    while (ret_keys->n < COMMIT_MAX_CHANGES && bson_iter_next(&element)) {
        ret_keys->keys[ret_keys->n++] =
            BSON_ITER_HOLDS_UTF8(&element) ? bson_iter_utf8(&element, NULL) : NULL;
    }
}

uint64_t mongo_key_version(const char *key, const struct str *config)
{
    bool same = key != NULL && strncmp(key, config->data, config->len) == 0;
    return same && key[config->len] == '/' ? strtoull(key + config->len + 1, NULL, 10) : 0;
}

/* ---- Commits ---- */

static void append_keys(bson_t *document, const struct commit *commit, bool versions)
{
    bson_t list;
    bson_append_array_begin(document, versions ? "versions" : "configs", -1, &list);
    for (uint32_t i = 0; i < commit->n_changes; i++) {
        const struct change *change = &commit->changes[i];
        char room[16];
        const char *name = NULL;
        AUTO_STR key = {0};
        bson_uint32_to_string(i, &name, room, sizeof room);
        if (!versions) {
            mongo_config_key(change->environment, change->service, &key);
        } else if (change_brings_version(change->kind)) {
            mongo_version_key(change->environment, change->service, change->version, &key);
        }
        if (key.len == 0) {
            bson_append_null(&list, name, -1);
        } else {
            bson_append_utf8(&list, name, -1, key.data, (int)key.len);
        }
    }
    bson_append_array_end(document, &list);
}

static void append_payloads(bson_t *document, const struct commit *commit)
{
    bson_t payloads;
    bson_append_document_begin(document, "payloads", -1, &payloads);
    for (uint32_t i = 0; i < commit->n_changes; i++) {
        const struct change *change = &commit->changes[i];
        char room[16];
        const char *name = NULL;
        bson_t payload;
        if (change->payload == NULL) {
            continue;
        }
        bson_uint32_to_string(i, &name, room, sizeof room);
        bson_append_document_begin(&payloads, name, -1, &payload);
        append_bytes(&payload, "salt", change->salt, SALT_SIZE);
        append_bytes(&payload, "data", change->payload->data, change->payload->len);
        bson_append_document_end(&payloads, &payload);
    }
    bson_append_document_end(document, &payloads);
}

static size_t document_size(const struct commit *commit)
{
    size_t size = 1024 + commit->record->len;
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct change *change = &commit->changes[i];
        size += change->payload == NULL ? 0 : change->payload->len;
    }
    return size;
}

bson_t *mongo_commit_document(const struct commit *commit)
{
    bson_t *document = bson_sized_new(document_size(commit));
    BSON_APPEND_INT64(document, "_id", (int64_t)commit->revision);
    append_bytes(document, "record", commit->record->data, commit->record->len);
    append_bytes(document, "hash", commit->hash.bytes, HASH_SIZE);
    if (commit->request_id[0] != '\0') {
        struct hash key = commit_request_key(commit->actor, commit->request_id);
        append_bytes(document, "request", key.bytes, HASH_SIZE);
    }
    append_keys(document, commit, false);
    append_keys(document, commit, true);
    append_payloads(document, commit);
    return document;
}

/* The bytes of a binary element; NULL for another type. */
static const uint8_t *get_bytes(bson_iter_t *at, uint32_t *ret_n)
{
    const uint8_t *bytes = NULL;
    *ret_n = 0;
    if (BSON_ITER_HOLDS_BINARY(at)) {
        bson_iter_binary(at, NULL, ret_n, &bytes);
    }
    return bytes;
}

bool mongo_read_hash(const bson_t *document, const char *name, struct hash *ret_hash)
{
    bson_iter_t at;
    uint32_t n = 0;
    const uint8_t *bytes = bson_iter_init_find(&at, document, name) ? get_bytes(&at, &n) : NULL;
    if (n != HASH_SIZE) {
        return false;
    }
    memcpy(ret_hash->bytes, bytes, HASH_SIZE);
    return true;
}

static void read_payload(bson_iter_t *at, uint32_t index, struct row_room *room)
{
    bson_iter_t member;
    const uint8_t *salt = NULL;
    uint32_t n_salt = 0;
    struct buf *data = NULL;
    if (!BSON_ITER_HOLDS_DOCUMENT(at) || !bson_iter_recurse(at, &member)) {
        return;
    }
    while (bson_iter_next(&member)) {
        uint32_t n = 0;
        const uint8_t *bytes = get_bytes(&member, &n);
        if (strcmp(bson_iter_key(&member), "salt") == 0) {
            salt = bytes;
            n_salt = n;
        } else if (strcmp(bson_iter_key(&member), "data") == 0 && data == NULL) {
            data = buf_copy(bytes == NULL ? (const uint8_t *)"" : bytes, n);
        }
    }
    if (data != NULL) {
        row_room_add(room, index, salt, n_salt, data);
    }
}

static void read_payloads(bson_iter_t *at, size_t only, struct row_room *room)
{
    bson_iter_t payload;
    if (!BSON_ITER_HOLDS_DOCUMENT(at) || !bson_iter_recurse(at, &payload)) {
        return;
    }
    while (bson_iter_next(&payload)) {
        unsigned long index = strtoul(bson_iter_key(&payload), NULL, 10);
        bool wanted = only == SIZE_MAX || only == index;
        if (wanted && BSON_ITER_HOLDS_NULL(&payload)) {
            room->row.n_erased++;
        } else if (wanted && BSON_ITER_HOLDS_BOOL(&payload)) { /* compacted */
            row_room_add(room, (uint32_t)index, NULL, 0, NULL);
        } else if (wanted) {
            read_payload(&payload, (uint32_t)index, room);
        }
    }
}

void mongo_read_row(const bson_t *document, size_t only, struct row_room *room)
{
    bson_iter_t at;
    if (bson_iter_init(&at, document)) {
        while (bson_iter_next(&at)) {
            const char *name = bson_iter_key(&at);
            uint32_t n = 0;
            const uint8_t *bytes = get_bytes(&at, &n);
            if (strcmp(name, "record") == 0 && room->row.record == NULL && bytes != NULL) {
                room->row.record = buf_copy(bytes, n);
            } else if (strcmp(name, "hash") == 0 && n == HASH_SIZE) {
                memcpy(room->row.hash.bytes, bytes, HASH_SIZE);
            } else if (strcmp(name, "payloads") == 0) {
                read_payloads(&at, only, room);
            }
        }
    }
    if (room->row.record == NULL) {
        room->row.record = buf_new(0);
    }
}

/* ---- Heads ---- */

bson_t *mongo_head_document(const struct head *head)
{
    size_t n = head->holes.n;
    AUTO(free) uint64_t *holes = mem_array(n + 1, sizeof holes[0]);
    for (size_t i = 0; i < n; i++) {
        holes[i] = htole64(head->holes.versions[i]);
    }
    bson_t *document = bson_new();
    BSON_APPEND_INT64(document, "version", (int64_t)head->version);
    BSON_APPEND_INT64(document, "last_version", (int64_t)head->last_version);
    BSON_APPEND_INT64(document, "first_live_version", (int64_t)head->first_live_version);
    BSON_APPEND_INT64(document, "first_kept_version", (int64_t)head->first_kept_version);
    BSON_APPEND_INT64(document, "mod_revision", (int64_t)head->mod_revision);
    BSON_APPEND_INT64(document, "row_revision", (int64_t)head->row_revision);
    BSON_APPEND_INT64(document, "revision", (int64_t)head->revision);
    BSON_APPEND_INT64(document, "index", (int64_t)head->index);
    append_bytes(document, "holes", holes, n * sizeof holes[0]);
    struct store_head_row row = store_head_row_of(head);
    struct hash seal = seal_of_head(&row);
    append_bytes(document, "seal", seal.bytes, HASH_SIZE);
    return document;
}

static void read_name(const bson_t *document, struct mongo_head *head)
{
    bson_iter_t at;
    bool named = bson_iter_init_find(&at, document, "_id") && BSON_ITER_HOLDS_UTF8(&at);
    const char *key = named ? bson_iter_utf8(&at, NULL) : "";
    size_t n = strcspn(key, "/");
    head->environment = mem_text(key, n);
    head->service = mem_string(key[n] == '/' ? key + n + 1 : "");
}

static void read_holes(const bson_t *document, struct mongo_head *head)
{
    bson_iter_t at;
    uint32_t size = 0;
    const uint8_t *bytes =
        bson_iter_init_find(&at, document, "holes") ? get_bytes(&at, &size) : NULL;
    size_t n = size / sizeof head->holes[0];
    head->holes = mem_array(n + 1, sizeof head->holes[0]);
    for (size_t i = 0; i < n; i++) {
        uint64_t little = 0;
        memcpy(&little, bytes + i * sizeof little, sizeof little);
        head->holes[i] = le64toh(little);
    }
    head->row.n_holes = n;
}

void mongo_read_head(const bson_t *document, struct mongo_head *ret_head)
{
    *ret_head = (struct mongo_head){
        .row = {.version = mongo_number(document, "version"),
                .last_version = mongo_number(document, "last_version"),
                .first_live_version = mongo_number(document, "first_live_version"),
                .first_kept_version = mongo_number(document, "first_kept_version"),
                .mod_revision = mongo_number(document, "mod_revision"),
                .row_revision = mongo_number(document, "row_revision"),
                .revision = mongo_number(document, "revision"),
                .index = (uint32_t)mongo_number(document, "index")}};
    read_name(document, ret_head);
    read_holes(document, ret_head);
    ret_head->row.environment = ret_head->environment;
    ret_head->row.service = ret_head->service;
    ret_head->row.holes = ret_head->holes;
}

void mongo_head_fini(struct mongo_head *head)
{
    free(head->environment);
    free(head->service);
    free(head->holes);
}
