/* Names and values within a text, as connection strings, command lines, dotenv files, and JSON or
 * YAML in a string have them: "Password=…;", "token: …", "\"apiKey\":\"…\"". Private to secrets/.
 * Pure; any thread. */
#ifndef SECRETS_PAIRS_H
#define SECRETS_PAIRS_H

#include "secret_rules.h"
#include "value.h"

/* Judges the pair whose '=' or ':' is at `at`. Returns the rule that the value breaks, or NULL, and
 * the end of what was judged, which is not before `at`. */
const struct secret_rule *pair_at(const char *text, size_t n, size_t at, size_t *ret_end);

/* The rule by which a value under a name of this kind is a secret. */
const struct secret_rule *rule_of_kind(enum name_kind kind);

#endif
