/* Converts BSON to JSON text. Pure; any thread. */
#ifndef LEGACY_BSON_JSON_H
#define LEGACY_BSON_JSON_H

#include <bson/bson.h>

#include "status.h"
#include "str.h"

/* Appends the document or array at iter to out. Keys keep their order and integers their value. A
 * double gets the fewest digits that read back to the same double, and a fraction even if it is
 * whole ("1.0"). path: the name of the value, for messages.
 *
 * INVALID_ARGUMENT VALUE_NOT_JSON with the path in `field`: a value has no JSON form (dates,
 * binary, NaN, …), or the nesting exceeds JSON_DEPTH_MAX. out is incomplete then. */
bool bson_json(const bson_iter_t *iter, const char *path, struct str *out, struct status *st);

#endif
