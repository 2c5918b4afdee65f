#include "roles.h"

#include <string.h>

#include "mem.h"

#define BIT(permission) (1u << PERMISSION_##permission)

static const struct {
    const char *name;
    unsigned permissions; /* one bit each */
} roles[ACCESS_ROLES] = {
    [ROLE_READER] = {"reader", BIT(READ)},
    [ROLE_ADMIN] = {"admin", BIT(READ) | BIT(WRITE)},
    [ROLE_SUPER_ADMIN] = {"super-admin",
                          BIT(READ) | BIT(WRITE) | BIT(DELETE) | BIT(SCHEMA) | BIT(OPERATE)},
    [ROLE_AUDITOR] = {"auditor", BIT(AUDIT)},
    [ROLE_GATEWAY] = {"gateway", BIT(DELEGATE)},
};

static const char *const permissions[PERMISSIONS] = {
    [PERMISSION_READ] = "READ",         [PERMISSION_WRITE] = "WRITE",
    [PERMISSION_DELETE] = "DELETE",     [PERMISSION_SCHEMA] = "SCHEMA",
    [PERMISSION_OPERATE] = "OPERATE",   [PERMISSION_AUDIT] = "AUDIT",
    [PERMISSION_DELEGATE] = "DELEGATE",
};

const char *access_role_name(enum access_role role)
{
    return roles[role].name;
}

bool access_role_parse(const char *text, enum access_role *ret_role)
{
    for (size_t i = 0; i < ACCESS_ROLES; i++) {
        if (strcmp(text, roles[i].name) == 0) {
            *ret_role = (enum access_role)i;
            return true;
        }
    }
    return false;
}

bool access_role_has(enum access_role role, enum permission permission)
{
    return (roles[role].permissions >> permission & 1) != 0;
}

const char *permission_name(enum permission permission)
{
    return permissions[permission];
}
