/* The system calls by which the gRPC core reads, writes and closes its sockets. The linker prefers
 * the functions of these names here to libc's. Sockets of others pass through unchanged: they have
 * no TLS session and are not watched. They are visible to other libraries, as all else is not. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inflow.h"
#include "socket_ends.h"
#include "tls_session.h"
#include "tls_sockets.h"

/* Without flags the core reads data. Control messages tell how much more data there is; none: the
 * core reads until there is no more. */
static ssize_t receive(int fd, struct msghdr *message, int flags)
{
    struct tls_session *session = flags == 0 ? tls_sockets_find(fd) : NULL;
    if (session == NULL) {
        return syscall(SYS_recvmsg, fd, message, flags);
    }
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return tls_session_read(session, message->msg_iov, message->msg_iovlen);
}

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t n = receive(fd, message, flags);
    enum inflow_verdict verdict =
        n > 0 && flags == 0 ? inflow_inspect(fd, message, (size_t)n) : INFLOW_PASS;
    if (verdict == INFLOW_PASS) {
        return n;
    }
    if (verdict == INFLOW_CUT) {
        shutdown(fd, SHUT_RDWR);
    }
    errno = verdict == INFLOW_CUT ? ECONNRESET : EAGAIN;
    return -1;
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message,
                                                       int flags)
{
    struct tls_session *session = tls_sockets_find(fd);
    return session == NULL ? syscall(SYS_sendmsg, fd, message, flags)
                           : tls_session_write(session, message->msg_iov, message->msg_iovlen);
}

__attribute__((visibility("default"))) int close(int fd)
{
    struct tls_session *session = tls_sockets_take(fd);
    inflow_closed(fd);
    struct socket_end end = socket_ends_take(fd);
    if (session != NULL) {
        tls_session_close(session);
    }
    int result = (int)syscall(SYS_close, fd);
    socket_ends_tell(&end);
    return result;
}
