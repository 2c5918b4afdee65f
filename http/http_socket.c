#include "http_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNSENT_BYTES (128 << 10)

/* TCP options fail on unix sockets, which do not need them, so results are ignored. */
void http_socket_init(struct http_socket *socket, int fd)
{
    int on = 1;
    socket->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void http_socket_bound_unsent(struct http_socket *socket)
{
    int bytes = UNSENT_BYTES;
    setsockopt(socket->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

static enum http_io what_failed(void)
{
    return errno == EAGAIN || errno == EINTR ? HTTP_IO_LATER : HTTP_IO_OVER;
}

enum http_io http_socket_read(struct http_socket *socket, void *bytes, size_t max, size_t *ret_n)
{
    ssize_t n = recv(socket->fd, bytes, max, MSG_DONTWAIT);
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
    ssize_t n = sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        return what_failed();
    }
    *ret_n = (size_t)n;
    return HTTP_IO_OK;
}

void http_socket_end_writing(struct http_socket *socket)
{
    shutdown(socket->fd, SHUT_WR);
}

void http_socket_close(struct http_socket *socket)
{
    close(socket->fd);
    socket->fd = -1;
}
