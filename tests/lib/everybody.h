/* Rights for a node under test: everybody may do everything. */
#ifndef TESTS_EVERYBODY_H
#define TESTS_EVERYBODY_H

#include <stdlib.h>

#include "access.h"

/* One for the whole program; call it first before there are threads. */
static inline struct access *everybody(void)
{
    static struct access *access;
    const struct access_options options = {.has_anonymous = true, .anonymous = ROLE_SUPER_ADMIN};
    struct status st;
    if (access == NULL && !access_open(&options, &access, &st)) {
        abort();
    }
    return access;
}

#endif
