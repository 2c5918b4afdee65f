/* References between URIs (RFC 3986). Private to schema/. Pure; any thread. */
#ifndef SCHEMA_URI_REFERENCE_H
#define SCHEMA_URI_REFERENCE_H

#include "json.h"
#include "str.h"

/* Appends the reference resolved against base, which may be empty. The fragment is the reference's.
 */
void uri_resolve(struct json_text base, struct json_text reference, struct str *out);

/* Cuts a URI into what is before its '#' and what is behind; the fragment is empty without one. */
void uri_split(struct json_text uri, struct json_text *ret_document,
               struct json_text *ret_fragment);

#endif
