/* Scanning of JSON text. Private to json_*.c. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <string.h>

#include "json.h"

/* The offset after the string that starts at `at`; len: the string does not end. For unchecked
 * text, too. */
size_t json_skip_string(const char *text, size_t len, size_t at);

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether an ASCII character needs no escape in a string. */
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
