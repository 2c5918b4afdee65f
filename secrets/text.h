/* Searches one text, such as the value of a string, for secrets anywhere within it. Private to
 * secrets/. Pure; any thread. */
#ifndef SECRETS_TEXT_H
#define SECRETS_TEXT_H

#include "secret_rules.h"

/* No secret that this finds is shorter. */
#define TEXT_MIN 12

/* The rule of the first secret; NULL: there is none. */
const struct secret_rule *text_search(const char *text, size_t n);

#endif
