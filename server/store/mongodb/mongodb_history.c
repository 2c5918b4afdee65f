#include "mongodb_history.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define PART_COMMITS 1000 /* limit of one find */

bool mongo_find_version(struct mongo_store *s, const char *environment, const char *service,
                        uint64_t version, uint64_t *ret_revision, struct status *st)
{
    AUTO_STR key = {0};
    mongo_version_key(environment, service, version, &key);
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_UTF8(filter, "versions", key.data);
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("limit", BCON_INT64(1), "projection", "{", "_id", BCON_INT32(1), "}",
                               MONGO_MAJORITY);
    return mongo_find_number(s, MONGO_COMMITS, filter, options, "_id", ret_revision, st);
}

/* A walk over the versions of one config, newest first. Later commits have higher versions. */
struct mongo_version_walk {
    struct str config; /* the key */
    uint64_t from, down_to;
    bool with_payloads;
    store_row_visitor *visit;
    void *user;
    struct row_room *room;
    uint64_t damaged; /* the revision that lacks a payload; 0: none does */
};

/* Whether a change that brought a version has neither its payload nor a mark that it was erased. */
static bool payload_lost(const struct row_room *room)
{
    return room->row.n_payloads + room->row.n_erased == 0;
}

bool mongo_tell_lost(uint64_t revision, struct status *st)
{
    return status_set(st, STATUS_DATA_LOSS, "STORE_DAMAGED",
                      "the store: a payload of revision %" PRIu64 " is missing", revision);
}

/* Visits the versions that one commit brought. False ends the walk. */
static bool walk_document(struct mongo_version_walk *walk, const bson_t *document)
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

/* ---- The commits that changed a config ---- */

static void find_history(struct mongo_history_walk *history)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    BSON_APPEND_UTF8(filter, "configs", history->config->data);
    BCON_APPEND(filter, "_id", "{", "$lte", BCON_INT64(mongo_storable(history->through)), "}");
    AUTO(bson_destroy)
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", MONGO_MAJORITY);
    if (history->what == MONGO_HISTORY_KEYS) {
        BCON_APPEND(options, "projection", "{", "configs", BCON_INT32(1), "versions", BCON_INT32(1),
                    "}");
    } else {
        const char *left_out = history->what == MONGO_HISTORY_FACTS ? "payloads" : "request";
        BCON_APPEND(options, "projection", "{", left_out, BCON_INT32(0), "}");
    }
    mongo_limit(options, history->limit);
    mongo_find(history->store, MONGO_COMMITS, filter, options, &history->walk);
    history->left = history->limit;
    history->under_way = true;
}

void mongo_history_begin(struct mongo_history_walk *history, struct mongo_store *s,
                         const struct str *config, uint64_t through, enum mongo_history what,
                         uint64_t wanted)
{
    assert(wanted > 0 && "a find with limit 0 has none");
    *history = (struct mongo_history_walk){.store = s,
                                           .config = config,
                                           .what = what,
                                           .through = through,
                                           .limit = wanted < PART_COMMITS ? wanted : PART_COMMITS};
}

static void end_find(struct mongo_history_walk *history)
{
    if (history->under_way) {
        history->under_way = false;
        history->failed = !mongo_end(&history->walk, "reading a history", &history->fault);
    }
}

bool mongo_history_next(struct mongo_history_walk *history, const bson_t **ret_document)
{
    if (history->under_way && history->left == 0) {
        end_find(history);
    }
    if (history->failed || history->through == 0) {
        return false;
    }
    if (!history->under_way) {
        find_history(history);
    }
    if (!mongo_next(&history->walk, ret_document)) {
        history->through = 0;
        return false;
    }
    history->left--;
    history->through = mongo_number(*ret_document, "_id") - 1;
    return true;
}

bool mongo_history_end(struct mongo_history_walk *history, const char *doing, struct status *st)
{
    end_find(history);
    if (history->failed) {
        *st = history->fault;
        return status_context(st, "%s", doing);
    }
    return true;
}

/* ---- Versions ---- */

static bool walk_versions(struct mongo_store *s, struct mongo_version_walk *versions,
                          uint64_t through, struct status *st)
{
    struct mongo_history_walk history;
    const bson_t *document = NULL;
    assert(versions->from >= versions->down_to && "versions are visited from the newest down");
    mongo_history_begin(&history, s, &versions->config, through,
                        versions->with_payloads ? MONGO_HISTORY_PAYLOADS : MONGO_HISTORY_FACTS,
                        versions->from - versions->down_to < PART_COMMITS
                            ? versions->from - versions->down_to + 1
                            : PART_COMMITS);
    while (mongo_history_next(&history, &document) && walk_document(versions, document)) {
        continue;
    }
    return mongo_history_end(&history, "reading versions", st) &&
           (versions->damaged == 0 || mongo_tell_lost(versions->damaged, st));
}

bool mongo_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st)
{
    uint64_t through = 0;
    if (!mongo_find_version(mongo_of(store), environment, service, from, &through, st)) {
        return false;
    }
    struct mongo_version_walk walk = {.from = from,
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

/* Some versions of any configs. */
struct found_versions {
    struct str keys[STORE_FIND_MAX]; /* owned */
    bool found[STORE_FIND_MAX];      /* by key */
    size_t n;
    struct row_room *room;
    store_found_visitor *visit;
    void *user;
    uint64_t damaged; /* the revision that lacks a payload; 0: none does */
};

/* The filter for the commits that brought one of the versions. */
static bson_t *commits_with(const struct found_versions *versions)
{
    bson_t *filter = bson_new();
    bson_t in;
    bson_t list;
    bson_append_document_begin(filter, "versions", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (size_t i = 0; i < versions->n; i++) {
        char room[16];
        const char *name = NULL;
        bson_uint32_to_string((uint32_t)i, &name, room, sizeof room);
        BSON_APPEND_UTF8(&list, name, versions->keys[i].data);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return filter;
}

/* The wanted version with this key; versions->n: none, or it was found already. */
static size_t wanted_version(const struct found_versions *versions, const char *key)
{
    size_t i = key == NULL ? versions->n : 0;
    while (i < versions->n && (versions->found[i] || strcmp(versions->keys[i].data, key) != 0)) {
        i++;
    }
    return i;
}

/* Visits the wanted versions that one commit brought. False ends the walk. */
static bool walk_found_versions(struct found_versions *versions, const bson_t *document)
{
    struct mongo_keys keys;
    bool more = true;
    mongo_read_keys(document, "versions", &keys);
    for (size_t i = 0; more && i < keys.n; i++) {
        size_t which = wanted_version(versions, keys.keys[i]);
        if (which == versions->n) {
            continue;
        }
        versions->found[which] = true;
        mongo_read_row(document, i, versions->room);
        versions->room->row.index = (uint32_t)i;
        bool lost = payload_lost(versions->room);
        versions->damaged = lost ? mongo_number(document, "_id") : 0;
        more = !lost && versions->visit(versions->user, which, &versions->room->row);
        row_room_clear(versions->room);
    }
    return more;
}

bool mongo_find_versions(struct store *store, const struct store_version *versions, size_t n,
                         store_found_visitor *visit, void *user, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(row_room_free) struct row_room *room = row_room_new();
    struct found_versions found = {.n = n, .room = room, .visit = visit, .user = user};
    for (size_t i = 0; i < n; i++) {
        mongo_version_key(versions[i].environment, versions[i].service, versions[i].version,
                          &found.keys[i]);
    }
    AUTO(bson_destroy) bson_t *filter = commits_with(&found);
    AUTO(bson_destroy) bson_t *options = BCON_NEW(MONGO_MAJORITY);
    mongo_limit(options, n);
    mongo_find(mongo_of(store), MONGO_COMMITS, filter, options, &walk);
    while (mongo_next(&walk, &document) && walk_found_versions(&found, document)) {
        continue;
    }
    for (size_t i = 0; i < n; i++) {
        str_fini(&found.keys[i]);
    }
    return mongo_end(&walk, "reading versions", st) &&
           (found.damaged == 0 || mongo_tell_lost(found.damaged, st));
}

/* ---- Commits by the configs that they changed ---- */

/* The filter for commits from revision `from` to `through` that changed one of the configs. left
 * (may be NULL): leaves out configs for which it is false. */
static bson_t *changes_of(const struct store_config *configs, size_t n, const bool *left,
                          uint64_t from, uint64_t through)
{
    bson_t *filter = bson_new();
    bson_t in;
    bson_t list;
    uint32_t n_keys = 0;
    bson_append_document_begin(filter, "configs", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (size_t i = 0; i < n; i++) {
        char room[16];
        const char *name = NULL;
        AUTO_STR key = {0};
        if (left == NULL || left[i]) {
            mongo_config_key(configs[i].environment, configs[i].service, &key);
            bson_uint32_to_string(n_keys++, &name, room, sizeof room);
            BSON_APPEND_UTF8(&list, name, key.data);
        }
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    BCON_APPEND(filter, "_id", "{", "$gte", BCON_INT64(mongo_storable(from)), "$lte",
                BCON_INT64(mongo_storable(through)), "}");
    return filter;
}

static bson_t *commits_in_order(bool newest_first, uint64_t max)
{
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(newest_first ? -1 : 1), "}",
                               "projection", "{", "payloads", BCON_INT32(0), "}", MONGO_MAJORITY);
    mongo_limit(options, max);
    return options;
}

/* The newest change of each of some configs. Reads the commits that changed any of them, newest
 * first, as many as configs are left; then again without those that were found, until none is left.
 * The newest commit of each find changed a config that was left, so there are never more finds than
 * configs; usually there is one. */
struct changes_walk {
    const struct store_config *configs;
    size_t n;
    bool left[STORE_FIND_MAX]; /* by config: its change is not found yet */
    size_t n_left;
    uint64_t through; /* the next find's */
    struct row_room *room;
    store_found_visitor *visit;
    void *user;
    bool more; /* the visitor wants more */
};

/* Visits the changes of one commit. Its last change of a config counts. */
static void walk_changes(struct changes_walk *walk, const bson_t *document)
{
    struct mongo_keys keys;
    mongo_read_keys(document, "configs", &keys);
    mongo_read_row(document, SIZE_MAX, walk->room);
    for (size_t i = 0; i < walk->n && walk->more; i++) {
        size_t index = keys.n;
        AUTO_STR key = {0};
        if (walk->left[i]) {
            mongo_config_key(walk->configs[i].environment, walk->configs[i].service, &key);
            while (index > 0 &&
                   (keys.keys[index - 1] == NULL || strcmp(keys.keys[index - 1], key.data) != 0)) {
                index--;
            }
        }
        if (walk->left[i] && index > 0) {
            walk->left[i] = false;
            walk->n_left--;
            walk->room->row.index = (uint32_t)(index - 1);
            walk->more = walk->visit(walk->user, i, &walk->room->row);
        }
    }
    row_room_clear(walk->room);
}

/* One find. */
static bool find_some_changes(struct mongo_store *s, struct changes_walk *walk, struct status *st)
{
    struct mongo_walk find;
    const bson_t *document = NULL;
    size_t limit = walk->n_left;
    size_t n = 0;
    AUTO(bson_destroy)
    bson_t *filter = changes_of(walk->configs, walk->n, walk->left, 1, walk->through);
    AUTO(bson_destroy) bson_t *options = commits_in_order(true, limit);
    mongo_find(s, MONGO_COMMITS, filter, options, &find);
    while (walk->more && walk->n_left > 0 && n < limit && mongo_next(&find, &document)) {
        walk_changes(walk, document);
        walk->through = mongo_number(document, "_id") - 1;
        n++;
    }
    walk->more = walk->more && n == limit;
    return mongo_end(&find, "looking for changes", st);
}

bool mongo_find_changes(struct store *store, const struct store_config *configs, size_t n,
                        uint64_t revision, store_found_visitor *visit, void *user,
                        struct status *st)
{
    AUTO(row_room_free) struct row_room *room = row_room_new();
    struct changes_walk walk = {.configs = configs,
                                .n = n,
                                .n_left = n,
                                .through = revision,
                                .room = room,
                                .visit = visit,
                                .user = user,
                                .more = true};
    memset(walk.left, true, n * sizeof walk.left[0]);
    bool ok = true;
    while (ok && walk.more && walk.n_left > 0 && walk.through > 0) {
        ok = find_some_changes(mongo_of(store), &walk, st);
    }
    return ok;
}

bool mongo_search(struct store *store, const struct store_search *search, store_row_visitor *visit,
                  void *user, struct status *st)
{
    struct mongo_walk walk;
    const bson_t *document = NULL;
    AUTO(bson_destroy)
    bson_t *filter =
        changes_of(search->configs, search->n_configs, NULL, search->from, search->through);
    AUTO(bson_destroy) bson_t *options = commits_in_order(search->newest_first, search->max);
    AUTO(row_room_free) struct row_room *room = row_room_new();
    bool more = true;
    mongo_find(mongo_of(store), MONGO_COMMITS, filter, options, &walk);
    while (more && mongo_next(&walk, &document)) {
        mongo_read_row(document, SIZE_MAX, room);
        more = visit(user, &room->row);
        row_room_clear(room);
    }
    return mongo_end(&walk, "searching the log", st);
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

bool mongo_find_requests(struct store *store, const struct hash *keys, size_t n,
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
