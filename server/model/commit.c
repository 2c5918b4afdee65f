#include "commit.h"

#include <assert.h>
#include <string.h>

#include "record.h"

bool change_brings_version(enum change_kind kind)
{
    return kind == CHANGE_CREATE || kind == CHANGE_UPDATE || kind == CHANGE_ROLLBACK ||
           kind == CHANGE_IMPORT || kind == CHANGE_UNDELETE;
}

bool change_has_config(enum change_kind kind)
{
    return kind != CHANGE_COMPACT;
}

bool change_touches_head(const struct change *change)
{
    return change_brings_version(change->kind) || change->head_version != change->previous_version;
}

struct commit *commit_new(size_t n_changes)
{
    struct commit *commit = mem_zalloc(sizeof *commit);
    atomic_init(&commit->refs, 1);
    commit->actor = mem_string("");
    commit->credential = mem_string("");
    commit->method = mem_string("");
    commit->peer = mem_string("");
    commit->comment = mem_string("");
    commit->request_id = mem_string("");
    commit->changes = mem_array(n_changes, sizeof commit->changes[0]);
    commit->n_changes = n_changes;
    return commit;
}

struct commit *commit_ref(struct commit *commit)
{
    atomic_fetch_add_explicit(&commit->refs, 1, memory_order_relaxed);
    return commit;
}

static void free_change(struct change *change)
{
    free(change->environment);
    free(change->service);
    free(change->source_environment);
    free(change->given_author);
    buf_unref(change->payload);
}

void commit_unref(struct commit *commit)
{
    if (commit == NULL || atomic_fetch_sub_explicit(&commit->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < commit->n_changes; i++) {
        free_change(&commit->changes[i]);
    }
    free(commit->changes);
    free(commit->actor);
    free(commit->credential);
    free(commit->method);
    free(commit->peer);
    free(commit->created_by);
    free(commit->comment);
    free(commit->request_id);
    buf_unref(commit->record);
    free(commit);
}

static struct hash payload_hash(const uint8_t salt[SALT_SIZE], const struct buf *payload)
{
    assert(payload != NULL && "a new version has its payload");
    return hash_two(salt, SALT_SIZE, payload->data, payload->len);
}

void commit_seal(struct commit *commit, const uint8_t epoch[EPOCH_SIZE])
{
    assert(commit->record == NULL && "a commit is sealed once");
    random_bytes(commit->nonce, sizeof commit->nonce);
    for (size_t i = 0; i < commit->n_changes; i++) {
        struct change *change = &commit->changes[i];
        assert((change->payload != NULL) == change_brings_version(change->kind));
        if (change->payload != NULL) {
            random_bytes(change->salt, sizeof change->salt);
            change->payload_hash = payload_hash(change->salt, change->payload);
            change->payload_size = change->payload->len;
        }
    }
    memcpy(commit->epoch, epoch, EPOCH_SIZE);
    commit->record = record_encode(commit);
    commit->hash = hash_bytes(commit->record->data, commit->record->len);
}

bool commit_decode(struct buf *record, struct commit **ret_commit, struct status *st)
{
    struct commit *commit = record_decode(record->data, record->len);
    if (commit == NULL) {
        return status_set(st, STATUS_DATA_LOSS, "LOG_DAMAGED",
                          "a record of %zu bytes in the log is no commit", record->len);
    }
    commit->record = buf_ref(record);
    commit->hash = hash_bytes(record->data, record->len);
    *ret_commit = commit;
    return true;
}

struct commit *commit_copy(const struct commit *commit)
{
    assert(commit->record != NULL && "only a sealed commit is copied");
    struct commit *copy = record_decode(commit->record->data, commit->record->len);
    assert(copy != NULL && "what was sealed can be read");
    copy->record = buf_ref(commit->record);
    copy->hash = commit->hash;
    for (size_t i = 0; i < commit->n_changes; i++) {
        memcpy(copy->changes[i].salt, commit->changes[i].salt, SALT_SIZE);
        copy->changes[i].payload = buf_ref(commit->changes[i].payload);
    }
    return copy;
}

bool commit_attach_payload(struct commit *commit, size_t index, const uint8_t salt[SALT_SIZE],
                           struct buf *payload, struct status *st)
{
    if (index < commit->n_changes) {
        struct change *change = &commit->changes[index];
        struct hash found = payload_hash(salt, payload);
        if (change->payload == NULL && change_brings_version(change->kind) &&
            hash_equal(&found, &change->payload_hash)) {
            memcpy(change->salt, salt, SALT_SIZE);
            change->payload = buf_ref(payload);
            return true;
        }
    }
    return status_set(st, STATUS_DATA_LOSS, "PAYLOAD_DAMAGED",
                      "the payload of change %zu of revision %llu does not match its hash", index,
                      (unsigned long long)commit->revision);
}

bool commit_erases(const struct commit *commit)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (commit->changes[i].kind == CHANGE_ERASE) {
            return true;
        }
    }
    return false;
}

void commit_forget_payloads(struct commit *commit)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        buf_unref(MOVE(commit->changes[i].payload));
    }
}

struct hash commit_request_key(const char *actor, const char *request_id)
{
    return hash_two(actor, strlen(actor) + 1, request_id, strlen(request_id));
}

int64_t version_time_us(const struct version_ref *v)
{
    const struct change *change = version_change(v);
    return change->kind == CHANGE_IMPORT ? change->given_time_us : v->commit->time_us;
}

const char *version_author(const struct version_ref *v)
{
    const struct change *change = version_change(v);
    return change->kind == CHANGE_IMPORT ? change->given_author : v->commit->created_by;
}
