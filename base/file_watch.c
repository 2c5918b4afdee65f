#include "file_watch.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "mem.h"
#include "wake.h"

#define DEFAULT_INTERVAL_MS 1000

/* Facts that tell one content of a file from another; zeroed: there is no file. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct file_watch {
    struct file_watch_options options;
    char *paths[FILE_WATCH_MAX]; /* owned */
    struct mark told[FILE_WATCH_MAX], seen[FILE_WATCH_MAX];
    struct wake wake;
    atomic_bool poked;
    pthread_t thread;
};

static void look(const struct file_watch *watch, struct mark *ret_marks)
{
    memset(ret_marks, 0, FILE_WATCH_MAX * sizeof ret_marks[0]);
    for (size_t i = 0; i < FILE_WATCH_MAX; i++) {
        struct stat found;
        if (watch->paths[i] != NULL && stat(watch->paths[i], &found) == 0) {
            ret_marks[i].device = found.st_dev;
            ret_marks[i].inode = found.st_ino;
            ret_marks[i].size = found.st_size;
            ret_marks[i].modified = found.st_mtim;
            ret_marks[i].changed = found.st_ctim;
        }
    }
}

static bool are_equal(const struct mark *a, const struct mark *b)
{
    return memcmp(a, b, FILE_WATCH_MAX * sizeof a[0]) == 0;
}

/* Whether the files have changed and are at rest. */
static bool has_changed(struct file_watch *watch)
{
    struct mark now[FILE_WATCH_MAX];
    look(watch, now);
    bool rest = are_equal(now, watch->seen);
    memcpy(watch->seen, now, sizeof now);
    if (!rest || are_equal(now, watch->told)) {
        return false;
    }
    memcpy(watch->told, now, sizeof now);
    return true;
}

static void *run(void *argument)
{
    struct file_watch *watch = argument;
    while (!wake_stopping(&watch->wake)) {
        wake_wait(&watch->wake, -1, watch->options.interval_ms);
        wake_clear(&watch->wake);
        bool asked = atomic_exchange(&watch->poked, false);
        if (asked || has_changed(watch)) {
            watch->options.changed(watch->options.user);
        }
        if (watch->options.tick != NULL) {
            watch->options.tick(watch->options.user);
        }
    }
    return NULL;
}

struct file_watch *file_watch_start(const struct file_watch_options *options)
{
    struct file_watch *watch = mem_zalloc(sizeof *watch);
    watch->options = *options;
    if (options->interval_ms == 0) {
        watch->options.interval_ms = DEFAULT_INTERVAL_MS;
    }
    for (size_t i = 0; i < FILE_WATCH_MAX; i++) {
        watch->paths[i] = options->paths[i] == NULL ? NULL : mem_string(options->paths[i]);
    }
    look(watch, watch->told);
    memcpy(watch->seen, watch->told, sizeof watch->seen);
    wake_init(&watch->wake);
    int failed = pthread_create(&watch->thread, NULL, run, watch);
    assert(failed == 0 && "a thread can be had at start");
    return watch;
}

static bool same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void file_watch_set(struct file_watch *watch, const char *const paths[FILE_WATCH_MAX])
{
    for (size_t i = 0; i < FILE_WATCH_MAX; i++) {
        if (same_path(watch->paths[i], paths[i])) {
            continue;
        }
        free(watch->paths[i]);
        watch->paths[i] = paths[i] == NULL ? NULL : mem_string(paths[i]);
        memset(&watch->told[i], 0, sizeof watch->told[i]);
        memset(&watch->seen[i], 0, sizeof watch->seen[i]);
    }
}

void file_watch_poke(struct file_watch *watch)
{
    atomic_store(&watch->poked, true);
    wake_set(&watch->wake);
}

void file_watch_stop(struct file_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    wake_stop(&watch->wake);
    pthread_join(watch->thread, NULL);
    wake_fini(&watch->wake);
    for (size_t i = 0; i < FILE_WATCH_MAX; i++) {
        free(watch->paths[i]);
    }
    free(watch);
}
