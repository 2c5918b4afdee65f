#include "json_message.h"

#include <criterion/criterion.h>
#include <string.h>

#include "json.h"
#include "json_fields.h"
#include "leak_check.h"
#include "mem.h"
#include "message.h"
#include "registry_client.h"

TestSuite(json_message, .fini = leak_check);

static const struct json_limits limits = {JSON_MESSAGE_MAX_BYTES, JSON_DEPTH_MAX};

static ProtobufCMessage *must_read(const ProtobufCMessageDescriptor *type, const char *text,
                                   size_t n)
{
    ProtobufCMessage *message = NULL;
    struct status st;
    cr_assert(json_message_read(type, text, n, &message, &st), "%s: %s: %s\n%.*s", type->name,
              st.field, st.message, (int)n, text);
    return message;
}

/* ---- Every field of every method ---- */

static void add_message(struct str *out, const ProtobufCMessageDescriptor *type, bool camel,
                        unsigned choice);

static void add_value(struct str *out, const ProtobufCFieldDescriptor *field, bool camel,
                      unsigned choice)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        str_add_text(out, "\"a \\\"text\\\" \\u00e4\"");
        break;
    case PROTOBUF_C_TYPE_BYTES:
        str_add_text(out, "{\"n\":[1.50,null,\"b\"]}");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        str_addf(out, "\"%s\"", type->values[type->n_values - 1].name);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        str_add_text(out, "true");
        break;
    case PROTOBUF_C_TYPE_UINT32:
        str_add_text(out, "4294967295");
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (field_has_type(field, &google__protobuf__timestamp__descriptor)) {
            str_add_text(out, "\"2026-01-31T09:18:40.507038Z\"");
        } else if (field_has_type(field, &google__protobuf__duration__descriptor)) {
            str_add_text(out, "\"1.500000000s\"");
        } else {
            add_message(out, field->descriptor, camel, choice);
        }
        break;
    default:
        str_add_text(out, "\"18446744073709551615\"");
    }
}

static void add_name(struct str *out, const char *name, bool camel)
{
    str_add_char(out, '"');
    for (; *name != '\0'; name++) {
        bool joins = camel && *name == '_';
        name += joins;
        str_add_char(out, joins ? (char)(*name - 'a' + 'A') : *name);
    }
    str_add_text(out, "\":");
}

/* All fields that are set together; of those of a oneof the one whose turn it is. */
static void add_message(struct str *out, const ProtobufCMessageDescriptor *type, bool camel,
                        unsigned choice)
{
    unsigned n_oneof = 0, nth = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        n_oneof += field_is_oneof(&type->fields[i]);
    }
    const char *before = "{";
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field_is_oneof(field) && nth++ != choice % n_oneof) {
            continue;
        }
        bool repeated = field_is_repeated(field);
        str_add_text(out, before);
        before = ",";
        add_name(out, field->name, camel);
        str_add_text(out, repeated ? "[" : "");
        add_value(out, field, camel, choice);
        if (repeated) {
            str_add_char(out, ',');
            add_value(out, field, camel, choice + 1);
            str_add_char(out, ']');
        }
    }
    str_add_text(out, before[0] == '{' ? "{}" : "}");
}

/* Writing gives back the JSON that was read, with the names of the .proto files. */
static void check_all_fields(const ProtobufCMessageDescriptor *type, unsigned choice)
{
    AUTO_STR snake = {0}, camel = {0};
    add_message(&snake, type, false, choice);
    add_message(&camel, type, true, choice);
    const struct str *texts[] = {&snake, &camel};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ProtobufCMessage *message = must_read(type, texts[i]->data, texts[i]->len);
        AUTO_STR written = {0};
        json_message_write(message, &written);
        message_free(message);
        struct json_text a = {snake.data, snake.len}, b = {written.data, written.len};
        cr_expect(json_text_equal(a, b), "%s\n%s\n%s", type->name, snake.data, written.data);
    }
}

Test(json_message, every_field_of_every_request_is_read_and_written)
{
#define REQUEST(NAME, path, request, response) &request##__descriptor,
    static const ProtobufCMessageDescriptor *const requests[] = {REGISTRY_METHODS(REQUEST)};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        for (unsigned choice = 0; choice < 5; choice++) {
            check_all_fields(requests[i], choice);
        }
    }
}

/* Fills every field of a message, as a server might. */
static void fill(ProtobufCMessage *message);

static void fill_value(const ProtobufCFieldDescriptor *field, void *at)
{
    static const uint64_t number = 3;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = mem_string("bad \xff and \"good\"");
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){6, (uint8_t *)mem_string("[1,2.0")};
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = message_new(field->descriptor);
        fill(*(ProtobufCMessage **)at);
        break;
    default:
        memcpy(at, &number, field_size(field));
    }
}

static void fill(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field_is_repeated(field)) {
            *(size_t *)field_quantifier(message, field) = 1;
            *(void **)field_value(message, field) = mem_zalloc(field_size(field));
            fill_value(field, *(void **)field_value(message, field));
        } else if (!field_is_oneof(field)) {
            fill_value(field, field_value(message, field));
        } else if (*(uint32_t *)field_quantifier(message, field) == 0) {
            *(uint32_t *)field_quantifier(message, field) = field->id;
            fill_value(field, field_value(message, field));
        }
    }
}

Test(json_message, every_response_is_json_whatever_the_server_sends)
{
#define RESPONSE(NAME, path, request, response) &response##__descriptor,
    static const ProtobufCMessageDescriptor *const responses[] = {REGISTRY_METHODS(RESPONSE)};
    for (size_t i = 0; i < COUNT_OF(responses); i++) {
        ProtobufCMessage *message = message_new(responses[i]);
        AUTO_STR empty = {0}, full = {0};
        json_message_write(message, &empty);
        cr_expect_str_eq(empty.data, "{}");
        fill(message);
        json_message_write(message, &full);
        message_free(message);
        AUTO(buf_unref) struct buf *json = NULL;
        struct status st;
        cr_expect(json_check(full.data, full.len, &limits, "", &json, &st), "%s: %s\n%s",
                  responses[i]->name, st.message, full.data);
    }
}

/* ---- What is refused ---- */

Test(json_message, what_is_wrong_is_told_with_its_path)
{
    static const struct {
        const char *text, *field, *reason;
    } cases[] = {
        {"", "request", "JSON_SYNTAX"},
        {"[]", "request", "JSON_NOT_OBJECT"},
        {"{\"changes\":{}}", "changes", "FIELD_TYPE"},
        {"{\"changes\":[null]}", "changes[0]", "FIELD_TYPE"},
        {"{\"changes\":[{},{\"update\":{\"config\":{}}}]}", "changes[1].update.config",
         "FIELD_UNKNOWN"},
        {"{\"changes\":[{\"update\":{\"config_data\":{},\"mergePatch\":{}}}]}",
         "changes[0].update.merge_patch", "FIELD_TWICE"},
        {"{\"requestId\":\"a\",\"request_id\":\"b\"}", "request_id", "FIELD_TWICE"},
        {"{\"comment\":\"a\\u0000b\"}", "comment", "TEXT_NUL"},
        {"{\"comment\":1}", "comment", "FIELD_TYPE"},
        {"{\"validate_only\":\"true\"}", "validate_only", "FIELD_TYPE"},
        {"{\"changes\":[{\"update\":{\"expected_version\":-1}}]}",
         "changes[0].update.expected_version", "FIELD_TYPE"},
        {"{\"changes\":[{\"update\":{\"expected_version\":1.5}}]}",
         "changes[0].update.expected_version", "FIELD_TYPE"},
        {"{\"changes\":[{\"update\":{\"expected_version\":\"18446744073709551616\"}}]}",
         "changes[0].update.expected_version", "FIELD_TYPE"},
        {"{\"changes\":[{\"update\":{\"expected_version\":\" 1\"}}]}",
         "changes[0].update.expected_version", "FIELD_TYPE"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ProtobufCMessage *message = NULL;
        struct status st;
        cr_assert(!json_message_read(&confreg__v1__commit_changes_request__descriptor,
                                     cases[i].text, strlen(cases[i].text), &message, &st),
                  "%s", cases[i].text);
        cr_expect_str_eq(st.field, cases[i].field, "%s", st.field);
        cr_expect_str_eq(st.reason, cases[i].reason, "%s: %s", cases[i].text, st.reason);
    }
}

static bool reads(const ProtobufCMessageDescriptor *type, const char *text)
{
    ProtobufCMessage *message = NULL;
    struct status st;
    bool ok = json_message_read(type, text, strlen(text), &message, &st);
    message_free(ok ? message : NULL);
    return ok;
}

Test(json_message, times_and_enums_have_their_forms)
{
    const ProtobufCMessageDescriptor *type = &confreg__v1__list_commits_request__descriptor;
    cr_expect(reads(type, "{\"start_time\":\"2026-01-31T09:18:40Z\",\"view\":2,\"kinds\":[1]}"));
    cr_expect(reads(type, "{\"start_time\":null,\"view\":null}"));
    cr_expect(!reads(type, "{\"start_time\":\"yesterday\"}"));
    cr_expect(!reads(type, "{\"view\":\"COMMIT_VIEW\"}"));
    cr_expect(!reads(type, "{\"view\":4294967296}"));
    const ProtobufCMessageDescriptor *watch = &confreg__v1__watch_request__descriptor;
    static const char *const good[] = {"1s", "0.5s", "1.123456789s", "3600s"};
    static const char *const bad[] = {"1",   "s",    ".5s", "1.s", "1.1234567890s",
                                      "-1s", "1e3s", " 1s"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        AUTO_STR text = {0};
        str_addf(&text, "{\"progress_interval\":\"%s\"}", good[i]);
        cr_expect(reads(watch, text.data), "%s", text.data);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_STR text = {0};
        str_addf(&text, "{\"progress_interval\":\"%s\"}", bad[i]);
        cr_expect(!reads(watch, text.data), "%s", text.data);
    }
}

Test(json_message, a_small_text_cannot_take_much_memory)
{
    AUTO_STR text = {0};
    str_add_text(&text, "{\"changes\":[{}");
    for (size_t i = 1; i <= JSON_MESSAGE_MAX_ITEMS; i++) {
        str_add_text(&text, ",{}");
    }
    str_add_text(&text, "]}");
    ProtobufCMessage *message = NULL;
    struct status st;
    cr_assert(!json_message_read(&confreg__v1__commit_changes_request__descriptor, text.data,
                                 text.len, &message, &st));
    cr_expect_str_eq(st.reason, "TOO_MANY_ITEMS");
}
