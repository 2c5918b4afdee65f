#include "bytes.h"

#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <string.h>

#define SMALL 256 /* pieces up to this size are copied: that is cheaper than another reference */

static grpc_byte_buffer *own(grpc_slice *slices, size_t n)
{
    grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(slices, n);
    for (size_t i = 0; i < n; i++) {
        grpc_slice_unref(slices[i]);
    }
    return bytes;
}

grpc_byte_buffer *bytes_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return own(&slice, 1);
}

static void drop_piece(void *piece)
{
    buf_unref(piece);
}

/* Copies the leading small pieces into one slice; returns their number. */
static size_t join_small(struct buf *const *pieces, size_t n, grpc_slice *ret_slice)
{
    size_t count = 0;
    size_t size = 0;
    while (count < n && pieces[count]->len <= SMALL) {
        size += pieces[count++]->len;
    }
    *ret_slice = grpc_slice_malloc(size);
    uint8_t *to = GRPC_SLICE_START_PTR(*ret_slice);
    for (size_t i = 0; i < count; i++) {
        memcpy(to, pieces[i]->data, pieces[i]->len);
        to += pieces[i]->len;
        buf_unref(pieces[i]);
    }
    return count;
}

grpc_byte_buffer *bytes_join(struct buf *const *pieces, size_t n)
{
    AUTO(free) grpc_slice *slices = mem_array(n, sizeof slices[0]);
    size_t n_slices = 0;
    for (size_t i = 0; i < n;) {
        struct buf *piece = pieces[i];
        if (piece->len <= SMALL) {
            i += join_small(&pieces[i], n - i, &slices[n_slices++]);
        } else {
            slices[n_slices++] =
                grpc_slice_new_with_user_data(piece->data, piece->len, drop_piece, piece);
            i++;
        }
    }
    assert(n_slices <= n && "pieces are joined, not split");
    return own(slices, n_slices);
}

void bytes_open(struct bytes_view *view, grpc_byte_buffer *bytes)
{
    assert(bytes != NULL && "a message has arrived");
    grpc_byte_buffer_reader reader;
    size_t size = grpc_byte_buffer_length(bytes);
    grpc_byte_buffer_reader_init(&reader, bytes);
    view->slice = grpc_empty_slice();
    if (grpc_byte_buffer_reader_next(&reader, &view->slice) != 0 &&
        GRPC_SLICE_LENGTH(view->slice) < size) {
        grpc_slice_unref(view->slice);
        grpc_byte_buffer_reader_destroy(&reader);
        grpc_byte_buffer_reader_init(&reader, bytes);
        view->slice = grpc_byte_buffer_reader_readall(&reader);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    view->data = GRPC_SLICE_START_PTR(view->slice);
    view->size = size;
}

void bytes_close(struct bytes_view *view)
{
    grpc_slice_unref(view->slice);
}
