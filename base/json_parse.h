/* Parsing by jansson. Its names clash with those of json.h (JSON_OBJECT and others), so only
 * json_parse.c includes its header. Private to json_*.c. */
#ifndef BASE_JSON_PARSE_H
#define BASE_JSON_PARSE_H

#include <stdbool.h>
#include <stddef.h>

struct json_fault {
    const char *reason; /* one of json_check's */
    const char *what;   /* to stand between a field's name and "at byte N" */
    size_t offset;      /* of a byte in the token that is wrong */
};

/* True where text is one JSON value that meets all of json_check's demands but depth and size. It
 * must not nest deeper than JSON_DEPTH_MAX. */
bool json_parse_check(const char *text, size_t len, struct json_fault *ret_fault);

#endif
