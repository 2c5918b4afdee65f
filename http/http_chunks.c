#include "http_chunks.h"

#include "percent.h"

enum state {
    STATE_SIZE_START,
    STATE_SIZE,
    STATE_EXTENSION_BLANK, /* blanks before the semicolon of an extension */
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER_START,
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_END,
    STATE_BAD,
};

static const struct http_refusal bad_chunk = {400, "The body is not made of chunks"};
static const struct http_refusal long_chunk = {400, "The extensions of chunks are too long"};
static const struct http_refusal bad_trailer = {400, "The trailer is not made of fields"};
static const struct http_refusal long_trailer = {431, "The trailer is too large"};

static bool add_digit(struct http_chunks *chunks, int digit)
{
    if (chunks->left >> 60 != 0) {
        return false;
    }
    chunks->left = chunks->left << 4 | (uint64_t)digit;
    return true;
}

static enum state begin_size(struct http_chunks *chunks, char c)
{
    int digit = hex_digit_value(c);
    chunks->left = 0;
    chunks->n_line = 0;
    return digit >= 0 && add_digit(chunks, digit) ? STATE_SIZE : STATE_BAD;
}

static enum state take_size(struct http_chunks *chunks, char c)
{
    int digit = hex_digit_value(c);
    if (digit >= 0) {
        return add_digit(chunks, digit) ? STATE_SIZE : STATE_BAD;
    }
    if (c == '\r') {
        return STATE_SIZE_LF;
    }
    if (c == ' ' || c == '\t') {
        return STATE_EXTENSION_BLANK;
    }
    return c == ';' ? STATE_EXTENSION : STATE_BAD;
}

static enum state take_extension_blank(struct http_chunks *chunks, char c)
{
    (void)chunks;
    if (c == ' ' || c == '\t') {
        return STATE_EXTENSION_BLANK;
    }
    return c == ';' ? STATE_EXTENSION : STATE_BAD;
}

static enum state take_extension(struct http_chunks *chunks, char c)
{
    chunks->n_extensions++;
    if (c == '\r') {
        return STATE_SIZE_LF;
    }
    return http_is_value_char(c) ? STATE_EXTENSION : STATE_BAD;
}

static enum state end_size(struct http_chunks *chunks, char c)
{
    chunks->is_last = chunks->left == 0;
    if (c != '\n') {
        return STATE_BAD;
    }
    return chunks->is_last ? STATE_TRAILER_START : STATE_DATA;
}

static enum state end_data(struct http_chunks *chunks, char c)
{
    (void)chunks;
    return c == '\r' ? STATE_DATA_LF : STATE_BAD;
}

static enum state end_chunk(struct http_chunks *chunks, char c)
{
    (void)chunks;
    return c == '\n' ? STATE_SIZE_START : STATE_BAD;
}

static enum state begin_trailer(struct http_chunks *chunks, char c)
{
    chunks->n_trailers++;
    if (c == '\r') {
        return STATE_END_LF;
    }
    return http_is_token_char(c) ? STATE_TRAILER_NAME : STATE_BAD;
}

static enum state take_trailer_name(struct http_chunks *chunks, char c)
{
    chunks->n_trailers++;
    if (c == ':') {
        return STATE_TRAILER_VALUE;
    }
    return http_is_token_char(c) ? STATE_TRAILER_NAME : STATE_BAD;
}

static enum state take_trailer_value(struct http_chunks *chunks, char c)
{
    chunks->n_trailers++;
    if (c == '\r') {
        return STATE_TRAILER_LF;
    }
    return http_is_value_char(c) ? STATE_TRAILER_VALUE : STATE_BAD;
}

static enum state end_trailer(struct http_chunks *chunks, char c)
{
    (void)chunks;
    return c == '\n' ? STATE_TRAILER_START : STATE_BAD;
}

static enum state end_all(struct http_chunks *chunks, char c)
{
    (void)chunks;
    return c == '\n' ? STATE_END : STATE_BAD;
}

/* The transition of each state. STATE_DATA is handled in bulk by take_data; STATE_END and STATE_BAD
 * are final. */
static enum state (*const steps[])(struct http_chunks *chunks, char c) = {
    [STATE_SIZE_START] = begin_size,
    [STATE_SIZE] = take_size,
    [STATE_EXTENSION_BLANK] = take_extension_blank,
    [STATE_EXTENSION] = take_extension,
    [STATE_SIZE_LF] = end_size,
    [STATE_DATA_CR] = end_data,
    [STATE_DATA_LF] = end_chunk,
    [STATE_TRAILER_START] = begin_trailer,
    [STATE_TRAILER_NAME] = take_trailer_name,
    [STATE_TRAILER_VALUE] = take_trailer_value,
    [STATE_TRAILER_LF] = end_trailer,
    [STATE_END_LF] = end_all,
};

static enum http_part refuse(struct http_chunks *chunks, const struct http_refusal *why,
                             struct http_refusal *ret_refusal)
{
    chunks->state = STATE_BAD;
    *ret_refusal = *why;
    return HTTP_PART_REFUSED;
}

static enum http_part take_data(struct http_chunks *chunks, struct http_input *in,
                                struct http_input *ret_part)
{
    size_t n = chunks->left < in->n ? (size_t)chunks->left : in->n;
    *ret_part = (struct http_input){in->bytes, n};
    in->bytes += n;
    in->n -= n;
    chunks->left -= n;
    if (chunks->left == 0) {
        chunks->state = STATE_DATA_CR;
    }
    return HTTP_PART_BODY;
}

static const struct http_refusal *too_long(const struct http_chunks *chunks)
{
    if (chunks->n_line > HTTP_CHUNK_LINE_BYTES ||
        chunks->n_extensions > HTTP_CHUNK_EXTENSION_BYTES) {
        return &long_chunk;
    }
    return chunks->n_trailers > HTTP_TRAILER_BYTES ? &long_trailer : NULL;
}

enum http_part http_chunks_next(struct http_chunks *chunks, struct http_input *in,
                                struct http_input *ret_part, struct http_refusal *ret_refusal)
{
    while (in->n > 0) {
        if (chunks->state == STATE_DATA) {
            return take_data(chunks, in, ret_part);
        }
        bool is_in_trailer = chunks->state >= STATE_TRAILER_START;
        chunks->state = (uint8_t)steps[chunks->state](chunks, *in->bytes++);
        in->n--;
        chunks->n_line = is_in_trailer ? 0 : chunks->n_line + 1;
        const struct http_refusal *why = too_long(chunks);
        if (chunks->state == STATE_BAD) {
            why = is_in_trailer ? &bad_trailer : &bad_chunk;
        }
        if (why != NULL) {
            return refuse(chunks, why, ret_refusal);
        }
        if (chunks->state == STATE_END) {
            return HTTP_PART_END;
        }
    }
    return HTTP_PART_NONE;
}
