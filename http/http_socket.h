/* The non-blocking socket of a connection, with or without TLS; all of its system calls are here.
 */
#ifndef HTTP_HTTP_SOCKET_H
#define HTTP_HTTP_SOCKET_H

#include <stddef.h>
#include <sys/uio.h>

#include "tls_session.h"

struct http_socket {
    int fd;
    struct tls_session *tls; /* owned; NULL: no TLS */
};

enum http_io {
    HTTP_IO_OK,
    HTTP_IO_LATER, /* would block; epoll reports when to try again */
    HTTP_IO_END,   /* of a read: the peer closed its sending side */
    HTTP_IO_OVER,  /* the connection is broken */
};

/* fd: moved. Disables Nagle's algorithm. tls: borrowed; NULL: no TLS; else http_socket_handshake
 * comes first. */
void http_socket_init(struct http_socket *socket, int fd, struct tls_server *tls);
/* OVER: it failed; *ret_failure says why. Then the socket goes on without TLS, to be closed. */
enum http_io http_socket_handshake(struct http_socket *socket, enum tls_failure *ret_failure);
/* Bounds the unsent bytes that the kernel buffers, for responses of unknown length. Without it the
 * kernel takes megabytes and reports room only after a large part has gone: a slow reader would
 * look stalled, and a stream's events would age in the buffer. */
void http_socket_bound_unsent(struct http_socket *socket);
enum http_io http_socket_read(struct http_socket *socket, void *bytes, size_t max, size_t *ret_n);
enum http_io http_socket_write(struct http_socket *socket, const struct iovec *parts,
                               size_t n_parts, size_t *ret_n);
/* Closes the sending side. Never HTTP_IO_END. */
enum http_io http_socket_end_writing(struct http_socket *socket);
void http_socket_close(struct http_socket *socket);

#endif
