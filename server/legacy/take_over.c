#include "take_over.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "committer.h"
#include "suspects.h"

/* Versions that are read and submitted before the import waits for the committer. */
#define BATCH 256
#define ACTOR "import-legacy"

struct taking {
    struct old_configs *old;
    struct store *store;
    struct registry *registry;
    struct committer *committer;
    const struct json_limits *limits;
    old_refusal *refuse;
    void *user;
    struct take_over_report *report;

    pthread_mutex_t lock;
    pthread_cond_t all_done;
    size_t n_running;
};

/* A version that has been submitted to the committer. */
struct taken_version {
    struct taking *taking;
    const struct old_key *key;
    struct old_version version;
    struct mutation mutation;
    struct write write;
};

static void item_fini(struct taken_version *item)
{
    old_version_fini(&item->version);
    staged_free(item->write.staged);
}

/* Counts and reports a refusal; also called for refusals of old_configs_list. */
static void tell(void *user, const char *what, const struct status *why)
{
    struct taking *t = user;
    t->refuse(t->user, what, why);
    t->report->refused++;
}

static void refuse_version(struct taking *t, const struct old_key *key, const struct status *why)
{
    AUTO_STR what = {0};
    str_addf(&what, "%s/%s version %" PRIu64, key->environment, key->service, key->version);
    tell(t, what.data, why);
}

static void done(struct write *write)
{
    struct taking *t = CONTAINER_OF(write, struct taken_version, write)->taking;
    pthread_mutex_lock(&t->lock);
    if (--t->n_running == 0) {
        pthread_cond_signal(&t->all_done);
    }
    pthread_mutex_unlock(&t->lock);
}

static void submit(struct taking *t, struct taken_version *item)
{
    item->mutation = (struct mutation){
        .kind = MUTATE_IMPORT,
        .environment = item->key->environment,
        .service = item->key->service,
        .payload = item->version.payload,
        .version = item->key->version,
        .expected_epoch = "",
        .given_time_us = item->version.time_us,
        .given_author = item->version.author,
    };
    item->write = (struct write){
        .command = {.actor = ACTOR,
                    .credential = "",
                    .method = "",
                    .peer = "",
                    .comment = item->version.comment,
                    .request_id = "",
                    .mutations = &item->mutation,
                    .n_mutations = 1,
                    .limits = *t->limits},
        .bytes = item->version.payload->len,
        .deadline_ns = INT64_MAX,
        .done = done,
    };
    pthread_mutex_lock(&t->lock);
    t->n_running++;
    pthread_mutex_unlock(&t->lock);
    committer_submit(t->committer, &item->write);
}

static void wait_for_all(struct taking *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->n_running > 0) {
        pthread_cond_wait(&t->all_done, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

static bool same(const struct taken_version *item, const struct version_ref *kept)
{
    const struct buf *payload = version_change(kept)->payload;
    return payload == NULL ||
           json_text_equal(json_of_buf(payload), json_of_buf(item->version.payload));
}

/* The registry has a version of this or a higher number already. Compares it with the one to
 * import: equal after an earlier import, different otherwise. */
static bool compare(struct taking *t, const struct taken_version *item, struct status *st)
{
    struct version_ref kept = {0};
    struct status found;
    const struct old_key *key = item->key;
    if (!store_read_version(t->store, key->environment, key->service, key->version, &kept,
                            &found)) {
        if (found.code != STATUS_NOT_FOUND) {
            *st = found;
            return false;
        }
        refuse_version(t, key, &item->write.st);
        return true;
    }
    if (same(item, &kept)) {
        t->report->there++;
    } else {
        status_set(&found, STATUS_ALREADY_EXISTS, "VERSION_DIFFERS",
                   "the registry has another version of this number");
        refuse_version(t, key, &found);
    }
    commit_unref(kept.commit);
    return true;
}

/* As a server by default: whatever its policy is, none refuses an import. */
static bool is_suspect(const struct taking *t, const struct taken_version *item)
{
    struct suspects suspects = {0};
    const struct value value = {.environment = item->key->environment,
                                .service = item->key->service,
                                .json = json_of_buf(item->version.payload),
                                .suspects = &suspects};
    registry_find_secrets(t->registry, &value);
    bool any = suspects.n > 0;
    suspects_fini(&suspects);
    return any;
}

static bool settle(struct taking *t, const struct taken_version *item, struct status *st)
{
    const struct write *write = &item->write;
    if (write->ok) {
        t->report->imported++;
        t->report->suspect += is_suspect(t, item);
        return true;
    }
    if (write->st.outcome == OUTCOME_VERSION_EXISTS) {
        return compare(t, item, st);
    }
    if (write->st.outcome == OUTCOME_VERSION_GAP) {
        refuse_version(t, item->key, &write->st);
        return true;
    }
    *st = write->st;
    return false;
}

/* Reads the versions of the keys and submits them. *ret_n: how many were submitted. */
static bool fill(struct taking *t, const struct old_key *keys, size_t n_keys,
                 struct taken_version *items, size_t *ret_n, struct status *st)
{
    *ret_n = 0;
    for (size_t i = 0; i < n_keys; i++) {
        struct taken_version *item = &items[*ret_n];
        *item = (struct taken_version){.taking = t, .key = &keys[i]};
        struct status why;
        if (old_configs_read(t->old, &keys[i], t->limits, &item->version, &why)) {
            submit(t, item);
            ++*ret_n;
        } else if (why.code == STATUS_UNAVAILABLE) {
            *st = why;
            return false;
        } else {
            refuse_version(t, &keys[i], &why);
        }
    }
    return true;
}

static bool take_batch(struct taking *t, const struct old_key *keys, size_t n_keys,
                       struct status *st)
{
    struct taken_version *items = mem_array(BATCH, sizeof items[0]);
    size_t n = 0;
    bool ok = fill(t, keys, n_keys, items, &n, st);
    wait_for_all(t);
    for (size_t i = 0; i < n; i++) {
        ok = settle(t, &items[i], st) && ok;
        item_fini(&items[i]);
    }
    free(items);
    return ok;
}

static bool take_all(struct taking *t, struct status *st)
{
    const struct old_key *keys;
    size_t n_keys;
    if (!old_configs_list(t->old, tell, t, &keys, &n_keys, st)) {
        return false;
    }
    for (size_t i = 0; i < n_keys; i += BATCH) {
        if (!take_batch(t, keys + i, n_keys - i < BATCH ? n_keys - i : BATCH, st)) {
            return false;
        }
    }
    return true;
}

/* There are no watches and no bus during an import: commits are announced to nobody. */
static void unheard_commit(void *user, const struct staged *staged)
{
    (void)user;
    (void)staged;
}
static void unheard_batch(void *user, const struct position *position, bool own)
{
    (void)user;
    (void)position;
    (void)own;
}

bool take_over(struct old_configs *old, struct store *store, const struct json_limits *limits,
               old_refusal *refuse, void *user, struct take_over_report *report, struct status *st)
{
    struct taking t = {.old = old,
                       .store = store,
                       .registry = registry_new(store->identity.epoch),
                       .limits = limits,
                       .refuse = refuse,
                       .user = user,
                       .report = report,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .all_done = PTHREAD_COND_INITIALIZER};
    struct committer_options options = {
        .store = store,
        .registry = t.registry,
        .listener = {.committed = unheard_commit, .settled = unheard_batch},
    };
    *report = (struct take_over_report){0};
    bool ok = committer_recover(store, t.registry, st);
    if (ok) {
        t.committer = committer_new(&options);
        ok = take_all(&t, st);
        committer_free(t.committer);
    }
    registry_free(t.registry);
    return ok;
}
