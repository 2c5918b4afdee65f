/* Percent-encoding of URLs (RFC 3986) and query strings. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

/* The value of a hexadecimal digit in either case; -1: not a digit. */
int hex_digit_value(char c);

/* Appends text with %XX decoded; with plus_is_blank '+' becomes a blank (queries). A '%' that is
 * not followed by two hexadecimal digits stays as it is. */
void percent_decode(const char *text, size_t n, bool plus_is_blank, struct str *out);

/* Appends bytes with all but unreserved characters encoded. */
void percent_encode(const char *bytes, size_t n, struct str *out);

/* Iterates over "a=1&b=2", from *position 0 on: returns the raw name and value of the next
 * parameter ("a" without '=' has an empty value). False: the end. Empty parameters are skipped. */
struct query_parameter {
    const char *name, *value;
    size_t n_name, n_value;
};
bool query_next(const char *query, size_t n, size_t *position, struct query_parameter *ret);

#endif
