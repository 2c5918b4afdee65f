/* Private to rpc: messages as grpc_byte_buffer, the core's list of reference-counted slices. Any
 * thread. */
#ifndef RPC_BYTES_H
#define RPC_BYTES_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "buf.h"

/* Encodes a message. Owned by the caller, as is the result of bytes_join. */
grpc_byte_buffer *bytes_pack(const ProtobufCMessage *message);
/* Makes one message of encoded pieces. The references move: large pieces are sent without a copy,
 * small ones are copied together. */
grpc_byte_buffer *bytes_join(struct buf *const *pieces, size_t n);

/* A contiguous view of a message. The struct must not be moved until bytes_close. */
struct bytes_view {
    grpc_slice slice;
    const uint8_t *data;
    size_t size;
};
void bytes_open(struct bytes_view *view, grpc_byte_buffer *bytes);
void bytes_close(struct bytes_view *view);

#endif
