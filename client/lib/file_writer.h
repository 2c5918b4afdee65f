/* A thread that writes a provider's last-known-good file, so that nobody else waits for the disk.
 * Of values that come faster than the disk takes them only the newest is written. */
#ifndef LIB_FILE_WRITER_H
#define LIB_FILE_WRITER_H

#include "last_known.h"

struct file_writer;

/* path and of are copied. done: the outcome of a write (st NULL: it is on disk), on the writer's
 * thread. NULL: the system gives no thread. */
struct file_writer *file_writer_new(const char *path, const struct last_known_of *of,
                                    void (*done)(void *user, const struct status *st), void *user);
/* Copies known and takes a reference to its data. Any thread; does not wait. */
void file_writer_write(struct file_writer *writer, const struct last_known *known);
/* Writes what is left and ends the thread. NULL is ignored. */
void file_writer_free(struct file_writer *writer);

#endif
