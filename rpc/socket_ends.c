#include "socket_ends.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "mem.h"

static struct {
    pthread_mutex_t lock;
    struct socket_end *ends; /* by descriptor */
    size_t n;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

void socket_ends_put(int fd, const struct socket_end *end)
{
    pthread_mutex_lock(&table.lock);
    if ((size_t)fd >= table.n) {
        size_t n = (size_t)fd + (size_t)fd / 2 + 64;
        table.ends = mem_grow(table.ends, n, sizeof table.ends[0]);
        memset(table.ends + table.n, 0, (n - table.n) * sizeof table.ends[0]);
        table.n = n;
    }
    table.ends[fd] = *end;
    pthread_mutex_unlock(&table.lock);
}

/* Under the lock. */
static struct socket_end take(size_t fd)
{
    struct socket_end end = {.ended = NULL};
    if (fd < table.n) {
        end = table.ends[fd];
        table.ends[fd].ended = NULL;
    }
    return end;
}

struct socket_end socket_ends_take(int fd)
{
    pthread_mutex_lock(&table.lock);
    struct socket_end end = take((size_t)fd); /* a negative one is beyond all */
    pthread_mutex_unlock(&table.lock);
    return end;
}

/* The next one of the user; *fd starts at 0. */
static struct socket_end take_next(const void *user, size_t *fd)
{
    struct socket_end end = {.ended = NULL};
    pthread_mutex_lock(&table.lock);
    for (; end.ended == NULL && *fd < table.n; (*fd)++) {
        if (table.ends[*fd].user == user) {
            end = take(*fd);
        }
    }
    pthread_mutex_unlock(&table.lock);
    return end;
}

void socket_ends_run_all(const void *user)
{
    size_t fd = 0;
    for (struct socket_end end; (end = take_next(user, &fd)).ended != NULL;) {
        end.ended(end.user, end.what);
    }
}
