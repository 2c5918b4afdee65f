/* Validation of UTF-8 (RFC 3629), of names and of texts. Pure; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

/* The offset of the first byte that is not well-formed UTF-8 (overlong forms, surrogates and values
 * above U+10FFFF are malformed); n: all bytes are well-formed. */
size_t utf8_check(const char *bytes, size_t n);

/* The size of the well-formed character at the start of bytes; 0: there is none. */
size_t utf8_char_size(const char *bytes, size_t n);

#define NAME_MAX_BYTES 255

/* A name of a service or environment: 1 to 255 bytes of UTF-8, no control characters (U+0000 to
 * U+001F, U+007F to U+009F), no '/', and neither "." nor "..", which HTTP clients take out of
 * paths. INVALID_ARGUMENT with the field, reasons NAME_EMPTY, NAME_TOO_LONG, NAME_NOT_UTF8,
 * NAME_CHARACTER, NAME_DOTS. */
bool name_check(const char *name, size_t n, const char *field, struct status *st);
/* A prefix of names: like name_check, but "." and ".." are allowed. */
bool name_prefix_check(const char *name, size_t n, const char *field, struct status *st);

/* Free text (comment, created_by, request_id): at most max_bytes of UTF-8 without NUL.
 * INVALID_ARGUMENT, reasons TEXT_TOO_LONG, TEXT_NOT_UTF8, TEXT_NUL. */
bool text_check(const char *text, size_t n, size_t max_bytes, const char *field, struct status *st);

#endif
