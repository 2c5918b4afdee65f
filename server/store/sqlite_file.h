/* The files of a SQLite store that is there: FILE, which its process holds by a lock on the file
 * itself, and FILE-wal and FILE-shm beside it, which SQLite finds by FILE's name.
 *
 * Invariants
 * - One process has the file, whatever name it found it by: the lock is on the inode.
 * - The file has one name, and the path is the real one: by another name its write-ahead log would
 *   not be found.
 * - The file's descriptor is opened before SQLite opens it and closed after SQLite closed it: a
 *   close in between would drop the locks that SQLite has on it.
 *
 * Threads: one at a time, but for sqlite_file_check, which any thread may call meanwhile. */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"

/* Which file it is, whatever its name. All zero: none. */
struct file_id {
    dev_t device;
    ino_t inode;
};

struct sqlite_file {
    char *path; /* owned; absolute, without symbolic links; NULL: not found yet */
    int fd;     /* holds the lock; -1: none */
    struct file_id main, log, index; /* FILE, FILE-wal, FILE-shm */
    bool is_copy; /* no store was ever open on it: a copy that SQLite made, or a new one */
    struct sqlite_file *next_held; /* of this process */
};

/* Nothing is open yet. */
void sqlite_file_init(struct sqlite_file *file);
/* Gives up the lock. SQLite has no connection to the file any more. */
void sqlite_file_fini(struct sqlite_file *file);

/* Finds out the file's path; ret_exists: whether there is one. UNAVAILABLE: that cannot be told. */
bool sqlite_file_find(struct sqlite_file *file, const char *location, bool *ret_exists,
                      struct status *st);

/* Takes the file that was found, and sees what it is. FAILED_PRECONDITION, reason STORE_LOCKED:
 * another process has it; STORE_LINKED: it has another name; STORE_NOT_WHOLE: it ends within its
 * header; STORE_STRAY_LOG: a copy beside the write-ahead log of another file; STORE_FOREIGN. */
bool sqlite_file_take(struct sqlite_file *file, struct status *st);
/* Remembers the files beside it, which SQLite has open by now. */
bool sqlite_file_note(struct sqlite_file *file, struct status *st);

/* Whether those that are open are the ones that stand at their paths. UNAVAILABLE, reason
 * STORE_REPLACED: one was removed or replaced, what is written now would be gone with the process.
 * ret_log_bytes: the size of the write-ahead log. */
bool sqlite_file_check(const struct sqlite_file *file, uint64_t *ret_log_bytes, struct status *st);

/* UNAVAILABLE, with what the system said of it. Returns false. */
bool sqlite_file_fault(struct status *st, const char *doing, const char *path);

#endif
