/* The Prefer header of a request (RFC 7240). */
#ifndef GATEWAY_PREFER_H
#define GATEWAY_PREFER_H

#include <stdbool.h>

#include "str.h"

/* The value of a preference, whose name is given in lower case and sent in any: a token or what is
 * in quotes; "" where it has none. Of a preference that is there twice the first counts. False
 * where it is not there. Parameters of preferences, and what follows the grammar nowhere, are
 * passed over. */
bool prefer_find(const char *prefer, const char *name, struct str *ret_value);

#endif
