/* Checks of values on their way in. Whatever writes a value, by whatever way, the value passes
 * values_check before it gets into the log: a value that a request holds on the call's thread, and
 * again with the committer if a schema has changed since; a value that the committer makes (of a
 * patch, a rollback, an undelete) with the committer.
 *
 * This is the one place for checks of single values: a further one is a function beside those in
 * values.c, called by values_check.
 *
 * Threads: any. */
#ifndef VALUES_VALUES_H
#define VALUES_VALUES_H

#include "rules.h"
#include "value_report.h"

/* A value of a config. All borrowed. */
struct value {
    const char *environment, *service; /* of the config */
    struct json_text json;
};

struct values;

struct values *values_new(void);
/* NULL is ignored. */
void values_free(struct values *values);
struct rules *values_rules(struct values *values);

/* Whether a value may be stored as a version of its config. If not, adds to the report all that is
 * against it. */
bool values_check(struct values *values, const struct head_source *source,
                  const struct value *value, struct value_report *report);

#endif
