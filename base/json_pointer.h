/* JSON Pointers (RFC 6901): "" is the whole value, "/a/0" item 0 of member a; in a token, "~1" is
 * '/' and "~0" is '~'. Pure; any thread. */
#ifndef BASE_JSON_POINTER_H
#define BASE_JSON_POINTER_H

#include "json.h"

#define JSON_POINTER_MAX_BYTES 4096

/* INVALID_ARGUMENT JSON_POINTER with the field: neither empty nor beginning with '/', a '~' before
 * something else than 0 or 1, not UTF-8, or too long. */
bool json_pointer_check(const char *pointer, const char *field, struct status *st);

/* Decodes one token of a checked pointer, which begins behind its '/', at the end of out. Returns
 * the end of the token. */
const char *json_pointer_token(const char *token, struct str *out);

/* The value at a checked pointer in a checked text; false: there is none. */
bool json_pointer_find(struct json_text value, const char *pointer, struct json_text *ret_value);

#endif
