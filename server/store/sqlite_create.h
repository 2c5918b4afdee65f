/* Making a new SQLite store. */
#ifndef STORE_SQLITE_CREATE_H
#define STORE_SQLITE_CREATE_H

#include <stdbool.h>

#include "status.h"

/* Makes a whole store at a path where nothing is, with its folders, or nothing: it is made under
 * another name, synced, and renamed. Only its user may read it. Where another process was faster,
 * *ret_made is false. FAILED_PRECONDITION, reason STORE_STRAY_LOG: a write-ahead log without its
 * file is there; UNAVAILABLE. */
bool sqlite_create(const char *path, bool *ret_made, struct status *st);

/* "conf". What is being made or copied gets it last. */
#define SQLITE_APPLICATION_ID 0x636f6e66

#endif
