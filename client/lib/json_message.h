/* Messages as JSON, by the descriptors of protobuf-c: ProtoJSON
 * (https://protobuf.dev/programming-guides/json/), but fields of type bytes, which hold JSON in
 * this API, are written as the JSON that they hold.
 *
 * Read: names as in the .proto files or in lowerCamelCase; 64-bit integers as strings or numbers;
 * enums by name or number; times in UTC, as clock_parse reads them. A member that is null is not
 * set.
 *
 * Written: names as in the .proto files, 64-bit integers as strings, members with their default
 * value left out. The details of a google.rpc.Status have their fields beside "@type" where the
 * type is one of google/rpc/error_details.proto, else only "@type". Whatever the message holds, the
 * text is JSON: bytes that are not become a string.
 *
 * Any thread. */
#ifndef LIB_JSON_MESSAGE_H
#define LIB_JSON_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "status.h"
#include "str.h"

#define JSON_MESSAGE_MAX_BYTES ((size_t)64 << 20)
/* Messages and items of arrays in one text: more than any request can use. */
#define JSON_MESSAGE_MAX_ITEMS 20000

/* Reads a message, which is the caller's (message_free). Fails as json_check does, with field
 * "request", or with INVALID_ARGUMENT, the path of the member and a reason out of FIELD_UNKNOWN,
 * FIELD_TWICE, FIELD_TYPE, TEXT_NUL, TOO_MANY_ITEMS. */
bool json_message_read(const ProtobufCMessageDescriptor *type, const char *text, size_t n,
                       ProtobufCMessage **ret_message, struct status *st);

/* Appends the text of a message to out. */
void json_message_write(const ProtobufCMessage *message, struct str *out);

#endif
