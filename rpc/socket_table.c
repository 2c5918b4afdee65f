#include "socket_table.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mem.h"

uint64_t socket_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void socket_table_fini(struct socket_table *table)
{
    free(table->entries);
    *table = (struct socket_table){0};
}

static void make_room(struct socket_table *table, size_t n)
{
    size_t grown = n + n / 2;
    table->entries = mem_grow(table->entries, grown, sizeof table->entries[0]);
    memset(table->entries + table->n, 0, (grown - table->n) * sizeof table->entries[0]);
    table->n = grown;
}

struct socket_entry *socket_table_add(struct socket_table *table, int fd)
{
    assert(fd >= 0 && "an accepted socket has a descriptor");
    if ((size_t)fd >= table->n) {
        make_room(table, (size_t)fd + 1);
    }
    table->entries[fd].cookie = socket_cookie(fd);
    return &table->entries[fd];
}

struct socket_entry *socket_table_find(const struct socket_table *table, int fd)
{
    bool is_known = fd >= 0 && (size_t)fd < table->n && table->entries[fd].cookie != 0;
    return is_known ? &table->entries[fd] : NULL;
}
