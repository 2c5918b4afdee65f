/* TLS on one connected socket, for a server.
 *
 * The owner of the socket calls tls_session_handshake until it is done, then reads and writes
 * through the session as it would with readv(2) and writev(2) on a socket that does not block.
 * After its last write it calls tls_session_end, and before it closes the socket tls_session_close.
 *
 * A read is complete when it fails with EAGAIN: only then the socket becoming readable tells of new
 * data. Reads and writes may be on two threads at once, and on other threads each time. */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tls_failure.h"

struct tls_server;
struct tls_session;

/* The application protocol (ALPN). A client that offers others only is refused by an alert. */
enum tls_protocol {
    TLS_PROTOCOL_H2,     /* "h2"; a client that offers nothing is refused, too (RFC 9113, 3.2) */
    TLS_PROTOCOL_HTTP_1, /* "http/1.1"; a client need not offer anything */
};

/* For a socket that was accepted. */
struct tls_session *tls_session_new(struct tls_server *server, int fd, enum tls_protocol protocol);
/* Ends the use of the socket, which the caller then closes. The session must not be used
 * afterwards. */
void tls_session_close(struct tls_session *session);

enum tls_step { TLS_STEP_DONE, TLS_STEP_READ, TLS_STEP_WRITE, TLS_STEP_FAILED };
/* Goes on with the handshake as far as possible. READ, WRITE: call it again when the socket can be
 * read or written. FAILED: the connection is of no use; *ret_failure says why. */
enum tls_step tls_session_handshake(struct tls_session *session, enum tls_failure *ret_failure);

/* As readv and writev: how many bytes, -1 with errno; of a read 0 at the end. */
ssize_t tls_session_read(struct tls_session *session, const struct iovec *parts, size_t n);
ssize_t tls_session_write(struct tls_session *session, const struct iovec *parts, size_t n);
/* Tells the client that nothing more will be written (close_notify); reading goes on. WRITE: call
 * it again when the socket can be written. FAILED: the connection is broken. */
enum tls_step tls_session_end(struct tls_session *session);

/* The name that the client's certificate proves (peer_name.h); NULL: it has shown none. After the
 * handshake; lives until tls_session_close. */
const char *tls_session_name(const struct tls_session *session);

#endif
