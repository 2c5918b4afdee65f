/* All connections that a server has accepted, so that they can be cut together. The gRPC core owns
 * their descriptors and may have closed any of them (socket_table.h). */
#ifndef RPC_SOCKETS_H
#define RPC_SOCKETS_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "socket_table.h"

struct sockets {
    pthread_mutex_t lock;
    struct socket_table accepted; /* without items */
    struct pollfd *kept;          /* owned duplicates of the sockets that were cut */
    size_t n_kept;
};

void sockets_init(struct sockets *sockets);
void sockets_fini(struct sockets *sockets);
/* Any thread. */
void sockets_add(struct sockets *sockets, int fd);
/* Shuts down the sending side of all connections: clients get what was sent before, then the end.
 * Call it once, after the last sockets_add. */
void sockets_cut(struct sockets *sockets);
/* Waits at most ms until the clients have closed their side, discarding input. Closing a socket
 * with unread input, such as a late call, sends a reset, which can destroy the last answers on
 * their way. */
void sockets_linger(struct sockets *sockets, int64_t ms);

#endif
