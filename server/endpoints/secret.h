/* Reads credentials from files of a folder, one file each, or from environment variables. */
#ifndef ENDPOINTS_SECRET_H
#define ENDPOINTS_SECRET_H

#include "status.h"

#define SECRET_MAX_BYTES 4096

/* Reads a secret ("message_bus_user") from the file of that name, without trailing line ends; if
 * there is no such file, from the variable of that name in upper case. *ret_secret is owned by the
 * caller; NULL: there is none, or it is empty. FAILED_PRECONDITION SECRET: the file cannot be read,
 * is longer than SECRET_MAX_BYTES, or contains a NUL. */
bool secret_read(const char *folder, const char *name, char **ret_secret, struct status *st);

#endif
