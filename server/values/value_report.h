/* Reports of values that break rules on their way in: all violations, bounded. Pure; any thread. */
#ifndef VALUES_VALUE_REPORT_H
#define VALUES_VALUE_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "violations.h"

#define VALUE_VIOLATIONS_MAX 64

/* One way in which a value breaks a rule. No text has anything of the value but keys. All owned. */
struct value_violation {
    char *config; /* "prod/billing" if it is not the config that is written but one that is resolved
                     with it; else NULL */
    char *pointer;      /* JSON Pointer into the value; "" for the whole */
    char *rule;         /* what it breaks: "confreg:/billing#/properties/port/maximum" */
    char *message;      /* a sentence without subject: "must be at most 65535" */
    const char *reason; /* a literal: SCHEMA_VIOLATED */
};

/* Zeroed: empty. Owned by the caller. */
struct value_report {
    struct value_violation *violations;
    size_t n;
    bool more;              /* there may be more than VALUE_VIOLATIONS_MAX */
    struct violations told; /* by value_report_status */
    char field[96];         /* the path of the content in the request; "": it is not known */
};

void value_report_fini(struct value_report *report);
/* Adds a violation, whose texts move, and returns false. The one after the last that fits is
 * dropped and sets `more`. */
bool value_report_add(struct value_report *report, const struct value_violation *violation);
/* Makes the status of a report that is not empty: INVALID_ARGUMENT with the reason of the first
 * violation, and the violations, which st borrows from the report. A violation's field is the path
 * of the content and the pointer, its message the sentence with the rule. Returns false. */
bool value_report_status(struct value_report *report, struct status *st);

#endif
