/* Finding where things end in JSON text. For json_*.c only. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <string.h>

#include "json.h"

/* The offset behind the string that starts at `at`; len where it does not end. The text need not
 * have been checked. */
size_t json_skip_string(const char *text, size_t len, size_t at);

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ASCII that stands for itself in a string. */
static inline bool json_is_plain(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

static inline bool json_same_text(struct json_text a, struct json_text b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

#endif
