/* Decodes a chunked body (RFC 9112, 7.1) strictly: every line ends with CRLF, and a chunk size is
 * hexadecimal digits only. Extensions and trailers must be well-formed and small; they are
 * discarded. Does no I/O. */
#ifndef HTTP_HTTP_CHUNKS_H
#define HTTP_HTTP_CHUNKS_H

#include "http_head.h"

#define HTTP_CHUNK_LINE_BYTES 4096       /* one chunk size with its extensions; beyond: 400 */
#define HTTP_CHUNK_EXTENSION_BYTES 16384 /* extensions of a whole body; beyond: 400 */
#define HTTP_TRAILER_BYTES 8192          /* beyond: 431 */

/* Unread bytes; a reader consumes them from the front. */
struct http_input {
    const char *bytes;
    size_t n;
};

/* The state of the decoder. Zero it before the first chunk of a body. */
struct http_chunks {
    uint8_t state;
    bool is_last;                      /* the chunk of size 0 was seen */
    uint32_t n_line;                   /* bytes of the current line */
    uint32_t n_extensions, n_trailers; /* bytes so far, of the whole body */
    uint64_t left;                     /* unread bytes of the current chunk */
};

/* The next part that a reader found in the input. */
enum http_part {
    HTTP_PART_NONE, /* the input is used up; more bytes are needed */
    HTTP_PART_HEAD,
    HTTP_PART_BODY,
    HTTP_PART_END,
    HTTP_PART_REFUSED,
};

/* Consumes input up to the next piece of the body, the end of the body, or a syntax error.
 * HTTP_PART_BODY: ret_part points to decoded bytes of the body, inside the input.
 * HTTP_PART_REFUSED: ret_refusal says why; must not be called again for this body. */
enum http_part http_chunks_next(struct http_chunks *chunks, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal);

#endif
