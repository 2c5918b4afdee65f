/* BSON documents as JSON text. */
#ifndef LEGACY_BSON_JSON_H
#define LEGACY_BSON_JSON_H

#include <bson/bson.h>

#include "status.h"
#include "str.h"

/* Appends the document or array that iter stands on: keys in their order, integers exactly, doubles
 * with as few digits as read back the same, and with a fraction where they are whole ("1.0"). path
 * names the value in messages.
 *
 * INVALID_ARGUMENT, reason VALUE_NOT_JSON, with the path in `field`, where a value has no form in
 * JSON (dates, binary, NaN, …) or nests too deep; out is then of no use. */
bool bson_json(const bson_iter_t *iter, const char *path, struct str *out, struct status *st);

#endif
