/* Whole files: read at once, replaced at once. Any thread. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "buf.h"
#include "status.h"

/* Reads a file of at most max_bytes. ret_mode (may be NULL): its mode bits. UNAVAILABLE, reason
 * FILE_UNREADABLE: it cannot be read, or is larger; the message says why and does not name it. */
bool file_read(const char *path, size_t max_bytes, struct buf **ret_bytes, mode_t *ret_mode,
               struct status *st);

#endif
