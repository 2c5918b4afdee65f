/* A model of the JSON functions, on jansson's trees. The interface uses texts, because jansson.h
 * and json.h cannot be included together. */
#ifndef TESTS_JSON_MODEL_H
#define TESTS_JSON_MODEL_H

#include <stdbool.h>

bool model_equal(const char *a, const char *b);
/* RFC 7396; the result, to be freed, is for the functions here: its numbers are strings. */
char *model_merge(const char *target, const char *patch);
/* Applies an RFC 6902 patch of add, remove and replace, strictly: every target must be there, and
 * nothing but the members op, path and value. NULL where it does not apply; else as model_merge. */
char *model_apply(const char *document, const char *patch);

#endif
