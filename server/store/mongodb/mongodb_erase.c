#include "mongodb_erase.h"

#include <stdio.h>

#include "mongodb_history.h"

/* Versions of a config, `from` and `through` included. */
struct wanted_versions {
    struct str config; /* the key */
    uint64_t from, through;
};

/* Adds the update of the payload of one change of a commit. */
typedef bool payload_update(struct mongo_updates *updates, const bson_t *document, size_t index,
                            struct status *st);

/* ---- The commits that brought them ---- */

/* Updates the wanted payloads of one commit. *ret_more: older commits may have wanted versions. */
static bool update_document(struct mongo_updates *updates, const bson_t *document,
                            const struct wanted_versions *wanted, payload_update *update,
                            bool *ret_more, struct status *st)
{
    struct mongo_keys keys;
    bool ok = true;
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; i < keys.n && ok; i++) {
        uint64_t version = mongo_key_version(keys.keys[i], &wanted->config);
        *ret_more = *ret_more && (version == 0 || version > wanted->from);
        if (version != 0 && version >= wanted->from && version <= wanted->through) {
            ok = update(updates, document, i, st);
        }
    }
    return ok;
}

static bool update_all(struct mongo_store *s, const struct wanted_versions *wanted,
                       uint64_t revision, payload_update *update, struct mongo_updates *updates,
                       struct status *st)
{
    struct mongo_history_walk history;
    struct status fault;
    const bson_t *document = NULL;
    uint64_t more_than_one = wanted->through - wanted->from;
    bool ok = true;
    mongo_history_begin(&history, s, &wanted->config, revision, MONGO_HISTORY_KEYS,
                        more_than_one < UINT64_MAX ? more_than_one + 1 : UINT64_MAX);
    for (bool more = true; ok && more && mongo_history_next(&history, &document);) {
        ok = update_document(updates, document, wanted, update, &more, st);
    }
    if (!mongo_history_end(&history, "removing payloads", &fault) && ok) {
        *st = fault;
        return false;
    }
    return ok;
}

/* Updates the payloads of a range of versions. A version that the log lacks, as after an import,
 * says nothing about where the others are: then the walk begins at the log's end. */
static bool update_range(struct mongo_store *s, const struct version_range *range,
                         payload_update *update, struct mongo_updates *updates, struct status *st)
{
    struct wanted_versions wanted = {.from = range->from, .through = range->through};
    uint64_t revision = 0;
    if (!mongo_find_version(s, range->environment, range->service, range->through, &revision, st)) {
        return false;
    }
    mongo_config_key(range->environment, range->service, &wanted.config);
    bool ok = update_all(s, &wanted, revision == 0 ? UINT64_MAX : revision, update, updates, st);
    str_fini(&wanted.config);
    return ok;
}

/* ---- Erasing ---- */

static bool erase_payload(struct mongo_updates *updates, const bson_t *document, size_t index,
                          struct status *st)
{
    char name[32];
    snprintf(name, sizeof name, "payloads.%zu", index);
    AUTO(bson_destroy)
    bson_t *query = BCON_NEW("_id", BCON_INT64((int64_t)mongo_number(document, "_id")));
    AUTO(bson_destroy) bson_t *change = BCON_NEW("$set", "{", name, BCON_NULL, "}");
    return mongo_updates_add(updates, query, change, false, st);
}

bool mongo_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st)
{
    struct mongo_updates updates;
    const struct version_range range = {environment, service, from, through};
    mongo_updates_init(&updates, mongo_of(store), MONGO_COMMITS);
    bool ok = update_range(mongo_of(store), &range, erase_payload, &updates, st) &&
              mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    return ok;
}

/* ---- Compacting ---- */

/* Replaces the payload of one change by `false`, unless it is null, which means erased. */
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

/* When the space is given back is up to the server, so there is never more to do. */
bool mongo_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st)
{
    struct mongo_updates updates;
    bool ok = true;
    mongo_updates_init(&updates, mongo_of(store), MONGO_COMMITS);
    for (size_t i = 0; i < n && ok; i++) {
        ok = update_range(mongo_of(store), &ranges[i], drop_payload, &updates, st);
    }
    ok = ok && mongo_updates_send(&updates, st);
    mongo_updates_fini(&updates);
    if (ok) {
        *ret_more = false;
    }
    return ok;
}
