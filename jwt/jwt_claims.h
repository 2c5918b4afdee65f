/* Reading of claims. All functions take JSON that json_check has accepted, keep no state, and may
 * be called on any thread. */
#ifndef JWT_JWT_CLAIMS_H
#define JWT_JWT_CLAIMS_H

#include <stdbool.h>

#include "json.h"
#include "str.h"

/* Whether a name of a claim can be looked up: not empty; one that begins with '/' is a JSON
 * Pointer. INVALID_ARGUMENT JSON_POINTER, or CLAIM_EMPTY, with the field. */
bool jwt_claim_check(const char *name, const char *field, struct status *st);

/* The claim with a checked name: the member of that name ("groups", "https://example.com/roles"),
 * or what a JSON Pointer points at ("/realm_access/roles"). False: there is none. */
bool jwt_claim_find(struct json_text claims, const char *name, struct json_text *ret_value);

/* Whether a claim is the string, or is an array that has the string as an item. The claim "scope"
 * also has each of its words (RFC 8693, 4.2). Letters are compared exactly. */
bool jwt_claim_has(struct json_text claims, const char *name, const char *value);

/* Appends the text of a string. False: the value is no string, or has a U+0000. Then out is as it
 * was. */
bool jwt_text(struct json_text value, struct str *out);
/* Whether the value is a string with this text. */
bool jwt_text_is(struct json_text value, const char *text);

#endif
