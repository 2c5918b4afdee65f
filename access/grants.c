#include "grants.h"

#include <string.h>

#include "utf8.h"

/* Tries the shortest run for each `*` first. Where the rest does not match, only the last `*` has
 * to take more, so the time is at most pattern times name. */
bool pattern_matches(const char *pattern, const char *name)
{
    const char *star = NULL; /* the last `*` */
    const char *taken = name;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            taken = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++taken;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

bool pattern_check(const char *pattern, size_t n, const char *field, struct status *st)
{
    return name_check(pattern, n, field, st);
}

static bool any_matches(const char *const *patterns, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (pattern_matches(patterns[i], name)) {
            return true;
        }
    }
    return n == 0;
}

static bool matches_all(const char *const *patterns, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (patterns[i][strspn(patterns[i], "*")] == '\0') {
            return true;
        }
    }
    return n == 0;
}

size_t grants_which(struct grants grants, enum permission permission, const char *environment,
                    const char *service)
{
    for (size_t i = 0; i < grants.n; i++) {
        const struct grant *grant = &grants.items[i];
        if (access_role_has(grant->role, permission) &&
            any_matches(grant->environments, grant->n_environments, environment) &&
            any_matches(grant->services, grant->n_services, service)) {
            return i;
        }
    }
    return grants.n;
}

bool grants_may(struct grants grants, enum permission permission, const char *environment,
                const char *service)
{
    return grants_which(grants, permission, environment, service) < grants.n;
}

bool grants_may_everywhere(struct grants grants, enum permission permission)
{
    for (size_t i = 0; i < grants.n; i++) {
        const struct grant *grant = &grants.items[i];
        if (access_role_has(grant->role, permission) &&
            matches_all(grant->environments, grant->n_environments) &&
            matches_all(grant->services, grant->n_services)) {
            return true;
        }
    }
    return false;
}

bool grants_may_somewhere(struct grants grants, enum permission permission)
{
    for (size_t i = 0; i < grants.n; i++) {
        if (access_role_has(grants.items[i].role, permission)) {
            return true;
        }
    }
    return false;
}
