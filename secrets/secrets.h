/* Finds what is plainly a secret in a JSON object: private keys, tokens by the forms that their
 * services have published, URIs and connection strings with passwords, and random-looking text
 * under names such as "password". docs/secrets.md lists the rules, and what is not a secret.
 *
 * A finding names the place and the rule, never the value. Keys are searched as well: a pointer
 * ends in front of a key that holds a secret, so that none gets out by it.
 *
 * One pass over the text; time is linear in it and memory bounded. Pure; any thread. */
#ifndef SECRETS_SECRETS_H
#define SECRETS_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

/* More findings in one object are not told; the search ends. */
#define SECRETS_FINDINGS 100
/* A longer pointer is cut behind a token, and ends with "/...". */
#define SECRETS_POINTER_BYTES 1024

struct secret_rule {
    const char *name; /* "github-token": stable, for programs */
    const char *what; /* "a token of GitHub" */
};

struct secret_finding {
    const struct secret_rule *rule; /* constant */
    char *pointer;                  /* JSON Pointer (RFC 6901) to the string, or to the object of a
                                     * key that is one itself */
    bool in_key;
};

/* Zeroed: empty. Owned by the caller. */
struct secret_report {
    struct secret_finding *findings; /* in the order of the text, at most one per string */
    size_t n;
    bool more; /* there are more than SECRETS_FINDINGS */
};
void secret_report_fini(struct secret_report *report);

/* True: nothing was found. Else the report, which is empty before, has the findings. object: of
 * json_check. */
bool secrets_find(struct json_text object, struct secret_report *report);

/* Steps through the rules: *place starts at 0; NULL at the end. Two rules that are found in
 * different ways can have the same name; it comes once. */
const struct secret_rule *secrets_next_rule(size_t *place);

#endif
