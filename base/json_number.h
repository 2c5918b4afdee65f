/* JSON numbers as exact decimal values: nothing is rounded, whatever the length of digits and
 * exponents. All functions take checked number tokens, need linear time and keep no state; any
 * thread. */
#ifndef BASE_JSON_NUMBER_H
#define BASE_JSON_NUMBER_H

#include <stdint.h>

#include "json.h"

/* Divisors of json_number_is_multiple have at most so many significant digits. */
#define JSON_DIVISOR_DIGITS 18

/* Whether two numbers have the same value: 1, 1.0 and 10e-1 do; 0 and -0 do. */
bool json_number_equal(struct json_text a, struct json_text b);
/* Less than 0: a is smaller than b; 0: equal; more than 0: a is larger. */
int json_number_compare(struct json_text a, struct json_text b);
/* Whether the value has no fraction: 1.0 and 10e-1 have none. */
bool json_number_is_integer(struct json_text number);
/* Whether number is an integer times divisor, which is positive and has at most
 * JSON_DIVISOR_DIGITS significant digits. */
bool json_number_is_multiple(struct json_text number, struct json_text divisor);
/* Digits without leading and trailing zeros; 0 for zero. */
size_t json_number_digits(struct json_text number);
/* False: not an integer from 0 on. Values beyond 64 bits become UINT64_MAX. */
bool json_number_to_count(struct json_text number, uint64_t *ret_count);
/* A hash that is the same for equal numbers, with a random seed per process. */
uint64_t json_number_hash(struct json_text number);

#endif
