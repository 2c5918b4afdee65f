/* The TLS sessions of the sockets that the gRPC core serves, by descriptor.
 *
 * The core gets each connection as a plain one (acceptor.h). Where it has TLS, the core's reads and
 * writes pass through its session here (socket_calls.c), so that all that is done to connections
 * (cork.h, inflow.h, sockets.h) works with and without TLS.
 *
 * The core uses a descriptor until it closes it, and closes it when nothing uses it. So a session
 * that was found is valid as long as the caller uses the descriptor rightly. */
#ifndef RPC_TLS_SOCKETS_H
#define RPC_TLS_SOCKETS_H

#include <stdbool.h>

struct tls_session;

/* Descriptors from here on cannot have a session. */
#define TLS_SOCKETS_MAX (1 << 20)

/* Gives the socket a session that has done its handshake; before the core gets the socket. */
void tls_sockets_put(int fd, struct tls_session *session);
/* NULL: the descriptor has none. Any thread; no lock. */
struct tls_session *tls_sockets_find(int fd);
/* Takes the session away from a descriptor that is being closed. NULL: it has none. */
struct tls_session *tls_sockets_take(int fd);

#endif
