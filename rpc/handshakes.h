/* TLS handshakes of connections that were accepted, before the gRPC core gets them.
 *
 * A few threads drive them; none waits for a client. A handshake that takes too long is given up;
 * of more than HANDSHAKES_MAX on a thread the oldest is, so that silent clients cannot keep others
 * out. */
#ifndef RPC_HANDSHAKES_H
#define RPC_HANDSHAKES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct tls_server;
struct tls_session;
struct handshakes;

#define HANDSHAKES_MAX 4096

struct handshakes_options {
    struct tls_server *tls; /* borrowed */
    size_t n_threads;
    int64_t timeout_ms;
    /* A connection whose handshake is done: the socket and its session move. On any of the
     * threads. */
    void (*done)(void *user, int fd, const struct sockaddr_storage *address,
                 struct tls_session *session);
    void *user;
};

struct handshakes *handshakes_start(const struct handshakes_options *options);
/* Takes a socket that does not block. One thread. */
void handshakes_add(struct handshakes *handshakes, int fd, const struct sockaddr_storage *address);
/* Ends the threads and closes the connections whose handshakes are not done. NULL is ignored. */
void handshakes_stop(struct handshakes *handshakes);

#endif
