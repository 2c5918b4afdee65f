#include "http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arrivals.h"
#include "clock.h"
#include "feed.h"
#include "prepared.h"
#include "request.h"
#include "routes.h"
#include "stats.h"

#define IDLE_SECONDS 60u
/* What libmicrohttpd has for a connection: the head of a request has to fit. */
#define CONNECTION_BYTES 8192
/* For one that begins with a watch, which keeps it as long as it lives: beside the request's head,
 * that of the answer, then what is sent at a time. */
#define WATCH_BYTES 4096
static_assert(ARRIVAL_WATCH_BYTES <= WATCH_BYTES - 1024, "the answer's head has room");
#define CONNECTIONS_MAX 16384u
#define FILES_SPARE 64 /* descriptors that are no connections */
/* A body that is too large is read to its end before it is refused, because a client that is still
 * sending does not look for an answer; but not for ever. */
#define SWALLOW_BYTES (UINT64_C(64) << 20)
/* Of all bodies together. */
#define BODIES_BYTES (UINT64_C(256) << 20)
/* For sending the last answers. */
#define FAREWELL_MS 1000
#define STREAM_BLOCK 128         /* what a client without chunks is sent at a time */
#define UNSENT_BYTES (128 << 10) /* of a stream, in the kernel */

#define HEADERS_MAX 10 /* that are looked at */

enum stage {
    STAGE_HEAD,    /* its headers have not been seen */
    STAGE_BODY,    /* reading */
    STAGE_RUNNING, /* the handler has it */
};

/* A request and its connection. */
struct exchange {
    struct request request;
    struct http *http;
    const struct server *server;
    struct MHD_Connection *connection;
    enum stage stage;
    char *joined[HEADERS_MAX]; /* owned: values of header_rows that came in several lines */
    uint64_t n_body;           /* seen so far */
    int64_t begun_ns;
};

/* One of libmicrohttpd's, for connections of a kind. */
struct server {
    struct http *http;
    struct MHD_Daemon *daemon;
    size_t connection_bytes;
    bool once; /* a connection's next request may have a head that does not fit: there is none */
    size_t n;  /* connections */
};

struct http {
    struct server servers[2]; /* by enum arrival_kind */
    struct arrivals *arrivals;
    struct listener *listener;
    struct gateway *gateway;
    size_t max_connections;
    int poll_fd;
    size_t n_exchanges; /* under way */
    size_t n_suspended;
};

/* ---- Answers ---- */

static enum MHD_Result send_prepared(struct exchange *x)
{
    const struct response *response = &x->request.response;
    return MHD_queue_response(x->connection, response->status,
                              (struct MHD_Response *)response->prepared);
}

/* A stream that has nothing to send is suspended until it has: streams.h says when. */
static ssize_t read_stream(void *user, uint64_t position, char *bytes, size_t max)
{
    struct exchange *x = user;
    (void)position;
    ssize_t n = stream_read(x->request.response.stream, bytes, max);
    if (n == 0) {
        x->http->n_suspended++;
        MHD_suspend_connection(x->connection);
    }
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* Else the kernel keeps megabytes for a slow reader, and says that there is room again only when it
 * has taken a good part of them: it would be taken for one that reads nothing. */
static void bound_unsent(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    int bytes = UNSENT_BYTES;
    /* Fails for a unix socket, which keeps little anyway. */
    setsockopt(info->connect_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

static struct MHD_Response *create_stream(struct exchange *x)
{
    bound_unsent(x);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, x, NULL);
}

static ssize_t read_nothing(void *user, uint64_t position, char *bytes, size_t max)
{
    (void)user;
    (void)position;
    (void)bytes;
    (void)max;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/* A head whose body is not sent, and whose length nobody knows. Were chunks allowed, libmicrohttpd
 * would send the last one behind it; without them it ends the connection. */
static struct MHD_Response *create_head(void)
{
    struct MHD_Response *answer =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_nothing, NULL, NULL);
    if (answer != NULL) {
        MHD_set_response_options(answer, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    }
    return answer;
}

static struct MHD_Response *create_answer(struct exchange *x)
{
    struct response *response = &x->request.response;
    bool is_stream = response->stream != NULL && response->status == 200;
    bool is_unchanged = response->status == 304 && response->body.len == 0;
    if (is_unchanged || (is_stream && strcmp(x->request.method, MHD_HTTP_METHOD_HEAD) == 0)) {
        return create_head();
    }
    if (is_stream) {
        return create_stream(x);
    }
    char *body = MOVE(response->body.data);
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(response->body.len, body, MHD_RESPMEM_MUST_FREE);
    if (answer == NULL) {
        free(body);
    }
    return answer;
}

static enum MHD_Result send_answer(struct exchange *x)
{
    struct response *response = &x->request.response;
    if (response->prepared != NULL) {
        return send_prepared(x);
    }
    struct MHD_Response *answer = create_answer(x);
    if (answer == NULL) {
        return MHD_NO;
    }
    if (response->body.len > 0 || response->stream != NULL) {
        const char *type = response->content_type;
        MHD_add_response_header(answer, "Content-Type", type != NULL ? type : "application/json");
    }
    for (size_t i = 0; i < response->n_headers; i++) {
        MHD_add_response_header(answer, response->headers[i].name, response->headers[i].value);
    }
    if (x->http->gateway->stopping || x->server->once) {
        MHD_add_response_header(answer, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(x->connection, response->status, answer);
    MHD_destroy_response(answer);
    return result;
}

/* Where the handler has started a call or a wait, the answer comes from it. */
static enum MHD_Result send_or_suspend(struct exchange *x)
{
    if (!request_is_open(&x->request)) {
        return send_answer(x);
    }
    x->http->n_suspended++;
    MHD_suspend_connection(x->connection);
    return MHD_YES;
}

/* A call's or a wait's continuation has answered: libmicrohttpd asks the handler again. */
static void resume(void *user, struct request *r)
{
    struct http *http = user;
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    http->n_suspended--;
    MHD_resume_connection(x->connection);
}

/* ---- Requests ---- */

/* What a request's headers are taken into. */
static const struct header_row {
    const char *name;
    size_t target; /* in struct request_headers */
    bool is_list;  /* may come in several lines */
} header_rows[] = {
    {"Content-Type", offsetof(struct request_headers, content_type), false},
    {"Content-Encoding", offsetof(struct request_headers, content_encoding), true},
    {"Content-Length", offsetof(struct request_headers, content_length), false},
    {"Expect", offsetof(struct request_headers, expect), false},
    {"If-Match", offsetof(struct request_headers, if_match), true},
    {"If-None-Match", offsetof(struct request_headers, if_none_match), true},
    {"Cache-Control", offsetof(struct request_headers, cache_control), true},
    {"Prefer", offsetof(struct request_headers, prefer), true},
    {"X-Config-Min-Revision", offsetof(struct request_headers, minimum), false},
    {"Last-Event-ID", offsetof(struct request_headers, last_event_id), false},
};

/* Rare, so each line that is joined costs a copy of those before; libmicrohttpd bounds them. */
static char *join_lines(const char *before, const char *value)
{
    AUTO_STR text = {0};
    str_add_text(&text, before);
    str_add_text(&text, ", ");
    str_add_text(&text, value);
    return mem_text(text.data, text.len);
}

static void take_value(struct exchange *x, const struct header_row *row, const char *value)
{
    size_t index = (size_t)(row - header_rows);
    const char **target = (const char **)(void *)((char *)&x->request.headers + row->target);
    if (*target == NULL) {
        *target = value;
    } else if (row->is_list) {
        char *joined = join_lines(*target, value);
        free(x->joined[index]);
        *target = x->joined[index] = joined;
    }
}

static enum MHD_Result take_header(void *user, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    for (size_t i = 0; i < COUNT_OF(header_rows) && value != NULL; i++) {
        if (strcasecmp(name, header_rows[i].name) == 0) {
            take_value(user, &header_rows[i], value);
        }
    }
    return MHD_YES;
}

static uint64_t declared_length(const struct exchange *x)
{
    const char *length = x->request.headers.content_length;
    return length == NULL ? 0 : strtoull(length, NULL, 10);
}

static void refuse_size(struct exchange *x)
{
    request_refuse(&x->request, 413, "The request's body may have %llu bytes",
                   (unsigned long long)x->request.gateway->max_body_bytes);
}

/* The request is there but for its body. An answer that is given now, instead of behind the body,
 * ends the connection, so only a body that is not worth reading gets one. */
static enum MHD_Result begin(struct exchange *x, const char *method)
{
    struct request *r = &x->request;
    x->stage = STAGE_BODY;
    r->method = method;
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, take_header, x);
    uint64_t length = declared_length(x);
    bool too_large = length > r->gateway->max_body_bytes;
    if (too_large) {
        refuse_size(x);
    } else {
        routes_find(r);
    }
    bool unread = length > SWALLOW_BYTES || (too_large && r->headers.expect != NULL);
    return unread ? send_answer(x) : MHD_YES;
}

static void drop_body(struct exchange *x)
{
    x->request.gateway->body_bytes -= x->request.body_text.len;
    str_fini(&x->request.body_text);
}

static enum MHD_Result take_body(struct exchange *x, const char *bytes, size_t n)
{
    struct request *r = &x->request;
    struct gateway *gateway = r->gateway;
    x->n_body += n;
    if (x->n_body > SWALLOW_BYTES) {
        return MHD_NO;
    }
    if (r->response.status != 0 || r->route->body == BODY_NONE) {
        return MHD_YES;
    }
    if (x->n_body > gateway->max_body_bytes) {
        drop_body(x);
        refuse_size(x);
    } else if (gateway->body_bytes + n > BODIES_BYTES) {
        drop_body(x);
        request_refuse(r, 503, "Too many large requests at once");
    } else {
        gateway->body_bytes += n;
        str_add(&r->body_text, bytes, n);
    }
    return MHD_YES;
}

/* The whole request is there. */
static enum MHD_Result run(struct exchange *x)
{
    struct request *r = &x->request;
    x->stage = STAGE_RUNNING;
    if (r->response.status == 0 && r->gateway->client == NULL) {
        request_refuse(r, 503, "The gateway is stopping");
    } else if (r->response.status == 0) {
        routes_run(r);
    }
    return send_or_suspend(x);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *n_bytes, void **state)
{
    struct exchange *x = *state;
    (void)user;
    (void)connection;
    (void)url;
    (void)version;
    if (x->stage == STAGE_HEAD) {
        return begin(x, method);
    }
    if (x->stage == STAGE_RUNNING) {
        return send_answer(x);
    }
    if (*n_bytes == 0) {
        return run(x);
    }
    size_t n = *n_bytes;
    *n_bytes = 0;
    return take_body(x, bytes, n);
}

/* Before libmicrohttpd takes the target apart, which it would do in ways that are not ours. */
static void *see_target(void *user, const char *target, struct MHD_Connection *connection)
{
    struct server *server = user;
    struct http *http = server->http;
    struct exchange *x = mem_zalloc(sizeof *x);
    request_init(&x->request, http->gateway, target);
    x->http = http;
    x->server = server;
    x->connection = connection;
    x->begun_ns = clock_monotonic_ns();
    gateway_stats_begin(http->gateway->stats);
    http->n_exchanges++;
    return x;
}

static void end(void *user, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *state;
    (void)user;
    (void)connection;
    (void)code;
    assert(!request_is_open(&x->request));
    x->http->n_exchanges--;
    gateway_stats_end(x->http->gateway->stats, x->request.route, x->request.response.status,
                      x->begun_ns);
    drop_body(x);
    request_fini(&x->request);
    for (size_t i = 0; i < HEADERS_MAX; i++) {
        free(x->joined[i]);
    }
    free(x);
    *state = NULL;
}

/* ---- The loop ---- */

/* As many as the system lets us have. */
static unsigned connection_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return CONNECTIONS_MAX;
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * FILES_SPARE) {
        return FILES_SPARE;
    }
    rlim_t most = files.rlim_cur - FILES_SPARE;
    return most < CONNECTIONS_MAX ? (unsigned)most : CONNECTIONS_MAX;
}

static void count_connection(void *user, struct MHD_Connection *connection, void **state,
                             enum MHD_ConnectionNotificationCode code)
{
    struct server *server = user;
    (void)connection;
    (void)state;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        server->n++;
    } else {
        server->n--;
    }
}

static bool start_server(struct server *server, struct status *st)
{
    /* No thread of libmicrohttpd's: its epoll thread stalls once as many connections are ready as
     * it looks at in one go. */
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle,
        NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)server->http->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->connection_bytes, MHD_OPTION_URI_LOG_CALLBACK, see_target, server,
        MHD_OPTION_NOTIFY_CONNECTION, count_connection, server, MHD_OPTION_NOTIFY_COMPLETED, end,
        NULL, MHD_OPTION_END);
    return server->daemon != NULL ||
           status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE", "cannot start the HTTP server");
}

static bool start_servers(struct http *http, struct status *st)
{
    http->servers[ARRIVAL_ANY] =
        (struct server){.http = http, .connection_bytes = CONNECTION_BYTES};
    http->servers[ARRIVAL_WATCH] =
        (struct server){.http = http, .connection_bytes = WATCH_BYTES, .once = true};
    return start_server(&http->servers[ARRIVAL_ANY], st) &&
           start_server(&http->servers[ARRIVAL_WATCH], st);
}

static bool add_fd(struct http *http, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(http->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool add_server(struct http *http, const struct server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info != NULL && add_fd(http, info->epoll_fd);
}

static bool add_fds(struct http *http, struct status *st)
{
    http->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    http->arrivals = arrivals_new(http->listener->fd, IDLE_SECONDS * INT64_C(1000));
    if (http->poll_fd < 0 || http->arrivals == NULL || !add_fd(http, arrivals_fd(http->arrivals)) ||
        !add_server(http, &http->servers[ARRIVAL_ANY]) ||
        !add_server(http, &http->servers[ARRIVAL_WATCH]) ||
        !add_fd(http, calls_fd(http->gateway->calls)) ||
        !add_fd(http, feed_fd(http->gateway->feed)) ||
        !add_fd(http, streams_fd(http->gateway->streams))) {
        return status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE", "cannot poll: %s",
                          strerror(errno));
    }
    return true;
}

bool http_new(struct listener *listener, struct gateway *gateway, struct http **ret_http,
              struct status *st)
{
    struct http *http = mem_zalloc(sizeof *http);
    *http = (struct http){.listener = listener,
                          .gateway = gateway,
                          .max_connections = connection_limit(),
                          .poll_fd = -1};
    if (!start_servers(http, st) || !add_fds(http, st)) {
        http_free(http);
        return false;
    }
    *ret_http = http;
    return true;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    assert(http->n_suspended == 0);
    arrivals_free(http->arrivals);
    for (size_t i = 0; i < COUNT_OF(http->servers); i++) {
        if (http->servers[i].daemon != NULL) {
            MHD_stop_daemon(http->servers[i].daemon);
        }
    }
    if (http->poll_fd >= 0) {
        close(http->poll_fd);
    }
    free(http);
}

/* The sooner of two waits; -1 is none. */
static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t ms_until(int64_t at_ns)
{
    if (at_ns < 0) {
        return -1;
    }
    int64_t left = (at_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left < 0 ? 0 : left;
}

static int64_t server_wait_ms(const struct server *server)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (server->n == 0 || MHD_get_timeout(server->daemon, &ms) != MHD_YES) {
        return -1;
    }
    return ms > 3600000 ? 3600000 : (int64_t)ms;
}

/* Milliseconds for epoll_wait: to the next time-out of a server, of a connection or of a request
 * that waits, at most until `until` (-1: none). */
static int wait_ms(const struct http *http, int64_t until_ns)
{
    int64_t ms = sooner(server_wait_ms(&http->servers[ARRIVAL_ANY]),
                        server_wait_ms(&http->servers[ARRIVAL_WATCH]));
    const struct gateway *gateway = http->gateway;
    until_ns = sooner(until_ns, arrivals_next_ns(http->arrivals));
    until_ns = sooner(until_ns, waits_next_ns(gateway->waits));
    until_ns = sooner(until_ns, streams_next_ns(gateway->streams));
    return (int)sooner(ms, ms_until(until_ns));
}

static void run_server(struct server *server)
{
    if (server->n > 0) {
        MHD_run(server->daemon);
    }
}

/* A connection has said something. libmicrohttpd closes what it cannot take. */
static void serve_connection(void *user, int fd, const struct sockaddr *peer, socklen_t n_peer,
                             enum arrival_kind kind)
{
    struct http *http = user;
    MHD_add_connection(http->servers[kind].daemon, fd, peer, n_peer);
}

static void accept_connections(struct http *http, bool readable)
{
    size_t n = http->servers[ARRIVAL_ANY].n + http->servers[ARRIVAL_WATCH].n;
    size_t room = n < http->max_connections ? http->max_connections - n : 0;
    arrivals_run(http->arrivals, readable, room, serve_connection, http);
}

/* Waits for something to do, and does it. Returns whether stop_fd is readable. */
static bool turn(struct http *http, int stop_fd, int64_t until_ns)
{
    struct epoll_event events[8];
    struct gateway *gateway = http->gateway;
    bool stop = false, arrived = false;
    int n = epoll_wait(http->poll_fd, events, COUNT_OF(events), wait_ms(http, until_ns));
    for (int i = 0; i < n; i++) {
        stop = stop || events[i].data.fd == stop_fd;
        arrived = arrived || events[i].data.fd == arrivals_fd(http->arrivals);
    }
    /* Resuming does not wake a server's epoll, so they run behind the others, in any case. */
    calls_run(gateway->calls, resume, http);
    feed_run(gateway->feed, gateway);
    waits_run(gateway->waits, resume, http);
    streams_run(gateway->streams, resume, http);
    run_server(&http->servers[ARRIVAL_ANY]);
    run_server(&http->servers[ARRIVAL_WATCH]);
    accept_connections(http, arrived); /* after them: what has been closed makes room */
    calls_flush(gateway->calls);
    return stop;
}

static void turn_until_idle(struct http *http, int64_t patience_ms)
{
    int64_t until_ns = clock_monotonic_ns() + patience_ms * 1000000;
    while (http->n_exchanges > 0 && clock_monotonic_ns() < until_ns) {
        turn(http, -1, until_ns);
    }
}

static void stop_accepting(struct http *http)
{
    http->gateway->stopping = true;
    waits_all_changed(http->gateway->waits); /* long polls end now */
    streams_stop(http->gateway->streams);
    arrivals_stop(http->arrivals, serve_connection, http);
    listener_close(http->listener);
    http->listener = NULL;
}

void http_serve(struct http *http, int stop_fd, int64_t grace_ms)
{
    bool watched = add_fd(http, stop_fd);
    assert(watched && "a descriptor that can be polled");
    while (!turn(http, stop_fd, -1)) {
    }
    epoll_ctl(http->poll_fd, EPOLL_CTL_DEL, stop_fd, NULL);
    stop_accepting(http);
    turn(http, -1, clock_monotonic_ns()); /* what was handed over last is begun */
    turn_until_idle(http, grace_ms);
    mirror_free(MOVE(http->gateway->mirror));
    client_free(MOVE(http->gateway->client));
    waits_all_changed(http->gateway->waits);
    while (http->n_suspended > 0 || streams_watches(http->gateway->streams) > 0) {
        turn(http, -1, clock_monotonic_ns());
    }
    turn_until_idle(http, FAREWELL_MS);
}
