/* Translates a pattern of ECMA-262 to one of PCRE2 (regex.h says how). Private to regex.c. */
#ifndef SCHEMA_REGEX_TRANSLATE_H
#define SCHEMA_REGEX_TRANSLATE_H

#include "json.h"
#include "str.h"

struct regex_traits {
    bool looks_around; /* has a lookahead, a lookbehind or a back reference */
    size_t max_repeat; /* the largest number in braces */
};

/* Appends the translation. False: ret_fault is a text that says why not; a literal. */
bool regex_translate(struct json_text pattern, struct str *out, struct regex_traits *ret_traits,
                     const char **ret_fault);

#endif
