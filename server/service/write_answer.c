#include "write_answer.h"

#include "encode.h"
#include "write_item.h"

#define FIELD_DIFF 3 /* of the responses of create, update, rollback and undelete */
#define FIELD_DELETE_DIFF 4
#define FIELD_COMMIT 2 /* of CommitChangesResponse */
#define FIELD_SUSPECTS 10

static struct head *head_left(const struct write_item *w)
{
    return w->write.staged->commit == NULL ? NULL : w->write.staged->after[0];
}

static void add_head(const struct write_item *w, struct answer *answer)
{
    const struct head *head = head_left(w);
    struct buf *encoded = head == NULL ? NULL : head->encoded; /* a tombstone has none */
    if (encoded != NULL && w->brief) {
        answer_add(answer, encode_brief(encoded));
    } else {
        answer_add(answer, encode_fitting(buf_ref(encoded), w->include_large));
    }
}

/* {} if there is no head. */
static struct json_text payload_or_none(const struct head *head)
{
    bool is_there = head != NULL && head->version != 0;
    return is_there ? head_payload(head) : (struct json_text){"{}", 2};
}

/* Adds the difference for validate_only. The JSON patch repeats the entries in another form, so it
 * is left out if the answer would exceed REPLY_BYTES. The whole difference is left out if clients
 * would not accept it by default. With include_large neither is. */
static void add_diff(const struct write_item *w, uint32_t field, struct answer *answer)
{
    const struct head *before = w->write.staged->before[0];
    const struct head *after = w->write.staged->after[0];
    struct diff_answer difference;
    diff_answer_init(&difference, payload_or_none(before), payload_or_none(after));
    Confreg__V1__Diff *diff = &difference.diff;
    diff->environment = (char *)(uintptr_t)key_environment(head_environment(after));
    diff->service_name = (char *)(uintptr_t)head_service(after);
    diff->new_environment = diff->environment;
    diff->old_version = before == NULL ? 0 : before->version;
    diff->new_version = after->version;
    bool is_large = answer->bytes + confreg__v1__diff__get_packed_size(diff) > REPLY_BYTES;
    if (is_large && !w->include_large) {
        diff->json_patch = (ProtobufCBinaryData){.len = 0};
    }
    size_t bytes = answer->bytes + confreg__v1__diff__get_packed_size(diff);
    if (w->include_large || bytes <= ACCEPTED_BYTES) {
        answer_add(answer, encode_field(field, &diff->base));
    }
    diff_answer_fini(&difference);
}

static void add_suspects(const struct write_item *w, struct answer *answer)
{
    for (size_t i = 0; i < w->suspects.n; i++) {
        const struct suspect *suspect = &w->suspects.items[i];
        const struct mutation *m = &w->mutations.items[suspect->place];
        Confreg__V1__Suspect message;
        confreg__v1__suspect__init(&message);
        message.environment = (char *)(uintptr_t)m->environment;
        message.service_name = (char *)(uintptr_t)m->service;
        message.pointer = suspect->pointer;
        message.rule = (char *)(uintptr_t)suspect->rule->name;
        message.description = (char *)(uintptr_t)suspect->rule->what;
        message.in_key = suspect->in_key;
        message.allowed = suspect->fate == SUSPECT_ALLOWED;
        answer_add(answer, encode_field(FIELD_SUSPECTS, &message.base));
    }
}

void write_answer_version(const struct write_item *w, struct answer *answer)
{
    add_head(w, answer);
    if (w->write.validate_only && !w->brief) {
        add_diff(w, FIELD_DIFF, answer);
    }
    add_suspects(w, answer);
}

void write_answer_delete(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    Confreg__V1__DeleteConfigResponse response;
    confreg__v1__delete_config_response__init(&response);
    response.deleted_count = commit == NULL ? 0 : commit->changes[0].removed;
    add_head(w, answer);
    answer_add(answer, encode_message(&response.base));
    if (w->write.validate_only && !w->brief && commit != NULL) {
        add_diff(w, FIELD_DELETE_DIFF, answer);
    }
}

void write_answer_commit(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    if (commit == NULL) {
        return;
    }
    Confreg__V1__Commit message;
    Google__Protobuf__Timestamp time;
    describe_commit(&message, &time, commit);
    static const struct event_content alone = {.change = NULL};
    AUTO_STR changes = {0};
    for (size_t i = 0; i < commit->n_changes; i++) {
        AUTO(buf_unref)
        struct buf *event = encode_event(FIELD_COMMIT_CHANGES, commit, i, &alone);
        str_add(&changes, event->data, event->len);
    }
    answer_add(answer, encode_field_and(FIELD_COMMIT, &message.base, changes.data, changes.len));
    add_suspects(w, answer);
}

void write_answer_compact(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    uint64_t floor =
        commit != NULL ? commit->changes[0].version : registry_floor(w->service->registry);
    Confreg__V1__CompactResponse response;
    confreg__v1__compact_response__init(&response);
    response.oldest_revision = floor + 1;
    answer_add(answer, encode_message(&response.base));
}
