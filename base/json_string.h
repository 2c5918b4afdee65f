/* String tokens by what they stand for. For json_*.c only. */
#ifndef BASE_JSON_STRING_H
#define BASE_JSON_STRING_H

#include "json.h"

bool json_string_equal(struct json_text a, struct json_text b);
/* The same for tokens that are equal; seeded once a process. */
uint64_t json_string_hash(struct json_text token);

#endif
