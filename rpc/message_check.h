/* Decoding of what a client sent. protobuf-c cuts a string at an embedded NUL, takes any bytes for
 * UTF-8, and unpacks however deep or numerous the parts are; so the bytes are looked through
 * first. */
#ifndef RPC_MESSAGE_CHECK_H
#define RPC_MESSAGE_CHECK_H

#include <protobuf-c/protobuf-c.h>

#include "status.h"

#define MESSAGE_MAX_DEPTH 32
#define MESSAGE_MAX_FIELDS 65536 /* in all, occurrences of a repeated field counted singly */

/* A message of the type; free with protobuf_c_message_free_unpacked. INVALID_ARGUMENT, reasons
 * MALFORMED_MESSAGE, MESSAGE_TOO_COMPLEX, and with the field's path ("changes[2].update.comment")
 * TEXT_NUL, TEXT_NOT_UTF8. */
bool message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                    ProtobufCMessage **ret_message, struct status *st);

#endif
