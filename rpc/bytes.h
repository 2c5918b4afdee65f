/* Messages as the core carries them: lists of counted slices. */
#ifndef RPC_BYTES_H
#define RPC_BYTES_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "buf.h"

grpc_byte_buffer *bytes_pack(const ProtobufCMessage *message);
/* One message out of pieces. The references are moved: large pieces are sent as they are, small
 * ones are copied together. */
grpc_byte_buffer *bytes_join(struct buf *const *pieces, size_t n);

/* A message in one piece. It must stay where it is until it is closed. */
struct bytes_view {
    grpc_slice slice;
    const uint8_t *data;
    size_t size;
};
void bytes_open(struct bytes_view *view, grpc_byte_buffer *bytes);
void bytes_close(struct bytes_view *view);

#endif
