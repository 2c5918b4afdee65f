#include "coding.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define NOT_NAMED (-1)

static bool is_named(const char *name, size_t n, const char *coding)
{
    return n == strlen(coding) && strncasecmp(name, coding, n) == 0;
}

/* The quality in the parameters of a list's item, in thousandths; 1000 if there is none. What is no
 * number counts as 0. */
static int quality(const char *parameters, size_t n)
{
    const char *end = parameters + n;
    const char *at = memchr(parameters, ';', n);
    if (at == NULL) {
        return 1000;
    }
    at++;
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    if (end - at < 2 || (at[0] | 0x20) != 'q' || at[1] != '=') {
        return 1000;
    }
    at += 2;
    int value = *at == '1' ? 1000 : 0;
    if (value == 0 && at + 1 < end && at[1] == '.') {
        int weight = 100;
        for (at += 2; at < end && *at >= '0' && *at <= '9' && weight > 0; at++, weight /= 10) {
            value += (*at - '0') * weight;
        }
    }
    return value;
}

enum coding coding_of(const char *accept_encoding)
{
    int gzip = NOT_NAMED, plain = NOT_NAMED, any = NOT_NAMED;
    for (const char *at = accept_encoding; at != NULL && *at != '\0';) {
        at += strspn(at, " \t,");
        size_t n = strcspn(at, ",");
        size_t n_name = strcspn(at, " \t;,");
        if (is_named(at, n_name, "gzip") || is_named(at, n_name, "x-gzip")) {
            gzip = quality(at, n);
        } else if (is_named(at, n_name, "identity")) {
            plain = quality(at, n);
        } else if (is_named(at, n_name, "*")) {
            any = quality(at, n);
        }
        at += n;
    }
    gzip = gzip != NOT_NAMED ? gzip : any;
    /* A plain form that is not named is acceptable, but nothing says that it is preferred. */
    return gzip > 0 && gzip >= plain ? CODING_GZIP : CODING_PLAIN;
}

void coding_add_gzip(struct str *out, const void *bytes, size_t n)
{
    assert(n <= UINT_MAX && "a payload's size is bounded far below");
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
    int result =
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK && "only memory can be missing");
    size_t bound = deflateBound(&stream, n);
    size_t before = out->len;
    stream.next_out = (Bytef *)str_extend(out, bound);
    stream.avail_out = (uInt)bound;
    result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END && "deflateBound is a bound");
    str_truncate(out, before + stream.total_out);
    deflateEnd(&stream);
}
