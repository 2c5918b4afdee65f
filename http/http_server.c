#include "http_server.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http_connection.h"

#define ACCEPTED_AT_ONCE 64
#define EVENTS 256
#define WAIT_MAX_MS 3600000         /* of one epoll_wait, whose time-out is an int */
#define FILES_SPARE 64              /* descriptors kept for other uses than connections */
#define AGAIN_NS INT64_C(100000000) /* pause of accepting when descriptors or memory run out */

size_t http_connection_limit(size_t most)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return most;
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * FILES_SPARE) {
        return FILES_SPARE;
    }
    rlim_t limit = files.rlim_cur - FILES_SPARE;
    return limit < most ? (size_t)limit : most;
}

/* ---- Polling ---- */

/* Tags the pointer in an epoll event: a struct http_watched, not a connection. */
#define IS_WATCHED ((uint64_t)1)

bool http_server_watch(struct http_server *server, struct http_watched *watched)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uintptr_t)watched | IS_WATCHED};
    watched->is_readable = false;
    return epoll_ctl(server->poll_fd, EPOLL_CTL_ADD, watched->fd, &event) == 0;
}

void http_server_unwatch(struct http_server *server, struct http_watched *watched)
{
    epoll_ctl(server->poll_fd, EPOLL_CTL_DEL, watched->fd, NULL);
    watched->is_readable = false;
}

static int64_t first_of(const struct http_connection_list *list)
{
    const struct http_connection *first = TAILQ_FIRST(list);
    return first == NULL ? -1 : first->until_ns;
}

static int wait_ms(const struct http_server *server, int64_t until_ns)
{
    if (!TAILQ_EMPTY(&server->ready)) {
        return 0;
    }
    until_ns = clock_earlier(until_ns, first_of(&server->shaking));
    until_ns = clock_earlier(until_ns, first_of(&server->patient));
    until_ns = clock_earlier(until_ns, first_of(&server->lingering));
    until_ns = clock_earlier(until_ns, server->not_before_ns == 0 ? -1 : server->not_before_ns);
    if (until_ns < 0) {
        return -1;
    }
    int64_t left_ms = (until_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left_ms < 0 ? 0 : (int)(left_ms > WAIT_MAX_MS ? WAIT_MAX_MS : left_ms);
}

void http_server_poll(struct http_server *server, int64_t until_ns)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(server->poll_fd, events, EVENTS, wait_ms(server, until_ns));
    for (int i = 0; i < n; i++) {
        uint64_t data = events[i].data.u64;
        if ((data & IS_WATCHED) != 0) {
            struct http_watched *watched = (struct http_watched *)(uintptr_t)(data & ~IS_WATCHED);
            watched->is_readable = true;
        } else {
            http_connection_note(events[i].data.ptr, events[i].events);
        }
    }
}

/* ---- Accepting ---- */

/* Registers the listening sockets with epoll only while accepting: it is level-triggered, so
 * otherwise a waiting client would keep the loop busy. */
static void listen_while(struct http_server *server, bool wanted)
{
    for (size_t i = 0; i < server->n_listening; i++) {
        struct http_listening *listening = &server->listening[i];
        if (wanted && !listening->is_watched) {
            listening->is_watched = http_server_watch(server, &listening->socket);
        } else if (!wanted && listening->is_watched) {
            http_server_unwatch(server, &listening->socket);
            listening->is_watched = false;
        }
    }
}

static void give_up_oldest(struct http_server *server)
{
    struct http_connection *oldest = TAILQ_FIRST(&server->shaking);
    if (oldest != NULL && server->n_shaking > (server->max_connections + 1) / 2) {
        http_connection_give_up(oldest, TLS_FAILURE_OVERLOAD);
    }
}

/* Returns whether another connection may be waiting. */
static bool accept_one(struct http_server *server, int listening_fd)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    socklen_t size = sizeof peer;
    int fd = accept4(listening_fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        http_connection_new(server, fd, &peer);
        give_up_oldest(server);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        server->not_before_ns = clock_monotonic_ns() + AGAIN_NS;
        return false;
    }
    return errno != EAGAIN; /* other errors are of the one connection: aborted before accept */
}

static bool may_accept(const struct http_server *server)
{
    return !server->stopping && server->not_before_ns == 0 && server->n < server->max_connections;
}

static void accept_some(struct http_server *server)
{
    if (server->not_before_ns != 0 && server->not_before_ns <= clock_monotonic_ns()) {
        server->not_before_ns = 0;
    }
    for (size_t i = 0; i < server->n_listening; i++) {
        struct http_watched *socket = &server->listening[i].socket;
        bool more = socket->is_readable;
        for (size_t n = 0; more && n < ACCEPTED_AT_ONCE && may_accept(server); n++) {
            more = accept_one(server, socket->fd);
        }
        socket->is_readable = false;
    }
    listen_while(server, may_accept(server));
}

/* ---- Running ---- */

static void expire(struct http_connection_list *list)
{
    struct http_connection *c = TAILQ_FIRST(list);
    int64_t now = c == NULL ? 0 : clock_monotonic_ns();
    while (c != NULL && c->until_ns <= now) {
        http_connection_expire(c);
        c = TAILQ_FIRST(list);
    }
}

/* Runs those that are ready now. One that becomes ready again meanwhile waits for the next run, so
 * that new events are not starved; so do handshakes beyond HTTP_HANDSHAKES_A_RUN. */
static void run_ready(struct http_server *server)
{
    struct http_connection_list ready = TAILQ_HEAD_INITIALIZER(ready);
    TAILQ_CONCAT(&ready, &server->ready, in_ready);
    server->handshakes = HTTP_HANDSHAKES_A_RUN;
    struct http_connection *c;
    while ((c = TAILQ_FIRST(&ready)) != NULL) {
        TAILQ_REMOVE(&ready, c, in_ready);
        c->is_ready = false;
        if (c->shakes && server->handshakes == 0) {
            http_connection_make_ready(c);
        } else {
            http_connection_run(c);
        }
    }
}

void http_server_run(struct http_server *server)
{
    run_ready(server);
    expire(&server->shaking);
    expire(&server->patient);
    expire(&server->lingering);
    while (server->max_held > 0 && server->held > server->max_held &&
           http_connection_drop_unread(server)) {
    }
    accept_some(server); /* last, because connections closed above have made room */
}

/* Reads each connection once more, to serve requests that arrived before the stop. */
void http_server_stop(struct http_server *server)
{
    struct http_connection *c;
    server->stopping = true;
    listen_while(server, false);
    TAILQ_FOREACH(c, &server->all, in_all)
    {
        c->readable = true;
        http_connection_make_ready(c);
    }
}

bool http_server_is_idle(const struct http_server *server)
{
    return server->n == server->n_lingering && server->n_orphans == 0;
}

/* ---- Start and end ---- */

static int64_t ns_of(int64_t ms, int64_t default_ms)
{
    return (ms == 0 ? default_ms : ms) * 1000000;
}

bool http_server_new(const struct http_settings *settings, struct http_server **ret_server,
                     struct status *st)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE", "cannot poll: %s",
                          strerror(errno));
    }
    struct http_server *server = mem_zalloc(sizeof *server);
    server->handlers = settings->handlers;
    server->user = settings->user;
    server->poll_fd = fd;
    for (size_t i = 0; i < settings->listener->n; i++) {
        server->listening[server->n_listening++].socket.fd = settings->listener->fds[i];
    }
    server->max_connections = settings->max_connections;
    server->max_held = settings->max_held_bytes;
    server->tls = settings->listener->unix_path == NULL ? settings->tls : NULL;
    server->tls_fields = settings->tls_fields;
    server->handshake_ns = ns_of(settings->handshake_ms, HTTP_HANDSHAKE_MS);
    server->patience_ns = ns_of(settings->patience_ms, HTTP_PATIENCE_MS);
    server->linger_ns = ns_of(settings->linger_ms, HTTP_LINGER_MS);
    TAILQ_INIT(&server->all);
    TAILQ_INIT(&server->ready);
    TAILQ_INIT(&server->shaking);
    TAILQ_INIT(&server->patient);
    TAILQ_INIT(&server->lingering);
    listen_while(server, true);
    *ret_server = server;
    return true;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    struct http_connection *c;
    while ((c = TAILQ_FIRST(&server->all)) != NULL) {
        http_connection_drop(c);
    }
    assert(server->n_orphans == 0 && "no exchange is the handlers'");
    close(server->poll_fd);
    free(server);
}
