/* JSON texts and what the strict gate says to each. */
#ifndef TESTS_JSON_CASES_H
#define TESTS_JSON_CASES_H

#include <stddef.h>

struct json_case {
    const char *text;
    size_t len;
    const char *reason;   /* of the refusal; NULL: accepted */
    const char *minified; /* NULL: the text itself */
};

extern const struct json_case json_cases[];
extern const size_t n_json_cases;

#endif
