/* Reads the access file (docs/security.md has its form). Private to access. Any thread. */
#ifndef ACCESS_FILE_H
#define ACCESS_FILE_H

#include "buf.h"
#include "hash.h"
#include "principals.h"
#include "status.h"

/* UNAVAILABLE, reason ACCESS_FILE_BROKEN: the file cannot be read, or is not what it should be. The
 * message says where, as "principals[3].tokens[0].sha256"; it never has a value of the file.
 * *ret_is_open: others than its owner and his group can read it. *ret_hash (may be NULL): of its
 * bytes. */
bool access_file_read(const char *path, struct principals **ret_principals, bool *ret_is_open,
                      struct hash *ret_hash, struct status *st);
/* Its steps: the bytes of the file (ret_is_open may be NULL), ... */
bool access_file_text(const char *path, struct buf **ret_text, bool *ret_is_open,
                      struct status *st);
/* ... the text as JSON without insignificant white space, ... */
bool access_file_check(const char *text, size_t n, struct buf **ret_json, struct status *st);
/* ... and what it says. Does the step before, too. path: where the file is; those that it names are
 * beside it. */
bool access_file_parse(const char *path, const char *text, size_t n,
                       struct principals **ret_principals, struct status *st);

#endif
