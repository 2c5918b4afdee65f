#include "desk.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "history.h"
#include "store_open.h"

static void committed(void *user, const struct staged *staged)
{
    (void)user;
    (void)staged;
}

static void settled(void *user, const struct position *position, bool own)
{
    (void)own;
    (void)user;
    (void)position;
}

bool desk_open(struct desk *desk, const char *address, struct status *st)
{
    *desk = (struct desk){.store = NULL};
    if (!store_open(address, &desk->store, st)) {
        return false;
    }
    desk->registry = registry_new(desk->store->identity.epoch);
    if (!committer_recover(desk->store, desk->registry, st)) {
        desk_close(desk);
        return false;
    }
    struct committer_options options = {
        .store = desk->store,
        .registry = desk->registry,
        .listener = {.committed = committed, .settled = settled},
    };
    desk->committer = committer_new(&options);
    return true;
}

void desk_close(struct desk *desk)
{
    committer_free(MOVE(desk->committer));
    registry_free(MOVE(desk->registry));
    store_close(MOVE(desk->store));
}

/* ---- Writing ---- */

struct waited {
    struct write write;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool done;
};

static void on_done(struct write *write)
{
    struct waited *w = CONTAINER_OF(write, struct waited, write);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->finished);
    pthread_mutex_unlock(&w->lock);
}

static size_t make_mutations(const struct deed *deed, struct buf *payload, struct mutation *out)
{
    size_t n = 0;
    for (; n < COUNT_OF(deed->services) && deed->services[n] != NULL; n++) {
        out[n] = (struct mutation){.kind = deed->kind,
                                   .environment = "prod",
                                   .service = deed->services[n],
                                   .payload = payload,
                                   .version = deed->version,
                                   .erase = deed->erase,
                                   .expected_epoch = ""};
    }
    return n;
}

static void submit_and_wait(struct desk *desk, struct waited *w)
{
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->finished, NULL);
    committer_submit(desk->committer, &w->write);
    pthread_mutex_lock(&w->lock);
    while (!w->done) {
        pthread_cond_wait(&w->finished, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&w->finished);
    pthread_mutex_destroy(&w->lock);
}

bool desk_write(struct desk *desk, const struct deed *deed, struct commit **ret_commit,
                struct status *st)
{
    AUTO(buf_unref)
    struct buf *payload = deed->json == NULL ? NULL : buf_copy(deed->json, strlen(deed->json));
    struct mutation mutations[COUNT_OF(deed->services)];
    size_t n = make_mutations(deed, payload, mutations);
    const char *id = deed->request_id == NULL ? "" : deed->request_id;
    struct waited w = {.write = {.deadline_ns = INT64_MAX, .done = on_done}};
    w.write.command = (struct command){.actor = "",
                                       .credential = "",
                                       .method = "",
                                       .peer = "",
                                       .comment = "",
                                       .request_id = id,
                                       .fingerprint = hash_bytes(id, strlen(id)),
                                       .mutations = mutations,
                                       .n_mutations = n,
                                       .limits = {1 << 20, 64}};
    submit_and_wait(desk, &w);
    if (!w.write.ok) {
        *st = w.write.st;
        return false;
    }
    *ret_commit = commit_ref(w.write.staged->commit);
    staged_free(w.write.staged);
    return true;
}

/* ---- Asking ---- */

static void add(struct answers *answers, struct str *what, const struct status *refusal)
{
    answers->items = mem_grow(answers->items, answers->n + 1, sizeof answers->items[0]);
    answers->items[answers->n++] =
        (struct answer){.what = mem_string(str_text(what)), .refused = refusal != NULL};
    str_clear(what);
}

/* NOT_FOUND is an answer. */
static void add_result(struct answers *answers, struct str *what, bool ok, const struct status *st)
{
    if (!ok) {
        str_addf(what, " %s %s", status_code_name(st->code), st->reason);
    }
    add(answers, what, ok || st->code == STATUS_NOT_FOUND ? NULL : st);
}

static void describe_bytes(struct str *what, const struct buf *bytes)
{
    char text[2 * HASH_SIZE + 1] = "none";
    if (bytes != NULL) {
        struct hash hash = hash_bytes(bytes->data, bytes->len);
        hex_encode(hash.bytes, sizeof hash.bytes, text);
    }
    str_addf(what, " %.16s", text);
}

static void describe_version(struct str *what, const struct version_ref *version)
{
    const struct change *change = version_change(version);
    str_addf(what, " version %" PRIu64 " of %s/%s, revision %" PRIu64, change->version,
             change->environment, change->service, version->commit->revision);
    describe_bytes(what, change->payload);
}

static void ask_head(struct desk *desk, const char *service, struct answers *answers)
{
    AUTO_STR what = {0};
    AUTO(head_unref) struct head *head = registry_get(desk->registry, "prod", service);
    str_addf(&what, "head of %s:", service);
    if (head != NULL) {
        str_addf(&what, " %" PRIu64 " last %" PRIu64 " first %" PRIu64 " mod %" PRIu64 " live",
                 head->version, head->last_version, head->first_live_version, head->mod_revision);
        for (uint64_t version = 1; version <= head->last_version && version < 100; version++) {
            str_addf(&what, " %d", head_has_version(head, version));
        }
        describe_bytes(&what, head->encoded);
    }
    add(answers, &what, NULL);
}

static void ask_version(struct desk *desk, const char *service, uint64_t version,
                        struct answers *answers)
{
    AUTO_STR what = {0};
    struct version_ref found = {0};
    struct status st;
    AUTO(head_unref) struct head *head = registry_get(desk->registry, "prod", service);
    bool live = head_has_version(head, version);
    str_addf(&what, "%s %" PRIu64 ": live %d", service, version, live);
    bool ok = !live || store_read_live_version(desk->store, "prod", service, version, &found, &st);
    if (ok && live) {
        describe_version(&what, &found);
        commit_unref(found.commit);
    }
    add_result(answers, &what, ok, &st);
}

static bool add_version(void *user, const struct version_ref *version)
{
    describe_version(user, version);
    return true;
}

static void ask_versions(struct desk *desk, const char *service, struct answers *answers)
{
    AUTO_STR what = {0};
    struct status st;
    AUTO(head_unref) struct head *head = registry_get(desk->registry, "prod", service);
    str_addf(&what, "versions of %s:", service);
    bool ok = head == NULL || head->version == 0 ||
              history_versions(desk->store, head, HISTORY_LIVE, UINT64_MAX, true, add_version,
                               &what, &st);
    add_result(answers, &what, ok, &st);
}

static bool add_commit(void *user, struct commit *commit)
{
    struct str *what = user;
    describe_bytes(what, commit->record);
    for (size_t i = 0; i < commit->n_changes; i++) {
        describe_bytes(what, commit->changes[i].payload);
    }
    return true;
}

static void ask_log(struct desk *desk, struct answers *answers)
{
    AUTO_STR what = {0};
    struct status st;
    str_add_text(&what, "log:");
    bool ok = store_read_commits(desk->store, 1, UINT64_MAX, true, add_commit, &what, &st);
    add_result(answers, &what, ok, &st);
}

/* Marks that the log does not make again, and what the others steer. */
static void ask_marks(struct desk *desk, struct answers *answers)
{
    AUTO_STR what = {0};
    struct status st;
    uint64_t relayed = 0;
    const struct store_identity *identity = &desk->store->identity;
    struct hash whole = hash_bytes(identity, sizeof *identity);
    char text[2 * HASH_SIZE + 1];
    hex_encode(whole.bytes, sizeof whole.bytes, text);
    str_addf(&what, "identity %s, floor %" PRIu64 ", end %" PRIu64, text,
             registry_floor(desk->registry), registry_position(desk->registry).revision);
    add(answers, &what, NULL);
    str_add_text(&what, "relayed:");
    bool ok = store_get_mark(desk->store, STORE_MARK_RELAYED, &relayed, &st);
    str_addf(&what, " %" PRIu64, relayed);
    add_result(answers, &what, ok, &st);
}

static void ask_config(struct desk *desk, const char *service, uint64_t n_versions,
                       struct answers *answers)
{
    ask_head(desk, service, answers);
    ask_versions(desk, service, answers);
    for (uint64_t version = 1; version <= n_versions; version++) {
        ask_version(desk, service, version, answers);
    }
}

/* Whether a deed before this one names the service first. */
static bool asked_before(const struct deed *deeds, size_t n, const char *service)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(deeds[i].services[0], service) == 0) {
            return true;
        }
    }
    return false;
}

void desk_ask(struct desk *desk, const struct deed *deeds, size_t n_deeds, uint64_t n_versions,
              struct answers *ret_answers)
{
    *ret_answers = (struct answers){.items = NULL};
    ask_marks(desk, ret_answers);
    ask_log(desk, ret_answers);
    for (size_t i = 0; i < n_deeds; i++) {
        if (!asked_before(deeds, i, deeds[i].services[0])) {
            ask_config(desk, deeds[i].services[0], n_versions, ret_answers);
        }
    }
}

void answers_fini(struct answers *answers)
{
    for (size_t i = 0; i < answers->n; i++) {
        free(answers->items[i].what);
    }
    free(answers->items);
    *answers = (struct answers){.items = NULL};
}
