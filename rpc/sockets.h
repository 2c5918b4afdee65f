/* The connections that a server was given, so that all can be cut.
 *
 * The gRPC core owns their descriptors and closes them when it likes; a number may be something
 * else's by then. So each is remembered with its socket's cookie, which no other socket ever gets
 * (SO_COOKIE, socket(7)). */
#ifndef RPC_SOCKETS_H
#define RPC_SOCKETS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct sockets {
    pthread_mutex_t lock;
    uint64_t *cookies; /* by descriptor; 0: none */
    size_t n;
};

void sockets_init(struct sockets *sockets);
void sockets_fini(struct sockets *sockets);
/* Any thread, like the next. */
void sockets_add(struct sockets *sockets, int fd);
/* Shuts down all that are still there, both ways: what was sent before arrives, then the end;
 * nothing that is sent later does. */
void sockets_cut(struct sockets *sockets);

#endif
