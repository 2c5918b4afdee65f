/* Grants: which role somebody has for which configs.
 *
 * A grant gives a role for the configs whose environment and service match one of its patterns
 * each. A pattern is a name, in which `*` stands for any run of bytes. A grant without patterns for
 * environments (or services) holds for every one. Grants add up; what no grant gives is not
 * allowed. Pure; any thread. */
#ifndef ACCESS_GRANTS_H
#define ACCESS_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roles.h"
#include "status.h"

struct grant {
    const char *const *environments; /* patterns */
    const char *const *services;
    uint32_t n_environments; /* 0: every one */
    uint32_t n_services;
    enum access_role role;
};

/* All of somebody's grants; borrowed by whoever holds it. Zeroed: none. */
struct grants {
    const struct grant *items;
    size_t n;
};

/* Whether one of the grants has the permission for this config. */
bool grants_may(struct grants grants, enum permission permission, const char *environment,
                const char *service);
/* Whether one of the grants has it for all configs, present and future: nothing has to be
 * filtered. */
bool grants_may_everywhere(struct grants grants, enum permission permission);
/* Whether one of the grants has it for some config, whether it exists or not. False: the call can
 * be refused before its request is decoded. */
bool grants_may_somewhere(struct grants grants, enum permission permission);

/* The place of the grant that allows it, to explain a decision; grants.n: none does. */
size_t grants_which(struct grants grants, enum permission permission, const char *environment,
                    const char *service);

bool pattern_matches(const char *pattern, const char *name);
/* Whether a text can be a pattern: 1 to NAME_MAX_BYTES bytes that a name can have (name_check).
 * INVALID_ARGUMENT with the field. */
bool pattern_check(const char *pattern, size_t n, const char *field, struct status *st);

#endif
