/* A setting as a value of a type. The rules are those of the Python package, so that a service
 * reads the same from either: each function returns the fallback where there is no such value.
 *
 * A string's white space around a number is ignored, and '_' may stand between two digits.
 *
 * Any thread; `setting` NULL: there is none. */
#ifndef SETTINGS_COERCION_H
#define SETTINGS_COERCION_H

#include "settings.h"

/* A string is true if it is "true", "1", "yes" or "on" in any case. A number is true unless it is
 * 0, a list or an object unless it is empty; null is false. */
bool setting_to_bool(const struct setting *setting, bool fallback);
/* A number without its fraction; true is 1, false 0; a string that is a whole number in decimal
 * digits. The fallback, too: a number that does not fit. */
int64_t setting_to_int64(const struct setting *setting, int64_t fallback);
/* A number; true is 1, false 0; a string that is a number, "inf" and "nan" included. */
double setting_to_double(const struct setting *setting, double fallback);
/* Milliseconds: a number is one of milliseconds; a string is a sequence of numbers with units, such
 * as "1h30m", "250ms", "1.5s": ms, s, m, h, d; a string without unit is a number. What is negative
 * or does not fit: the fallback. */
int64_t setting_to_duration_ms(const struct setting *setting, int64_t fallback);
/* Bytes: a number; a string of a number and perhaps a unit: B; kB, MB, GB, TB (powers of 1000);
 * KiB, MiB, GiB, TiB, and K, M, G, T (powers of 1024), in any case. What is negative or does not
 * fit: the fallback. */
int64_t setting_to_size(const struct setting *setting, int64_t fallback);
/* Like strtod, but with '.' whatever the locale. */
double coercion_strtod(const char *text);
/* Cuts the fraction off. False: it does not fit. */
bool coercion_to_integer(double number, int64_t *ret_integer);

#endif
