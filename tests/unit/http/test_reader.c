/* Splitting a byte stream into messages, wherever the reads cut it. */
#include "http_reader.h"

#include <criterion/criterion.h>
#include <string.h>

#include "leak_check.h"

#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define GET "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

TestSuite(readers, .fini = leak_check);

static struct http_field fields[HTTP_FIELDS];

/* Describes what was read: "POST[abc]GET[]" for complete messages, then "!400" for a refusal, or
 * "…" if more bytes are needed. */
static void add_part(struct http_reader *reader, enum http_part kind, const struct http_input *part,
                     struct http_refusal *refusal, struct str *out)
{
    if (kind == HTTP_PART_HEAD) {
        struct http_head head;
        AUTO(free) char *text = mem_text(part->bytes, part->n);
        if (http_head_parse(text, part->n, fields, &head, refusal)) {
            str_addf(out, "%s[", head.method);
            http_reader_begin_body(reader, &head);
            return;
        }
        kind = HTTP_PART_REFUSED;
    }
    if (kind == HTTP_PART_BODY) {
        str_add(out, part->bytes, part->n);
    } else if (kind == HTTP_PART_END) {
        str_add_char(out, ']');
    } else {
        str_addf(out, "!%u", refusal->status);
    }
}

static bool is_refused(const struct str *out)
{
    return out->len >= 4 && out->data[out->len - 4] == '!';
}

/* Feeds the text in pieces of n bytes. */
static void read_all(const char *bytes, size_t n, size_t n_piece, struct str *out)
{
    struct http_reader reader = {0};
    struct http_refusal refusal = {0};
    for (size_t at = 0; at < n && !is_refused(out); at += n_piece) {
        AUTO(free) char *piece = mem_text(bytes + at, n - at < n_piece ? n - at : n_piece);
        struct http_input in = {piece, n - at < n_piece ? n - at : n_piece};
        struct http_input part;
        enum http_part kind;
        while (!is_refused(out) &&
               (kind = http_reader_next(&reader, &in, &part, &refusal)) != HTTP_PART_NONE) {
            add_part(&reader, kind, &part, &refusal, out);
        }
        cr_assert(in.n == 0 || is_refused(out));
    }
    if (!is_refused(out) && http_reader_is_within(&reader)) {
        str_add_text(out, "...");
    }
    http_reader_fini(&reader);
}

static const struct row {
    const char *bytes;
    const char *expected;
} rows[] = {
    {"", ""},
    {GET GET, "GET[]GET[]"},
    {"\r\n\r\n" GET "\r\n" GET, "GET[]GET[]"},
    {"\r", "..."},
    {"\r\r\n" GET, "!400"},
    {"GET /", "..."},
    {HEAD "Content-Length: 3\r\n\r\nabc" GET, "POST[abc]GET[]"},
    {HEAD "Content-Length: 3\r\n\r\nab", "POST[ab..."},
    {HEAD "Content-Length: 0\r\n\r\n" GET, "POST[]GET[]"},
    {CHUNKED "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n" GET, "POST[abcd]GET[]"},
    {CHUNKED "000A ; x\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n" GET, "POST[0123456789]GET[]"},
    {CHUNKED "3\r\nab", "POST[ab..."},
    {CHUNKED "3\r\nabc\r\n0\r\n", "POST[abc..."},
    {CHUNKED "3\r\nabcd\r\n", "POST[abc!400"},
    {CHUNKED "3\r\nabc\n", "POST[abc!400"},
    {CHUNKED "3\nabc", "POST[!400"},
    {CHUNKED "3\rabc", "POST[!400"},
    {CHUNKED "3 \r\n", "POST[!400"},
    {CHUNKED " 3\r\n", "POST[!400"},
    {CHUNKED "g\r\n", "POST[!400"},
    {CHUNKED "\r\n", "POST[!400"},
    {CHUNKED "10000000000000000\r\n", "POST[!400"},
    {CHUNKED "0\r\nA : b\r\n\r\n", "POST[!400"},
    {CHUNKED "0\r\n A: b\r\n\r\n", "POST[!400"},
    {CHUNKED "0\r\nA: b\r\n c\r\n\r\n", "POST[!400"},
    {CHUNKED "0\r\n\n", "POST[!400"},
    {"GET / HTTP/1.1\nHost: x\n\n", "!400"},
};

Test(readers, messages_in_every_cut)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].bytes);
        for (size_t n_piece = 1; n_piece <= n + 1; n_piece++) {
            AUTO_STR out = {0};
            read_all(rows[i].bytes, n, n_piece, &out);
            cr_expect_str_eq(str_text(&out), rows[i].expected, "row %zu in pieces of %zu", i,
                             n_piece);
        }
    }
}

Test(readers, bodies_say_how_much_is_to_come)
{
    struct http_reader reader = {0};
    struct http_head head = {.has_length = true, .length = 9};
    struct http_input in = {GET, sizeof GET - 1}, part;
    struct http_refusal refusal;
    cr_assert_eq(http_reader_next(&reader, &in, &part, &refusal), HTTP_PART_HEAD);
    http_reader_begin_body(&reader, &head);
    cr_expect_eq(http_reader_left(&reader), 9u);
    in = (struct http_input){"abc", 3};
    cr_assert_eq(http_reader_next(&reader, &in, &part, &refusal), HTTP_PART_BODY);
    cr_expect_eq(http_reader_left(&reader), 6u);
    cr_expect(http_reader_is_within(&reader));
    http_reader_fini(&reader);
}

/* How many bytes are accepted before the reader refuses. */
static size_t taken_of(const char *before, const char *part, const char *expected)
{
    AUTO_STR bytes = {0};
    AUTO_STR out = {0};
    str_add_text(&bytes, before);
    while (bytes.len < 100000) {
        str_add_text(&bytes, part);
    }
    read_all(bytes.data, bytes.len, bytes.len, &out);
    cr_expect_str_eq(str_text(&out), expected);
    size_t n = 0;
    AUTO_STR again = {0};
    for (; n < bytes.len && !is_refused(&again); n += 64) {
        str_clear(&again);
        read_all(bytes.data, n, n == 0 ? 1 : n, &again);
    }
    return n;
}

Test(readers, chunks_without_end_are_refused)
{
    cr_expect_lt(taken_of(CHUNKED "1;", "x", "POST[!400"), HTTP_CHUNK_LINE_BYTES + 512u);
    cr_expect_lt(taken_of(CHUNKED, "0", "POST[!400"), HTTP_CHUNK_LINE_BYTES + 512u);
    cr_expect_lt(taken_of(CHUNKED "0\r\n", "A: b\r\n", "POST[!431"), 2 * HTTP_TRAILER_BYTES + 512u);
    cr_expect_lt(taken_of(CHUNKED "0\r\nA: ", "b", "POST[!431"), HTTP_TRAILER_BYTES + 512u);
}
