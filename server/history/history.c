#include "history.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "encode.h"

static bool read_live(void *user, const char *environment, const char *service, uint64_t version,
                      struct version_ref *ret_version, struct status *st)
{
    return store_read_live_version(user, environment, service, version, ret_version, st);
}

static bool find_change(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret_change, struct status *st)
{
    return store_find_change(user, environment, service, revision, ret_change, st);
}

struct version_source history_source(struct store *store)
{
    return (struct version_source){.read = read_live, .find_change = find_change, .user = store};
}

static bool same_config(const struct change *a, const struct change *b)
{
    return strcmp(a->service, b->service) == 0 && strcmp(a->environment, b->environment) == 0;
}

/* Finds the last change that touched the config's head among the first n of the commit. */
static bool find_in_commit(const struct commit *commit, size_t n, const struct change *config,
                           size_t *ret_index)
{
    for (size_t i = n; i-- > 0;) {
        if (change_touches_head(&commit->changes[i]) && same_config(&commit->changes[i], config)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void drop_refs(struct version_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        commit_unref(MOVE(refs[i].commit));
    }
}

/* Moves a change back to the newest one that touched the head; commit NULL: none did. Erasures of
 * versions that were not the head are skipped, one read each; they are rare. */
static bool skip_erasures(struct store *store, const struct store_config *config,
                          struct version_ref *change, struct status *st)
{
    while (change->commit != NULL && !find_in_commit(change->commit, change->index + 1,
                                                     version_change(change), &change->index)) {
        uint64_t before = change->commit->revision - 1;
        commit_unref(MOVE(change->commit));
        if (!store_find_change(store, config->environment, config->service, before, change, st)) {
            return false;
        }
    }
    return true;
}

/* Finds for each config the newest change at or before a revision that touched its head. */
static bool find_head_changes(struct store *store, const struct store_config *configs, size_t n,
                              uint64_t revision, struct version_ref *ret_changes, struct status *st)
{
    struct version_ref changes[STORE_FIND_MAX];
    if (!store_find_changes(store, configs, n, revision, changes, st)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!skip_erasures(store, &configs[i], &changes[i], st)) {
            drop_refs(changes, n);
            return false;
        }
    }
    memcpy(ret_changes, changes, n * sizeof changes[0]);
    return true;
}

static bool find_head_change(struct store *store, const char *environment, const char *service,
                             uint64_t revision, struct version_ref *ret_change, struct status *st)
{
    const struct store_config config = {environment, service};
    return find_head_changes(store, &config, 1, revision, ret_change, st);
}

/* The head of a config as of a revision: its version, and the revision of the commit that made it
 * the head. version.commit NULL: there was no head. */
struct past_head {
    struct version_ref version;
    uint64_t mod_revision;
};

/* The versions of some past heads, to be read together. */
struct past_versions {
    struct store_version items[STORE_FIND_MAX];
    size_t heads[STORE_FIND_MAX]; /* whose they are, by index */
    size_t n;
};

/* Takes what the changes tell of the heads that they made. Releases the changes. */
static void take_changes(const struct store_config *configs, struct version_ref *changes, size_t n,
                         struct past_head *heads, struct past_versions *versions)
{
    for (size_t i = 0; i < n; i++) {
        heads[i] = (struct past_head){0};
        if (changes[i].commit != NULL && version_change(&changes[i])->head_version != 0) {
            heads[i].mod_revision = changes[i].commit->revision;
            versions->heads[versions->n] = i;
            versions->items[versions->n++] =
                (struct store_version){configs[i].environment, configs[i].service,
                                       version_change(&changes[i])->head_version};
        }
    }
    drop_refs(changes, n);
}

/* Finds the heads of up to STORE_FIND_MAX configs: usually by two reads. */
static bool find_heads_at(struct store *store, const struct store_config *configs, size_t n,
                          uint64_t revision, struct past_head *ret_heads, struct status *st)
{
    struct version_ref refs[STORE_FIND_MAX];
    struct past_versions versions = {.n = 0};
    if (!find_head_changes(store, configs, n, revision, refs, st)) {
        return false;
    }
    take_changes(configs, refs, n, ret_heads, &versions);
    if (versions.n > 0 && !store_read_live_versions(store, versions.items, versions.n, refs, st)) {
        return false;
    }
    for (size_t i = 0; i < versions.n; i++) {
        ret_heads[versions.heads[i]].version = refs[i];
    }
    return true;
}

/* Encodes the head (NULL if there was none) and releases its reference to the commit. */
static struct buf *encode_past(struct past_head *head)
{
    struct buf *config =
        head->version.commit == NULL ? NULL : encode_config(&head->version, head->mod_revision);
    commit_unref(MOVE(head->version.commit));
    return config;
}

bool history_config_at(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct buf **ret_config, struct status *st)
{
    const struct store_config config = {environment, service};
    struct past_head past;
    if (!find_heads_at(store, &config, 1, revision, &past, st)) {
        return false;
    }
    *ret_config = encode_past(&past);
    return true;
}

bool history_config_as_of(struct store *store, const struct head *head, uint64_t revision,
                          struct buf **ret_config, struct status *st)
{
    if (head->mod_revision <= revision) {
        *ret_config = buf_ref(head->encoded);
        return true;
    }
    return history_config_at(store, head_environment(head), head_service(head), revision,
                             ret_config, st);
}

static bool is_erased(const struct past_head *head)
{
    const struct version_ref *version = &head->version;
    return version->commit != NULL && version_change(version)->payload == NULL &&
           !version_change(version)->compacted;
}

/* Moves head to the newest remaining version below it; to no head if there is none. */
static bool pass_over(struct store *store, const struct head *now, struct past_head *head,
                      struct status *st)
{
    uint64_t number = head_version_before(now, version_change(&head->version)->version);
    commit_unref(MOVE(head->version.commit));
    if (number == 0) {
        return true;
    }
    if (!store_read_live_version(store, head_environment(now), head_service(now), number,
                                 &head->version, st)) {
        return false;
    }
    head->mod_revision = head->version.commit->revision;
    return true;
}

/* The entry in a list. Releases the head's reference to the commit. */
static bool list_past(struct store *store, const struct head *now, struct past_head *past,
                      struct buf **ret_config, struct status *st)
{
    while (is_erased(past)) {
        if (!pass_over(store, now, past, st)) {
            return false;
        }
    }
    if (past->version.commit != NULL && version_change(&past->version)->compacted) {
        commit_unref(MOVE(past->version.commit));
        return status_set(st, STATUS_ABORTED, "PAGE_TOKEN_COMPACTED",
                          "the revision of this list was compacted; list again from the start");
    }
    *ret_config = encode_past(past);
    return true;
}

/* The same for each; on failure, the caller owns nothing. */
static bool list_pasts(struct store *store, struct head *const *heads, size_t n,
                       struct past_head *pasts, struct buf **ret_configs, struct status *st)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ret_configs[i] = NULL;
        if (ok) {
            ok = list_past(store, heads[i], &pasts[i], &ret_configs[i], st);
        } else {
            commit_unref(pasts[i].version.commit);
        }
    }
    for (size_t i = 0; i < n && !ok; i++) {
        buf_unref(MOVE(ret_configs[i]));
    }
    return ok;
}

bool history_past_configs(struct store *store, struct head *const *heads, size_t n,
                          uint64_t revision, struct buf **ret_configs, struct status *st)
{
    struct store_config configs[HISTORY_AT_ONCE];
    struct past_head pasts[HISTORY_AT_ONCE];
    assert(n >= 1 && n <= HISTORY_AT_ONCE && "payloads of few configs are in memory at once");
    for (size_t i = 0; i < n; i++) {
        configs[i] = (struct store_config){head_environment(heads[i]), head_service(heads[i])};
    }
    return find_heads_at(store, configs, n, revision, pasts, st) &&
           list_pasts(store, heads, n, pasts, ret_configs, st);
}

bool history_listed_config(struct store *store, struct head *head, uint64_t revision,
                           struct buf **ret_config, struct status *st)
{
    if (head->mod_revision <= revision) {
        *ret_config = buf_ref(head->encoded);
        return true;
    }
    return history_past_configs(store, &head, 1, revision, ret_config, st);
}

bool history_find_config(struct store *store, const struct registry *registry,
                         const char *environment, const char *service, uint64_t revision,
                         struct buf **ret_config, struct status *st)
{
    AUTO(head_unref) struct head *head = registry_get(registry, environment, service);
    *ret_config = NULL;
    return head == NULL || history_config_as_of(store, head, revision, ret_config, st);
}

bool history_revision_before(struct store *store, const struct commit *commit, size_t index,
                             uint64_t *ret_revision, struct status *st)
{
    const struct change *change = &commit->changes[index];
    size_t earlier;
    if (find_in_commit(commit, index, change, &earlier)) {
        *ret_revision = commit->revision;
        return true;
    }
    struct version_ref found = {0};
    if (!find_head_change(store, change->environment, change->service, commit->revision - 1, &found,
                          st)) {
        return false;
    }
    *ret_revision = found.commit == NULL ? 0 : found.commit->revision;
    commit_unref(found.commit);
    return true;
}

bool history_config_before(struct store *store, const struct commit *commit, size_t index,
                           struct buf **ret_config, struct status *st)
{
    const struct change *change = &commit->changes[index];
    uint64_t mod_revision = 0;
    struct version_ref version = {0};
    *ret_config = NULL;
    if (!event_has_previous(change)) {
        return true;
    }
    if (!history_revision_before(store, commit, index, &mod_revision, st) ||
        !store_read_live_version(store, change->environment, change->service,
                                 change->previous_version, &version, st)) {
        return false;
    }
    *ret_config = encode_config(&version, mod_revision);
    commit_unref(version.commit);
    return true;
}

bool history_has(const struct head *head, enum history_scope scope, uint64_t version)
{
    return scope == HISTORY_KEPT ? head_keeps_version(head, version)
                                 : head_has_version(head, version);
}

uint64_t history_count(const struct head *head, enum history_scope scope)
{
    return scope == HISTORY_KEPT ? head_kept_versions(head) : head_live_versions(head);
}

uint64_t history_before(const struct head *head, enum history_scope scope, uint64_t version)
{
    return scope == HISTORY_KEPT ? head_kept_version_before(head, version)
                                 : head_version_before(head, version);
}

struct scope_walk {
    const struct head *head;
    enum history_scope scope;
    uint64_t next; /* the version that must be visited next; 0: none is left */
    bool ended;    /* the visitor ended the walk */
    store_version_visitor *visit;
    void *user;
};

static bool walk_scope(void *user, const struct version_ref *version)
{
    struct scope_walk *walk = user;
    uint64_t number = version_change(version)->version;
    if (!history_has(walk->head, walk->scope, number)) {
        return true;
    }
    if (number != walk->next) {
        return false;
    }
    walk->next = history_before(walk->head, walk->scope, number);
    walk->ended = !walk->visit(walk->user, version);
    return !walk->ended;
}

/* Reports a version that a walk did not visit. If a read by number fails, too, its error is
 * passed on. If it succeeds, a shared store had not shown the version to the walk yet; any other
 * store is damaged. */
static bool tell_missing(struct store *store, const struct head *head, uint64_t version,
                         struct status *st)
{
    struct version_ref found = {0};
    const char *environment = head_environment(head);
    const char *service = head_service(head);
    if (!store_read_live_version(store, environment, service, version, &found, st)) {
        return false;
    }
    commit_unref(found.commit);
    if (store->shared) {
        return status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                          "the store did not show version %" PRIu64 " of %s at first", version,
                          key_name(environment, service).text);
    }
    return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                      "the log has lost version %" PRIu64 " of %s", version,
                      key_name(environment, service).text);
}

bool history_versions(struct store *store, const struct head *head, enum history_scope scope,
                      uint64_t from, bool with_payloads, store_version_visitor *visit, void *user,
                      struct status *st)
{
    uint64_t newest = history_before(head, scope, head->last_version + 1);
    uint64_t oldest = scope == HISTORY_KEPT ? head->first_kept_version : head->first_live_version;
    struct scope_walk walk = {.head = head, .scope = scope, .visit = visit, .user = user};
    from = from < newest ? from : newest;
    walk.next = history_has(head, scope, from) ? from : history_before(head, scope, from);
    if (walk.next == 0) {
        return true;
    }
    if (!store_read_versions(store, head_environment(head), head_service(head), from, oldest,
                             with_payloads, walk_scope, &walk, st)) {
        return false;
    }
    return walk.ended || walk.next == 0 || tell_missing(store, head, walk.next, st);
}

bool history_find_delete(struct store *store, const struct head *head, uint64_t revision,
                         struct version_ref *ret_change, struct status *st)
{
    *ret_change = (struct version_ref){0};
    if (head->version != 0 && head->mod_revision <= revision) {
        return true;
    }
    if (!find_head_change(store, head_environment(head), head_service(head), revision, ret_change,
                          st)) {
        return false;
    }
    if (ret_change->commit != NULL && version_change(ret_change)->head_version != 0) {
        commit_unref(MOVE(ret_change->commit));
    }
    return true;
}
