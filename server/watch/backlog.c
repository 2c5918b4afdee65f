/* Reads commits from the store that are no longer in the ring, or never were. */
#include "encode.h"
#include "history.h"
#include "watch.h"

struct backlog_reading {
    struct watch *watch;
    struct commit *commits[READ_COMMITS];
    size_t n;
    size_t bytes;
    size_t max_bytes; /* limit of the payloads read, then of the events made; one commit may exceed
                         it */
};

size_t watch_share(const struct hub *hub)
{
    size_t held = atomic_load(&hub->backlog_bytes);
    size_t part = held < BACKLOG_BYTES ? (BACKLOG_BYTES - held) / BACKLOG_PART : 0;
    if (part > MESSAGE_BYTES) {
        return MESSAGE_BYTES;
    }
    return part > BACKLOG_LEAST ? part : BACKLOG_LEAST;
}

static bool keep_commit(void *user, struct commit *commit)
{
    struct backlog_reading *r = user;
    for (size_t i = 0; i < commit->n_changes; i++) {
        const struct buf *payload = commit->changes[i].payload;
        r->bytes += payload == NULL ? 0 : payload->len;
    }
    r->commits[r->n++] = commit_ref(commit);
    return r->n < READ_COMMITS && r->bytes < r->max_bytes;
}

/* Encodes the head after a change; NULL: the event carries none. */
static bool encode_head(struct store *store, struct commit *commit, size_t index,
                        struct buf **ret_config, struct status *st)
{
    const struct change *change = &commit->changes[index];
    struct version_ref newest = {.commit = commit, .index = index};
    *ret_config = NULL;
    if (!event_has_config(change)) {
        return true;
    }
    if (change_brings_version(change->kind)) {
        *ret_config = encode_config(&newest, commit->revision);
        return true;
    }
    if (!store_read_live_version(store, change->environment, change->service, change->head_version,
                                 &newest, st)) {
        return false;
    }
    *ret_config = encode_config(&newest, commit->revision);
    commit_unref(newest.commit);
    return true;
}

/* Encodes the head before a change; NULL: there was none. A payload that this change erases is left
 * out, even if it has not been scrubbed yet. */
static bool encode_previous(struct store *store, const struct commit *commit, size_t index,
                            struct buf **ret_config, struct status *st)
{
    struct buf *config = NULL;
    if (!history_config_before(store, commit, index, &config, st)) {
        return false;
    }
    if (config != NULL && commit->changes[index].kind == CHANGE_ERASE) {
        *ret_config =
            encode_without_payload(config, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED);
        buf_unref(config);
        return true;
    }
    *ret_config = config;
    return true;
}

static bool add_event(struct store *store, bool with_previous, struct encoded_commit *encoded,
                      size_t index, struct status *st)
{
    AUTO(buf_unref) struct buf *config = NULL;
    AUTO(buf_unref) struct buf *previous = NULL;
    if (!encode_head(store, encoded->commit, index, &config, st) ||
        (with_previous && !encode_previous(store, encoded->commit, index, &previous, st))) {
        return false;
    }
    struct event_content content = {.config = config, .previous = previous};
    encoded_commit_add(encoded, index, encoded->commit->changes[index].environment,
                       encode_event(FIELD_EVENTS, encoded->commit, index, &content), NULL);
    return true;
}

bool watch_encode_commit(struct store *store, const struct watch *watch, struct commit *commit,
                         struct encoded_commit **ret_encoded, struct status *st)
{
    struct encoded_commit *encoded = encoded_commit_new(commit, commit->n_changes);
    bool with_previous = watch != NULL && watch->wishes.include_previous;
    bool ok = true;
    encoded->chosen = watch != NULL;
    for (size_t i = 0; i < commit->n_changes && ok; i++) {
        const struct change *change = &commit->changes[i];
        bool wanted =
            change_has_config(change->kind) && (watch == NULL || watch_selects(watch, change));
        ok = !wanted || add_event(store, with_previous, encoded, i, st);
    }
    commit_forget_payloads(commit);
    if (ok) {
        *ret_encoded = encoded;
    } else {
        encoded_commit_free(encoded);
    }
    return ok;
}

static bool read_commits(struct backlog_reading *r, struct status *st)
{
    struct watch *watch = r->watch;
    uint64_t from = watch->cursor.revision + 1;
    for (; r->n < watch->n_taken; r->n++) {
        r->commits[r->n] = watch->taken[r->n];
    }
    free(MOVE(watch->taken));
    watch->n_taken = 0;
    if (r->n > 0) {
        return true;
    }
    return store_read_known_commits(watch->hub->store, from, from + READ_COMMITS - 1,
                                    !watch->wishes.resolve, keep_commit, r, st);
}

/* Reads commits and encodes their events, up to the bytes that one read may hold. */
static bool read_backlog(struct backlog_reading *r, struct status *st)
{
    struct watch *watch = r->watch;
    size_t bytes = 0;
    if (!read_commits(r, st)) {
        return false;
    }
    watch->backlog = mem_array(r->n, sizeof watch->backlog[0]);
    while (watch->n_backlog < r->n && bytes < r->max_bytes) {
        struct encoded_commit *made = NULL;
        struct commit *commit = r->commits[watch->n_backlog];
        if (!(watch->wishes.resolve
                  ? watch_resolve(watch, commit, &made, st)
                  : watch_encode_commit(watch->hub->store, watch, commit, &made, st))) {
            return false;
        }
        watch->backlog[watch->n_backlog++] = made;
        atomic_fetch_add(&watch->hub->backlog_bytes, made->bytes);
        for (size_t i = 0; i < made->n_events; i++) {
            bytes += made->events[i].plain->len;
        }
    }
    return true;
}

void watch_read_backlog(struct job *job)
{
    struct watch *watch = CONTAINER_OF(job, struct watch, job);
    struct backlog_reading r = {.watch = watch, .max_bytes = watch_share(watch->hub)};
    struct status st;
    bool ok = read_backlog(&r, &st);
    for (size_t i = 0; i < r.n; i++) {
        commit_unref(r.commits[i]);
    }
    watch_end_job(watch, ok ? NULL : &st);
}

void watch_drop_backlog(struct watch *watch, bool passed_only)
{
    size_t end = passed_only ? watch->next_backlog : watch->n_backlog;
    while (watch->passed_backlog < end) {
        struct encoded_commit *encoded = watch->backlog[watch->passed_backlog++];
        atomic_fetch_sub(&watch->hub->backlog_bytes, encoded->bytes);
        encoded_commit_free(encoded);
    }
    if (watch->passed_backlog == watch->n_backlog) {
        free(MOVE(watch->backlog));
        watch->n_backlog = 0;
        watch->passed_backlog = 0;
        watch->next_backlog = 0;
    }
}
