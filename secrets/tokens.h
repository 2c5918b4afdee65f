/* The tokens of well-known services, by the forms that the services have published. Private to
 * secrets/. Constant; any thread. */
#ifndef SECRETS_TOKENS_H
#define SECRETS_TOKENS_H

#include "form.h"
#include "secrets.h"

/* Checks a token that has the form; text is the whole of it. */
typedef bool token_check(const char *text, size_t n);

struct token_rule {
    struct secret_rule rule;
    const char *prefix;                /* two characters at least */
    struct form_part form[FORM_PARTS]; /* behind the prefix; must not be a placeholder */
    token_check *check;                /* NULL: none */
};

/* A token that is known by a mark in its middle, which begins with no letter or digit. */
struct mark_rule {
    struct secret_rule rule;
    const char *mark;
    struct form_part before;           /* all that is before the mark, up to a boundary */
    struct form_part form[FORM_PARTS]; /* behind the mark */
    token_check *check;
};

/* Several may have the same rule. Of two for the same text, the earlier one counts. */
extern const struct token_rule token_rules[];
extern const size_t n_token_rules;
extern const struct mark_rule mark_rules[];
extern const size_t n_mark_rules;

#endif
