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
#include "secret_counts.h"
#include "suspects.h"
#include "value_report.h"

struct secret_policy;

/* A value of a config. All borrowed. */
struct value {
    const char *environment, *service; /* of the config */
    struct json_text json;
    bool allow_secrets;        /* the writer wants it written although it looks like a secret */
    bool is_import;            /* history as it was: secrets are not refused */
    struct suspects *suspects; /* where places that look like secrets are told, with … */
    size_t place;              /* … this number; NULL: nowhere */
};

struct values;

struct values *values_new(void);
/* Sets the policy for secrets; borrowed; NULL: the default. Before the first check. */
void values_set_secret_policy(struct values *values, const struct secret_policy *policy);
/* NULL is ignored. */
void values_free(struct values *values);
struct rules *values_rules(struct values *values);
/* Of writes; counted by whoever answers them. */
struct secret_counts *values_secret_counts(struct values *values);

/* Whether a value may be stored as a version of its config. If not, adds to the report all that is
 * against it. Suspects are told in either case. */
bool values_check(struct values *values, const struct head_source *source,
                  const struct value *value, struct value_report *report);

/* The part of values_check that looks for secrets, for texts that have no schema: of schemas, and
 * of requests. */
bool values_check_secrets(const struct values *values, const struct value *text,
                          struct value_report *report);

/* Tells the suspects of a value that is stored already. allow_secrets: it was allowed then. */
void values_find_secrets(struct values *values, const struct head_source *source,
                         const struct value *value);

#endif
