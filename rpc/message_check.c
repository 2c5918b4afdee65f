#include "message_check.h"

#include <string.h>

#include "str.h"
#include "utf8.h"
#include "wire.h"

/* The unread rest of a message. */
struct input {
    const uint8_t *at;
    const uint8_t *end;
};

struct wire_field {
    uint32_t number;
    uint32_t type;
    const uint8_t *data; /* of a length-prefixed field */
    size_t size;
};

/* A message, linked to the messages that contain it. */
struct scope {
    const struct scope *outer;
    const ProtobufCMessageDescriptor *type;
    struct input whole;
    const ProtobufCFieldDescriptor *field; /* the current field */
    const uint8_t *behind;                 /* the end of the last field */
    unsigned depth;
};

struct message_walk {
    size_t n_fields;
    struct status *st;
};

static bool malformed(struct status *st)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "MALFORMED_MESSAGE",
                      "malformed request message");
}

static bool read_varint(struct input *in, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += WIRE_VARINT_BITS) {
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & ~WIRE_VARINT_MORE) << shift;
        if ((byte & WIRE_VARINT_MORE) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct input *in, uint64_t n)
{
    if (n > (uint64_t)(in->end - in->at)) {
        return false;
    }
    in->at += n;
    return true;
}

static bool read_value(struct input *in, struct wire_field *field)
{
    uint64_t number;
    switch (field->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(in, &number);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return skip(in, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return skip(in, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(in, &number)) {
            return false;
        }
        field->data = in->at;
        field->size = (size_t)number;
        return skip(in, number);
    default: /* a group, or nothing that exists */
        return false;
    }
}

static bool read_field(struct input *in, struct wire_field *ret_field)
{
    uint64_t tag;
    if (!read_varint(in, &tag) || tag > UINT32_MAX || tag < WIRE_TAG(1, 0)) {
        return false;
    }
    *ret_field = (struct wire_field){.number = (uint32_t)tag >> WIRE_TYPE_BITS,
                                     .type = (uint32_t)tag & ((1u << WIRE_TYPE_BITS) - 1)};
    return read_value(in, ret_field);
}

/* ---- The path of a field, made only where something is wrong with it ---- */

/* The index of the element of a repeated field that was read last. */
static size_t occurrence(const struct scope *scope)
{
    struct input in = {scope->whole.at, scope->behind};
    struct wire_field field;
    size_t n = 0;
    while (in.at < in.end && read_field(&in, &field)) {
        n += field.number == scope->field->id;
    }
    return n - 1;
}

static void describe(const struct scope *scope, struct str *path)
{
    if (scope->outer != NULL) {
        describe(scope->outer, path);
        str_add_char(path, '.');
    }
    str_add_text(path, scope->field->name);
    if (scope->field->label == PROTOBUF_C_LABEL_REPEATED) {
        str_addf(path, "[%zu]", occurrence(scope));
    }
}

static bool bad_text(const struct scope *scope, const char *reason, const char *what,
                     struct status *st)
{
    AUTO_STR path = {0};
    describe(scope, &path);
    return status_bad_field(st, path.data, reason, "%s %s", path.data, what);
}

/* ---- Looking through ---- */

static bool check_message(struct message_walk *walk, struct scope *scope);

static bool check_text(struct message_walk *walk, const struct scope *scope,
                       const struct wire_field *text)
{
    const char *bytes = (const char *)text->data;
    if (memchr(bytes, '\0', text->size) != NULL) {
        return bad_text(scope, "TEXT_NUL", "holds a NUL character", walk->st);
    }
    if (utf8_check(bytes, text->size) < text->size) {
        return bad_text(scope, "TEXT_NOT_UTF8", "is not UTF-8", walk->st);
    }
    return true;
}

static bool check_nested(struct message_walk *walk, const struct scope *outer,
                         const struct wire_field *message)
{
    struct scope scope = {
        .outer = outer,
        .type = outer->field->descriptor,
        .whole = {message->data, message->data + message->size},
        .depth = outer->depth + 1,
    };
    if (scope.depth > MESSAGE_MAX_DEPTH) {
        status_set(walk->st, STATUS_INVALID_ARGUMENT, "MESSAGE_TOO_COMPLEX",
                   "the request message is nested more than %d levels deep", MESSAGE_MAX_DEPTH);
        return status_exceeds(walk->st, MESSAGE_MAX_DEPTH, scope.depth);
    }
    return check_message(walk, &scope);
}

static bool check_field(struct message_walk *walk, const struct scope *scope,
                        const struct wire_field *field)
{
    if (++walk->n_fields > MESSAGE_MAX_FIELDS) {
        status_set(walk->st, STATUS_INVALID_ARGUMENT, "MESSAGE_TOO_COMPLEX",
                   "the request message has more than %d fields", MESSAGE_MAX_FIELDS);
        return status_exceeds(walk->st, MESSAGE_MAX_FIELDS, walk->n_fields);
    }
    if (scope->field == NULL || field->type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        return true;
    }
    switch (scope->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return check_text(walk, scope, field);
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_nested(walk, scope, field);
    default:
        return true;
    }
}

static bool check_message(struct message_walk *walk, struct scope *scope)
{
    struct input in = scope->whole;
    while (in.at < in.end) {
        struct wire_field field;
        if (!read_field(&in, &field)) {
            return malformed(walk->st);
        }
        scope->field = protobuf_c_message_descriptor_get_field(scope->type, field.number);
        scope->behind = in.at;
        if (!check_field(walk, scope, &field)) {
            return false;
        }
    }
    return true;
}

bool message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                    ProtobufCMessage **ret_message, struct status *st)
{
    struct message_walk walk = {.st = st};
    struct scope scope = {.type = type, .whole = {bytes, bytes + size}, .depth = 1};
    if (!check_message(&walk, &scope)) {
        return false;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, bytes);
    if (message == NULL) {
        return malformed(st);
    }
    *ret_message = message;
    return true;
}
