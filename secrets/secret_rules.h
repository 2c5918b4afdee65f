/* The rules of all kinds, and the search for tokens by their beginnings. Private to secrets/.
 * Constant; any thread. */
#ifndef SECRETS_SECRET_RULES_H
#define SECRETS_SECRET_RULES_H

#include "secrets.h"

/* Rules that are no tokens with a form. */
enum rule_id {
    RULE_PRIVATE_KEY,
    RULE_SERVICE_ACCOUNT,
    RULE_JWK,
    RULE_URI_PASSWORD,
    RULE_STORAGE_KEY,
    RULE_SHARED_ACCESS_KEY,
    RULE_SHARED_ACCESS_SIGNATURE,
    RULE_PASSWORD,
    RULE_NAMED_SECRET,
    RULE_IDS
};
const struct secret_rule *rule_of(enum rule_id id);

/* Makes the index of tokens at the first call; before the functions below. Any thread. */
void rules_prepare(void);

/* The rule of the token that begins at `at`, where a letter or digit follows something else; NULL:
 * there is none. */
const struct secret_rule *rules_token_at(const char *text, size_t n, size_t at);

/* The rule of the token that has its mark at `at`, which is no letter or digit; NULL: there is
 * none. */
const struct secret_rule *rules_mark_at(const char *text, size_t n, size_t at);

#endif
