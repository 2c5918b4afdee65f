#include "socket_ends.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#include "mem.h"

/* In two levels and without a lock: who closes a descriptor may hold one. Few descriptors need
 * little memory. */
#define CHUNK 1024

struct ends_entry {
    _Atomic(socket_ended *) ended; /* NULL: the entry is free, and the next two mean nothing */
    _Atomic(void *) user, what;
};

struct ends_chunk {
    struct ends_entry entries[CHUNK];
};

/* Ends that were taken and have not been told yet. */
static atomic_size_t in_progress;

static _Atomic(struct ends_chunk *) chunks[SOCKET_ENDS_MAX / CHUNK];

static struct ends_chunk *make_chunk(size_t at)
{
    struct ends_chunk *none = NULL;
    struct ends_chunk *made = mem_zalloc(sizeof *made);
    if (atomic_compare_exchange_strong(&chunks[at], &none, made)) {
        return made;
    }
    free(made);
    return none;
}

/* NULL: nothing was ever put near there. */
static struct ends_entry *entry_of(int fd)
{
    struct ends_chunk *chunk =
        fd < 0 || fd >= SOCKET_ENDS_MAX
            ? NULL
            : atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk->entries[fd % CHUNK];
}

/* entry: NULL: there is none. */
static struct socket_end take(struct ends_entry *entry)
{
    struct socket_end end = {.ended = NULL};
    if (entry != NULL && atomic_load_explicit(&entry->ended, memory_order_relaxed) != NULL) {
        atomic_fetch_add(&in_progress, 1); /* before: socket_ends_run_all must not miss it */
        end.ended = atomic_exchange(&entry->ended, NULL);
        end.user = atomic_load(&entry->user);
        end.what = atomic_load(&entry->what);
        if (end.ended == NULL) { /* another thread took it */
            atomic_fetch_sub(&in_progress, 1);
        }
    }
    return end;
}

struct socket_end socket_ends_take(int fd)
{
    return take(entry_of(fd));
}

void socket_ends_tell(const struct socket_end *end)
{
    if (end->ended != NULL) {
        end->ended(end->user, end->what);
        atomic_fetch_sub(&in_progress, 1);
    }
}

bool socket_ends_put(int fd, const struct socket_end *end)
{
    if (fd < 0 || fd >= SOCKET_ENDS_MAX) {
        return false;
    }
    struct ends_entry *entry = entry_of(fd);
    if (entry == NULL) {
        entry = &make_chunk((size_t)fd / CHUNK)->entries[fd % CHUNK];
    }
    struct socket_end unseen = take(entry);
    socket_ends_tell(&unseen);
    atomic_store(&entry->user, end->user);
    atomic_store(&entry->what, end->what);
    atomic_store(&entry->ended, end->ended);
    return true;
}

void socket_ends_run_all(const void *user)
{
    for (int fd = 0; fd < SOCKET_ENDS_MAX; fd++) {
        struct ends_entry *entry = entry_of(fd);
        if (entry == NULL) {
            fd += CHUNK - 1; /* the rest of a chunk that was never made */
        } else if (atomic_load(&entry->user) == user) {
            struct socket_end end = take(entry);
            socket_ends_tell(&end);
        }
    }
    while (atomic_load(&in_progress) > 0) { /* other threads are closing sockets just now */
        sched_yield();
    }
}
