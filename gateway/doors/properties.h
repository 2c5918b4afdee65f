/* A config as flat properties, as Spring makes them of YAML: members of objects are joined by dots,
 * items of arrays have their index: {"db": {"hosts": ["a", "b"]}} is {"db.hosts[0]": "a",
 * "db.hosts[1]": "b"}. null and an empty array are "", an empty object is nothing. Of two values
 * with one name the first one counts. Pure; any thread. */
#ifndef GATEWAY_PROPERTIES_H
#define GATEWAY_PROPERTIES_H

#include "json.h"

/* Of all properties of one config. Long names above large arrays take more room flat than nested:
 * without a bound, 1 MiB could become 100 GB. */
#define PROPERTIES_MAX_BYTES ((size_t)16 << 20)

/* Appends the properties of an object, which json_check has passed, as an object. False: they take
 * more than PROPERTIES_MAX_BYTES, and nothing was appended. */
bool properties_add(struct json_text object, struct str *out);

#endif
