/* The rights that each method needs, in one table. A method without a row does not start
 * (rights_of). Pure; any thread. */
#ifndef SERVICE_RIGHTS_H
#define SERVICE_RIGHTS_H

#include <stdbool.h>

#include "caller.h"

struct right {
    const char *method; /* as in the .proto file: "GetConfig" */
    unsigned any_of;    /* a bit each of enum permission; the caller must have one of them */
};

/* The row of a method of confreg.v1.RegistryService. Asserts that there is one. */
const struct right *rights_of(const char *method);
/* Whether the caller may call the method for some config at all. False: the call is refused before
 * its request is decoded, and what it names. */
bool rights_may_call(const struct right *right, const struct caller *caller);

#endif
