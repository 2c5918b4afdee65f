/* The text of --help. For options*.c only. */
#ifndef BASE_OPTIONS_HELP_H
#define BASE_OPTIONS_HELP_H

#include "options.h"
#include "str.h"

/* Appends the whole page, wrapped at 80 columns. */
void options_help(const struct option_table *table, struct str *out);

#endif
