/* Messages of protobuf-c on the heap, by the names of their fields. Names are literals. Any thread.
 *
 * Setters return false if the message has no such field; they assert its type. */
#ifndef LIB_MESSAGE_H
#define LIB_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *type);
/* NULL is ignored. */
void message_free(ProtobufCMessage *message);

/* Copies. NULL: "". */
bool message_set_text(ProtobufCMessage *message, const char *name, const char *text);
/* The same where the field is empty; does nothing where there is none. */
void message_default_text(ProtobufCMessage *message, const char *name, const char *text);
bool message_set_bytes(ProtobufCMessage *message, const char *name, const void *bytes, size_t n);
/* Of an integer or an enum. */
bool message_set_number(ProtobufCMessage *message, const char *name, uint64_t number);
/* Whether the message has such a field, a bool, and it is true. */
bool message_is_true(const ProtobufCMessage *message, const char *name);
bool message_set_bool(ProtobufCMessage *message, const char *name, bool value);

#endif
