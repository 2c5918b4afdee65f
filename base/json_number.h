/* Numbers as decimal values. For json_*.c only. */
#ifndef BASE_JSON_NUMBER_H
#define BASE_JSON_NUMBER_H

#include "json.h"

/* Whether two number tokens that have passed the check are the same value: 1, 1.0 and 10e-1 are, 0
 * and -0 are. Exact for digits and exponents of any length; one pass over the texts, no memory. */
bool json_number_equal(struct json_text a, struct json_text b);

#endif
