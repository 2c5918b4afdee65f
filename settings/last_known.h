/* The last-known-good file: the values of one config as they were read last, for a start while the
 * registry is away.
 *
 * The file is for its owner only (0600), and replaced at once: it has the old bytes or the new
 * ones, on disk before it has its name. Its first line says what it is, whose config it has and a
 * SHA-256 of all that follows; a file that does not fit its first line, or is of another config,
 * counts as none.
 *
 *     confreg-last-known 1 SHA256
 *     {"service_name":…,"environment":…,"resolve":…,"epoch":…,"revision":…,"version":…}
 *     THE CONFIG'S JSON
 *
 * Any thread; no state. The functions wait for the disk. */
#ifndef SETTINGS_LAST_KNOWN_H
#define SETTINGS_LAST_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "status.h"

/* Whose config it is. Borrowed. */
struct last_known_of {
    const char *environment, *service_name;
    bool resolve; /* merged over the environment "default" */
};

struct last_known {
    char epoch[17];
    uint64_t revision; /* the config was read as of this revision */
    uint64_t version;
    struct buf *data; /* owned */
};

/* NOT_FOUND: there is no such file. DATA_LOSS LAST_KNOWN_DAMAGED: it is damaged, or none of this
 * config. UNAVAILABLE: it cannot be read. */
bool last_known_read(const char *path, const struct last_known_of *of, struct last_known *ret_known,
                     struct status *st);
/* UNAVAILABLE FILE_UNWRITABLE: the file is as it was. */
bool last_known_write(const char *path, const struct last_known_of *of,
                      const struct last_known *known, struct status *st);

#endif
