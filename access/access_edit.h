/* Edits the text of an access file. Pure; any thread. */
#ifndef ACCESS_EDIT_H
#define ACCESS_EDIT_H

#include "json.h"
#include "roles.h"

/* A token to be added. All borrowed. */
struct access_addition {
    const char *name; /* the principal's */
    /* Grants for him: each of the roles, for the environments and services. n_roles 0: none, which
     * is for a principal who is in the file already. */
    const enum access_role *roles;
    size_t n_roles;
    const char *const *environments; /* patterns; none: every one */
    size_t n_environments;
    const char *const *services;
    size_t n_services;
    const char *expires; /* "2030-01-01T00:00:00Z"; NULL: never */
};

/* Appends the file with the addition to out, indented for people. file: a JSON object that
 * json_check accepted, and access_file_parse. digits: the token's SHA-256. Grants that the
 * principal has are not repeated. NOT_FOUND, reason PRINCIPAL_UNKNOWN: there is no such principal,
 * and no grant for a new one. */
bool access_edit_add(struct json_text file, const struct access_addition *addition,
                     const char *digits, struct str *out, struct status *st);

#endif
