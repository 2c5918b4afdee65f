#include "write_item.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "admission.h"
#include "call_identity.h"
#include "encode.h"
#include "secret_notice.h"
#include "utf8.h"

void write_item_fini(struct write_item *w)
{
    mutations_fini(&w->mutations);
    value_report_fini(&w->report);
    suspects_fini(&w->suspects);
    suspects_fini(&w->texts);
    staged_free(w->write.staged);
    free(w->credential);
    free(w->comment);
    free(w->created_by);
    free(w->request_id);
}

void write_item_notice(const struct write_item *w)
{
    bool was_made = w->form != NULL; /* else its right was refused, or it was empty */
    if (was_made && !w->write.validate_only) {
        secret_notice(w->service->registry, &w->suspects, w->mutations.items);
        secret_notice(w->service->registry, &w->texts, w->mutations.items);
    }
}

void write_item_answer(const struct write_item *w, struct answer *answer)
{
    answer_add(answer, answer_header(w->service, &w->write.position));
    w->form->answer(w, answer);
}

static bool check_text(const ProtobufCMessage *request, size_t member, size_t max,
                       const char *field, struct status *st)
{
    const char *text = write_text(request, member);
    return text_check(text, strlen(text), max, field, st);
}

static bool check_author(const struct write_form *form, const ProtobufCMessage *request,
                         struct status *st)
{
    if (write_flag(request, form->created_by_empty) &&
        write_text(request, form->created_by)[0] != '\0') {
        return status_bad_field(st, "created_by_empty", "CREATED_BY_EMPTY",
                                "created_by_empty: not together with created_by");
    }
    return check_text(request, form->created_by, AUTHOR_MAX_BYTES, "created_by", st);
}

/* Clears a member of a message, if it has one of that name. */
static void clear_member(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    void *at = field == NULL ? NULL : (char *)message + field->offset;
    if (at != NULL && field->type == PROTOBUF_C_TYPE_STRING) {
        *(const char **)at = "";
    } else if (at != NULL) {
        assert(field->type == PROTOBUF_C_TYPE_UINT64);
        *(uint64_t *)at = 0;
    }
}

/* A hash of the method and the request, which is the same for a repeat of a request_id. Conditions
 * do not count: the first request has met its own, and a client that tries again may have read the
 * head since. */
static struct hash fingerprint(const ProtobufCMessage *request)
{
    const ProtobufCMessageDescriptor *descriptor = request->descriptor;
    AUTO(free) ProtobufCMessage *counted = mem_alloc(descriptor->sizeof_message);
    memcpy(counted, request, descriptor->sizeof_message); /* what it points to is borrowed */
    clear_member(counted, "expected_version");
    clear_member(counted, "expected_revision");
    clear_member(counted, "expected_epoch");
    AUTO(buf_unref) struct buf *bytes = encode_message(counted);
    return hash_two(descriptor->name, strlen(descriptor->name) + 1, bytes->data, bytes->len);
}

/* Whether the caller may say that the author, who may be NULL, has written this. */
static bool check_claim(const struct service *service, const struct caller *caller,
                        const char *author, struct status *st)
{
    return service->author == AUTHOR_CLAIMED || author == NULL || caller_is_anonymous(caller) ||
           strcmp(author, caller_name(caller)) == 0 ||
           caller_may_somewhere(caller, PERMISSION_DELEGATE) ||
           status_set(st, STATUS_PERMISSION_DENIED, "AUTHOR_NOT_ALLOWED",
                      "created_by may only be the caller's own name");
}

static void fill_command(struct write_item *w, struct rpc_call *call,
                         const ProtobufCMessage *request)
{
    const char *author = write_author(w->form, request);
    const struct caller *caller = admission_caller(call);
    w->credential = call_credential(call);
    w->comment = mem_string(write_text(request, w->form->comment));
    w->request_id = mem_string(write_text(request, w->form->request_id));
    w->created_by = author == NULL ? NULL : mem_string(author);
    w->write.command = (struct command){
        .actor = caller_name(caller),
        .credential = w->credential,
        .method = w->form->method,
        .peer = rpc_call_peer(call),
        .comment = w->comment,
        .request_id = w->request_id,
        .created_by = w->created_by,
        .mutations = w->mutations.items,
        .n_mutations = w->mutations.n,
        .limits = w->service->limits,
        .report = &w->report,
        .suspects = &w->suspects,
    };
    if (w->request_id[0] != '\0') {
        w->write.command.fingerprint = fingerprint(request);
    }
    w->include_large = write_flag(request, w->form->include_large);
    w->write.bytes = w->mutations.payload_bytes + strlen(w->comment);
    w->write.deadline_ns = rpc_call_deadline(call);
}

/* Whether the caller may have values written that look like secrets, if the request wants that. */
static bool check_allowance(const struct write_item *w, const struct caller *caller,
                            struct status *st)
{
    for (size_t i = 0; i < w->mutations.n; i++) {
        const struct mutation *m = &w->mutations.items[i];
        if (m->allow_secrets &&
            !caller_may(caller, PERMISSION_SCHEMA, m->environment, m->service)) {
            return status_set(st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED",
                              "allow_secrets needs the role super-admin for %s/%s", m->environment,
                              m->service);
        }
    }
    return true;
}

/* Checks the values that the request holds. What the committer makes of it, the committer checks.
 */
static bool check_value(struct write_item *w, size_t index, struct status *st)
{
    struct mutation *m = &w->mutations.items[index];
    bool is_given = m->kind == MUTATE_CREATE || m->kind == MUTATE_UPDATE;
    if (!is_given || key_kind(m->environment) != KEY_CONFIG) {
        return true;
    }
    const struct value value = {.environment = m->environment,
                                .service = m->service,
                                .json = json_of_buf(m->payload),
                                .allow_secrets = m->allow_secrets,
                                .suspects = &w->suspects,
                                .place = index};
    m->is_checked = registry_check_value(w->service->registry, &value, &w->report, &m->checked_at);
    snprintf(w->report.field, sizeof w->report.field, "%s", m->content_field);
    return m->is_checked || value_report_status(&w->report, st);
}

/* ---- Texts that are no values ---- */

/* No secret without a telling name is shorter. */
#define TEXT_MIN 16

static void add_text(struct str *out, const char *name, const char *text)
{
    if (strlen(text) >= TEXT_MIN) {
        str_add_text(out, out->len == 0 ? "{\"" : ",\"");
        str_add_text(out, name);
        json_add_text(out, "\":", text);
    }
}

/* The texts of a request as an object, whose keys are the names of the fields. */
static void add_texts(const struct write_item *w, const ProtobufCMessage *request, struct str *out)
{
    add_text(out, "comment", write_text(request, w->form->comment));
    add_text(out, "created_by", write_text(request, w->form->created_by));
    for (size_t i = 0; i < w->mutations.n; i++) {
        add_text(out, "environment", key_environment(w->mutations.items[i].environment));
        add_text(out, "service_name", w->mutations.items[i].service);
    }
    str_add_text(out, out->len == 0 ? "" : "}");
}

static struct value text_of_write(struct write_item *w, struct json_text json)
{
    const struct mutation *m = &w->mutations.items[0];
    return (struct value){.environment = key_environment(m->environment),
                          .service = m->service,
                          .json = json,
                          .allow_secrets = m->allow_secrets,
                          .suspects = &w->texts};
}

static bool check_texts(struct write_item *w, const ProtobufCMessage *request, struct status *st)
{
    AUTO_STR texts = {0};
    add_texts(w, request, &texts);
    if (texts.len == 0) {
        return true;
    }
    const struct value text = text_of_write(w, (struct json_text){texts.data, texts.len});
    if (registry_check_secrets(w->service->registry, &text, &w->report)) {
        return true;
    }
    const struct value_violation *first = &w->report.violations[0];
    const char *field = first->pointer[0] == '\0' ? "comment" : first->pointer + 1;
    return status_bad_field(st, field, first->reason, "%s: %s (%s)", field, first->message,
                            first->rule);
}

/* The text of a schema that the request brings. */
static bool check_schema_text(struct write_item *w, struct status *st)
{
    const struct mutation *m = &w->mutations.items[0];
    if (key_kind(m->environment) != KEY_SCHEMA || m->payload == NULL) {
        return true;
    }
    const struct value text = text_of_write(w, json_of_buf(m->payload));
    snprintf(w->report.field, sizeof w->report.field, "%s", m->content_field);
    return registry_check_secrets(w->service->registry, &text, &w->report) ||
           value_report_status(&w->report, st);
}

static bool check_values(struct write_item *w, struct status *st)
{
    bool ok = true;
    for (size_t i = 0; i < w->mutations.n && ok; i++) {
        ok = check_value(w, i, st);
    }
    return ok;
}

bool write_item_init(struct write_item *w, struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, struct status *st)
{
    const struct write_form *form = write_form_of(request);
    *w = (struct write_item){.service = service, .form = form};
    w->write.validate_only = write_flag(request, form->validate_only);
    if (!form->mutations(service, form, request, &w->mutations, st) ||
        !check_text(request, form->comment, COMMENT_MAX_BYTES, "comment", st) ||
        !check_author(form, request, st) ||
        !check_claim(service, admission_caller(call), write_author(form, request), st) ||
        !check_text(request, form->request_id, REQUEST_ID_MAX_BYTES, "request_id", st)) {
        return false;
    }
    if (!check_allowance(w, admission_caller(call), st) || !check_texts(w, request, st) ||
        !check_schema_text(w, st) || !check_values(w, st)) {
        return false;
    }
    fill_command(w, call, request);
    return true;
}
