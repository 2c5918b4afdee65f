/* Names that a request gave and its route does not know: query parameters and members of a body.
 * They are reported, either as faults or as ignored (X-Config-Ignored). */
#ifndef GATEWAY_UNKNOWN_H
#define GATEWAY_UNKNOWN_H

#include <stdbool.h>

#include "invalid.h"

/* The names that a route knows at a place. */
struct known_names {
    const char *names[24];
    size_t n;
};

bool is_known_name(const struct str *name, const struct known_names *known);
/* The known name that was most likely meant; NULL: none is near. */
const char *unknown_nearest(const struct str *name, const struct known_names *known);
/* Adds a fault (extra_forbidden) that names the unknown one and the nearest known one. */
void unknown_refuse(struct invalid *invalid, const char *place, const struct str *name,
                    const struct known_names *known);
/* Appends the name, percent-encoded, to the value of X-Config-Ignored. The value is bounded: names
 * beyond that are left out. */
void unknown_ignore(struct str *ignored, const struct str *name);

#endif
