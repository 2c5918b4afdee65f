/* What a connection reads from and writes to: the one place that knows that it is a socket without
 * blocking. */
#ifndef HTTP_HTTP_SOCKET_H
#define HTTP_HTTP_SOCKET_H

#include <stddef.h>
#include <sys/uio.h>

struct http_socket {
    int fd;
};

enum http_io {
    HTTP_IO_OK,
    HTTP_IO_LATER, /* nothing now: epoll tells when */
    HTTP_IO_END,   /* of a read: the other side sends no more */
    HTTP_IO_OVER,  /* the connection is broken */
};

/* Bytes leave when they are written; no SIGPIPE. */
void http_socket_init(struct http_socket *socket, int fd);
/* Keeps little in the kernel, so that what is read late is also made late, and a slow reader is
 * seen to read: else the kernel takes megabytes and says that there is room again only when a good
 * part of them has gone. */
void http_socket_bound_unsent(struct http_socket *socket);
enum http_io http_socket_read(struct http_socket *socket, void *bytes, size_t max, size_t *ret_n);
enum http_io http_socket_write(struct http_socket *socket, const struct iovec *parts,
                               size_t n_parts, size_t *ret_n);
/* Nothing more will be written. */
void http_socket_end_writing(struct http_socket *socket);
void http_socket_close(struct http_socket *socket);

#endif
