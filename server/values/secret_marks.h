/* The mark for a false alarm in a schema: "x-confreg-secret": "allowed" at a property. Pure; any
 * thread. */
#ifndef VALUES_SECRET_MARKS_H
#define VALUES_SECRET_MARKS_H

#include "json.h"

/* Whether the mark stands in the subschema for the value at a JSON Pointer, or for an object or
 * array around it. Subschemas are found by properties, patternProperties, additionalProperties,
 * items, prefixItems, allOf, anyOf, oneOf, and $ref within the schema. schema: of a schema that
 * compiles. */
bool secret_is_allowed(struct json_text schema, const char *pointer);

#endif
