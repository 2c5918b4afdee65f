/* Random JSON texts, rich in what goes wrong: keys and strings spelled in several ways, numbers
 * that are equal or nearly so, nesting. */
#ifndef TESTS_RANDOM_JSON_H
#define TESTS_RANDOM_JSON_H

#include "random.h"
#include "str.h"

/* How a text differs from the one that its seed gives. */
struct mutation {
    struct random random;
    unsigned percent; /* of values that are replaced, members that are left out, orders changed */
};

/* Appends the value of a seed; mutation may be NULL. With an object at the top where asked for. */
void random_json(uint64_t seed, bool object, struct mutation *mutation, struct str *out);

/* Appends a text with white space put between its tokens. */
void random_blanks(struct random *random, const char *json, struct str *out);

#endif
