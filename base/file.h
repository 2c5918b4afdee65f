/* Whole files: read at once, replaced at once. Any thread. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/stat.h>

#include "buf.h"
#include "status.h"

/* Reads a file of at most max_bytes. ret_mode (may be NULL): its mode bits. UNAVAILABLE, reason
 * FILE_UNREADABLE: it cannot be read, or is larger; the message says why and does not name it. */
bool file_read(const char *path, size_t max_bytes, struct buf **ret_bytes, mode_t *ret_mode,
               struct status *st);

/* The folder of a path: "." where it has none. Owned by the caller. */
char *file_folder(const char *path);

/* The folder of a path: "." where it has none. Owned by the caller. */
char *file_folder(const char *path);

/* Replaces a file, or makes a new one, so that at any time the old or the new bytes are there as a
 * whole, and the new ones are on disk when this returns. like: whose owner and mode the file gets;
 * NULL: it is for its owner only. UNAVAILABLE, reason FILE_UNWRITABLE: the file is as it was. */
bool file_replace(const char *path, const void *bytes, size_t n, const struct stat *like,
                  struct status *st);

#endif
