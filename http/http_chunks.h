/* Decodes the chunks of a body (RFC 9112, 7.1), strictly: CRLF and nothing else ends a line, a size
 * has digits only. Extensions and trailers have to be well-formed and small, and are dropped.
 * Without I/O. */
#ifndef HTTP_HTTP_CHUNKS_H
#define HTTP_HTTP_CHUNKS_H

#include "http_head.h"

#define HTTP_CHUNK_LINE_BYTES 4096       /* a size with its extensions; more is 400 */
#define HTTP_CHUNK_EXTENSION_BYTES 16384 /* of all chunks of a body; more is 400 */
#define HTTP_TRAILER_BYTES 8192          /* more is 431 */

/* Bytes, taken from the front. */
struct http_input {
    const char *bytes;
    size_t n;
};

/* Starts zeroed. */
struct http_chunks {
    uint8_t state;
    bool is_last;    /* the chunk of size 0 has begun */
    uint32_t n_line; /* bytes of this line */
    uint32_t n_extensions, n_trailers;
    uint64_t left; /* bytes of this chunk */
};

/* What comes next in a message. */
enum http_part {
    HTTP_PART_NONE, /* nothing as long as there are no more bytes */
    HTTP_PART_HEAD,
    HTTP_PART_BODY,
    HTTP_PART_END,
    HTTP_PART_REFUSED,
};

/* HTTP_PART_BODY: ret_part is some of the body, in the input. */
enum http_part http_chunks_next(struct http_chunks *chunks, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal);

#endif
