/* Splits the byte stream of a connection into requests, wherever the reads happen to cut it. Does
 * no I/O: the caller hands bytes in and gets parts of messages out. */
#ifndef HTTP_HTTP_READER_H
#define HTTP_HTTP_READER_H

#include "http_chunks.h"
#include "str.h"

/* Zero it before the first byte of a connection. */
struct http_reader {
    uint8_t phase;
    uint8_t n_empty;    /* empty lines skipped before the current request */
    struct str partial; /* the beginning of an incomplete head */
    struct http_head_scan scan;
    struct http_chunks chunks;
    uint64_t left; /* unread bytes of a body with Content-Length */
};

void http_reader_fini(struct http_reader *reader);

/* Consumes input and returns the next part of a message:
 * - HTTP_PART_HEAD: ret_part is a complete head of reader->scan.n_lines lines for http_head_parse,
 *   valid until the next call. The caller must call http_reader_begin_body next.
 * - HTTP_PART_BODY: ret_part is a piece of the body.
 * - HTTP_PART_END: the request is complete. The rest of the input belongs to the next request.
 * - HTTP_PART_REFUSED: the request is malformed. Must not be called again on this connection.
 * - HTTP_PART_NONE: the input is used up. */
enum http_part http_reader_next(struct http_reader *reader, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal);
void http_reader_begin_body(struct http_reader *reader, const struct http_head *head);

/* Whether a request has begun and is incomplete. */
bool http_reader_is_within(const struct http_reader *reader);
/* Unread bytes of the body that its length or the current chunk announced. */
uint64_t http_reader_left(const struct http_reader *reader);

#endif
