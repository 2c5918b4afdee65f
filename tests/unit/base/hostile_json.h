/* Random texts that are JSON, nearly so, or at an edge of what the gate lets pass. */
#ifndef TESTS_HOSTILE_JSON_H
#define TESTS_HOSTILE_JSON_H

#include "random.h"
#include "str.h"

/* Appends a text whose numbers, escapes, UTF-8, keys, white space or depth may be wrong. */
void random_hostile_json(struct random *random, struct str *out);

/* Changes up to two bytes of a text, or takes them out. */
void random_damage(struct random *random, struct str *text);

#endif
