/* Accepts connections itself and hands them to the gRPC core.
 *
 * The core's own listeners hide the sockets. They are needed for cork.h, and for the shutdown: once
 * the core shuts down it answers new calls with CANCELLED, unless their connection was cut before.
 *
 * With TLS, all TCP connections have it, and unix sockets do not. The core gets a connection once
 * its handshake is done (handshakes.h), as a plain one; its reads and writes then pass through the
 * connection's TLS session (tls_sockets.h).
 *
 * For a connection handed over the core reports the peer as "fd:N", so the address of N is kept
 * here. The core closes N when the connection has ended and its last call was released; so N is not
 * reused while a call of the connection exists. The core serves each connection on a random call
 * queue.
 *
 * As the core would for its own listeners, TCP_NODELAY is set, and TCP_USER_TIMEOUT to drop peers
 * that do not acknowledge data. */
#ifndef RPC_ACCEPTOR_H
#define RPC_ACCEPTOR_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdint.h>

#include "peer_address.h"
#include "status.h"

struct acceptor;
struct rpc_limits;
struct tls_server;

struct acceptor_options {
    grpc_server *core;
    int64_t user_timeout_ms; /* how long sent data may stay unacknowledged before the connection is
                                dropped */
    struct tls_server *tls;  /* NULL: no TLS */
    int64_t handshake_ms;    /* how long a handshake may take */
    size_t n_handshake_threads;
    const struct rpc_limits *limits; /* NULL: none */
};

struct acceptor *acceptor_new(const struct acceptor_options *options);
/* Listens on an address as listener_open does, with its failures; as often as wanted before
 * acceptor_start. ret_port (may be NULL): the port that was bound, 0 for a unix socket. */
bool acceptor_listen(struct acceptor *acceptor, const char *address, int *ret_port,
                     struct status *st);
/* Starts the thread that accepts. The core's server must have been started. */
void acceptor_start(struct acceptor *acceptor);
/* Ends the thread and closes the listeners; connections stay. Before the core shuts down. */
void acceptor_stop(struct acceptor *acceptor);
/* Ends all connections: clients get what was sent before, then the end of the stream; what they
 * send no longer reaches the core. Waits at most ms until they have closed their side. Call it
 * after acceptor_stop and before the core shuts down. The core would close the receiving side, too;
 * a late call of a client would then be answered with a reset, which can destroy data that the
 * client has not read yet. */
void acceptor_end_all(struct acceptor *acceptor, int64_t ms);
/* The acceptor must be stopped, or never have been started. NULL is ignored. */
void acceptor_free(struct acceptor *acceptor);

/* Writes the address of a connection's peer (peer_address.h). fd: from a call that was not released
 * yet. Any thread. */
void acceptor_peer(struct acceptor *acceptor, int fd, char *ret_peer);
/* The name that the peer has proven by a certificate (peer_name.h); "": none. Owned by the caller.
 * fd and threads as above. */
char *acceptor_name(struct acceptor *acceptor, int fd);
/* How many connections inflow.h has cut. Any thread. */
uint64_t acceptor_cuts(const struct acceptor *acceptor);

#endif
