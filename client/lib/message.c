#include "message.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = mem_alloc(type->sizeof_message);
    protobuf_c_message_init(type, message);
    return message;
}

void message_free(ProtobufCMessage *message)
{
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* A field for a value: chosen, where it is one of several. NULL: there is none. */
static void *take(ProtobufCMessage *message, const char *name, const ProtobufCFieldDescriptor **ret)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field == NULL) {
        return NULL;
    }
    assert(field->label == PROTOBUF_C_LABEL_NONE && "the field is not repeated");
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *which = (uint32_t *)(void *)((char *)message + field->quantifier_offset);
        assert(*which == 0 && "one of several fields is set once");
        *which = field->id;
    }
    *ret = field;
    return (char *)message + field->offset;
}

static void put_text(char **at, const char *text)
{
    if (*at != protobuf_c_empty_string) {
        free(*at);
    }
    *at = mem_string(text);
}

bool message_set_text(ProtobufCMessage *message, const char *name, const char *text)
{
    const ProtobufCFieldDescriptor *field;
    void *at = take(message, name, &field);
    if (at == NULL) {
        return false;
    }
    assert(field->type == PROTOBUF_C_TYPE_STRING && "a text is put into a string");
    put_text(at, text == NULL ? "" : text);
    return true;
}

void message_default_text(ProtobufCMessage *message, const char *name, const char *text)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field != NULL) {
        char **at = (char **)(void *)((char *)message + field->offset);
        if (*at == NULL || **at == '\0') {
            put_text(at, text);
        }
    }
}

bool message_set_bytes(ProtobufCMessage *message, const char *name, const void *bytes, size_t n)
{
    const ProtobufCFieldDescriptor *field;
    void *at = take(message, name, &field);
    if (at == NULL) {
        return false;
    }
    assert(field->type == PROTOBUF_C_TYPE_BYTES && "bytes are put into bytes");
    const ProtobufCBinaryData data = {n, mem_alloc(n)};
    if (n > 0) {
        memcpy(data.data, bytes, n);
    }
    memcpy(at, &data, sizeof data);
    return true;
}

bool message_set_number(ProtobufCMessage *message, const char *name, uint64_t number)
{
    const ProtobufCFieldDescriptor *field;
    void *at = take(message, name, &field);
    if (at == NULL) {
        return false;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT64) {
        memcpy(at, &number, sizeof number);
    } else {
        assert((field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_ENUM) &&
               "a number is put into an integer");
        uint32_t small = (uint32_t)number;
        memcpy(at, &small, sizeof small);
    }
    return true;
}

bool message_set_bool(ProtobufCMessage *message, const char *name, bool value)
{
    const ProtobufCFieldDescriptor *field;
    void *at = take(message, name, &field);
    if (at == NULL) {
        return false;
    }
    assert(field->type == PROTOBUF_C_TYPE_BOOL && "a truth is put into a bool");
    const protobuf_c_boolean truth = value;
    memcpy(at, &truth, sizeof truth);
    return true;
}

bool message_is_true(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    protobuf_c_boolean truth = 0;
    if (field != NULL) {
        memcpy(&truth, (const char *)message + field->offset, sizeof truth);
    }
    return truth != 0;
}
