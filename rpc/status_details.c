#include "status_details.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "mem.h"
#include "rpc_client.h"

#define MS_A_SECOND 1000
#define NS_A_MS 1000000
#define RETRY_MAX_S 86400
#define TYPE_PREFIX "type.googleapis.com/"

/* protobuf-c's structs take pointers to what they only read. */
static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* ---- Encoding ---- */

static void wrap(Google__Protobuf__Any *any, const char *type_url, const ProtobufCMessage *message)
{
    google__protobuf__any__init(any);
    any->type_url = text(type_url);
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = mem_alloc(any->value.len);
    protobuf_c_message_pack(message, any->value.data);
}

static void wrap_error_info(Google__Protobuf__Any *any, const struct status *st, const char *domain)
{
    Google__Rpc__ErrorInfo__MetadataEntry entries[STATUS_INFO_MAX];
    Google__Rpc__ErrorInfo__MetadataEntry *pointers[STATUS_INFO_MAX];
    for (size_t i = 0; i < st->n_info; i++) {
        google__rpc__error_info__metadata_entry__init(&entries[i]);
        entries[i].key = text(st->info[i].key);
        entries[i].value = text(st->info[i].value);
        pointers[i] = &entries[i];
    }
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = text(st->reason);
    info.domain = text(domain == NULL ? "" : domain);
    info.n_metadata = st->n_info;
    info.metadata = pointers;
    wrap(any, TYPE_PREFIX "google.rpc.ErrorInfo", &info.base);
}

/* How many violations fit. */
static size_t count_fitting(const struct status_violation *violations, size_t n)
{
    size_t bytes = 0;
    size_t fitting = 0;
    for (; fitting < n; fitting++) {
        const struct status_violation *v = &violations[fitting];
        bytes += strlen(v->field) + strlen(v->reason) + strlen(v->message);
        if (fitting > 0 && bytes > STATUS_VIOLATIONS_BYTES) {
            break;
        }
    }
    return fitting;
}

static void wrap_bad_request(Google__Protobuf__Any *any, const struct status *st)
{
    const struct status_violation single = {st->field, st->reason, st->message};
    bool several = st->n_violations > 0;
    const struct status_violation *violations = several ? st->violations : &single;
    size_t n = several ? count_fitting(violations, st->n_violations) : 1;
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    AUTO(free)
    Google__Rpc__BadRequest__FieldViolation *fields = mem_array(n, sizeof fields[0]);
    AUTO(free)
    Google__Rpc__BadRequest__FieldViolation **pointers = mem_array(n, sizeof pointers[0]);
    for (size_t i = 0; i < n; i++) {
        google__rpc__bad_request__field_violation__init(&fields[i]);
        fields[i].field = text(violations[i].field);
        fields[i].description = text(violations[i].message);
        fields[i].reason = text(violations[i].reason);
        pointers[i] = &fields[i];
    }
    bad.n_field_violations = n;
    bad.field_violations = pointers;
    wrap(any, TYPE_PREFIX "google.rpc.BadRequest", &bad.base);
}

static void wrap_retry_info(Google__Protobuf__Any *any, const struct status *st)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    delay.seconds = st->retry_ms / MS_A_SECOND;
    delay.nanos = (int32_t)(st->retry_ms % MS_A_SECOND) * NS_A_MS;
    retry.retry_delay = &delay;
    wrap(any, TYPE_PREFIX "google.rpc.RetryInfo", &retry.base);
}

bool status_has_details(const struct status *st)
{
    return st->reason[0] != '\0' || st->field[0] != '\0' || st->n_violations > 0;
}

struct buf *status_details_encode(const struct status *st, const char *domain)
{
    Google__Protobuf__Any details[3];
    Google__Protobuf__Any *pointers[3] = {&details[0], &details[1], &details[2]};
    size_t n = 0;
    if (st->reason[0] != '\0') {
        wrap_error_info(&details[n++], st, domain);
    }
    if (st->field[0] != '\0' || st->n_violations > 0) {
        wrap_bad_request(&details[n++], st);
    }
    if (st->retry_ms > 0) {
        wrap_retry_info(&details[n++], st);
    }
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = (int32_t)st->code;
    status.message = text(st->message);
    status.n_details = n;
    status.details = pointers;
    struct buf *encoded = buf_new(protobuf_c_message_get_packed_size(&status.base));
    protobuf_c_message_pack(&status.base, encoded->data);
    for (size_t i = 0; i < n; i++) {
        free(details[i].value.data);
    }
    return encoded;
}

/* ---- Decoding ---- */

#define MAX_KEYS 64
#define MAX_VIOLATIONS 1000

/* The key for the program's life, or NULL where there are too many. */
static const char *keep_key(const char *key)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *keys[MAX_KEYS];
    static size_t n_keys;
    const char *kept = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_keys && kept == NULL; i++) {
        kept = strcmp(keys[i], key) == 0 ? keys[i] : NULL;
    }
    if (kept == NULL && n_keys < MAX_KEYS) {
        kept = keys[n_keys++] = mem_string(key);
    }
    pthread_mutex_unlock(&lock);
    return kept;
}

static void take_error_info(const ProtobufCMessage *message, struct status *st,
                            struct violations *room)
{
    (void)room;
    const Google__Rpc__ErrorInfo *info = (const Google__Rpc__ErrorInfo *)(const void *)message;
    status_set_reason(st, info->reason);
    for (size_t i = 0; i < info->n_metadata; i++) {
        const char *key = keep_key(info->metadata[i]->key);
        if (key != NULL) {
            status_add_info(st, key, info->metadata[i]->value);
        }
    }
}

static void take_bad_request(const ProtobufCMessage *message, struct status *st,
                             struct violations *room)
{
    const Google__Rpc__BadRequest *bad = (const Google__Rpc__BadRequest *)(const void *)message;
    if (bad->n_field_violations > 0) {
        snprintf(st->field, sizeof st->field, "%s", bad->field_violations[0]->field);
    }
    size_t n = bad->n_field_violations < MAX_VIOLATIONS ? bad->n_field_violations : MAX_VIOLATIONS;
    for (size_t i = 0; i < n; i++) {
        const Google__Rpc__BadRequest__FieldViolation *v = bad->field_violations[i];
        violations_add(room, v->field, v->reason, v->description);
    }
    violations_lend(room, st);
}

/* A peer's delay is not believed beyond a day. */
static void take_retry_info(const ProtobufCMessage *message, struct status *st,
                            struct violations *room)
{
    (void)room;
    const Google__Rpc__RetryInfo *retry = (const Google__Rpc__RetryInfo *)(const void *)message;
    const Google__Protobuf__Duration *delay = retry->retry_delay;
    if (delay != NULL && delay->seconds >= 0 && delay->seconds <= RETRY_MAX_S &&
        delay->nanos >= 0) {
        st->retry_ms = delay->seconds * MS_A_SECOND + delay->nanos / NS_A_MS;
    }
}

static const struct detail {
    const char *type_url;
    const ProtobufCMessageDescriptor *type;
    void (*take)(const ProtobufCMessage *message, struct status *st, struct violations *room);
} known_details[] = {
    {TYPE_PREFIX "google.rpc.ErrorInfo", &google__rpc__error_info__descriptor, take_error_info},
    {TYPE_PREFIX "google.rpc.BadRequest", &google__rpc__bad_request__descriptor, take_bad_request},
    {TYPE_PREFIX "google.rpc.RetryInfo", &google__rpc__retry_info__descriptor, take_retry_info},
};

static void take_detail(const Google__Protobuf__Any *any, struct status *st,
                        struct violations *room)
{
    for (size_t i = 0; i < COUNT_OF(known_details); i++) {
        const struct detail *known = &known_details[i];
        if (strcmp(any->type_url, known->type_url) != 0) {
            continue;
        }
        ProtobufCMessage *message =
            protobuf_c_message_unpack(known->type, NULL, any->value.len, any->value.data);
        if (message != NULL) {
            known->take(message, st, room);
            protobuf_c_message_free_unpacked(message, NULL);
        }
    }
}

static void take_all_details(const Google__Rpc__Status *status, struct status *st,
                             struct violations *room)
{
    for (size_t i = 0; i < status->n_details; i++) {
        take_detail(status->details[i], st, room);
    }
}

void status_details_decode(const uint8_t *bytes, size_t size, struct status *st,
                           struct violations *room)
{
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, size, bytes);
    if (status == NULL) {
        return;
    }
    take_all_details(status, st, room);
    google__rpc__status__free_unpacked(status, NULL);
}

enum status_code status_code_of(int64_t code)
{
    return code > STATUS_OK && code < STATUS_CODES ? (enum status_code)code : STATUS_UNKNOWN;
}

void rpc_status_of(const Google__Rpc__Status *message, struct status *st, struct violations *room)
{
    status_set(st, status_code_of(message->code), "", "%s", message->message);
    take_all_details(message, st, room);
}
