/* Building of reports. Private to schema/. */
#ifndef SCHEMA_REPORT_H
#define SCHEMA_REPORT_H

#include <stdarg.h>

#include "schema.h"

/* Bounds of texts in a violation, in bytes. */
#define REPORT_POINTER_MAX 1024
#define REPORT_QUOTE_MAX 80

/* Adds a violation and returns false. value and schema move to the report. The 65th is dropped and
 * sets `more`. */
bool report_add(struct schema_report *report, struct str *value, struct str *schema,
                const char *keyword, const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));

/* Appends text in quotes, cut to REPORT_QUOTE_MAX bytes, without control characters. */
void report_quote(struct str *out, struct json_text text);

#endif
