#include "mongodb_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"
#include "store.h"

#define WIRE_TYPE 77      /* unlike all stream types of the driver */
#define BUFFER_BYTES 1024 /* as in the driver */
#define DEFAULT_CONNECT_MS 10000
#define KEEPALIVE_IDLE_S 120 /* as in the driver: detects a vanished peer */
#define KEEPALIVE_EVERY_S 10
#define KEEPALIVE_TIMES 9

struct wire {
    mongoc_stream_t stream;
    const struct wake *stop; /* borrowed */
    int fd;
    bool timed_out;
};

static struct wire *wire_of(mongoc_stream_t *stream)
{
    return CONTAINER_OF(stream, struct wire, stream);
}

/* ---- Waiting ---- */

/* The end of an operation on clock_monotonic_ns(). timeout_ms < 0: none, as in the driver. */
static int64_t end_of(int32_t timeout_ms)
{
    int64_t deadline = store_deadline();
    int64_t until =
        timeout_ms < 0 ? INT64_MAX : clock_monotonic_ns() + timeout_ms * INT64_C(1000000);
    return until < deadline ? until : deadline;
}

static int left_ms(int64_t until_ns)
{
    int64_t left = (until_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Waits until the descriptor is readable or writable. False, with errno: not in time. */
static bool wait_for(struct wire *w, short events, int64_t until_ns)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = w->fd, .events = events},
                               {.fd = w->stop->fd, .events = POLLIN}};
        int left = left_ms(until_ns);
        w->timed_out = left <= 0;
        if (wake_stopping(w->stop) || w->timed_out) {
            errno = w->timed_out ? ETIMEDOUT : ECANCELED;
            return false;
        }
        int n = poll(fds, COUNT_OF(fds), left);
        if (n > 0 && fds[0].revents != 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
    }
}

static bool is_for_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* ---- The driver's operations ---- */

/* Advances the vector by n bytes, in place: the driver does not use it afterwards. */
static void step(mongoc_iovec_t **iov, size_t *n_iov, size_t n)
{
    while (*n_iov > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*n_iov)--;
    }
    if (*n_iov > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static ssize_t wire_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t n_iov,
                          size_t min_bytes, int32_t timeout_ms)
{
    struct wire *w = wire_of(stream);
    int64_t until = end_of(timeout_ms);
    size_t got = 0;
    for (;;) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = n_iov};
        ssize_t n = recvmsg(w->fd, &message, 0);
        if (n < 0) {
            if (is_for_later() && wait_for(w, POLLIN, until)) {
                continue;
            }
            return -1;
        }
        got += (size_t)n;
        if (n == 0 && got < min_bytes) {
            errno = ECONNRESET;
            return -1;
        }
        step(&iov, &n_iov, (size_t)n);
        if (n == 0 || n_iov == 0 || got >= min_bytes) {
            return (ssize_t)got;
        }
    }
}

static ssize_t wire_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t n_iov,
                           int32_t timeout_ms)
{
    struct wire *w = wire_of(stream);
    int64_t until = end_of(timeout_ms);
    size_t put = 0;
    step(&iov, &n_iov, 0); /* skips empty pieces */
    while (n_iov > 0) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = n_iov};
        ssize_t n = sendmsg(w->fd, &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (is_for_later() && wait_for(w, POLLOUT, until)) {
                continue;
            }
            return -1;
        }
        put += (size_t)n;
        step(&iov, &n_iov, (size_t)n);
    }
    return (ssize_t)put;
}

static int wire_close(mongoc_stream_t *stream)
{
    struct wire *w = wire_of(stream);
    int fd = w->fd;
    w->fd = -1;
    return fd < 0 ? 0 : close(fd);
}

static void wire_destroy(mongoc_stream_t *stream)
{
    wire_close(stream);
    free(wire_of(stream));
}

static int wire_flush(mongoc_stream_t *stream)
{
    (void)stream;
    return 0;
}

static int wire_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                           mongoc_socklen_t n)
{
    return setsockopt(wire_of(stream)->fd, level, name, value, n);
}

static bool wire_check_closed(mongoc_stream_t *stream)
{
    char byte;
    ssize_t n = recv(wire_of(stream)->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && !is_for_later());
}

/* Once the store is interrupted, all count as closed by their servers. */
static ssize_t wire_poll(mongoc_stream_poll_t *streams, size_t n, int32_t timeout_ms)
{
    AUTO(free) struct pollfd *fds = mem_array(n + 1, sizeof fds[0]);
    int64_t until = end_of(timeout_ms);
    for (size_t i = 0; i < n; i++) {
        fds[i] = (struct pollfd){.fd = wire_of(streams[i].stream)->fd,
                                 .events = (short)streams[i].events};
    }
    const struct wake *stop = n == 0 ? NULL : wire_of(streams[0].stream)->stop;
    fds[n] = (struct pollfd){.fd = stop == NULL ? -1 : stop->fd, .events = POLLIN};
    int left = left_ms(until);
    int ready = poll(fds, n + 1, left < 0 ? 0 : left);
    bool stopping = stop != NULL && wake_stopping(stop);
    for (size_t i = 0; i < n; i++) {
        streams[i].revents = stopping ? POLLHUP : fds[i].revents;
    }
    return stopping ? (ssize_t)n : ready - (fds[n].revents != 0);
}

static bool wire_timed_out(mongoc_stream_t *stream)
{
    return wire_of(stream)->timed_out;
}

/* Each operation has waited for as long as it could. */
static bool wire_should_retry(mongoc_stream_t *stream)
{
    (void)stream;
    return false;
}

static mongoc_stream_t *wire_new(int fd, const struct wake *stop)
{
    struct wire *w = mem_zalloc(sizeof *w);
    w->fd = fd;
    w->stop = stop;
    w->stream = (mongoc_stream_t){
        .type = WIRE_TYPE,
        .destroy = wire_destroy,
        .failed = wire_destroy,
        .close = wire_close,
        .flush = wire_flush,
        .readv = wire_readv,
        .writev = wire_writev,
        .setsockopt = wire_setsockopt,
        .check_closed = wire_check_closed,
        .poll = wire_poll,
        .timed_out = wire_timed_out,
        .should_retry = wire_should_retry,
    };
    return &w->stream;
}

/* ---- Connecting ---- */

static mongoc_stream_t *refuse(bson_error_t *error, int code, const char *host, const char *why)
{
    bson_set_error(error, MONGOC_ERROR_STREAM, (uint32_t)code, "%s: %s", host, why);
    return NULL;
}

static void set_options(int fd, int family)
{
    static const struct {
        int level, name, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TIMES},
    };
    for (size_t i = 0; family != AF_UNIX && i < COUNT_OF(rows); i++) {
        setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof rows[i].value);
    }
}

/* NULL, with errno: the address does not accept in time. */
static mongoc_stream_t *connect_to(const struct sockaddr *address, socklen_t size,
                                   const struct wake *stop, int64_t until_ns)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return NULL;
    }
    set_options(fd, address->sa_family);
    mongoc_stream_t *stream = wire_new(fd, stop);
    int failed = connect(fd, address, size) == 0 ? 0 : errno;
    if (failed == EINPROGRESS) {
        socklen_t n = sizeof failed;
        failed = wait_for(wire_of(stream), POLLOUT, until_ns) ? 0 : errno;
        if (failed == 0) {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n);
        }
    }
    if (failed != 0) {
        wire_destroy(stream);
        errno = failed;
        return NULL;
    }
    return stream;
}

static mongoc_stream_t *connect_unix(const char *path, const struct wake *stop, int64_t until_ns,
                                     bson_error_t *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return refuse(error, MONGOC_ERROR_STREAM_CONNECT, path, "too long for a unix socket");
    }
    strcpy(address.sun_path, path);
    mongoc_stream_t *stream =
        connect_to((const struct sockaddr *)&address, sizeof address, stop, until_ns);
    return stream != NULL ? stream
                          : refuse(error, MONGOC_ERROR_STREAM_CONNECT, path, strerror(errno));
}

/* Tries all addresses of the name, in the order of getaddrinfo. */
static mongoc_stream_t *connect_tcp(const mongoc_host_list_t *host, const struct wake *stop,
                                    int64_t until_ns, bson_error_t *error)
{
    struct addrinfo hints = {.ai_family = host->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    snprintf(port, sizeof port, "%hu", host->port);
    int unknown = getaddrinfo(host->host, port, &hints, &list);
    if (unknown != 0) {
        return refuse(error, MONGOC_ERROR_STREAM_NAME_RESOLUTION, host->host_and_port,
                      gai_strerror(unknown));
    }
    mongoc_stream_t *stream = NULL;
    for (const struct addrinfo *at = list; stream == NULL && at != NULL; at = at->ai_next) {
        stream = connect_to(at->ai_addr, at->ai_addrlen, stop, until_ns);
    }
    int failed = errno;
    freeaddrinfo(list);
    return stream != NULL
               ? stream
               : refuse(error, MONGOC_ERROR_STREAM_CONNECT, host->host_and_port, strerror(failed));
}

/* ---- TLS ---- */

bool mongo_stream_fits(const mongoc_uri_t *uri)
{
    return !mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK) &&
           !mongoc_uri_has_option(uri, MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK);
}

static mongoc_ssl_opt_t tls_options(const mongoc_uri_t *uri)
{
    bool insecure = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);
    return (mongoc_ssl_opt_t){
        .pem_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL),
        .pem_pwd =
            mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL),
        .ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL),
        .weak_cert_validation = insecure || mongoc_uri_get_option_as_bool(
                                                uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false),
        .allow_invalid_hostname = insecure || mongoc_uri_get_option_as_bool(
                                                  uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false),
    };
}

/* The stream is moved, also on failure. */
static mongoc_stream_t *add_tls(mongoc_stream_t *plain, const mongoc_uri_t *uri, const char *host,
                                int32_t timeout_ms, bson_error_t *error)
{
    mongoc_ssl_opt_t options = tls_options(uri);
    mongoc_stream_t *tls = mongoc_stream_tls_new_with_hostname(plain, host, &options, 1);
    if (tls == NULL) {
        mongoc_stream_destroy(plain);
        return refuse(error, MONGOC_ERROR_STREAM_SOCKET, host, "TLS cannot be set up");
    }
    if (!mongoc_stream_tls_handshake_block(tls, host, timeout_ms, error)) {
        mongoc_stream_destroy(tls);
        return NULL;
    }
    return tls;
}

mongoc_stream_t *mongo_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                   void *user, bson_error_t *error)
{
    int32_t timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, DEFAULT_CONNECT_MS);
    int64_t until = end_of(timeout_ms);
    mongoc_stream_t *stream = host->family == AF_UNIX ? connect_unix(host->host, user, until, error)
                                                      : connect_tcp(host, user, until, error);
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    bool tls = mongoc_uri_get_tls(uri) ||
               (mechanism != NULL && strcasecmp(mechanism, "MONGODB-X509") == 0);
    if (stream != NULL && tls) {
        stream = add_tls(stream, uri, host->host, timeout_ms, error);
    }
    return stream == NULL ? NULL : mongoc_stream_buffered_new(stream, BUFFER_BYTES);
}
