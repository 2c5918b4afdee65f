/* Content codings (RFC 9110, 8.4 and 12.5.3): the plain form, or gzip. */
#ifndef GATEWAY_CODING_H
#define GATEWAY_CODING_H

#include "str.h"

enum coding { CODING_PLAIN, CODING_GZIP };

/* The coding that an Accept-Encoding (NULL: not given) asks for: gzip if the client accepts it and
 * does not prefer the plain form. A client that accepts neither gets the plain form. */
enum coding coding_of(const char *accept_encoding);

/* Appends the gzip form (RFC 1952) of n bytes. Any thread. */
void coding_add_gzip(struct str *out, const void *bytes, size_t n);

#endif
