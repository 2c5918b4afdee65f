/* Reads the requests of a connection out of its bytes, however those come cut. Without I/O: bytes
 * are handed in, parts of messages come out. */
#ifndef HTTP_HTTP_READER_H
#define HTTP_HTTP_READER_H

#include "http_chunks.h"
#include "str.h"

/* Starts zeroed. */
struct http_reader {
    uint8_t phase;
    uint8_t n_empty;    /* lines before a request */
    struct str partial; /* a head that has not come whole */
    struct http_head_scan scan;
    struct http_chunks chunks;
    uint64_t left; /* of a body with a length */
};

void http_reader_fini(struct http_reader *reader);

/* Takes bytes from the input and says what they are:
 * - HTTP_PART_HEAD: ret_part is a whole head for http_head_parse, with reader->scan.n_lines fields
 *   and a request line, valid until the next call. It must be followed by http_reader_begin_body.
 * - HTTP_PART_BODY: ret_part is some of the body.
 * - HTTP_PART_END: the request is whole. What is left of the input is of the next one.
 * - HTTP_PART_REFUSED: nothing that follows has a meaning; not to be called again.
 * - HTTP_PART_NONE: all input was taken. */
enum http_part http_reader_next(struct http_reader *reader, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal);
void http_reader_begin_body(struct http_reader *reader, const struct http_head *head);

/* Whether some of a request has come, and not all. */
bool http_reader_is_within(const struct http_reader *reader);
/* Bytes of the body that are announced and have not come. */
uint64_t http_reader_left(const struct http_reader *reader);

#endif
