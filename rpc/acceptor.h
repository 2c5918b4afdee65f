/* Listeners of our own, whose connections are given to the gRPC core.
 *
 * The core has listeners, too, but keeps the sockets to itself. cork.h needs them, and so does the
 * end: once the core shuts down it answers calls that come with CANCELLED, unless their connection
 * was cut before.
 *
 * The core names the peer of a connection that it is given "fd:N", so that who N is stands here. It
 * closes N when the connection has ended and the last of its calls was given back: so no other
 * connection gets the number while a call of this one is there, however late it is taken up. It
 * serves each connection on one of the call queues, which it draws by lot.
 *
 * What the core would do for a connection of its own listener is done here: no delay of small
 * packets (TCP_NODELAY), and an end to peers that acknowledge nothing (TCP_USER_TIMEOUT). */
#ifndef RPC_ACCEPTOR_H
#define RPC_ACCEPTOR_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

#define ACCEPTOR_PEER_SIZE 64

struct acceptor;

/* user_timeout_ms: how long what was sent may stay unacknowledged. */
struct acceptor *acceptor_new(grpc_server *core, int64_t user_timeout_ms);
/* Listens on all that HOST of "HOST:PORT" stands for; port 0 takes a free one. Clients may connect
 * from here on. UNAVAILABLE, reason ADDRESS_UNUSABLE, where it cannot. */
bool acceptor_listen(struct acceptor *acceptor, const char *address, int *ret_port,
                     struct status *st);
/* The same for "unix:PATH" and what unix_address.h adds to it. A file that nobody listens on is
 * taken over: two servers must be kept apart before. */
bool acceptor_listen_unix(struct acceptor *acceptor, const char *address, struct status *st);
/* Starts the thread that accepts. The core's server must have been started. */
void acceptor_start(struct acceptor *acceptor);
/* Ends the thread and closes the listeners; connections stay. Before the core shuts down. */
void acceptor_stop(struct acceptor *acceptor);
/* Ends all connections, once it is stopped: what was sent on them arrives, nothing more does. */
void acceptor_end_all(struct acceptor *acceptor);
/* Waits, at most so long, until their clients have taken that. When the core has let go of them. */
void acceptor_linger(struct acceptor *acceptor, int64_t ms);
/* A stopped one, or one that was never started. NULL is ignored. */
void acceptor_free(struct acceptor *acceptor);

/* Writes who is at the other end of the connection, "ipv4:ADDRESS:PORT", "ipv6:[ADDRESS]:PORT" or
 * "unix:", to at least ACCEPTOR_PEER_SIZE bytes. fd: as a call names it that the core has not been
 * given back yet. Any thread. */
void acceptor_peer(struct acceptor *acceptor, int fd, char *ret_peer);
/* How many connections were cut, see inflow.h. Any thread. */
uint64_t acceptor_cuts(const struct acceptor *acceptor);

#endif
