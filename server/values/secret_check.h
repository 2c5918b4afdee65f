/* The check for secrets of a value that is on its way in (docs/secrets.md). Private to values.
 * Pure; any thread. */
#ifndef VALUES_SECRET_CHECK_H
#define VALUES_SECRET_CHECK_H

#include "secret_policy.h"
#include "values.h"

/* Whether the value may be written. If it looks like a secret: adds violations to the report where
 * the policy refuses it, else suspects. rule: of the schema in force; NULL: none. */
bool secret_check(const struct secret_policy *policy, const struct rule *rule,
                  const struct value *value, struct value_report *report);

#endif
