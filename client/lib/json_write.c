#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "json.h"
#include "json_fields.h"
#include "json_message.h"
#include "mem.h"
#include "message.h"

#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static void write_members(const ProtobufCMessage *message, bool is_first, struct str *out);

/* ---- Scalars ---- */

static void write_text(const char *text, struct str *out)
{
    json_encode_string(out, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static void write_json(const ProtobufCBinaryData *bytes, struct str *out)
{
    static const struct json_limits limits = {SIZE_MAX, JSON_DEPTH_MAX};
    AUTO(buf_unref) struct buf *json = NULL;
    struct status st;
    if (json_check_value((const char *)bytes->data, bytes->len, &limits, "", NULL, &json, &st)) {
        str_add(out, json->data, json->len);
    } else {
        json_encode_string(out, (const char *)bytes->data, bytes->len);
    }
}

static void write_enum(const ProtobufCEnumDescriptor *type, int number, struct str *out)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    if (value == NULL) {
        str_addf(out, "%d", number);
    } else {
        write_text(value->name, out);
    }
}

static void write_number(const ProtobufCFieldDescriptor *field, const void *at, struct str *out)
{
    uint64_t number = 0;
    int32_t small = 0;
    if (field_size(field) == 8) {
        memcpy(&number, at, sizeof number);
        bool is_signed = field->type == PROTOBUF_C_TYPE_INT64;
        str_addf(out, is_signed ? "\"%" PRId64 "\"" : "\"%" PRIu64 "\"", number);
    } else {
        memcpy(&small, at, sizeof small);
        str_addf(out, field->type == PROTOBUF_C_TYPE_INT32 ? "%" PRId32 : "%" PRIu32, small);
    }
}

/* ---- Messages of their own form ---- */

static void write_timestamp(const Google__Protobuf__Timestamp *time, struct str *out)
{
    bool fits = time->seconds >= 0 && time->seconds <= LAST_SECOND && time->nanos >= 0 &&
                time->nanos < 1000000000;
    char text[CLOCK_TEXT_SIZE];
    clock_format(fits ? time->seconds * 1000000 + time->nanos / 1000 : 0, text);
    write_text(text, out);
}

static void write_duration(const Google__Protobuf__Duration *duration, struct str *out)
{
    bool is_negative = duration->seconds < 0 || duration->nanos < 0;
    uint64_t seconds = (uint64_t)duration->seconds;
    uint32_t nanos = (uint32_t)duration->nanos;
    str_addf(out, "\"%s%" PRIu64 ".%09" PRIu32 "s\"", is_negative ? "-" : "",
             is_negative ? 0 - seconds : seconds, is_negative ? 0 - nanos : nanos);
}

/* A type of google/rpc/error_details.proto; NULL: it is none of those that the API uses. */
static const ProtobufCMessageDescriptor *detail_type(const char *url)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &google__rpc__error_info__descriptor,
        &google__rpc__bad_request__descriptor,
        &google__rpc__retry_info__descriptor,
    };
    const char *slash = strrchr(url, '/');
    for (size_t i = 0; slash != NULL && i < COUNT_OF(types); i++) {
        if (strcmp(types[i]->name, slash + 1) == 0) {
            return types[i];
        }
    }
    return NULL;
}

static void write_any(const Google__Protobuf__Any *any, struct str *out)
{
    json_add_text(out, "{\"@type\":", any->type_url);
    const ProtobufCMessageDescriptor *type = detail_type(any->type_url);
    ProtobufCMessage *message =
        type == NULL ? NULL
                     : protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data);
    if (message != NULL) {
        write_members(message, false, out);
        message_free(message);
    }
    str_add_char(out, '}');
}

static void write_message(const ProtobufCMessage *message, struct str *out)
{
    if (message == NULL) {
        str_add_text(out, "null");
    } else if (message->descriptor == &google__protobuf__timestamp__descriptor) {
        write_timestamp((const void *)message, out);
    } else if (message->descriptor == &google__protobuf__duration__descriptor) {
        write_duration((const void *)message, out);
    } else if (message->descriptor == &google__protobuf__any__descriptor) {
        write_any((const void *)message, out);
    } else {
        json_message_write(message, out);
    }
}

/* ---- Fields ---- */

static void write_value(const ProtobufCFieldDescriptor *field, const void *at, struct str *out)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        write_text(*(char *const *)at, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_json(at, out);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        write_message(*(ProtobufCMessage *const *)at, out);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(field->descriptor, *(const int *)at, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        str_add_text(out, *(const protobuf_c_boolean *)at != 0 ? "true" : "false");
        break;
    default:
        write_number(field, at, out);
    }
}

/* protoc-c makes a message of a map's entry. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return false;
    }
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    return entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
           strcmp(entry->fields[1].name, "value") == 0;
}

static void write_entry(const ProtobufCMessage *entry, struct str *out)
{
    const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
    write_value(&fields[0], field_value(entry, &fields[0]), out);
    str_add_char(out, ':');
    write_value(&fields[1], field_value(entry, &fields[1]), out);
}

static void write_items(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message,
                        struct str *out)
{
    size_t n = *(const size_t *)field_quantifier(message, field);
    const char *items = *(char *const *)field_value(message, field);
    bool map = is_map(field);
    str_add_char(out, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        const void *item = items + i * field_size(field);
        str_add_text(out, i == 0 ? "" : ",");
        if (map) {
            write_entry(*(ProtobufCMessage *const *)item, out);
        } else {
            write_value(field, item, out);
        }
    }
    str_add_char(out, map ? '}' : ']');
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const char zeros[sizeof(ProtobufCBinaryData)];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)at;
        return text == NULL || text[0] == '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        return ((const ProtobufCBinaryData *)at)->len == 0;
    }
    return memcmp(at, zeros, field_size(field)) == 0;
}

static bool is_set(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const void *quantifier = field_quantifier(message, field);
    if (field_is_repeated(field)) {
        return *(const size_t *)quantifier > 0;
    }
    if (field_is_oneof(field)) {
        return *(const uint32_t *)quantifier == field->id;
    }
    return !is_default(field, field_value(message, field));
}

static void write_members(const ProtobufCMessage *message, bool is_first, struct str *out)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_set(field, message)) {
            continue;
        }
        str_addf(out, "%s\"%s\":", is_first ? "" : ",", field->name);
        is_first = false;
        if (field_is_repeated(field)) {
            write_items(field, message, out);
        } else {
            write_value(field, field_value(message, field), out);
        }
    }
}

void json_message_write(const ProtobufCMessage *message, struct str *out)
{
    str_add_char(out, '{');
    write_members(message, true, out);
    str_add_char(out, '}');
}
