/* Content codings (RFC 9110, 8.4 and 12.5.3): the plain form, or gzip. */
#ifndef GATEWAY_CODING_H
#define GATEWAY_CODING_H

#include <stdbool.h>

#include "str.h"

enum coding { CODING_PLAIN, CODING_GZIP };

/* The coding that an Accept-Encoding (NULL: not given) asks for: gzip if the client accepts it and
 * does not prefer the plain form. A client that accepts neither gets the plain form. */
enum coding coding_of(const char *accept_encoding);

/* Appends the gzip form (RFC 1952) of n bytes. Any thread. */
void coding_add_gzip(struct str *out, const void *bytes, size_t n);

/* The gzip form of bytes that come in parts, by the fast level. It does not depend on what the
 * parts are. One thread at a time. */
struct gzip_stream;
struct gzip_stream *gzip_stream_new(void);
/* NULL is ignored. */
void gzip_stream_free(struct gzip_stream *stream);
/* Appends what the next n bytes add, which may be nothing yet. ends: these were the last. */
void gzip_stream_add(struct gzip_stream *stream, const void *bytes, size_t n, bool ends,
                     struct str *out);

#endif
