/* Values of options: text to value, and the words for what a row accepts. For options*.c only. */
#ifndef BASE_OPTIONS_VALUE_H
#define BASE_OPTIONS_VALUE_H

#include "options.h"
#include "str.h"

/* Sets the row's target; of a list, adds to it. False: the row does not accept the text; the target
 * is unchanged. */
bool option_set(const struct option_row *row, const char *text);
/* Sets the row's target to its default. */
void option_set_default(const struct option_row *row);

/* Appends "a number from 1 to 65535", for use after "is not". */
void option_describe(const struct option_row *row, struct str *out);
/* Appends "1 to 65535", "at least 10s", or nothing. */
void option_bounds(const struct option_row *row, struct str *out);
/* The name of the value in --help; NULL for a switch. */
const char *option_value_name(const struct option_row *row);

/* Appends the name of the row's own variable: "CONFREG_DRAIN_TIME". */
void option_variable(const struct option_table *table, const struct option_row *row,
                     struct str *out);

#endif
