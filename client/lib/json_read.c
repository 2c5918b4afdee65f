#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "json_fields.h"
#include "json_message.h"
#include "mem.h"
#include "message.h"

/* One text that is being read. */
struct json_reading {
    struct str path; /* of the member: "changes[2].update.config_data" */
    size_t n_items;
    struct status *st;
};

static bool read_message(struct json_reading *reading, const ProtobufCMessageDescriptor *type,
                         struct json_text text, ProtobufCMessage **ret_message);

static bool wrong(struct json_reading *reading, const char *reason, const char *what)
{
    const char *path = str_text(&reading->path);
    return status_bad_field(reading->st, path[0] == '\0' ? "request" : path, reason, "%s", what);
}

static bool count_item(struct json_reading *reading)
{
    return ++reading->n_items <= JSON_MESSAGE_MAX_ITEMS ||
           wrong(reading, "TOO_MANY_ITEMS", "the request has too many items");
}

/* ---- Scalars ---- */

/* Decodes a string to a text without NUL. */
static bool decode(struct json_reading *reading, struct json_text text, struct str *out)
{
    if (json_type_of(text) != JSON_STRING) {
        return wrong(reading, "FIELD_TYPE", "a string is needed");
    }
    str_add(out, "", 0);
    json_decode_string(text, out);
    return (out->data == NULL && out->len == 0) || strlen(out->data) == out->len ||
           wrong(reading, "TEXT_NUL", "a text has no NUL");
}

static bool read_text(struct json_reading *reading, struct json_text text, char **at)
{
    AUTO_STR value = {0};
    if (!decode(reading, text, &value)) {
        return false;
    }
    *at = mem_string(str_text(&value));
    return true;
}

static void read_json(struct json_text text, ProtobufCBinaryData *at)
{
    *at = (ProtobufCBinaryData){text.len, mem_alloc(text.len)};
    memcpy(at->data, text.data, text.len);
}

/* The digits of a number, or of a string that is one. */
static bool digits_of(struct json_reading *reading, struct json_text text, struct str *out)
{
    if (json_type_of(text) == JSON_NUMBER) {
        str_add(out, text.data, text.len);
        return true;
    }
    return decode(reading, text, out);
}

static bool read_unsigned(struct json_reading *reading, struct json_text text, uint64_t most,
                          uint64_t *ret_number)
{
    AUTO_STR digits = {0};
    if (!digits_of(reading, text, &digits)) {
        return false;
    }
    const char *start = str_text(&digits);
    char *end;
    errno = 0;
    unsigned long long number = strtoull(start, &end, 10);
    bool is_one = isdigit((unsigned char)*start) && *end == '\0' && errno == 0;
    *ret_number = number;
    return (is_one && number <= most) ||
           wrong(reading, "FIELD_TYPE", "a natural number within its range is needed");
}

static bool read_enum(struct json_reading *reading, const ProtobufCEnumDescriptor *type,
                      struct json_text text, int *at)
{
    if (json_type_of(text) == JSON_NUMBER) {
        uint64_t number;
        bool ok = read_unsigned(reading, text, INT32_MAX, &number);
        *at = ok ? (int)number : 0;
        return ok;
    }
    AUTO_STR name = {0};
    if (!decode(reading, text, &name)) {
        return false;
    }
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value_by_name(type, str_text(&name));
    if (value == NULL) {
        return wrong(reading, "FIELD_TYPE", "there is no such value");
    }
    *at = value->value;
    return true;
}

static bool read_bool(struct json_reading *reading, struct json_text text, protobuf_c_boolean *at)
{
    enum json_type type = json_type_of(text);
    *at = type == JSON_TRUE;
    return type == JSON_TRUE || type == JSON_FALSE ||
           wrong(reading, "FIELD_TYPE", "true or false is needed");
}

/* ---- Times ---- */

static bool read_timestamp(struct json_reading *reading, struct json_text text,
                           ProtobufCMessage **at)
{
    AUTO_STR value = {0};
    int64_t wall_us;
    if (!decode(reading, text, &value)) {
        return false;
    }
    if (!clock_parse(str_text(&value), &wall_us)) {
        return wrong(reading, "FIELD_TYPE", "a time as 2026-01-31T09:18:40.507038Z is needed");
    }
    Google__Protobuf__Timestamp *time =
        (Google__Protobuf__Timestamp *)message_new(&google__protobuf__timestamp__descriptor);
    time->seconds = wall_us / 1000000;
    time->nanos = (int32_t)(wall_us % 1000000) * 1000;
    *at = &time->base;
    return true;
}

/* The nanoseconds of a fraction; -1: it is none. *ret_end: behind it. */
static int32_t nanos_of(const char *digits, const char **ret_end)
{
    int32_t nanos = 0;
    const char *at = digits;
    for (int32_t unit = 100000000; unit > 0 && isdigit((unsigned char)*at); unit /= 10) {
        nanos += (*at++ - '0') * unit;
    }
    *ret_end = at;
    return at == digits ? -1 : nanos;
}

static bool read_duration(struct json_reading *reading, struct json_text text,
                          ProtobufCMessage **at)
{
    static const char needed[] = "a duration as \"1.5s\" is needed";
    AUTO_STR value = {0};
    if (!decode(reading, text, &value)) {
        return false;
    }
    const char *start = str_text(&value);
    char *point;
    errno = 0;
    long long seconds = strtoll(start, &point, 10);
    const char *end = point;
    int32_t nanos = *point == '.' ? nanos_of(point + 1, &end) : 0;
    bool is_one = isdigit((unsigned char)*start) && errno == 0 && nanos >= 0;
    if (!is_one || strcmp(end, "s") != 0) {
        return wrong(reading, "FIELD_TYPE", needed);
    }
    Google__Protobuf__Duration *duration =
        (Google__Protobuf__Duration *)message_new(&google__protobuf__duration__descriptor);
    duration->seconds = seconds;
    duration->nanos = nanos;
    *at = &duration->base;
    return true;
}

/* ---- Fields ---- */

static bool read_submessage(struct json_reading *reading, const ProtobufCFieldDescriptor *field,
                            struct json_text text, ProtobufCMessage **at)
{
    if (field_has_type(field, &google__protobuf__timestamp__descriptor)) {
        return read_timestamp(reading, text, at);
    }
    if (field_has_type(field, &google__protobuf__duration__descriptor)) {
        return read_duration(reading, text, at);
    }
    return read_message(reading, field->descriptor, text, at);
}

static bool read_number(struct json_reading *reading, const ProtobufCFieldDescriptor *field,
                        struct json_text text, void *at)
{
    uint64_t number;
    size_t size = field_size(field);
    assert((field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_UINT64 ||
            field->type == PROTOBUF_C_TYPE_FIXED64) &&
           "requests have no other numbers");
    if (!read_unsigned(reading, text, size == 8 ? UINT64_MAX : UINT32_MAX, &number)) {
        return false;
    }
    uint32_t small = (uint32_t)number;
    memcpy(at, size == 8 ? (const void *)&number : &small, size);
    return true;
}

/* Reads one value to `at`, which has field_size() bytes. */
static bool read_value(struct json_reading *reading, const ProtobufCFieldDescriptor *field,
                       struct json_text text, void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return read_text(reading, text, at);
    case PROTOBUF_C_TYPE_BYTES:
        read_json(text, at);
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_submessage(reading, field, text, at);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reading, field->descriptor, text, at);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(reading, text, at);
    default:
        return read_number(reading, field, text, at);
    }
}

static bool read_items(struct json_reading *reading, const ProtobufCFieldDescriptor *field,
                       struct json_text text, ProtobufCMessage *message)
{
    if (json_type_of(text) != JSON_ARRAY) {
        return wrong(reading, "FIELD_TYPE", "an array is needed");
    }
    size_t size = field_size(field);
    size_t *n = field_quantifier(message, field);
    char **items = field_value(message, field);
    size_t position = 0;
    size_t room = 0;
    const size_t n_path = reading->path.len;
    struct json_text item;
    while (json_item(text, &position, &item)) {
        if (*n == room) {
            room = room == 0 ? 8 : 2 * room;
            *items = mem_grow(*items, room, size);
        }
        str_addf(&reading->path, "[%zu]", *n);
        if (!count_item(reading) || !read_value(reading, field, item, *items + *n * size)) {
            return false;
        }
        str_truncate(&reading->path, n_path);
        ++*n;
    }
    return true;
}

static bool read_one(struct json_reading *reading, const ProtobufCFieldDescriptor *field,
                     struct json_text text, ProtobufCMessage *message)
{
    uint32_t *which = field_is_oneof(field) ? field_quantifier(message, field) : NULL;
    if (which != NULL && *which != 0) {
        return wrong(reading, "FIELD_TWICE", "only one of these fields may be set");
    }
    if (!read_value(reading, field, text, field_value(message, field))) {
        return false;
    }
    if (which != NULL) {
        *which = field->id;
    }
    return true;
}

/* ---- Messages ---- */

/* "configData" as "config_data". */
static void to_snake(const char *name, struct str *out)
{
    for (; *name != '\0'; name++) {
        if (isupper((unsigned char)*name)) {
            str_add_char(out, '_');
        }
        str_add_char(out, (char)tolower((unsigned char)*name));
    }
}

static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *type,
                                            const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(type, name);
    AUTO_STR snake = {0};
    if (field == NULL && strchr(name, '_') == NULL) {
        to_snake(name, &snake);
        field = protobuf_c_message_descriptor_get_field_by_name(type, str_text(&snake));
    }
    return field;
}

static bool read_member(struct json_reading *reading, struct json_text key, struct json_text value,
                        ProtobufCMessage *message, uint64_t *seen)
{
    AUTO_STR name = {0};
    if (!decode(reading, key, &name)) {
        return false;
    }
    const ProtobufCFieldDescriptor *field = find(message->descriptor, str_text(&name));
    str_addf(&reading->path, "%s%.100s", reading->path.len == 0 ? "" : ".",
             field == NULL ? str_text(&name) : field->name);
    if (field == NULL) {
        return wrong(reading, "FIELD_UNKNOWN", "there is no such field");
    }
    uint64_t bit = UINT64_C(1) << (field - message->descriptor->fields);
    if ((*seen & bit) != 0) {
        return wrong(reading, "FIELD_TWICE", "the field is set twice");
    }
    *seen |= bit;
    if (json_type_of(value) == JSON_NULL) {
        return true;
    }
    return field_is_repeated(field) ? read_items(reading, field, value, message)
                                    : read_one(reading, field, value, message);
}

static bool read_members(struct json_reading *reading, struct json_text text,
                         ProtobufCMessage *message)
{
    assert(message->descriptor->n_fields <= 64 && "a number has a bit for each field");
    size_t position = 0;
    uint64_t seen = 0;
    const size_t n_path = reading->path.len;
    struct json_text key, value;
    while (json_member(text, &position, &key, &value)) {
        if (!read_member(reading, key, value, message, &seen)) {
            return false;
        }
        str_truncate(&reading->path, n_path);
    }
    return true;
}

static bool read_message(struct json_reading *reading, const ProtobufCMessageDescriptor *type,
                         struct json_text text, ProtobufCMessage **ret_message)
{
    if (json_type_of(text) != JSON_OBJECT) {
        return wrong(reading, "FIELD_TYPE", "an object is needed");
    }
    if (!count_item(reading)) {
        return false;
    }
    ProtobufCMessage *message = message_new(type);
    if (!read_members(reading, text, message)) {
        message_free(message);
        return false;
    }
    *ret_message = message;
    return true;
}

bool json_message_read(const ProtobufCMessageDescriptor *type, const char *text, size_t n,
                       ProtobufCMessage **ret_message, struct status *st)
{
    static const struct json_limits limits = {JSON_MESSAGE_MAX_BYTES, JSON_DEPTH_MAX};
    AUTO(buf_unref) struct buf *json = NULL;
    if (!json_check(text, n, &limits, "request", &json, st)) {
        return false;
    }
    struct json_reading reading = {.st = st};
    bool ok = read_message(&reading, type, json_of_buf(json), ret_message);
    str_fini(&reading.path);
    return ok;
}
