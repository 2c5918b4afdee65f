/* What jansson does for us. Its names clash with json.h's (JSON_OBJECT and others), so json_parse.c
 * is the one file that sees it. For json_*.c only. */
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
