#include "http_reader.h"

#include <assert.h>

#define EMPTY_LINES 16 /* before a request */

enum reader_phase { PHASE_HEAD, PHASE_HEAD_TAKEN, PHASE_LENGTH, PHASE_CHUNKS, PHASE_REFUSED };

void http_reader_fini(struct http_reader *reader)
{
    str_fini(&reader->partial);
}

static enum http_part refuse(struct http_reader *reader, unsigned status, const char *why,
                             struct http_refusal *ret_refusal)
{
    reader->phase = PHASE_REFUSED;
    *ret_refusal = (struct http_refusal){status, why};
    return HTTP_PART_REFUSED;
}

/* ---- Heads ---- */

/* Some clients send an extra CRLF after a body; RFC 9112, 2.2 asks servers to ignore it. */
static void skip_empty_lines(struct http_reader *reader, struct http_input *in)
{
    while (in->n >= 2 && in->bytes[0] == '\r' && in->bytes[1] == '\n' &&
           reader->n_empty <= EMPTY_LINES) {
        in->bytes += 2;
        in->n -= 2;
        reader->n_empty++;
    }
}

static void keep(struct http_reader *reader, struct http_input *in)
{
    str_add(&reader->partial, in->bytes, in->n);
    in->n = 0;
}

/* The head so far in one piece: the input itself, or `partial` if it arrived in several reads. */
static struct http_input gather(struct http_reader *reader, const struct http_input *in)
{
    if (reader->partial.len == 0) {
        return *in;
    }
    str_add(&reader->partial, in->bytes, in->n);
    return (struct http_input){reader->partial.data, reader->partial.len};
}

static enum http_part take_head(struct http_reader *reader, struct http_input *in,
                                struct http_input *ret_part)
{
    size_t n_before = reader->partial.len == 0 ? 0 : reader->partial.len - in->n;
    size_t n_taken = reader->scan.seen - n_before;
    ret_part->n = reader->scan.seen;
    in->bytes += n_taken;
    in->n -= n_taken;
    reader->phase = PHASE_HEAD_TAKEN;
    return HTTP_PART_HEAD;
}

static enum http_part next_in_head(struct http_reader *reader, struct http_input *in,
                                   struct http_input *ret_part, struct http_refusal *ret_refusal)
{
    /* The previous read may have ended with the CR of an empty line. */
    if (reader->partial.len == 1 && reader->partial.data[0] == '\r' && in->n > 0) {
        if (in->bytes[0] != '\n') {
            return refuse(reader, 400, "A line does not end with CRLF", ret_refusal);
        }
        str_clear(&reader->partial);
        reader->n_empty++;
        in->bytes++;
        in->n--;
    }
    if (reader->partial.len == 0) {
        skip_empty_lines(reader, in);
    }
    if (reader->n_empty > EMPTY_LINES) {
        return refuse(reader, 400, "There are empty lines instead of a request", ret_refusal);
    }
    if (in->n == 0) {
        return HTTP_PART_NONE;
    }
    if (reader->partial.len == 0 && in->n == 1 && in->bytes[0] == '\r') {
        keep(reader, in);
        return HTTP_PART_NONE;
    }
    *ret_part = gather(reader, in);
    switch (http_head_scan(&reader->scan, ret_part->bytes, ret_part->n, ret_refusal)) {
    case HTTP_SCAN_WHOLE:
        return take_head(reader, in, ret_part);
    case HTTP_SCAN_REFUSED:
        reader->phase = PHASE_REFUSED;
        return HTTP_PART_REFUSED;
    default:
        if (reader->partial.len == 0) {
            keep(reader, in);
        }
        in->n = 0;
        return HTTP_PART_NONE;
    }
}

/* ---- Bodies ---- */

void http_reader_begin_body(struct http_reader *reader, const struct http_head *head)
{
    assert(reader->phase == PHASE_HEAD_TAKEN && "a head comes before its body");
    str_fini(&reader->partial);
    reader->scan = (struct http_head_scan){0};
    reader->n_empty = 0;
    reader->chunks = (struct http_chunks){0};
    reader->left = head->length;
    reader->phase = head->is_chunked ? PHASE_CHUNKS : PHASE_LENGTH;
}

static enum http_part next_of_length(struct http_reader *reader, struct http_input *in,
                                     struct http_input *ret_part)
{
    if (reader->left == 0) {
        return HTTP_PART_END;
    }
    size_t n = reader->left < in->n ? (size_t)reader->left : in->n;
    *ret_part = (struct http_input){in->bytes, n};
    in->bytes += n;
    in->n -= n;
    reader->left -= n;
    return n > 0 ? HTTP_PART_BODY : HTTP_PART_NONE;
}

static enum http_part next_in_body(struct http_reader *reader, struct http_input *in,
                                   struct http_input *ret_part, struct http_refusal *ret_refusal)
{
    enum http_part part = reader->phase == PHASE_LENGTH
                              ? next_of_length(reader, in, ret_part)
                              : http_chunks_next(&reader->chunks, in, ret_part, ret_refusal);
    if (part == HTTP_PART_END) {
        reader->phase = PHASE_HEAD;
    } else if (part == HTTP_PART_REFUSED) {
        reader->phase = PHASE_REFUSED;
    }
    return part;
}

enum http_part http_reader_next(struct http_reader *reader, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal)
{
    assert(reader->phase != PHASE_REFUSED && reader->phase != PHASE_HEAD_TAKEN &&
           "something can follow");
    return reader->phase == PHASE_HEAD ? next_in_head(reader, in, ret_part, ret_refusal)
                                       : next_in_body(reader, in, ret_part, ret_refusal);
}

bool http_reader_is_within(const struct http_reader *reader)
{
    return reader->phase != PHASE_HEAD || reader->partial.len > 0;
}

uint64_t http_reader_left(const struct http_reader *reader)
{
    if (reader->phase == PHASE_LENGTH) {
        return reader->left;
    }
    return reader->phase == PHASE_CHUNKS ? reader->chunks.left : 0;
}
