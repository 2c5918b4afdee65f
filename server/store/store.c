#include "store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void store_close(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

void store_listen(struct store *store, const struct store_listener *listener)
{
    if (store->ops->listen != NULL) {
        store->ops->listen(store, listener);
    }
}

void store_unlisten(struct store *store)
{
    if (store->ops->unlisten != NULL) {
        store->ops->unlisten(store);
    }
}

static bool damaged(struct status *st, uint64_t revision, const char *what)
{
    return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED", "revision %" PRIu64 " of the log %s",
                      revision, what);
}

static bool attach_payloads(struct commit *commit, const struct store_row *row, struct status *st)
{
    for (size_t i = 0; i < row->n_payloads; i++) {
        const struct store_payload *payload = &row->payloads[i];
        if (payload->data == NULL && payload->index < commit->n_changes) {
            commit->changes[payload->index].compacted = true;
        }
        if (payload->data != NULL &&
            !commit_attach_payload(commit, payload->index, payload->salt, payload->data, st)) {
            return false;
        }
    }
    return true;
}

/* Makes a commit of a row and checks its hash; without payloads. */
static bool decode_commit(const struct store *store, const struct store_row *row,
                          struct commit **ret_commit, struct status *st)
{
    AUTO(commit_unref) struct commit *commit = NULL;
    if (row->record == NULL) {
        return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED", "a record of the log is missing");
    }
    if (!commit_decode(row->record, &commit, st)) {
        return false;
    }
    if (memcmp(commit->epoch, store_epoch_at(&store->identity, commit->revision), EPOCH_SIZE) !=
        0) {
        return damaged(st, commit->revision, "is of another log");
    }
    if (!hash_equal(&commit->hash, &row->hash)) {
        return damaged(st, commit->revision, "does not match its hash");
    }
    *ret_commit = MOVE(commit);
    return true;
}

/* The same, with the payloads of the row. */
static bool make_commit(const struct store *store, const struct store_row *row,
                        struct commit **ret_commit, struct status *st)
{
    AUTO(commit_unref) struct commit *commit = NULL;
    if (!decode_commit(store, row, &commit, st) || !attach_payloads(commit, row, st)) {
        return false;
    }
    *ret_commit = MOVE(commit);
    return true;
}

static void note_known(struct store *store, uint64_t revision)
{
    uint_fast64_t known = atomic_load(&store->known);
    while (known < revision && !atomic_compare_exchange_weak(&store->known, &known, revision)) {
        continue;
    }
}

bool store_tail(struct store *store, struct store_tail *ret_tail, struct status *st)
{
    AUTO(buf_unref) struct buf *record = NULL;
    uint64_t revision = 0;
    struct hash hash = {{0}};
    if (!store->ops->tail(store, &revision, &record, &hash, st)) {
        return false;
    }
    *ret_tail = (struct store_tail){.revision = revision, .hash = hash};
    if (revision == 0) {
        return true;
    }
    struct store_row row = {.record = record, .hash = hash};
    AUTO(commit_unref) struct commit *commit = NULL;
    if (!make_commit(store, &row, &commit, st)) {
        return false;
    }
    ret_tail->time_us = commit->time_us;
    note_known(store, revision);
    return commit->revision == revision || damaged(st, revision, "holds another one's record");
}

struct commit_walk {
    struct store *store;
    uint64_t next;
    bool has_hash;
    struct hash hash;
    store_commit_visitor *visit;
    void *user;
    struct status *st;
    bool failed;
    bool hole;    /* it failed because a commit is missing */
    bool stopped; /* by the visitor */
};

static bool check_order(struct commit_walk *walk, const struct commit *commit)
{
    static const struct hash nothing;
    if (commit->revision != walk->next) {
        walk->hole = true;
        return damaged(walk->st, walk->next, "is missing");
    }
    const struct hash *before = walk->next == 1 ? &nothing : &walk->hash;
    if ((walk->has_hash || walk->next == 1) && !hash_equal(&commit->previous_hash, before)) {
        return damaged(walk->st, walk->next, "does not follow the one before");
    }
    return true;
}

/* No payload is missing without having been erased. */
static bool check_complete(const struct store_row *row, const struct commit *commit,
                           struct status *st)
{
    size_t wanted = 0;
    for (size_t i = 0; i < commit->n_changes; i++) {
        wanted += change_brings_version(commit->changes[i].kind);
    }
    return !row->tells_erased || row->n_payloads + row->n_erased == wanted ||
           damaged(st, commit->revision, "lacks a payload");
}

static bool walk_row(void *user, const struct store_row *row)
{
    struct commit_walk *walk = user;
    AUTO(commit_unref) struct commit *commit = NULL;
    walk->failed = !make_commit(walk->store, row, &commit, walk->st) ||
                   !check_order(walk, commit) || !check_complete(row, commit, walk->st);
    if (walk->failed) {
        return false;
    }
    walk->hash = commit->hash;
    walk->has_hash = true;
    walk->next++;
    note_known(walk->store, commit->revision);
    walk->stopped = !walk->visit(walk->user, commit);
    return !walk->stopped;
}

static bool read_once(struct commit_walk *walk, uint64_t through, bool with_payloads)
{
    walk->failed = false;
    walk->hole = false;
    return walk->store->ops->read_commits(walk->store, walk->next, through, with_payloads, walk_row,
                                          walk, walk->st) &&
           !walk->failed;
}

/* While other processes append, a read of a shared store may show a commit without the one before
 * it. So only a hole that a second read shows, too, is one. */
static bool read_commits(struct commit_walk *walk, uint64_t through, bool with_payloads)
{
    return read_once(walk, through, with_payloads) ||
           (walk->hole && walk->store->shared && read_once(walk, through, with_payloads));
}

/* Whether a shared store shows less of the log than it did before (st: UNAVAILABLE
 * STORE_UNAVAILABLE), or cannot be read (st: the store's error). It may for a while after its
 * leader changed. Ask this before something that the log is known to have is reported as lost; if
 * false, read again: what is still missing then is lost. */
static bool is_behind(struct store *store, struct status *st)
{
    struct store_tail tail;
    uint64_t known = atomic_load(&store->known);
    if (!store->shared) {
        return false;
    }
    if (!store_tail(store, &tail, st)) {
        return true;
    }
    if (tail.revision >= known) {
        return false;
    }
    status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
               "the store shows revisions up to %" PRIu64 " now, %" PRIu64 " are known",
               tail.revision, known);
    return true;
}

bool store_read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                        store_commit_visitor *visit, void *user, struct status *st)
{
    struct commit_walk walk = {
        .store = store, .next = from, .visit = visit, .user = user, .st = st};
    return read_commits(&walk, through, with_payloads);
}

static bool read_known_commits(struct commit_walk *walk, uint64_t through, bool with_payloads)
{
    uint64_t from = walk->next;
    if (!read_commits(walk, through, with_payloads)) {
        return false;
    }
    if (walk->next == from && walk->store->shared &&
        (is_behind(walk->store, walk->st) || !read_commits(walk, through, with_payloads))) {
        return false;
    }
    return walk->next > from || damaged(walk->st, from, "is missing");
}

bool store_read_known_commits(struct store *store, uint64_t from, uint64_t through,
                              bool with_payloads, store_commit_visitor *visit, void *user,
                              struct status *st)
{
    struct commit_walk walk = {
        .store = store, .next = from, .visit = visit, .user = user, .st = st};
    return read_known_commits(&walk, through, with_payloads);
}

bool store_read_all_commits(struct store *store, uint64_t from, uint64_t through,
                            bool with_payloads, store_commit_visitor *visit, void *user,
                            struct status *st)
{
    struct commit_walk walk = {
        .store = store, .next = from, .visit = visit, .user = user, .st = st};
    while (walk.next <= through && !walk.stopped) {
        if (!read_known_commits(&walk, through, with_payloads)) {
            return false;
        }
    }
    return true;
}

/* The commits that the log has at the revisions of a batch. */
struct placed {
    struct commit *const *commits;
    size_t ours;  /* how many of the batch's first commits are in the log */
    bool another; /* another process's commit has the revision of the next one */
};

static bool compare_placed(void *user, struct commit *commit)
{
    struct placed *placed = user;
    placed->another = !hash_equal(&commit->hash, &placed->commits[placed->ours]->hash);
    placed->ours += !placed->another;
    return !placed->another;
}

static bool look_up(struct store *store, struct commit *const *commits, size_t n,
                    struct placed *placed, struct status *st)
{
    uint64_t first = commits[0]->revision;
    *placed = (struct placed){.commits = commits};
    /* Usually the first revision shows that another process was faster: read it alone first. */
    if (store_read_commits(store, first, first, false, compare_placed, placed, st) &&
        (placed->ours == 0 ||
         store_read_commits(store, first + 1, first + n - 1, false, compare_placed, placed, st))) {
        return true;
    }
    status_become(st, OUTCOME_UNKNOWN);
    return status_context(st, "whether commits are in the log could not be seen");
}

/* After REVISION_TAKEN (in st): finds out whether these commits are in the log, because the answer
 * to an earlier append was lost, or another process's. */
static bool settle(struct store *store, struct commit *const *commits, size_t n, struct status *st)
{
    struct placed placed;
    struct status taken = *st;
    if (!look_up(store, commits, n, &placed, st)) {
        return false;
    }
    if (placed.ours == n) {
        return true;
    }
    if (placed.another) {
        *st = taken;
        return false;
    }
    if (placed.ours == 0) {
        return status_set_outcome(st, OUTCOME_UNKNOWN,
                                  "revision %" PRIu64 " is taken, but cannot be read yet",
                                  commits[0]->revision);
    }
    return store_append(store, commits + placed.ours, n - placed.ours, st);
}

static bool are_contiguous(struct commit *const *commits, size_t n)
{
    size_t i = 1;
    while (i < n && commits[i]->revision == commits[i - 1]->revision + 1) {
        i++;
    }
    return i == n;
}

/* Recursive by settle, each time with fewer commits. */
bool store_append(struct store *store, struct commit *const *commits, size_t n, struct status *st)
{
    assert(are_contiguous(commits, n) && "revisions have no gaps");
    if (!store->ops->append(store, commits, n, st) &&
        !(st->outcome == OUTCOME_REVISION_TAKEN && settle(store, commits, n, st))) {
        return false;
    }
    note_known(store, commits[n - 1]->revision);
    return true;
}

static bool is_of(const struct change *change, const char *environment, const char *service)
{
    return strcmp(change->environment, environment) == 0 && strcmp(change->service, service) == 0;
}

struct version_walk {
    struct store *store;
    const char *environment, *service;
    uint64_t next; /* the highest version that may follow */
    store_version_visitor *visit;
    void *user;
    struct status *st;
    bool failed;
};

/* Checks that the commit is listed where it belongs: its hash does not cover the backend's index.
 */
static bool check_version(const struct version_walk *walk, const struct commit *commit,
                          size_t index)
{
    const struct change *change = &commit->changes[index];
    return (index < commit->n_changes && change_brings_version(change->kind) &&
            change->version <= walk->next && is_of(change, walk->environment, walk->service)) ||
           damaged(walk->st, commit->revision, "does not bring the version that it is listed for");
}

static bool walk_version(void *user, const struct store_row *row)
{
    struct version_walk *walk = user;
    AUTO(commit_unref) struct commit *commit = NULL;
    walk->failed = !make_commit(walk->store, row, &commit, walk->st);
    walk->failed = walk->failed || !check_version(walk, commit, row->index);
    if (walk->failed) {
        return false;
    }
    walk->next = commit->changes[row->index].version - 1;
    struct version_ref version = {.commit = commit, .index = row->index};
    return walk->visit(walk->user, &version);
}

bool store_read_versions(struct store *store, const char *environment, const char *service,
                         uint64_t from, uint64_t down_to, bool with_payloads,
                         store_version_visitor *visit, void *user, struct status *st)
{
    struct version_walk walk = {.store = store,
                                .environment = environment,
                                .service = service,
                                .next = from,
                                .visit = visit,
                                .user = user,
                                .st = st};
    if (from < down_to) {
        return true;
    }
    return store->ops->read_versions(store, environment, service, from, down_to, with_payloads,
                                     walk_version, &walk, st) &&
           !walk.failed;
}

/* ---- Many names at once ---- */

/* A read that finds a commit and the index of a change for each of some names. */
struct find_walk {
    struct store *store;
    const struct store_config *configs; /* of a read of changes at or before `revision` */
    uint64_t revision;
    const struct store_version *versions; /* of a read of versions */
    struct version_ref *found;            /* by name */
    size_t n;
    struct status *st;
    bool failed;
};

static void drop_found(struct version_ref *found, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        commit_unref(MOVE(found[i].commit));
    }
}

/* Takes the commit over if it contains what it is listed for. Its hash does not cover the backend's
 * index. */
static bool keep_found(struct find_walk *walk, size_t which, struct commit *commit, size_t index,
                       bool is_listed_right)
{
    assert(which < walk->n && walk->found[which].commit == NULL && "each name is found once");
    walk->failed = !is_listed_right;
    if (walk->failed) {
        return damaged(walk->st, commit->revision, "does not change what it is listed for");
    }
    note_known(walk->store, commit->revision);
    walk->found[which] = (struct version_ref){commit_ref(commit), index};
    return true;
}

/* Hands over what was found, if the read went well. */
static bool end_find(struct find_walk *walk, bool ok, struct version_ref *ret_found)
{
    if (!ok || walk->failed) {
        drop_found(walk->found, walk->n);
        return false;
    }
    memcpy(ret_found, walk->found, walk->n * sizeof walk->found[0]);
    return true;
}

/* Whether a row is of this commit, which then need not be decoded again. */
static bool is_of_row(const struct commit *commit, const struct store_row *row)
{
    return commit != NULL && row->record != NULL && hash_equal(&commit->hash, &row->hash) &&
           (commit->record == row->record ||
            (commit->record->len == row->record->len &&
             memcmp(commit->record->data, row->record->data, row->record->len) == 0));
}

/* A commit that was found for another name already; NULL: none. */
static struct commit *found_before(const struct find_walk *walk, const struct store_row *row)
{
    size_t i = 0;
    while (i < walk->n && !is_of_row(walk->found[i].commit, row)) {
        i++;
    }
    return i == walk->n ? NULL : commit_ref(walk->found[i].commit);
}

static bool walk_change(void *user, size_t which, const struct store_row *row)
{
    struct find_walk *walk = user;
    const struct store_config *config = &walk->configs[which];
    AUTO(commit_unref) struct commit *commit = found_before(walk, row);
    walk->failed = commit == NULL && !decode_commit(walk->store, row, &commit, walk->st);
    return !walk->failed &&
           keep_found(
               walk, which, commit, row->index,
               commit->revision <= walk->revision && row->index < commit->n_changes &&
                   is_of(&commit->changes[row->index], config->environment, config->service));
}

bool store_find_changes(struct store *store, const struct store_config *configs, size_t n,
                        uint64_t revision, struct version_ref *ret_changes, struct status *st)
{
    struct version_ref found[STORE_FIND_MAX] = {0};
    struct find_walk walk = {
        .store = store, .configs = configs, .revision = revision, .found = found, .n = n, .st = st};
    assert(n >= 1 && n <= STORE_FIND_MAX && "a read of many names is bounded");
    return end_find(&walk,
                    store->ops->find_changes(store, configs, n, revision, walk_change, &walk, st),
                    ret_changes);
}

bool store_find_change(struct store *store, const char *environment, const char *service,
                       uint64_t revision, struct version_ref *ret_change, struct status *st)
{
    const struct store_config config = {environment, service};
    return store_find_changes(store, &config, 1, revision, ret_change, st);
}

static bool brings(const struct commit *commit, size_t index, const struct store_version *version)
{
    const struct change *change = &commit->changes[index];
    return index < commit->n_changes && change_brings_version(change->kind) &&
           change->version == version->version &&
           is_of(change, version->environment, version->service);
}

static bool walk_found_version(void *user, size_t which, const struct store_row *row)
{
    struct find_walk *walk = user;
    AUTO(commit_unref) struct commit *commit = NULL;
    walk->failed = !make_commit(walk->store, row, &commit, walk->st);
    return !walk->failed && keep_found(walk, which, commit, row->index,
                                       brings(commit, row->index, &walk->versions[which]));
}

/* commit NULL: the log does not have the version. */
static bool find_versions(struct store *store, const struct store_version *versions, size_t n,
                          struct version_ref *ret_versions, struct status *st)
{
    struct version_ref found[STORE_FIND_MAX] = {0};
    struct find_walk walk = {
        .store = store, .versions = versions, .found = found, .n = n, .st = st};
    assert(n >= 1 && n <= STORE_FIND_MAX && "a read of many names is bounded");
    return end_find(&walk,
                    store->ops->find_versions(store, versions, n, walk_found_version, &walk, st),
                    ret_versions);
}

bool store_read_version(struct store *store, const char *environment, const char *service,
                        uint64_t version, struct version_ref *ret_version, struct status *st)
{
    const struct store_version wanted = {environment, service, version};
    struct version_ref found;
    if (!find_versions(store, &wanted, 1, &found, st)) {
        return false;
    }
    if (found.commit == NULL) {
        return status_set_outcome(st, OUTCOME_VERSION_NOT_FOUND, "%s has no version %" PRIu64,
                                  key_name(environment, service).text, version);
    }
    *ret_version = found;
    return true;
}

/* The index of the first version that was not found; n: all were found. */
static size_t first_missing(const struct version_ref *found, size_t n)
{
    size_t i = 0;
    while (i < n && found[i].commit != NULL) {
        i++;
    }
    return i;
}

bool store_read_live_versions(struct store *store, const struct store_version *versions, size_t n,
                              struct version_ref *ret_versions, struct status *st)
{
    struct version_ref found[STORE_FIND_MAX];
    if (!find_versions(store, versions, n, found, st)) {
        return false;
    }
    size_t missing = first_missing(found, n);
    if (missing < n && store->shared) { /* they may not have been visible yet */
        drop_found(found, n);
        if (is_behind(store, st) || !find_versions(store, versions, n, found, st)) {
            return false;
        }
        missing = first_missing(found, n);
    }
    if (missing < n) {
        const struct store_version *lost = &versions[missing];
        drop_found(found, n);
        return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                          "the log has lost version %" PRIu64 " of %s", lost->version,
                          key_name(lost->environment, lost->service).text);
    }
    memcpy(ret_versions, found, n * sizeof found[0]);
    return true;
}

bool store_read_live_version(struct store *store, const char *environment, const char *service,
                             uint64_t version, struct version_ref *ret_version, struct status *st)
{
    const struct store_version wanted = {environment, service, version};
    return store_read_live_versions(store, &wanted, 1, ret_version, st);
}

struct search_walk {
    struct store *store;
    const struct store_search *search;
    uint64_t last; /* the revision before; 0: none */
    store_commit_visitor *visit;
    void *user;
    struct status *st;
    bool failed;
};

static bool is_searched(const struct store_search *search, const struct commit *commit)
{
    for (size_t i = 0; i < search->n_configs; i++) {
        for (size_t j = 0; j < commit->n_changes; j++) {
            if (is_of(&commit->changes[j], search->configs[i].environment,
                      search->configs[i].service)) {
                return true;
            }
        }
    }
    return false;
}

/* Checks that the commit is listed where it belongs: its hash does not cover the backend's index.
 */
static bool check_found(const struct search_walk *walk, const struct commit *commit)
{
    const struct store_search *search = walk->search;
    uint64_t revision = commit->revision;
    bool in_order =
        walk->last == 0 || (search->newest_first ? revision < walk->last : revision > walk->last);
    return (in_order && revision >= search->from && revision <= search->through &&
            is_searched(search, commit)) ||
           damaged(walk->st, revision, "does not change the config that it is listed for");
}

static bool walk_found(void *user, const struct store_row *row)
{
    struct search_walk *walk = user;
    AUTO(commit_unref) struct commit *commit = NULL;
    walk->failed = !make_commit(walk->store, row, &commit, walk->st) || !check_found(walk, commit);
    if (walk->failed) {
        return false;
    }
    walk->last = commit->revision;
    return walk->visit(walk->user, commit);
}

bool store_search(struct store *store, const struct store_search *search,
                  store_commit_visitor *visit, void *user, struct status *st)
{
    struct search_walk walk = {
        .store = store, .search = search, .visit = visit, .user = user, .st = st};
    assert(search->n_configs >= 1 && search->n_configs <= STORE_SEARCH_CONFIGS &&
           "a search is for some configs");
    assert(search->max >= 1 && search->max <= STORE_SEARCH_COMMITS && "a search is bounded");
    return !is_behind(store, st) && store->ops->search(store, search, walk_found, &walk, st) &&
           !walk.failed;
}

bool store_find_requests(struct store *store, const struct hash *keys, size_t n,
                         uint64_t *ret_revisions, struct status *st)
{
    AUTO(free) uint64_t *found = mem_zalloc(n * sizeof found[0]);
    if (!store->ops->find_requests(store, keys, n, found, st)) {
        return false;
    }
    memcpy(ret_revisions, found, n * sizeof found[0]);
    return true;
}

#define RECENT_COMMITS 64

struct head_walk {
    struct store *store;
    /* A cache of decoded commits by revision, without payloads: neighbouring heads often come from
     * one commit, which may be large. */
    struct commit *recent[RECENT_COMMITS];
    store_head_visitor *visit;
    void *user;
    struct status *st;
    bool failed;
};

/* The commit of a row's newest version; borrowed from the walk's cache. */
static bool recent_commit(struct head_walk *walk, const struct store_head_row *row,
                          struct commit **ret_commit)
{
    struct commit **slot = &walk->recent[row->revision % RECENT_COMMITS];
    if (!is_of_row(*slot, row->newest)) {
        commit_unref(MOVE(*slot));
        if (!decode_commit(walk->store, row->newest, slot, walk->st)) {
            return false;
        }
    }
    *ret_commit = *slot;
    return true;
}

/* Encodes the head with its newest version, which the commit added. */
static bool encode_newest(struct head_walk *walk, const struct store_head_row *row,
                          struct commit *commit, struct head *head)
{
    struct version_ref newest = {.commit = commit, .index = row->index};
    if (!attach_payloads(commit, row->newest, walk->st)) {
        return false;
    }
    if (row->index >= commit->n_changes || version_change(&newest)->version != row->version ||
        !is_of(version_change(&newest), row->environment, row->service)) {
        return damaged(walk->st, row->revision, "does not hold a head's version");
    }
    head_encode(head, &newest);
    return true;
}

static bool fill_head(struct head_walk *walk, const struct store_head_row *row, struct head *head)
{
    head->last_version = row->last_version;
    head->first_live_version = row->first_live_version;
    head->first_kept_version = row->first_kept_version;
    head->mod_revision = row->mod_revision;
    head->row_revision = row->row_revision;
    head->holes.n = row->n_holes;
    if (row->n_holes > 0) {
        head->holes.versions = mem_array(row->n_holes, sizeof row->holes[0]);
        memcpy(head->holes.versions, row->holes, row->n_holes * sizeof row->holes[0]);
    }
    if (row->version == 0) {
        return true;
    }
    if (row->newest == NULL) {
        return damaged(walk->st, row->revision, "is missing");
    }
    struct commit *commit;
    if (!recent_commit(walk, row, &commit)) {
        return false;
    }
    bool ok = encode_newest(walk, row, commit, head);
    commit_forget_payloads(commit);
    return ok;
}

static bool walk_head(void *user, const struct store_head_row *row)
{
    struct head_walk *walk = user;
    AUTO(head_unref) struct head *head = head_new(row->environment, row->service);
    walk->failed = !fill_head(walk, row, head);
    return !walk->failed && walk->visit(walk->user, MOVE(head));
}

static void head_walk_fini(struct head_walk *walk)
{
    for (size_t i = 0; i < RECENT_COMMITS; i++) {
        commit_unref(walk->recent[i]);
    }
}

bool store_load_heads(struct store *store, store_head_visitor *visit, void *user, struct status *st)
{
    struct head_walk walk = {.store = store, .visit = visit, .user = user, .st = st};
    bool ok = store->ops->load_heads(store, walk_head, &walk, st) && !walk.failed;
    head_walk_fini(&walk);
    return ok;
}

/* The three walks of store_load. */
struct load_walk {
    struct commit_walk compaction, commits;
    struct head_walk heads;
};

static bool load_compaction(void *user, const struct store_row *row)
{
    return walk_row(&((struct load_walk *)user)->compaction, row);
}

static bool load_head(void *user, const struct store_head_row *row)
{
    return walk_head(&((struct load_walk *)user)->heads, row);
}

static bool load_commit(void *user, const struct store_row *row)
{
    return walk_row(&((struct load_walk *)user)->commits, row);
}

static bool load_all(struct load_walk *walk, uint64_t through, uint64_t compaction,
                     struct status *st)
{
    struct store *store = walk->commits.store;
    const struct store_load_rows rows = {
        .compaction = load_compaction, .head = load_head, .commit = load_commit, .user = walk};
    if (!store->ops->load(store, walk->commits.next, compaction, &rows, st) ||
        walk->compaction.failed || walk->heads.failed || walk->commits.failed) {
        return false;
    }
    if (compaction != 0 && walk->compaction.next == compaction) {
        return damaged(st, compaction, "is missing");
    }
    return through == 0 || walk->commits.next > through || damaged(st, through, "is missing");
}

bool store_load(struct store *store, uint64_t through, uint64_t compaction,
                const struct store_load *load, struct status *st)
{
    assert(store->loads_at_once && "other stores have separate reads");
    struct load_walk walk = {
        .compaction = {.store = store,
                       .next = compaction,
                       .visit = load->compaction,
                       .user = load->user,
                       .st = st},
        .commits = {.store = store,
                    .next = through == 0 ? 1 : through,
                    .visit = load->commit,
                    .user = load->user,
                    .st = st},
        .heads = {.store = store, .visit = load->head, .user = load->user, .st = st}};
    bool ok = load_all(&walk, through, compaction, st);
    head_walk_fini(&walk.heads);
    return ok;
}

bool store_save_heads(struct store *store, struct head *const *heads, size_t n, uint64_t through,
                      struct status *st)
{
    assert(n <= STORE_SAVE_MAX && "upkeep saves heads in small portions");
    return store->ops->save_heads(store, heads, n, through, st);
}

bool store_forget_heads(struct store *store, struct status *st)
{
    assert(!store->shared && "nobody else counts on the stored heads");
    return store->ops->forget_heads(store, st);
}

bool store_scrub(struct store *store, const char *environment, const char *service, uint64_t from,
                 uint64_t through, struct status *st)
{
    return store->ops->scrub(store, environment, service, from, through, st);
}

bool store_drop(struct store *store, const struct version_range *ranges, size_t n, bool *ret_more,
                struct status *st)
{
    if (store->ops->drop != NULL) {
        return store->ops->drop(store, ranges, n, ret_more, st);
    }
    *ret_more = false;
    for (size_t i = 0; i < n; i++) {
        if (!store_scrub(store, ranges[i].environment, ranges[i].service, ranges[i].from,
                         ranges[i].through, st)) {
            return false;
        }
    }
    return true;
}

bool store_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                    struct status *st)
{
    return store->ops->get_mark(store, mark, ret_value, st);
}

bool store_set_mark(struct store *store, enum store_mark mark, uint64_t value, struct status *st)
{
    return store->ops->set_mark(store, mark, value, st);
}

bool store_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                     struct status *st)
{
    assert(from <= to && "a mark never moves back");
    bool moved = false;
    if (!store->ops->move_mark(store, mark, from, to, &moved, st)) {
        return false;
    }
    return moved || status_set(st, STATUS_ABORTED, "MARK_MOVED",
                               "the mark does not stand at %" PRIu64 " any more", from);
}
