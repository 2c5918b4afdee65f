#include "coding.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "mem.h"

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

static void begin(z_stream *stream, int level)
{
    int result = deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK && "only memory can be missing");
}

void coding_add_gzip(struct str *out, const void *bytes, size_t n)
{
    assert(n <= UINT_MAX && "a payload's size is bounded far below");
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
    begin(&stream, Z_DEFAULT_COMPRESSION);
    size_t bound = deflateBound(&stream, n);
    size_t before = out->len;
    stream.next_out = (Bytef *)str_extend(out, bound);
    stream.avail_out = (uInt)bound;
    int result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END && "deflateBound is a bound");
    str_truncate(out, before + stream.total_out);
    deflateEnd(&stream);
}

struct gzip_stream {
    z_stream z;
};

struct gzip_stream *gzip_stream_new(void)
{
    struct gzip_stream *stream = mem_zalloc(sizeof *stream);
    begin(&stream->z, Z_BEST_SPEED);
    return stream;
}

void gzip_stream_free(struct gzip_stream *stream)
{
    if (stream != NULL) {
        deflateEnd(&stream->z);
        free(stream);
    }
}

#define STREAM_ROOM ((size_t)32 << 10)

void gzip_stream_add(struct gzip_stream *stream, const void *bytes, size_t n, bool ends,
                     struct str *out)
{
    z_stream *z = &stream->z;
    assert(n <= UINT_MAX && "a part of an answer is bounded far below");
    z->next_in = (Bytef *)(uintptr_t)bytes;
    z->avail_in = (uInt)n;
    do {
        size_t before = out->len;
        z->next_out = (Bytef *)str_extend(out, STREAM_ROOM);
        z->avail_out = (uInt)STREAM_ROOM;
        int result = deflate(z, ends ? Z_FINISH : Z_NO_FLUSH);
        assert((result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) &&
               "a stream is fed in order");
        str_truncate(out, before + STREAM_ROOM - z->avail_out);
    } while (z->avail_out == 0);
}
