#include "call_account.h"

#include <string.h>

#include "call_identity.h"
#include "mem.h"
#include "traceparent.h"

#define NESTING 3 /* requests have names at most this deep */
/* Is answered whatever happens to the logs, and reads nothing of the registry. */
#define HEALTH "grpc.health.v1.Health"

/* The facts of a request that are kept until its call ends. */
struct note {
    struct call_names names;
    char *request_id; /* owned; NULL: none */
    bool writes;
};

/* ---- Requests ---- */

static const char *text_field(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    bool is_text = field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
                   field->label == PROTOBUF_C_LABEL_NONE &&
                   (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
    return is_text ? *(char *const *)(const void *)((const char *)message + field->offset) : NULL;
}

static bool has_field(const ProtobufCMessage *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name) != NULL;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text == NULL || text[0] == '\0' ? otherwise : text;
}

static void add_pattern(struct call_names *names, const char *environment, const char *service,
                        const char *prefix)
{
    AUTO_STR pattern = {0};
    str_addf(&pattern, "%s*", text_or(prefix, ""));
    call_names_add(names, text_or(environment, "*"), text_or(service, pattern.data));
}

/* Adds the message's own name, if it has one. */
static void add_name(struct call_names *names, const ProtobufCMessage *message)
{
    const char *environment = text_field(message, "environment");
    const char *service = text_field(message, "service_name");
    const char *prefix = text_field(message, "service_name_prefix");
    if (environment != NULL && prefix != NULL) {
        add_pattern(names, environment, service, prefix);
    } else if (environment != NULL && service != NULL) {
        call_names_add(names, text_or(environment, "default"), service);
    }
}

static void add_names(struct call_names *names, const ProtobufCMessage *message, int nesting);

static bool is_chosen(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *quantifier = (const char *)message + field->quantifier_offset;
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
           *(const uint32_t *)quantifier == field->id;
}

static void add_names_of_field(struct call_names *names, const ProtobufCMessage *message,
                               const ProtobufCFieldDescriptor *field, int nesting)
{
    const void *at = (const char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n =
            *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
        ProtobufCMessage *const *items = *(ProtobufCMessage * *const *)at;
        for (size_t i = 0; i < n; i++) {
            add_names(names, items[i], nesting);
        }
    } else if (is_chosen(message, field) && *(ProtobufCMessage *const *)at != NULL) {
        add_names(names, *(ProtobufCMessage *const *)at, nesting);
    }
}

/* Adds the names of the message and of those in it. */
static void add_names(struct call_names *names, const ProtobufCMessage *message, int nesting)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    add_name(names, message);
    for (unsigned i = 0; nesting > 0 && i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            add_names_of_field(names, message, &descriptor->fields[i], nesting - 1);
        }
    }
}

/* Whether what the call does stands in the log of the registry: requests that write have an id, or
 * parts that have one. */
static bool is_write(const ProtobufCMessage *request)
{
    return has_field(request, "request_id") || has_field(request, "writes");
}

static void *note_new(const ProtobufCMessage *request)
{
    struct note *note = mem_zalloc(sizeof *note);
    const char *id = text_field(request, "request_id");
    add_names(&note->names, request, NESTING);
    note->request_id = id == NULL || id[0] == '\0' ? NULL : mem_string(id);
    note->writes = is_write(request);
    return note;
}

static void note_free(struct note *note)
{
    if (note != NULL) {
        call_names_fini(&note->names);
        free(note->request_id);
        free(note);
    }
}

/* ---- Calls ---- */

static bool is_health(const struct rpc_call *call)
{
    return strcmp(rpc_call_service(call), HEALTH) == 0;
}

/* The texts that a line borrows. */
struct account_line_texts {
    char *credential; /* owned */
    char trace[TRACEPARENT_SIZE];
};

static void line_texts_fini(struct account_line_texts *texts)
{
    free(texts->credential);
}
#define AUTO_TEXTS __attribute__((cleanup(line_texts_fini))) struct account_line_texts

static struct call_line line_of(struct rpc_call *call, struct account_line_texts *texts)
{
    size_t n;
    const char *trace = rpc_call_header(call, "traceparent", &n);
    texts->credential = call_credential(call);
    if (trace != NULL) {
        traceparent_parse(trace, n, texts->trace);
    }
    return (struct call_line){
        .principal = call_principal(call),
        .credential = texts->credential,
        .trace = texts->trace,
        .peer = rpc_call_peer(call),
        .service = rpc_call_service(call),
        .method = rpc_call_method(call),
    };
}

/* A watch may last for months: it is a read from its beginning. */
static void add_opened(struct call_logs *logs, struct rpc_call *call, const struct note *note)
{
    AUTO_TEXTS texts = {0};
    struct call_line line = line_of(call, &texts);
    line.names = &note->names;
    call_logs_add_opened(logs, &line);
}

/* Before the caller is known: a refusal of his credentials is a line, too. */
static bool open(void *user, const struct rpc_call *call, struct status *st)
{
    return is_health(call) || call_logs_admit(user, st);
}

static void begun(void *user, struct rpc_call *call, const ProtobufCMessage *request,
                  void **ret_note)
{
    struct note *note = request == NULL ? NULL : note_new(request);
    *ret_note = note;
    if (note != NULL && !is_health(call) && rpc_call_kind(call) == RPC_SERVER_STREAM) {
        add_opened(user, call, note);
    }
}

static void ended(void *user, const struct rpc_call_end *end)
{
    struct note *note = end->note;
    AUTO_TEXTS texts = {0};
    struct call_line line = line_of(end->call, &texts);
    line.code = end->code;
    line.reason = end->reason;
    line.duration_ns = end->duration_ns;
    line.request_bytes = end->request_bytes;
    line.response_bytes = end->response_bytes;
    if (note != NULL) {
        line.names = &note->names;
        line.request_id = note->request_id;
    }
    bool reads = !is_health(end->call) && (note == NULL || !note->writes);
    call_logs_add(user, &line, reads ? CALL_READS : CALL_DOES_OTHER,
                  call_outcome_of_code(end->code));
    note_free(note);
}

struct rpc_account call_account(struct call_logs *logs)
{
    return (struct rpc_account){.open = open, .begun = begun, .ended = ended, .user = logs};
}

void call_account_add_part(struct call_logs *logs, struct rpc_call *call, const char *method,
                           const char *environment, const char *service, const struct status *st)
{
    if (logs == NULL || call_outcome_of_code(st->code) != CALL_REFUSED) {
        return;
    }
    struct call_names names = {0};
    AUTO_TEXTS texts = {0};
    struct call_line line = line_of(call, &texts);
    call_names_add(&names, environment, service);
    line.method = method;
    line.code = st->code;
    line.reason = st->reason;
    line.names = &names;
    call_logs_add_part(logs, &line);
    call_names_fini(&names);
}
