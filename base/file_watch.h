/* Watches a few files for changes, by a thread that looks at them at an interval.
 *
 * A change is reported when the files have then stayed the same for an interval, so that a
 * certificate and its key that are replaced one after the other are read together. Symbolic links
 * are followed: a mounted secret of Kubernetes changes by its links. */
#ifndef BASE_FILE_WATCH_H
#define BASE_FILE_WATCH_H

#include <stddef.h>
#include <stdint.h>

#define FILE_WATCH_MAX 16

struct file_watch;

struct file_watch_options {
    const char *paths[FILE_WATCH_MAX]; /* copied; NULL: no file */
    void (*changed)(void *user);       /* on the thread */
    void (*tick)(void *user);          /* at each look, on the thread; may be NULL */
    int64_t interval_ms;               /* 0: 1 s */
    void *user;
};

/* Changes from now on are reported. */
struct file_watch *file_watch_start(const struct file_watch_options *options);
/* Makes the thread call `changed` soon, whether the files have changed or not. Any thread. */
void file_watch_poke(struct file_watch *watch);
/* Watches these files from now on, copied; NULL: no file. Only in `changed`. A file that was not
 * watched before is reported once more, as it may have changed since it was read. */
void file_watch_set(struct file_watch *watch, const char *const paths[FILE_WATCH_MAX]);
/* Returns after the last callback. NULL is ignored. */
void file_watch_stop(struct file_watch *watch);

#endif
