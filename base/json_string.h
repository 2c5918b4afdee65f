/* Comparison and hashing of string tokens by their decoded values. Private to json_*.c. */
#ifndef BASE_JSON_STRING_H
#define BASE_JSON_STRING_H

#include "json.h"

bool json_string_equal(struct json_text a, struct json_text b);
/* A hash that is the same for equal tokens, with a random seed per process. */
uint64_t json_string_hash(struct json_text token);

#endif
