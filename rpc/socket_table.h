/* Accepted sockets by descriptor, each with its cookie.
 *
 * The gRPC core owns the descriptors of the sockets and closes them at any time, after which a
 * number may be reused for something else. So each socket is remembered with its cookie, the id
 * that the kernel never reuses (SO_COOKIE, socket(7)): before a descriptor is used, its socket's
 * cookie is compared with the one in the table.
 *
 * An entry stays in the table after its socket is closed, until another socket gets the same
 * descriptor. Not thread-safe: the table's owner has the lock. */
#ifndef RPC_SOCKET_TABLE_H
#define RPC_SOCKET_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct socket_entry {
    uint64_t cookie; /* 0: no socket was added under this descriptor */
    void *item;      /* the user's, for this descriptor; NULL at first */
};

/* Zeroed: empty. */
struct socket_table {
    struct socket_entry *entries; /* by descriptor */
    size_t n;
};

/* The id of fd's socket; 0: fd is no open socket. */
uint64_t socket_cookie(int fd);

/* Frees the entries, but not their items. */
void socket_table_fini(struct socket_table *table);
/* Remembers the socket of fd in the place of the one that had this descriptor before, whose item
 * stays in the entry. The entry is valid until the next socket_table_add. */
struct socket_entry *socket_table_add(struct socket_table *table, int fd);
/* The entry of the descriptor; NULL: none was added. Its socket may be closed. */
struct socket_entry *socket_table_find(const struct socket_table *table, int fd);

#endif
