#include "memory.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <search.h>
#include <string.h>

#include "row_room.h"
#include "rwlock.h"

/* One lock guards everything but what `named` and its lock hold. A row is made under the lock and
 * visited without it, so that a visitor may call the store. */

/* The place of a change in the log. */
struct change_place {
    uint64_t revision;
    uint32_t index;
};

/* All that happened to one config, in order. */
struct config_log {
    char *environment, *service;
    struct change_place *places;
    size_t n;
    size_t room;
};

struct memory_store {
    struct store store;
    char *name;                /* "": the store is private to who opened it */
    struct memory_store *next; /* in the list of named stores; under named_lock */
    size_t users;              /* how many have it open; under named_lock */
    pthread_rwlock_t lock;
    struct commit **commits; /* own copies; commits[i] has revision i + 1 */
    size_t n_commits;
    size_t room;
    void *configs;  /* tree of struct config_log */
    void *requests; /* tree of struct request_entry */
    uint64_t marks[STORE_MARKS];
};

struct request_entry {
    struct hash key;
    uint64_t revision;
};

static struct memory_store *memory_of(struct store *store)
{
    return CONTAINER_OF(store, struct memory_store, store);
}

static int compare_configs(const void *a, const void *b)
{
    const struct config_log *x = a;
    const struct config_log *y = b;
    int difference = strcmp(x->environment, y->environment);
    return difference != 0 ? difference : strcmp(x->service, y->service);
}

static struct config_log *find_config(struct memory_store *m, const char *environment,
                                      const char *service)
{
    struct config_log key = {.environment = (char *)(uintptr_t)environment,
                             .service = (char *)(uintptr_t)service};
    struct config_log **found = tfind(&key, &m->configs, compare_configs);
    return found == NULL ? NULL : *found;
}

static int compare_requests(const void *a, const void *b)
{
    const struct request_entry *x = a;
    const struct request_entry *y = b;
    return memcmp(x->key.bytes, y->key.bytes, HASH_SIZE);
}

static void free_config(void *node)
{
    struct config_log *config = node;
    free(config->environment);
    free(config->service);
    free(config->places);
    free(config);
}

/* ---- Open and close ---- */

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/* The stores that have names, and how many have each open. */
static pthread_mutex_t named_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_store *named;

static struct memory_store *memory_new(const char *name)
{
    struct memory_store *m = mem_zalloc(sizeof *m);
    m->store.ops = &store_memory;
    m->store.shared = name[0] != '\0';
    m->store.is_new = true;
    m->name = mem_string(name);
    m->users = 1;
    random_bytes(m->store.identity.epoch, EPOCH_SIZE);
    random_bytes(m->store.identity.secret, STORE_SECRET_SIZE);
    rwlock_init(&m->lock);
    return m;
}

static struct memory_store *take_named(const char *name)
{
    struct memory_store *m = named;
    while (m != NULL && strcmp(m->name, name) != 0) {
        m = m->next;
    }
    if (m != NULL) {
        m->users++;
        m->store.is_new = false;
    }
    return m;
}

static struct memory_store *take_or_make(const char *name, bool may_create)
{
    struct memory_store *m = name[0] == '\0' ? NULL : take_named(name);
    if (m != NULL || !may_create) {
        return m;
    }
    m = memory_new(name);
    if (name[0] != '\0') {
        m->next = named;
        named = m;
    }
    return m;
}

static bool memory_open(const char *location, bool may_create, struct store **ret_store,
                        struct status *st)
{
    if (location[strspn(location, NAME_CHARACTERS)] != '\0') {
        return status_set(
            st, STATUS_INVALID_ARGUMENT, "STORE_ADDRESS",
            "\"memory:\" takes a name of letters, digits and - behind it, or nothing; "
            "found \"%.100s\"",
            location);
    }
    pthread_mutex_lock(&named_lock);
    struct memory_store *m = take_or_make(location, may_create);
    pthread_mutex_unlock(&named_lock);
    if (m == NULL) {
        return status_set(st, STATUS_FAILED_PRECONDITION, "STORE_MISSING",
                          "\"memory:\" keeps nothing, and none is to be made");
    }
    *ret_store = &m->store;
    return true;
}

static void memory_free(struct memory_store *m)
{
    for (size_t i = 0; i < m->n_commits; i++) {
        commit_unref(m->commits[i]);
    }
    free(m->commits);
    tdestroy(m->configs, free_config);
    tdestroy(m->requests, free);
    pthread_rwlock_destroy(&m->lock);
    free(m->name);
    free(m);
}

/* Returns whether this was the last user. */
static bool drop_user(struct memory_store *m)
{
    pthread_mutex_lock(&named_lock);
    bool last = --m->users == 0;
    for (struct memory_store **link = &named; last && *link != NULL; link = &(*link)->next) {
        if (*link == m) {
            *link = m->next;
            break;
        }
    }
    pthread_mutex_unlock(&named_lock);
    return last;
}

static void memory_close(struct store *store)
{
    struct memory_store *m = memory_of(store);
    if (drop_user(m)) {
        memory_free(m);
    }
}

/* ---- Writing ---- */

static void note_change(struct memory_store *m, const struct commit *commit, uint32_t index)
{
    const struct change *change = &commit->changes[index];
    struct config_log *config = find_config(m, change->environment, change->service);
    if (config == NULL) {
        config = mem_zalloc(sizeof *config);
        config->environment = mem_string(change->environment);
        config->service = mem_string(change->service);
        tsearch(config, &m->configs, compare_configs);
    }
    if (config->n == config->room) {
        config->room = config->room == 0 ? 4 : config->room * 2;
        config->places = mem_grow(config->places, config->room, sizeof config->places[0]);
    }
    config->places[config->n++] = (struct change_place){commit->revision, index};
}

static void note_request(struct memory_store *m, const struct commit *commit)
{
    if (commit->request_id[0] == '\0') {
        return;
    }
    struct request_entry *request = mem_zalloc(sizeof *request);
    request->key = commit_request_key(commit->actor, commit->request_id);
    request->revision = commit->revision;
    struct request_entry **kept = tsearch(request, &m->requests, compare_requests);
    if (*kept != request) {
        free(request); /* the first one counts */
    }
}

static void keep(struct memory_store *m, const struct commit *commit)
{
    if (m->n_commits == m->room) {
        m->room = m->room == 0 ? 64 : m->room * 2;
        m->commits = mem_grow(m->commits, m->room, sizeof(struct commit *));
    }
    assert(commit->revision == m->n_commits + 1 && "revisions have no gaps");
    m->commits[m->n_commits++] = commit_copy(commit);
    note_request(m, commit);
    for (uint32_t i = 0; i < commit->n_changes; i++) {
        note_change(m, commit, i);
    }
}

static bool memory_append(struct store *store, struct commit *const *commits, size_t n,
                          struct status *st)
{
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    bool follows = n == 0 || commits[0]->revision == m->n_commits + 1;
    for (size_t i = 0; i < n && follows; i++) {
        keep(m, commits[i]);
    }
    pthread_rwlock_unlock(&m->lock);
    return follows || status_set_outcome(st, OUTCOME_REVISION_TAKEN,
                                         "revision %" PRIu64 " does not follow the log's end",
                                         commits[0]->revision);
}

/* Heads are not copied: they die with the log, so that reading the log gives them. */
static bool memory_save_heads(struct store *store, struct head *const *heads, size_t n,
                              uint64_t through, struct status *st)
{
    (void)store, (void)heads, (void)n, (void)through, (void)st;
    return true;
}

static bool memory_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                              struct status *st)
{
    (void)store, (void)visit, (void)user, (void)st;
    return true;
}

static bool memory_forget_heads(struct store *store, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    for (int mark = 1; mark < STORE_MARKS; mark++) {
        m->marks[mark] = mark == STORE_MARK_RELAYED ? m->marks[mark] : 0;
    }
    pthread_rwlock_unlock(&m->lock);
    return true;
}

static bool memory_scrub(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t through, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    const struct config_log *config = find_config(m, environment, service);
    for (size_t i = 0; config != NULL && i < config->n; i++) {
        const struct change_place *place = &config->places[i];
        struct change *change = &m->commits[place->revision - 1]->changes[place->index];
        if (change_brings_version(change->kind) && change->version >= from &&
            change->version <= through) {
            buf_unref(MOVE(change->payload));
            memset(change->salt, 0, SALT_SIZE);
            change->compacted = false;
        }
    }
    pthread_rwlock_unlock(&m->lock);
    return true;
}

static void drop_range(struct memory_store *m, const struct version_range *range)
{
    const struct config_log *config = find_config(m, range->environment, range->service);
    for (size_t i = 0; config != NULL && i < config->n; i++) {
        const struct change_place *place = &config->places[i];
        struct change *change = &m->commits[place->revision - 1]->changes[place->index];
        if (change->payload != NULL && change->version >= range->from &&
            change->version <= range->through) {
            buf_unref(MOVE(change->payload));
            memset(change->salt, 0, SALT_SIZE);
            change->compacted = true;
        }
    }
}

static bool memory_drop(struct store *store, const struct version_range *ranges, size_t n,
                        bool *ret_more, struct status *st)
{
    (void)st;
    *ret_more = false;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        drop_range(m, &ranges[i]);
    }
    pthread_rwlock_unlock(&m->lock);
    return true;
}

static bool memory_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                            struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_rdlock(&m->lock);
    *ret_value = m->marks[mark];
    pthread_rwlock_unlock(&m->lock);
    return true;
}

/* Nothing in this store outlives the process, so the caller's copy of the identity is enough. */
static bool memory_renew(struct store *store, const struct store_identity *identity,
                         struct status *st)
{
    (void)store;
    (void)identity;
    (void)st;
    return true;
}

static bool memory_set_mark(struct store *store, enum store_mark mark, uint64_t value,
                            struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    m->marks[mark] = value > m->marks[mark] ? value : m->marks[mark];
    pthread_rwlock_unlock(&m->lock);
    return true;
}

static bool memory_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                             bool *ret_moved, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_wrlock(&m->lock);
    *ret_moved = m->marks[mark] == from;
    if (*ret_moved) {
        m->marks[mark] = to;
    }
    pthread_rwlock_unlock(&m->lock);
    return true;
}

/* ---- Reading ---- */

static void add_payload(struct row_room *room, const struct commit *commit, uint32_t index)
{
    const struct change *change = &commit->changes[index];
    if (change->payload != NULL || change->compacted) {
        row_room_add(room, index, change->salt, SALT_SIZE, buf_ref(change->payload));
    }
}

enum which_payloads { ALL_PAYLOADS, ONE_PAYLOAD, NO_PAYLOADS };

/* Returns a row that the caller owns. Call with the lock held. */
static struct row_room *copy_row(const struct commit *commit, uint32_t index,
                                 enum which_payloads which)
{
    struct row_room *room = row_room_new();
    room->row.record = buf_ref(commit->record);
    room->row.hash = commit->hash;
    room->row.index = index;
    for (uint32_t i = 0; i < commit->n_changes; i++) {
        if (which == ALL_PAYLOADS || (which == ONE_PAYLOAD && i == index)) {
            add_payload(room, commit, i);
        }
    }
    return room;
}

/* Visits the row without the lock and frees it. */
static bool visit_copy(struct row_room *room, store_row_visitor *visit, void *user)
{
    bool more = visit(user, &room->row);
    row_room_free(room);
    return more;
}

static bool memory_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                        struct hash *ret_hash, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_rdlock(&m->lock);
    const struct commit *last = m->n_commits == 0 ? NULL : m->commits[m->n_commits - 1];
    *ret_revision = m->n_commits;
    *ret_record = last == NULL ? NULL : buf_ref(last->record);
    *ret_hash = last == NULL ? (struct hash){{0}} : last->hash;
    pthread_rwlock_unlock(&m->lock);
    return true;
}

static bool memory_read_commits(struct store *store, uint64_t from, uint64_t through,
                                bool with_payloads, store_row_visitor *visit, void *user,
                                struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    bool more = true;
    for (uint64_t revision = from < 1 ? 1 : from; more && revision <= through; revision++) {
        struct row_room *copy = NULL;
        pthread_rwlock_rdlock(&m->lock);
        if (revision <= m->n_commits) {
            copy =
                copy_row(m->commits[revision - 1], 0, with_payloads ? ALL_PAYLOADS : NO_PAYLOADS);
        }
        pthread_rwlock_unlock(&m->lock);
        more = copy != NULL && visit_copy(copy, visit, user);
    }
    return true;
}

/* The version's row; NULL where there is none. */
static struct row_room *find_version(struct memory_store *m, const char *environment,
                                     const char *service, uint64_t version, bool with_payload)
{
    struct row_room *copy = NULL;
    pthread_rwlock_rdlock(&m->lock);
    const struct config_log *config = find_config(m, environment, service);
    for (size_t i = 0; config != NULL && i < config->n && copy == NULL; i++) {
        const struct change_place *place = &config->places[i];
        const struct commit *commit = m->commits[place->revision - 1];
        const struct change *change = &commit->changes[place->index];
        if (change_brings_version(change->kind) && change->version == version) {
            copy = copy_row(commit, place->index, with_payload ? ONE_PAYLOAD : NO_PAYLOADS);
        }
    }
    pthread_rwlock_unlock(&m->lock);
    return copy;
}

static bool memory_find_versions(struct store *store, const struct store_version *versions,
                                 size_t n, store_found_visitor *visit, void *user,
                                 struct status *st)
{
    (void)st;
    bool more = true;
    for (size_t i = 0; more && i < n; i++) {
        AUTO(row_room_free)
        struct row_room *copy = find_version(memory_of(store), versions[i].environment,
                                             versions[i].service, versions[i].version, true);
        more = copy == NULL || visit(user, i, &copy->row);
    }
    return true;
}

static bool memory_read_versions(struct store *store, const char *environment, const char *service,
                                 uint64_t from, uint64_t down_to, bool with_payloads,
                                 store_row_visitor *visit, void *user, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_rdlock(&m->lock);
    const struct config_log *config = find_config(m, environment, service);
    uint64_t most = config == NULL ? 0 : config->n; /* no version number is higher */
    pthread_rwlock_unlock(&m->lock);
    bool more = true;
    for (uint64_t v = from < most ? from : most; more && v >= 1 && v >= down_to; v--) {
        struct row_room *copy = find_version(m, environment, service, v, with_payloads);
        more = copy == NULL || visit_copy(copy, visit, user);
    }
    return true;
}

/* The row of the config's newest change at or before a revision; NULL: there is none. */
static struct row_room *find_change(struct memory_store *m, const struct store_config *name,
                                    uint64_t revision)
{
    struct row_room *copy = NULL;
    pthread_rwlock_rdlock(&m->lock);
    const struct config_log *config = find_config(m, name->environment, name->service);
    for (size_t i = config == NULL ? 0 : config->n; copy == NULL && i-- > 0;) {
        const struct change_place *place = &config->places[i];
        if (place->revision <= revision) {
            copy = copy_row(m->commits[place->revision - 1], place->index, NO_PAYLOADS);
        }
    }
    pthread_rwlock_unlock(&m->lock);
    return copy;
}

static bool memory_find_changes(struct store *store, const struct store_config *configs, size_t n,
                                uint64_t revision, store_found_visitor *visit, void *user,
                                struct status *st)
{
    (void)st;
    bool more = true;
    for (size_t i = 0; more && i < n; i++) {
        AUTO(row_room_free)
        struct row_room *copy = find_change(memory_of(store), &configs[i], revision);
        more = copy == NULL || visit(user, i, &copy->row);
    }
    return true;
}

/* The nearest revision at or after `from` (newest_first: at or before it) at which the config was
 * changed; 0: none. */
static uint64_t nearest_change(const struct config_log *config, uint64_t from, bool newest_first)
{
    uint64_t nearest = 0;
    for (size_t i = 0; config != NULL && i < config->n; i++) {
        uint64_t revision = config->places[i].revision;
        if (newest_first && revision <= from) {
            nearest = revision;
        } else if (!newest_first && revision >= from) {
            return revision;
        }
    }
    return nearest;
}

/* The next commit of a search; NULL: there is none. */
static struct row_room *find_next(struct memory_store *m, const struct store_search *search,
                                  uint64_t from, uint64_t *ret_revision)
{
    uint64_t next = 0;
    pthread_rwlock_rdlock(&m->lock);
    for (size_t i = 0; i < search->n_configs; i++) {
        const struct store_config *name = &search->configs[i];
        uint64_t found = nearest_change(find_config(m, name->environment, name->service), from,
                                        search->newest_first);
        bool nearer = search->newest_first ? found > next : next == 0 || found < next;
        next = found != 0 && nearer ? found : next;
    }
    bool inside = next != 0 && next >= search->from && next <= search->through;
    struct row_room *copy = inside ? copy_row(m->commits[next - 1], 0, NO_PAYLOADS) : NULL;
    pthread_rwlock_unlock(&m->lock);
    *ret_revision = next;
    return copy;
}

static bool memory_search(struct store *store, const struct store_search *search,
                          store_row_visitor *visit, void *user, struct status *st)
{
    (void)st;
    uint64_t at = search->newest_first ? search->through : search->from;
    bool more = true;
    for (size_t i = 0; i < search->max && more && at != 0; i++) {
        struct row_room *copy = find_next(memory_of(store), search, at, &at);
        more = copy != NULL && visit_copy(copy, visit, user);
        at += search->newest_first ? -(uint64_t)1 : 1;
    }
    return true;
}

static bool memory_find_requests(struct store *store, const struct hash *keys, size_t n,
                                 uint64_t *revisions, struct status *st)
{
    (void)st;
    struct memory_store *m = memory_of(store);
    pthread_rwlock_rdlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        struct request_entry wanted = {.key = keys[i]};
        struct request_entry **found = tfind(&wanted, &m->requests, compare_requests);
        revisions[i] = found == NULL ? 0 : (*found)->revision;
    }
    pthread_rwlock_unlock(&m->lock);
    return true;
}

const struct store_ops store_memory = {
    .scheme = "memory",
    .open = memory_open,
    .close = memory_close,
    .tail = memory_tail,
    .append = memory_append,
    .read_commits = memory_read_commits,
    .find_versions = memory_find_versions,
    .read_versions = memory_read_versions,
    .find_changes = memory_find_changes,
    .search = memory_search,
    .find_requests = memory_find_requests,
    .load_heads = memory_load_heads,
    .save_heads = memory_save_heads,
    .forget_heads = memory_forget_heads,
    .scrub = memory_scrub,
    .get_mark = memory_get_mark,
    .drop = memory_drop,
    .renew = memory_renew,
    .set_mark = memory_set_mark,
    .move_mark = memory_move_mark,
};
