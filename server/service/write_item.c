#include "write_item.h"

#include <string.h>

#include "encode.h"
#include "utf8.h"

#define FIELD_DIFF 3   /* of the responses of create, update and rollback */
#define FIELD_COMMIT 2 /* of CommitChangesResponse */

void write_item_fini(struct write_item *w)
{
    mutations_fini(&w->mutations);
    staged_free(w->write.staged);
    free(w->comment);
    free(w->created_by);
    free(w->request_id);
}

/* ---- Answers ---- */

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
        answer_add(answer, buf_ref(encoded));
    }
}

/* Adds the difference for validate_only. The JSON patch repeats the entries in another form, so it
 * is left out if the answer would exceed REPLY_BYTES. */
static void add_diff(const struct write_item *w, struct answer *answer)
{
    const struct head *before = w->write.staged->before[0];
    const struct head *after = w->write.staged->after[0];
    struct json_text nothing = {"{}", 2};
    bool had = before != NULL && before->version != 0;
    struct diff_answer difference;
    diff_answer_init(&difference, had ? head_payload(before) : nothing, head_payload(after));
    Confreg__V1__Diff *diff = &difference.diff;
    diff->environment = (char *)(uintptr_t)head_environment(after);
    diff->service_name = (char *)(uintptr_t)head_service(after);
    diff->new_environment = diff->environment;
    diff->old_version = had ? before->version : 0;
    diff->new_version = after->version;
    if (answer->bytes + confreg__v1__diff__get_packed_size(diff) > REPLY_BYTES) {
        diff->json_patch = (ProtobufCBinaryData){.len = 0};
    }
    answer_add(answer, encode_field(FIELD_DIFF, &diff->base));
    diff_answer_fini(&difference);
}

/* Create, update and rollback: {config = 2, diff = 3}. */
static void answer_version(const struct write_item *w, struct answer *answer)
{
    add_head(w, answer);
    if (w->write.validate_only && !w->brief) {
        add_diff(w, answer);
    }
}

/* Delete: {config = 2, deleted_count = 3}. */
static void answer_delete(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    Confreg__V1__DeleteConfigResponse response;
    confreg__v1__delete_config_response__init(&response);
    response.deleted_count = commit == NULL ? 0 : commit->changes[0].removed;
    add_head(w, answer);
    answer_add(answer, encode_message(&response.base));
}

/* CommitChanges: {commit = 2}. */
static void answer_commit(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    if (commit == NULL) {
        return;
    }
    Confreg__V1__Commit message;
    Google__Protobuf__Timestamp time;
    confreg__v1__commit__init(&message);
    describe_time(&time, commit->time_us);
    message.revision = commit->revision;
    message.commit_time = &time;
    message.actor = commit->actor;
    message.comment = commit->comment;
    message.request_id = commit->request_id;
    if (commit->created_by != NULL) {
        message.created_by_presence_case = CONFREG__V1__COMMIT__CREATED_BY_PRESENCE_CREATED_BY;
        message.created_by = commit->created_by;
    }
    static const struct event_content alone = {NULL, NULL, NULL};
    AUTO_STR changes = {0};
    for (size_t i = 0; i < commit->n_changes; i++) {
        AUTO(buf_unref)
        struct buf *event = encode_event(FIELD_COMMIT_CHANGES, commit, i, &alone);
        str_add(&changes, event->data, event->len);
    }
    answer_add(answer, encode_field_and(FIELD_COMMIT, &message.base, changes.data, changes.len));
}

/* Compact: {oldest_revision = 2}. */
static void answer_compact(const struct write_item *w, struct answer *answer)
{
    const struct commit *commit = w->write.staged->commit;
    uint64_t floor =
        commit != NULL ? commit->changes[0].version : registry_floor(w->service->registry);
    Confreg__V1__CompactResponse response;
    confreg__v1__compact_response__init(&response);
    response.oldest_revision = floor + 1;
    answer_add(answer, encode_message(&response.base));
}

void write_item_answer(const struct write_item *w, struct answer *answer)
{
    answer_add(answer, answer_header(w->service, &w->write.position));
    w->answer(w, answer);
}

/* ---- Requests ---- */

/* The members that all writing requests have. Borrowed from the request. */
struct write_options {
    const char *comment, *request_id;
    const char *created_by; /* NULL: not given */
    bool validate_only;
    const ProtobufCMessage *request; /* the whole request, for its fingerprint */
};

static bool check_options(const struct write_options *options, struct status *st)
{
    const char *author = options->created_by == NULL ? "" : options->created_by;
    return text_check(options->comment, strlen(options->comment), COMMENT_MAX_BYTES, "comment",
                      st) &&
           text_check(author, strlen(author), AUTHOR_MAX_BYTES, "created_by", st) &&
           text_check(options->request_id, strlen(options->request_id), REQUEST_ID_MAX_BYTES,
                      "request_id", st);
}

/* A hash of the method and the whole request: a repeat of a request_id must have the same. */
static struct hash fingerprint(const ProtobufCMessage *request)
{
    const char *name = request->descriptor->name;
    AUTO(buf_unref) struct buf *bytes = encode_message(request);
    return hash_two(name, strlen(name) + 1, bytes->data, bytes->len);
}

static void fill_command(struct write_item *w, struct rpc_call *call,
                         const struct write_options *options)
{
    w->comment = mem_string(options->comment);
    w->request_id = mem_string(options->request_id);
    w->created_by = options->created_by == NULL ? NULL : mem_string(options->created_by);
    w->write.command = (struct command){
        .actor = "",
        .peer = rpc_call_peer(call),
        .comment = w->comment,
        .request_id = w->request_id,
        .created_by = w->created_by,
        .mutations = w->mutations.items,
        .n_mutations = w->mutations.n,
        .limits = w->service->limits,
    };
    if (w->request_id[0] != '\0') {
        w->write.command.fingerprint = fingerprint(options->request);
    }
    w->write.validate_only = options->validate_only;
    w->write.bytes = w->mutations.payload_bytes + strlen(w->comment);
    w->write.deadline_ns = rpc_call_deadline(call);
}

/* Finishes an item whose mutations were made. */
static bool finish(struct write_item *w, struct rpc_call *call, const struct write_options *options,
                   struct status *st)
{
    if (!check_options(options, st)) {
        return false;
    }
    fill_command(w, call, options);
    return true;
}

bool write_item_create(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__CreateConfigRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__CREATE_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_version};
    return mutations_of_create(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}

bool write_item_update(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__UpdateConfigRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__UPDATE_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_version};
    return mutations_of_update(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}

bool write_item_delete(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__DeleteConfigRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__DELETE_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_delete};
    return mutations_of_delete(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}

bool write_item_rollback(struct write_item *w, struct service *service, struct rpc_call *call,
                         const Confreg__V1__RollbackConfigRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__ROLLBACK_CONFIG_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_version};
    return mutations_of_rollback(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}

bool write_item_commit(struct write_item *w, struct service *service, struct rpc_call *call,
                       const Confreg__V1__CommitChangesRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__COMMIT_CHANGES_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_commit};
    return mutations_of_commit(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}

bool write_item_compact(struct write_item *w, struct service *service, struct rpc_call *call,
                        const Confreg__V1__CompactRequest *request, struct status *st)
{
    bool is_signed = request->created_by_presence_case ==
                     CONFREG__V1__COMPACT_REQUEST__CREATED_BY_PRESENCE_CREATED_BY;
    const struct write_options options = {
        .comment = request->comment,
        .request_id = request->request_id,
        .created_by = is_signed ? request->created_by : NULL,
        .validate_only = request->validate_only,
        .request = &request->base,
    };
    *w = (struct write_item){.service = service, .answer = answer_compact};
    return mutations_of_compact(service, request, &w->mutations, st) &&
           finish(w, call, &options, st);
}
