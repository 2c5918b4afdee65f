/* The Prefer header of a request (RFC 7240). */
#ifndef GATEWAY_PREFER_H
#define GATEWAY_PREFER_H

#include <stdbool.h>

#include "str.h"

/* Finds a preference by its name, compared without case, and appends its value: a token, or a
 * quoted string without its quotes; nothing if it has no value. The first of several counts.
 * Parameters of preferences and malformed parts are skipped. False if it is not there. */
bool prefer_find(const char *prefer, const char *name, struct str *ret_value);

#endif
