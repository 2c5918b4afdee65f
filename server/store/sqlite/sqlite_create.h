/* Making a new SQLite store. */
#ifndef STORE_SQLITE_CREATE_H
#define STORE_SQLITE_CREATE_H

#include <stdbool.h>

#include "status.h"

/* Creates a store at a path that does not exist, with missing folders; atomically: it is written
 * under a temporary name, fsynced and renamed. Only its owner may read it. *ret_made is false if
 * another process was faster. FAILED_PRECONDITION, reason STORE_STRAY_LOG: there is a write-ahead
 * log without its file; UNAVAILABLE. */
bool sqlite_create(const char *path, bool *ret_made, struct status *st);

/* "conf". Written last, so that an incomplete file does not have it. */
#define SQLITE_APPLICATION_ID 0x636f6e66

#endif
