/* A quick yes for the texts that come most: one pass, no memory. jansson, which takes ten times as
 * long, is left those that it cannot be sure of, and the faults. */
#ifndef BASE_JSON_ACCEPT_H
#define BASE_JSON_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/* True: the text is one JSON value that json_parse_check would let pass. False says nothing; so it
 * is for keys with escapes, objects of more than 64 members, \u of surrogates and NUL, U+007F,
 * exponents, and numbers of more than 18 digits. Nesting must have been bounded before. */
bool json_accept(const char *text, size_t len);

#endif
