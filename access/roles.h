/* Roles and the permissions that they stand for. Pure; any thread. */
#ifndef ACCESS_ROLES_H
#define ACCESS_ROLES_H

#include <stdbool.h>

/* The rights that calls need. A role is a set of permissions; the table is in roles.c. */
enum permission {
    PERMISSION_READ,     /* get, list, watch, history, differences */
    PERMISSION_WRITE,    /* create, update, patch, roll back, undelete, commit */
    PERMISSION_DELETE,   /* delete, erase */
    PERMISSION_SCHEMA,   /* set and delete schemas; write what the rule about secrets refuses */
    PERMISSION_OPERATE,  /* compact, import, the status of nodes */
    PERMISSION_AUDIT,    /* the change log with its payloads */
    PERMISSION_DELEGATE, /* speak for other callers, as a gateway does */
};
#define PERMISSIONS (PERMISSION_DELEGATE + 1)

enum access_role { ROLE_READER, ROLE_ADMIN, ROLE_SUPER_ADMIN, ROLE_AUDITOR, ROLE_GATEWAY };
#define ACCESS_ROLES (ROLE_GATEWAY + 1)

/* "reader", "admin", "super-admin", "auditor", "gateway". Never NULL. */
const char *access_role_name(enum access_role role);
bool access_role_parse(const char *text, enum access_role *ret_role);
bool access_role_has(enum access_role role, enum permission permission);

/* "READ", "WRITE", … Never NULL. */
const char *permission_name(enum permission permission);

#endif
