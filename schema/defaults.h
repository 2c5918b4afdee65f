/* Defaults: fills in the members that a value lacks and for which its schema has a `default`.
 *
 * Followed are properties, items, prefixItems, allOf, and $ref by JSON Pointer within the schema or
 * into one that the caller resolves. Of several defaults for a member the first counts. What is
 * filled in is filled itself. A member that is there stays as it is, null included.
 *
 * Bounds: DEFAULTS_STEPS looks at subschemas, DEFAULTS_MEMBERS members, DEFAULTS_LEVELS levels, and
 * the bytes that the caller allows; 16 subschemas for one value, further ones are not looked at.
 * Pure; any thread. */
#ifndef SCHEMA_DEFAULTS_H
#define SCHEMA_DEFAULTS_H

#include "json.h"

#define DEFAULTS_STEPS 200000
#define DEFAULTS_MEMBERS 1000
#define DEFAULTS_LEVELS 65

struct defaults_options {
    /* The text of the schema that a URI without fragment names; false: there is none. */
    bool (*resolve)(void *user, struct json_text uri, struct json_text *ret_schema);
    void *user;
    bool make_objects; /* also make objects that are missing, for the defaults in them */
    size_t max_bytes;  /* of the result */
};

/* The members that were filled in. Zeroed: none. Owned by the caller. */
struct defaults_report {
    char **pointers; /* JSON Pointers, owned */
    size_t n;
};
void defaults_report_fini(struct defaults_report *report);

/* Appends the value with defaults to out. schema: one that compiles. False: a bound does not
 * suffice. */
bool schema_fill_defaults(struct json_text schema, struct json_text value,
                          const struct defaults_options *options, struct str *out,
                          struct defaults_report *report);

#endif
