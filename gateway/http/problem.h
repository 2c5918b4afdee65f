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
void problem_add_number(struct str *members, const char *name, uint64_t value);
/* The reason (where st has none, the name of its code), the field, and the numbers and positions of
 * st->info that clients are told. */
void problem_add_status(struct str *members, const struct status *st);

/* Appends the whole body. members is borrowed and may be empty. */
void problem_render(struct str *out, const char *detail, size_t n, const struct str *members);

#endif
