/* A fast check that accepts most valid texts in one pass, without allocating memory. Texts that it
 * does not accept are checked by jansson, which takes ten times as long and reports the faults. Any
 * thread. */
#ifndef BASE_JSON_ACCEPT_H
#define BASE_JSON_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/* True: the text is one JSON value that json_parse_check would accept. False: undecided, as for
 * keys with escapes, objects of more than 64 members, \u of surrogates and NUL, U+007F, exponents,
 * and numbers of more than 18 digits. The caller must have bounded the nesting. */
bool json_accept(const char *text, size_t len);

#endif
