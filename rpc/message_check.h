/* Private to rpc: decodes a message from a client, after checking its bytes. protobuf-c itself
 * truncates strings at a NUL, accepts invalid UTF-8, and has no limit for the depth or number of
 * fields. Pure; any thread. */
#ifndef RPC_MESSAGE_CHECK_H
#define RPC_MESSAGE_CHECK_H

#include <protobuf-c/protobuf-c.h>

#include "status.h"

#define MESSAGE_MAX_DEPTH 32
#define MESSAGE_MAX_FIELDS 65536 /* in total; each element of a repeated field counts */

/* Decodes a message of the type; free it with protobuf_c_message_free_unpacked. INVALID_ARGUMENT
 * MALFORMED_MESSAGE, MESSAGE_TOO_COMPLEX, or with the field's path ("changes[2].update.comment")
 * TEXT_NUL, TEXT_NOT_UTF8. */
bool message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                    ProtobufCMessage **ret_message, struct status *st);

#endif
