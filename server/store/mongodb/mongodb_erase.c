#include "mongodb_erase.h"

#include <stdio.h>

#include "mongodb_history.h"

/* Versions of a config, `from` and `through` included. */
struct wanted_versions {
    struct str config; /* the key */
    uint64_t from, through;
};

/* ---- Erasing ---- */

/* The update that removes the payloads of a commit; NULL if the commit added none of those
 * versions. */
static bson_t *make_erasure(const bson_t *document, const struct wanted_versions *wanted)
{
    struct mongo_keys keys;
    AUTO(bson_destroy) bson_t *names = bson_new();
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; i < keys.n; i++) {
        uint64_t version = mongo_key_version(keys.keys[i], &wanted->config);
        if (version != 0 && version >= wanted->from && version <= wanted->through) {
            char name[32];
            snprintf(name, sizeof name, "payloads.%zu", i);
            BSON_APPEND_NULL(names, name);
        }
    }
    return bson_empty(names) ? NULL : BCON_NEW("$set", BCON_DOCUMENT(names));
}

bool mongo_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st)
{
    struct mongo_store *s = mongo_of(store);
    struct wanted_versions wanted = {.from = from, .through = through};
    struct mongo_walk walk;
    struct mongo_updates updates;
    const bson_t *document = NULL;
    bool ok = true;
    mongo_config_key(environment, service, &wanted.config);
    mongo_updates_init(&updates, s, MONGO_COMMITS);
    mongo_find_history(s, &wanted.config, UINT64_MAX, MONGO_HISTORY_KEYS, 0, &walk);
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

/* Drops the wanted payloads of one commit. *ret_more: older commits may have wanted versions. */
static bool drop_document(struct mongo_updates *updates, const bson_t *document,
                          const struct wanted_versions *wanted, bool *ret_more, struct status *st)
{
    struct mongo_keys keys;
    bool ok = true;
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; i < keys.n && ok; i++) {
        uint64_t version = mongo_key_version(keys.keys[i], &wanted->config);
        *ret_more = *ret_more && (version == 0 || version > wanted->from);
        if (version >= wanted->from && version <= wanted->through) {
            ok = version == 0 || drop_payload(updates, document, i, st);
        }
    }
    return ok;
}

static bool drop_range(struct mongo_store *s, const struct version_range *range,
                       struct mongo_updates *updates, struct status *st)
{
    struct wanted_versions wanted = {.from = range->from, .through = range->through};
    struct mongo_walk walk;
    struct status fault;
    const bson_t *document = NULL;
    uint64_t revision = 0;
    bool ok = true;
    if (!mongo_find_version(s, range->environment, range->service, range->through, &revision, st)) {
        return false;
    }
    mongo_config_key(range->environment, range->service, &wanted.config);
    mongo_find_history(s, &wanted.config, revision == 0 ? UINT64_MAX : revision, MONGO_HISTORY_KEYS,
                       0, &walk);
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

/* When the space is given back is up to the server, so there is never more to do. */
bool mongo_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st)
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
