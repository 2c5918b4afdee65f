/* The body of an error: the documented `detail`, and beside it members for programs, so that none
 * has to read the text:
 *     {"detail": "…", "reason": "JSON_DEPTH", "field": "config_data", "limit": 64, "found": 65}
 * Every error has a reason; the others are there where they apply. */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include "status.h"
#include "str.h"

/* Append members, each behind a comma. field: NULL: there is none. */
void problem_add_reason(struct str *members, const char *reason, const char *field);
/* The reason (where st has none, the name of its code), the field, and the numbers and positions of
 * st->info that clients are told. */
void problem_add_status(struct str *members, const struct status *st);

enum problem_form {
    PROBLEM_DOCUMENTED, /* as above; of a 422 `detail` is the list of faults */
    PROBLEM_RFC9457, /* detail is always a text; also type, title, status, and a 422's `errors` */
};

/* The form that a request's Accept (NULL: not given) asks for: RFC 9457 if it names
 * application/problem+json, and not with q=0. */
enum problem_form problem_form_of(const char *accept);
/* The content type of a form: a literal. */
const char *problem_content_type(enum problem_form form);

struct problem {
    unsigned status;
    const char *detail; /* all borrowed */
    size_t n_detail;
    const struct str *faults; /* of a 422, a JSON array; NULL: there is none */
    const struct str *members;
};

/* Appends the whole body. */
void problem_render(struct str *out, enum problem_form form, const struct problem *problem);

#endif
