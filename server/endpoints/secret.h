/* Credentials that stand in files of a folder, one each, or in variables. */
#ifndef ENDPOINTS_SECRET_H
#define ENDPOINTS_SECRET_H

#include "status.h"

#define SECRET_MAX_BYTES 4096

/* The secret of that name ("message_bus_user"): the content of the file of that name, without the
 * line's end, or else of the variable of the same name in upper case, as an owned text; NULL where
 * there is neither. A file or variable that is empty counts as none. FAILED_PRECONDITION, reason
 * SECRET, where the file cannot be read, is too long or has a NUL. */
bool secret_read(const char *folder, const char *name, char **ret_secret, struct status *st);

#endif
