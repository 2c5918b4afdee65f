/* Parsing of heads. tests/integration/test_http_framing.py tests refusals of the whole program. */
#include "http_head.h"

#include <criterion/criterion.h>
#include <string.h>
#include <strings.h>

#include "leak_check.h"
#include "str.h"

static struct http_field fields[HTTP_FIELDS];
static struct http_head head;
static struct http_refusal refusal;
static char text[2 * HTTP_HEAD_BYTES];

TestSuite(heads, .fini = leak_check);

/* Scans and parses a head. Returns 0, or the status of its refusal. */
static unsigned read_head(const char *bytes, size_t n)
{
    struct http_head_scan scan = {0};
    memcpy(text, bytes, n);
    enum http_scan result = http_head_scan(&scan, text, n, &refusal);
    cr_assert_neq(result, HTTP_SCAN_MORE);
    if (result == HTTP_SCAN_REFUSED) {
        return refusal.status;
    }
    cr_assert_eq(scan.seen, n);
    return http_head_parse(text, n, fields, &head, &refusal) ? 0 : refusal.status;
}

static unsigned read_text(const char *bytes)
{
    return read_head(bytes, strlen(bytes));
}

/* Parses a GET of HTTP/1.1 with these fields and a Host. */
static unsigned read_fields(const char *more)
{
    AUTO_STR whole = {0};
    str_addf(&whole, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", more);
    return read_head(whole.data, whole.len);
}

static const char *find_field(const struct http_head *of, const char *name)
{
    for (size_t i = 0; i < of->n_fields; i++) {
        if (strcasecmp(of->fields[i].name, name) == 0) {
            return of->fields[i].value;
        }
    }
    return NULL;
}

Test(heads, are_taken_apart)
{
    cr_assert_eq(read_text("PUT /a?b=c HTTP/1.1\r\nHost: x:80\r\nEmpty:\r\nA-b: \t c d \t\r\n\r\n"),
                 0u);
    cr_expect_str_eq(head.method, "PUT");
    cr_expect_str_eq(head.target, "/a?b=c");
    cr_expect_eq(head.n_fields, 3u);
    cr_expect_str_eq(find_field(&head, "host"), "x:80");
    cr_expect_str_eq(find_field(&head, "EMPTY"), "");
    cr_expect_str_eq(find_field(&head, "a-B"), "c d");
    cr_expect_null(find_field(&head, "A"));
    cr_expect(head.keeps_alive && !head.is_http_1_0 && !head.has_length && !head.is_chunked);
}

Test(heads, say_how_long_the_body_is)
{
    cr_assert_eq(read_fields("Content-Length: 00012\r\n"), 0u);
    cr_expect(head.has_length && head.length == 12 && !head.is_chunked);
    cr_assert_eq(read_fields("Content-Length: 9999999999999999999\r\n"), 0u);
    cr_expect_eq(head.length, UINT64_C(9999999999999999999));
    cr_expect_eq(read_fields("Content-Length: 10000000000000000000\r\n"), 400u);
    cr_assert_eq(read_fields("Transfer-Encoding: Chunked\r\n"), 0u);
    cr_expect(head.is_chunked && !head.has_length);
}

Test(heads, say_whether_the_connection_is_kept)
{
    static const struct {
        const char *fields;
        bool keeps_alive;
    } rows[] = {
        {"", true},
        {"Connection: close\r\n", false},
        {"Connection: x, CLOSE ,y\r\n", false},
        {"Connection: close\r\nConnection: keep-alive\r\n", false},
        {"Connection: keep-alive\r\nConnection: close\r\n", false},
        {"Connection: closed\r\n", true},
        {"Connection: ,,\t,\r\n", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_assert_eq(read_fields(rows[i].fields), 0u, "row %zu", i);
        cr_expect_eq(head.keeps_alive, rows[i].keeps_alive, "row %zu", i);
    }
    cr_assert_eq(read_text("GET / HTTP/1.0\r\n\r\n"), 0u);
    cr_expect(head.is_http_1_0 && !head.keeps_alive);
    cr_assert_eq(read_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0u);
    cr_expect(head.keeps_alive);
}

Test(heads, say_who_waits_before_its_body)
{
    cr_assert_eq(read_fields("Expect: 100-continue\r\nContent-Length: 1\r\n"), 0u);
    cr_expect(head.awaits_continue);
    cr_assert_eq(read_fields("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"), 0u);
    cr_expect(head.awaits_continue);
    cr_assert_eq(read_fields("Expect: 100-continue\r\n"), 0u);
    cr_expect_not(head.awaits_continue, "it has none");
    cr_expect_eq(read_fields("Expect: x\r\n"), 417u);
}

Test(heads, that_frame_in_two_ways_are_refused)
{
    static const struct {
        const char *fields;
        unsigned status;
    } rows[] = {
        {"Content-Length: 1\r\nContent-Length: 1\r\n", 400},
        {"Content-Length: 1,1\r\n", 400},
        {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: gzip\r\n", 501},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding:\r\n", 400},
        {"Transfer-Encoding : chunked\r\n", 400},
        {"Host: x\r\n", 400},
        {"A: b\r\n c\r\n", 400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_expect_eq(read_fields(rows[i].fields), rows[i].status, "row %zu", i);
        cr_expect_not_null(refusal.why);
    }
}

/* Replaces each byte of a small head by each value: whatever is accepted must mean that head. */
Test(heads, every_byte_in_every_place)
{
    static const char whole[] = "GET /a HTTP/1.1\r\nHost: x\r\nAb: c d\r\n\r\n";
    size_t n = sizeof whole - 1;
    for (size_t at = 0; at < n; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[sizeof whole];
            struct http_head_scan scan = {0};
            memcpy(changed, whole, n);
            changed[at] = (char)byte;
            if (http_head_scan(&scan, changed, n, &refusal) != HTTP_SCAN_WHOLE ||
                !http_head_parse(changed, scan.seen, fields, &head, &refusal)) {
                continue;
            }
            cr_assert_eq(scan.seen, n);
            cr_assert_eq(head.n_fields, 2u);
            cr_assert_null(strpbrk(head.target, "\r\n \t"));
            cr_assert_null(strpbrk(head.fields[1].value, "\r\n"));
            cr_assert(!head.has_length && !head.is_chunked);
        }
    }
}

Test(heads, in_pieces)
{
    static const char whole[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct http_head_scan scan = {0};
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        cr_assert_eq(http_head_scan(&scan, whole, n, &refusal), HTTP_SCAN_MORE);
    }
    cr_assert_eq(http_head_scan(&scan, whole, sizeof whole - 1, &refusal), HTTP_SCAN_WHOLE);
    cr_assert_eq(scan.n_lines, 2u);
}

/* Appends `part` until the head is refused; returns the status of the refusal. */
static unsigned refused_with(const char *before, const char *part)
{
    AUTO_STR bytes = {0};
    struct http_head_scan scan = {0};
    str_add_text(&bytes, before);
    while (http_head_scan(&scan, bytes.data, bytes.len, &refusal) == HTTP_SCAN_MORE) {
        cr_assert_leq(bytes.len, (size_t)HTTP_HEAD_BYTES);
        str_add_text(&bytes, part);
    }
    return refusal.status;
}

Test(heads, without_end_are_refused_before_they_are_whole)
{
    cr_expect_eq(refused_with("GET /", "a"), 414u);
    cr_expect_eq(refused_with("G", "G"), 400u);
    cr_expect_eq(refused_with("GET / HTTP/1.1\r\n", "A: b\r\n"), 431u);
    cr_expect_eq(refused_with("GET / HTTP/1.1\r\nA: ", "b"), 431u);
    cr_expect_eq(refused_with("GET / HTTP/1.1\r\n", "b"), 431u);
}
