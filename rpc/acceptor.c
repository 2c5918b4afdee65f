#include "acceptor.h"

#include <assert.h>
#include <errno.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "handshakes.h"
#include "inflow.h"
#include "listener.h"
#include "mem.h"
#include "rpc_server.h"
#include "socket_ends.h"
#include "sockets.h"
#include "tls_session.h"
#include "tls_sockets.h"

#define PAUSE_MS 100 /* before the next attempt, where descriptors or memory have run out */
#define SOME 64

struct peer {
    char address[PEER_ADDRESS_SIZE];
    char *name; /* proven by a certificate; owned; NULL: none */
};

struct acceptor {
    struct acceptor_options options;
    struct pollfd *polled; /* the first becomes readable when the thread is to stop; the others are
                              listeners */
    size_t n_polled;
    struct listener *listeners; /* owned; their sockets are polled */
    size_t n_listeners;
    pthread_t thread;
    bool running;
    struct handshakes *handshakes; /* owned; NULL: there is no TLS, or the acceptor does not run */
    struct sockets sockets;        /* all connections */

    struct metric cuts;

    pthread_mutex_t lock;
    struct peer *peers; /* by descriptor */
    size_t n_peers;
};

static void poll_too(struct acceptor *acceptor, int fd)
{
    size_t n = acceptor->n_polled + 1;
    acceptor->polled = mem_grow(acceptor->polled, n, sizeof acceptor->polled[0]);
    acceptor->polled[acceptor->n_polled] = (struct pollfd){.fd = fd, .events = POLLIN};
    acceptor->n_polled = n;
}

struct acceptor *acceptor_new(const struct acceptor_options *options)
{
    struct acceptor *acceptor = mem_zalloc(sizeof *acceptor);
    int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop < 0) {
        abort();
    }
    acceptor->options = *options;
    sockets_init(&acceptor->sockets);
    pthread_mutex_init(&acceptor->lock, NULL);
    poll_too(acceptor, stop);
    return acceptor;
}

static void close_listeners(struct acceptor *acceptor)
{
    acceptor->n_polled = 1;
    while (acceptor->n_listeners > 0) {
        listener_close(&acceptor->listeners[--acceptor->n_listeners]);
    }
}

void acceptor_free(struct acceptor *acceptor)
{
    if (acceptor == NULL) {
        return;
    }
    assert(!acceptor->running);
    close_listeners(acceptor);
    close(acceptor->polled[0].fd);
    free(acceptor->polled);
    free(acceptor->listeners);
    sockets_fini(&acceptor->sockets);
    for (size_t i = 0; i < acceptor->n_peers; i++) {
        free(acceptor->peers[i].name);
    }
    free(acceptor->peers);
    inflow_forget(&acceptor->cuts);
    if (acceptor->options.limits != NULL) {
        socket_ends_run_all(acceptor->options.limits->user);
    }
    pthread_mutex_destroy(&acceptor->lock);
    free(acceptor);
}

bool acceptor_listen(struct acceptor *acceptor, const char *address, int *ret_port,
                     struct status *st)
{
    assert(!acceptor->running && "the thread polls a fixed set of sockets");
    struct listener listener;
    if (!listener_open(address, &listener, st)) {
        return false;
    }
    size_t n = acceptor->n_listeners + 1;
    acceptor->listeners = mem_grow(acceptor->listeners, n, sizeof acceptor->listeners[0]);
    acceptor->listeners[acceptor->n_listeners++] = listener;
    for (size_t i = 0; i < listener.n; i++) {
        poll_too(acceptor, listener.fds[i]);
    }
    if (ret_port != NULL) {
        *ret_port = listener.port;
    }
    return true;
}

/* ---- Accepting ---- */

static void make_room(struct acceptor *acceptor, size_t n)
{
    size_t before = acceptor->n_peers;
    if (n > before) {
        acceptor->n_peers = n + n / 2;
        acceptor->peers = mem_grow(acceptor->peers, acceptor->n_peers, sizeof acceptor->peers[0]);
        memset(acceptor->peers + before, 0,
               (acceptor->n_peers - before) * sizeof acceptor->peers[0]);
    }
}

/* name: NULL: none is proven. */
static void remember(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address,
                     const char *name)
{
    pthread_mutex_lock(&acceptor->lock);
    make_room(acceptor, (size_t)fd + 1);
    struct peer *peer = &acceptor->peers[fd];
    peer_address_text(address, peer->address);
    free(peer->name);
    peer->name = name == NULL ? NULL : mem_string(name);
    pthread_mutex_unlock(&acceptor->lock);
}

void acceptor_peer(struct acceptor *acceptor, int fd, char *ret_peer)
{
    pthread_mutex_lock(&acceptor->lock);
    assert(fd >= 0 && (size_t)fd < acceptor->n_peers && "the core names what it was given");
    memcpy(ret_peer, acceptor->peers[fd].address, PEER_ADDRESS_SIZE);
    pthread_mutex_unlock(&acceptor->lock);
}

char *acceptor_name(struct acceptor *acceptor, int fd)
{
    pthread_mutex_lock(&acceptor->lock);
    assert(fd >= 0 && (size_t)fd < acceptor->n_peers && "the core names what it was given");
    const char *name = acceptor->peers[fd].name;
    char *copy = mem_string(name == NULL ? "" : name);
    pthread_mutex_unlock(&acceptor->lock);
    return copy;
}

uint64_t acceptor_cuts(const struct acceptor *acceptor)
{
    return metric_value(&acceptor->cuts);
}

static void set_tcp(int fd, int option, int value)
{
    setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value); /* fails only after a reset */
}

/* name: proven by the client; NULL: none. Any thread. */
static void hand_over(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address,
                      const char *name)
{
    remember(acceptor, fd, address, name);
    sockets_add(&acceptor->sockets, fd);
    inflow_watch(fd, &acceptor->cuts);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    grpc_server_add_channel_from_fd(acceptor->options.core, fd, credentials);
    grpc_server_credentials_release(credentials);
}

static void hand_over_tls(void *user, int fd, const struct sockaddr_storage *address,
                          struct tls_session *session)
{
    tls_sockets_put(fd, session);
    hand_over(user, fd, address, tls_session_name(session));
}

/* Whether the client may have another connection. Its end is told in any case. */
static bool is_welcome(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address)
{
    const struct rpc_limits *limits = acceptor->options.limits;
    if (limits == NULL) {
        return true;
    }
    char peer[PEER_ADDRESS_SIZE];
    struct socket_end end = {.ended = limits->disconnected, .user = limits->user};
    peer_address_text(address, peer);
    if (!limits->connected(limits->user, peer, &end.what)) {
        return false;
    }
    if (!socket_ends_put(fd, &end)) {
        limits->disconnected(limits->user, end.what);
        return false;
    }
    return true;
}

static void take(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address)
{
    const struct acceptor_options *options = &acceptor->options;
    if (!is_welcome(acceptor, fd, address)) {
        close(fd);
        return;
    }
    bool is_unix = address->ss_family == AF_UNIX;
    if (!is_unix) {
        set_tcp(fd, TCP_NODELAY, 1);
        set_tcp(fd, TCP_USER_TIMEOUT,
                options->user_timeout_ms > INT32_MAX ? INT32_MAX : (int)options->user_timeout_ms);
    }
    if (is_unix || options->tls == NULL) {
        hand_over(acceptor, fd, address, NULL);
    } else {
        handshakes_add(acceptor->handshakes, fd, address);
    }
}

/* Whether an error of accept(2) concerns only the connection of that client. */
static bool is_clients_fault(int error)
{
    return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

/* Accepts waiting connections, a bounded number so that other listeners are not delayed. False: no
 * connection can be accepted at present. */
static bool accept_some(struct acceptor *acceptor, int listener)
{
    for (size_t i = 0; i < SOME; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(listener, (void *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(acceptor, fd, &address);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return true;
        } else if (!is_clients_fault(errno)) {
            return false;
        }
    }
    return true;
}

static void *serve(void *argument)
{
    struct acceptor *acceptor = argument;
    struct pollfd *polled = acceptor->polled;
    bool pause = false;
    while (poll(polled, pause ? 1 : acceptor->n_polled, pause ? PAUSE_MS : -1) < 0 ||
           polled[0].revents == 0) {
        bool able = true;
        for (size_t i = 1; i < acceptor->n_polled && able; i++) {
            able = accept_some(acceptor, polled[i].fd);
        }
        pause = !able;
    }
    return NULL;
}

static void start_handshakes(struct acceptor *acceptor)
{
    const struct handshakes_options options = {
        .tls = acceptor->options.tls,
        .n_threads = acceptor->options.n_handshake_threads,
        .timeout_ms = acceptor->options.handshake_ms,
        .done = hand_over_tls,
        .user = acceptor,
    };
    if (options.tls != NULL) {
        acceptor->handshakes = handshakes_start(&options);
    }
}

void acceptor_start(struct acceptor *acceptor)
{
    start_handshakes(acceptor);
    int error = pthread_create(&acceptor->thread, NULL, serve, acceptor);
    assert(error == 0 && "a server can have its threads");
    acceptor->running = true;
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (acceptor->running) {
        eventfd_write(acceptor->polled[0].fd, 1);
        pthread_join(acceptor->thread, NULL);
        acceptor->running = false;
        handshakes_stop(MOVE(acceptor->handshakes));
    }
    close_listeners(acceptor);
}

void acceptor_end_all(struct acceptor *acceptor, int64_t ms)
{
    inflow_withhold(&acceptor->cuts);
    sockets_cut(&acceptor->sockets);
    sockets_linger(&acceptor->sockets, ms);
}
