/* The connections that a server was given, so that all can be cut.
 *
 * The gRPC core owns their descriptors and closes them when it likes; a number may be something
 * else's by then. So each is remembered with its socket's cookie, which no other socket ever gets
 * (SO_COOKIE, socket(7)). */
#ifndef RPC_SOCKETS_H
#define RPC_SOCKETS_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct sockets {
    pthread_mutex_t lock;
    uint64_t *cookies; /* by descriptor; 0: none */
    size_t n;
    struct pollfd *kept; /* copies of what was cut */
    size_t n_kept;
};

void sockets_init(struct sockets *sockets);
void sockets_fini(struct sockets *sockets);
/* Any thread. */
void sockets_add(struct sockets *sockets, int fd);
/* Nothing that is sent from now on arrives; what was sent before does, and then the end. Once, when
 * nothing is added any more. */
void sockets_cut(struct sockets *sockets);
/* Waits until those at the other ends have closed theirs, at most so long. A socket that is closed
 * with something unread in it, such as a call that came too late, is reset, and what was sent last
 * may be lost with it: so what comes is read here when the core has left. */
void sockets_linger(struct sockets *sockets, int64_t ms);

#endif
