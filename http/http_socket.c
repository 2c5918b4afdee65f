#include "http_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNSENT_BYTES (128 << 10)

/* TCP options fail on unix sockets, which do not need them, so results are ignored. */
void http_socket_init(struct http_socket *socket, int fd, struct tls_server *tls)
{
    int on = 1;
    socket->fd = fd;
    socket->tls = tls == NULL ? NULL : tls_session_new(tls, fd, TLS_PROTOCOL_HTTP_1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void http_socket_bound_unsent(struct http_socket *socket)
{
    int bytes = UNSENT_BYTES;
    setsockopt(socket->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

static void end_tls(struct http_socket *socket)
{
    if (socket->tls != NULL) {
        tls_session_close(socket->tls);
        socket->tls = NULL;
    }
}

enum http_io http_socket_handshake(struct http_socket *socket, enum tls_failure *ret_failure)
{
    switch (tls_session_handshake(socket->tls, ret_failure)) {
    case TLS_STEP_DONE:
        return HTTP_IO_OK;
    case TLS_STEP_FAILED:
        end_tls(socket);
        return HTTP_IO_OVER;
    default:
        return HTTP_IO_LATER;
    }
}

static enum http_io what_failed(void)
{
    return errno == EAGAIN || errno == EINTR ? HTTP_IO_LATER : HTTP_IO_OVER;
}

enum http_io http_socket_read(struct http_socket *socket, void *bytes, size_t max, size_t *ret_n)
{
    const struct iovec part = {bytes, max};
    ssize_t n = socket->tls == NULL ? recv(socket->fd, bytes, max, MSG_DONTWAIT)
                                    : tls_session_read(socket->tls, &part, 1);
    if (n < 0) {
        return what_failed();
    }
    *ret_n = (size_t)n;
    return n == 0 ? HTTP_IO_END : HTTP_IO_OK;
}

enum http_io http_socket_write(struct http_socket *socket, const struct iovec *parts,
                               size_t n_parts, size_t *ret_n)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = n_parts};
    ssize_t n = socket->tls == NULL ? sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : tls_session_write(socket->tls, parts, n_parts);
    if (n < 0) {
        return what_failed();
    }
    *ret_n = (size_t)n;
    return HTTP_IO_OK;
}

enum http_io http_socket_end_writing(struct http_socket *socket)
{
    if (socket->tls != NULL && tls_session_end(socket->tls) == TLS_STEP_WRITE) {
        return HTTP_IO_LATER;
    }
    return shutdown(socket->fd, SHUT_WR) == 0 ? HTTP_IO_OK : HTTP_IO_OVER;
}

void http_socket_close(struct http_socket *socket)
{
    end_tls(socket);
    close(socket->fd);
    socket->fd = -1;
}
