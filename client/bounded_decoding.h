/* Decoding of messages from a server that is not to be trusted with this process's memory: a
 * repeated field of empty messages takes a hundred times its size on the wire. Any thread; no
 * state. */
#ifndef CLIENT_BOUNDED_DECODING_H
#define CLIENT_BOUNDED_DECODING_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct bounded_decoding {
    size_t most;   /* set by the caller: what the message may take in memory */
    size_t n_used; /* what it takes */
    bool exceeded; /* it would take more */
};

/* Returns the message, owned by the caller, as protobuf_c_message_unpack does; NULL: it is
 * malformed, or would take too much (exceeded). */
ProtobufCMessage *bounded_decode(struct bounded_decoding *decoding,
                                 const ProtobufCMessageDescriptor *type, const void *bytes,
                                 size_t size);

#endif
