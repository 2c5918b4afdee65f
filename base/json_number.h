/* Compares JSON numbers as decimal values. For json_*.c only. */
#ifndef BASE_JSON_NUMBER_H
#define BASE_JSON_NUMBER_H

#include "json.h"

/* Whether two checked number tokens have the same value: 1, 1.0 and 10e-1 do; 0 and -0 do. Exact
 * for digits and exponents of any length. Linear time; allocates nothing. */
bool json_number_equal(struct json_text a, struct json_text b);

#endif
