/* The formats that are asserted, each by the standard that JSON Schema names for it. Pure; any
 * thread. */
#ifndef SCHEMA_FORMATS_H
#define SCHEMA_FORMATS_H

#include "json.h"

/* Whether a string (decoded, UTF-8) has a format. Linear time but for "regex", whose pattern is
 * compiled. */
typedef bool format_check(struct json_text string);

struct format {
    const char *name;
    const char *noun; /* for a sentence: "a date and time of RFC 3339" */
    format_check *check;
};

/* NULL: the format is none of these, and asserts nothing. */
const struct format *format_find(struct json_text name);

#endif
