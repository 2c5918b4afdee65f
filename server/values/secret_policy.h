/* The policy for values that look like secrets, by environment: the option --secrets.
 *
 * Text: items separated by commas. An item is a mode, or PATTERN=MODE; the first pattern that fits
 * counts, and the mode without a pattern for all other environments: "refuse,dev*=warn". A pattern
 * is a name, or has '*' for any run of characters.
 *
 * Immutable; any thread. */
#ifndef VALUES_SECRET_POLICY_H
#define VALUES_SECRET_POLICY_H

#include <stdbool.h>

#include "mem.h"
#include "status.h"

enum secret_mode {
    SECRETS_WARN,   /* written; the answer, the log and a metric tell */
    SECRETS_REFUSE, /* not written */
    SECRETS_OFF,    /* not looked at */
};

struct secret_policy;

/* INVALID_ARGUMENT SECRETS_OPTION: the text is no policy. */
bool secret_policy_parse(const char *text, struct secret_policy **ret_policy, struct status *st);
/* NULL is ignored. */
void secret_policy_free(struct secret_policy *policy);
MEM_CLEANUP(struct secret_policy, secret_policy_free)

/* policy NULL: SECRETS_WARN. */
enum secret_mode secret_policy_mode(const struct secret_policy *policy, const char *environment);

#endif
