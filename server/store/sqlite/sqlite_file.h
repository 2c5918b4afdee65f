/* The files of an existing SQLite store: FILE, which is locked for this process, and FILE-wal and
 * FILE-shm beside it, which SQLite finds by FILE's name.
 *
 * Invariants
 * - Only one process has the store open, by whatever path: the lock is on the inode.
 * - FILE has no second hard link, and `path` is its real path: SQLite would not find its
 * write-ahead log by another name.
 * - This descriptor of FILE is opened before SQLite opens the file and closed after SQLite has
 * closed it: closing any descriptor of a file drops all POSIX locks that the process has on it.
 *
 * Threads: one at a time, except sqlite_file_check, which any thread may call. */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"

/* Identifies a file whatever its name. All zero: none. */
struct file_id {
    dev_t device;
    ino_t inode;
};

struct sqlite_file {
    char *path; /* owned; absolute, without symbolic links; NULL: not found yet */
    int fd;     /* holds the lock; -1: none */
    struct file_id main, log, index; /* FILE, FILE-wal, FILE-shm */
    bool is_copy; /* never opened as a store: a copy made by SQLite, or a new file */
    struct sqlite_file *next_held; /* list of all that this process holds */
};

/* Nothing is open yet. */
void sqlite_file_init(struct sqlite_file *file);
/* Releases the lock. SQLite must have closed all connections to the file. */
void sqlite_file_fini(struct sqlite_file *file);

/* Resolves the path. ret_exists: whether the file exists. UNAVAILABLE: a system call failed. */
bool sqlite_file_find(struct sqlite_file *file, const char *location, bool *ret_exists,
                      struct status *st);

/* Locks and checks the file that was found. FAILED_PRECONDITION, reason STORE_LOCKED: another
 * process has it open; STORE_LINKED: it has a second hard link; STORE_NOT_WHOLE: it ends inside its
 * header; STORE_STRAY_LOG: it is a copy, beside the write-ahead log of another file; STORE_FOREIGN:
 * it is not a store. */
bool sqlite_file_take(struct sqlite_file *file, struct status *st);
/* Records the identities of FILE-wal and FILE-shm, after SQLite has opened them. */
bool sqlite_file_note(struct sqlite_file *file, struct status *st);

/* Checks that the open files are still the ones at their paths. UNAVAILABLE, reason STORE_REPLACED:
 * one was removed or replaced, so that anything written now would be lost when the process ends.
 * ret_log_bytes: the size of the write-ahead log. */
bool sqlite_file_check(const struct sqlite_file *file, uint64_t *ret_log_bytes, struct status *st);

/* Sets UNAVAILABLE with the message of errno. Returns false. */
bool sqlite_file_fault(struct status *st, const char *doing, const char *path);

#endif
