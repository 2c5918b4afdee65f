#include "coding.h"

#include <criterion/criterion.h>
#include <zlib.h>

#include "leak_check.h"
#include "mem.h"

TestSuite(coding, .fini = leak_check);

Test(coding, what_accept_encoding_asks_for)
{
    static const struct {
        const char *value;
        enum coding coding;
    } cases[] = {
        {NULL, CODING_PLAIN},
        {"", CODING_PLAIN},
        {"gzip", CODING_GZIP},
        {"x-gzip", CODING_GZIP},
        {"GZip", CODING_GZIP},
        {"gzip, deflate", CODING_GZIP},
        {"deflate, gzip", CODING_GZIP},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", CODING_GZIP},
        {"gzip;q=0.001", CODING_GZIP},
        {"gzip ; q=1", CODING_GZIP},
        {"gzip;Q=0.5", CODING_GZIP},
        {"*", CODING_GZIP},
        {"*;q=0.5", CODING_GZIP},
        {"identity;q=0, gzip", CODING_GZIP},
        {"*;q=0, gzip", CODING_GZIP},
        {"identity;q=0.5, gzip;q=0.5", CODING_GZIP},
        {"deflate", CODING_PLAIN},
        {"br", CODING_PLAIN},
        {"identity", CODING_PLAIN},
        {"gzip;q=0", CODING_PLAIN},
        {"gzip;q=0.000", CODING_PLAIN},
        {"gzip;q=0, *", CODING_PLAIN},
        {"*;q=0", CODING_PLAIN},
        {"identity;q=0", CODING_PLAIN},
        {"gzip;q=0.5, identity", CODING_PLAIN},
        {"gzip;q=0.5, identity;q=0.6", CODING_PLAIN},
        {"gzipped", CODING_PLAIN},
        {"gzip;q=", CODING_PLAIN},
        {"gzip;q=x", CODING_PLAIN},
        {"gzip;q=0.", CODING_PLAIN},
        {"gzip;q", CODING_GZIP},
        {"gzip;", CODING_GZIP},
        {",,;q=1, ,", CODING_PLAIN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(coding_of(cases[i].value), cases[i].coding, "%s",
                     cases[i].value == NULL ? "(none)" : cases[i].value);
    }
}

static void expect_to_be(const struct str *out, const char *bytes, size_t n)
{
    AUTO(free) char *back = mem_alloc(n + 1);
    z_stream stream = {.next_in = (Bytef *)out->data + 6,
                       .avail_in = (uInt)out->len - 6,
                       .next_out = (Bytef *)back,
                       .avail_out = (uInt)n + 1};
    cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
    cr_expect_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    cr_expect(stream.total_out == n && stream.avail_in == 0 && memcmp(back, bytes, n) == 0);
    inflateEnd(&stream);
}

static void add_in_parts(struct str *out, const char *bytes, size_t n, size_t part)
{
    struct gzip_stream *stream = gzip_stream_new();
    size_t at = 0;
    do {
        size_t take = n - at < part ? n - at : part;
        gzip_stream_add(stream, bytes + at, take, at + take == n, out);
        at += take;
    } while (at < n);
    gzip_stream_free(stream);
}

/* As a whole, and in parts of several sizes, which must not show. */
static void expect_round_trip(const char *bytes, size_t n)
{
    static const size_t parts[] = {3333, 65536, 300000, SIZE_MAX};
    AUTO_STR whole = {0};
    AUTO_STR first = {0};
    str_add_text(&whole, "before");
    coding_add_gzip(&whole, bytes, n);
    expect_to_be(&whole, bytes, n);
    str_add_text(&first, "before");
    add_in_parts(&first, bytes, n, SIZE_MAX);
    expect_to_be(&first, bytes, n);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        AUTO_STR out = {0};
        str_add_text(&out, "before");
        add_in_parts(&out, bytes, n, parts[i]);
        cr_expect(out.len == first.len && memcmp(out.data, first.data, out.len) == 0, "%zu",
                  parts[i]);
    }
}

Test(coding, gzip_comes_back)
{
    static char text[1 << 20];
    uint32_t state = 1;
    expect_round_trip("", 0);
    expect_round_trip("{}", 2);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(state = state * 1664525 + 1013904223); /* hardly compressible */
    }
    expect_round_trip(text, sizeof text);
    memset(text, 'x', sizeof text);
    expect_round_trip(text, sizeof text);
}
