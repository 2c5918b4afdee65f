#include "http.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "feed.h"
#include "http_server.h"
#include "request.h"
#include "routes.h"
#include "stats.h"

#define CONNECTIONS_MAX 16384u
/* Limit of all request bodies in memory together. */
#define BODIES_BYTES (UINT64_C(256) << 20)
/* Time to send the last answers at the end. */
#define FAREWELL_MS 1000

#define HEADERS_MAX 9 /* room for header_rows */

/* Ties a request of the gateway to the exchange of the HTTP server. */
struct exchange {
    struct request request;
    struct http *http;
    struct http_exchange *x;
    bool is_open;              /* counted in n_open */
    char *joined[HEADERS_MAX]; /* owned: values that came in several lines, by header_rows */
    uint64_t n_body;           /* bytes of the body read so far */
    int64_t begun_ns;
};

/* Descriptors besides connections that wake the loop. */
enum source { SOURCE_STOP, SOURCE_CALLS, SOURCE_FEED, SOURCE_STREAMS, N_SOURCES };

struct http {
    struct http_server *server;
    struct http_watched sources[N_SOURCES];
    struct listener *listener;
    struct gateway *gateway;
    size_t n_open; /* requests that wait for a call, the mirror or a stream */
};

/* ---- Answers ---- */

static void send_response(struct exchange *exchange)
{
    const struct response *response = &exchange->request.response;
    struct http_field fields[RESPONSE_HEADERS + 1];
    struct http_answer answer = {.status = response->status,
                                 .fields = fields,
                                 .body = str_text(&response->body),
                                 .n_body = response->body.len};
    answer.is_pulled =
        response->pull.read != NULL || (response->stream != NULL && response->status == 200);
    if (answer.is_pulled || answer.n_body > 0) {
        const char *type = response->content_type;
        fields[answer.n_fields++] =
            (struct http_field){"Content-Type", type != NULL ? type : "application/json"};
    }
    for (size_t i = 0; i < response->n_headers; i++) {
        const struct response_header *header = &response->headers[i];
        fields[answer.n_fields++] = (struct http_field){header->name, header->value};
    }
    http_answer(exchange->x, &answer);
}

static void answer(struct exchange *exchange)
{
    const struct response *response = &exchange->request.response;
    if (response->prepared != NULL) {
        http_answer_prepared(exchange->x, response->status, response->prepared);
    } else {
        send_response(exchange);
    }
}

static void set_open(struct exchange *exchange, bool is_open)
{
    exchange->http->n_open += (size_t)is_open - (size_t)exchange->is_open;
    exchange->is_open = is_open;
}

/* Continues a request after the call, wait or stream that it waited for. */
static void resume(void *user, struct request *r)
{
    struct exchange *exchange = CONTAINER_OF(r, struct exchange, request);
    (void)user;
    set_open(exchange, false);
    if (http_is_answered(exchange->x)) {
        http_wake(exchange->x);
    } else {
        answer(exchange);
    }
}

static ssize_t read_more(void *user, struct http_exchange *x, char *bytes, size_t max)
{
    struct exchange *exchange = x->user;
    struct response *response = &exchange->request.response;
    (void)user;
    if (response->stream != NULL) {
        return stream_read(response->stream, bytes, max);
    }
    ssize_t n = response->pull.read(response->pull.user, bytes, max);
    set_open(exchange, request_is_open(&exchange->request));
    return n;
}

/* ---- Requests ---- */

/* The headers that the gateway reads. */
static const struct header_row {
    const char *name;
    size_t target; /* in struct request_headers */
    bool is_list;  /* may come in several lines */
} header_rows[] = {
    {"Content-Type", offsetof(struct request_headers, content_type), false},
    {"Content-Encoding", offsetof(struct request_headers, content_encoding), true},
    {"If-Match", offsetof(struct request_headers, if_match), true},
    {"If-None-Match", offsetof(struct request_headers, if_none_match), true},
    {"Cache-Control", offsetof(struct request_headers, cache_control), true},
    {"Prefer", offsetof(struct request_headers, prefer), true},
    {"X-Config-Min-Revision", offsetof(struct request_headers, minimum), false},
    {"Last-Event-ID", offsetof(struct request_headers, last_event_id), false},
};
static_assert(COUNT_OF(header_rows) <= HEADERS_MAX, "each has its place");

/* Copies all earlier lines each time, which is good enough for so rare a case. */
static char *join_lines(const char *before, const char *value)
{
    AUTO_STR text = {0};
    str_add_text(&text, before);
    str_add_text(&text, ", ");
    str_add_text(&text, value);
    return mem_text(text.data, text.len);
}

static void take_value(struct exchange *exchange, const struct header_row *row, const char *value)
{
    size_t index = (size_t)(row - header_rows);
    const char **target = (const char **)(void *)((char *)&exchange->request.headers + row->target);
    if (*target == NULL) {
        *target = value;
    } else if (row->is_list) {
        char *joined = join_lines(*target, value);
        free(exchange->joined[index]);
        *target = exchange->joined[index] = joined;
    }
}

static void take_headers(struct exchange *exchange, const struct http_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        for (size_t k = 0; k < COUNT_OF(header_rows); k++) {
            if (strcasecmp(head->fields[i].name, header_rows[k].name) == 0) {
                take_value(exchange, &header_rows[k], head->fields[i].value);
            }
        }
    }
}

static void refuse_size(struct request *r)
{
    request_refuse(r, 413, "The request's body may have %llu bytes",
                   (unsigned long long)r->gateway->max_body_bytes);
}

static void begin(void *user, struct http_exchange *x)
{
    struct http *http = user;
    struct exchange *exchange = mem_zalloc(sizeof *exchange);
    struct request *r = &exchange->request;
    request_init(r, http->gateway, x->head.target);
    exchange->http = http;
    exchange->x = x;
    exchange->begun_ns = clock_monotonic_ns();
    x->user = exchange;
    r->method = x->head.method;
    take_headers(exchange, &x->head);
    gateway_stats_begin(http->gateway->stats);
    if (x->head.length > r->gateway->max_body_bytes) {
        refuse_size(r);
    } else {
        routes_find(r);
    }
    if (r->response.status != 0) {
        answer(exchange);
    }
}

static void drop_body(struct request *r)
{
    r->gateway->body_bytes -= r->body_text.len;
    str_fini(&r->body_text);
}

static void take_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    struct exchange *exchange = x->user;
    struct request *r = &exchange->request;
    struct gateway *gateway = r->gateway;
    (void)user;
    exchange->n_body += n;
    if (r->route->body == BODY_NONE) {
        return;
    }
    if (exchange->n_body > gateway->max_body_bytes) {
        refuse_size(r);
    } else if (gateway->body_bytes + n > BODIES_BYTES) {
        request_refuse(r, 503, "Too many large requests at once");
    } else {
        gateway->body_bytes += n;
        str_add(&r->body_text, bytes, n);
        return;
    }
    drop_body(r);
    answer(exchange);
}

/* Long polls and event streams end when the client closes its sending side (http_exchange.lasts).
 */
static bool takes_long(const struct request *r)
{
    return r->response.stream != NULL || r->poll_until_ns != 0;
}

static void run(void *user, struct http_exchange *x)
{
    struct exchange *exchange = x->user;
    struct request *r = &exchange->request;
    (void)user;
    if (r->gateway->client == NULL) {
        request_refuse(r, 503, "The gateway is stopping");
    } else {
        routes_run(r);
    }
    x->lasts = takes_long(r);
    if (request_is_open(r)) {
        set_open(exchange, true);
    } else {
        answer(exchange);
    }
}

/* A call cannot be cancelled: the exchange must live until it has ended. */
static bool gone(void *user, struct http_exchange *x)
{
    struct exchange *exchange = x->user;
    struct request *r = &exchange->request;
    (void)user;
    if (r->call.open) {
        return false;
    }
    wait_cancel(r);
    r->waits_for_stream = false;
    set_open(exchange, false);
    return true;
}

static void end(void *user, struct http_exchange *x)
{
    struct http *http = user;
    struct exchange *exchange = x->user;
    struct request *r = &exchange->request;
    assert(!request_is_open(r));
    gateway_stats_end(http->gateway->stats, r->route, r->response.status, exchange->begun_ns);
    drop_body(r);
    request_fini(r);
    for (size_t i = 0; i < HEADERS_MAX; i++) {
        free(exchange->joined[i]);
    }
    free(exchange);
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    struct http *http = user;
    if (x != NULL) {
        struct exchange *exchange = x->user;
        exchange->request.response.status = refusal->status; /* for the statistics */
    } else {
        gateway_stats_begin(http->gateway->stats);
        gateway_stats_end(http->gateway->stats, NULL, refusal->status, clock_monotonic_ns());
    }
    str_add_text(body, "{\"detail\":");
    json_encode_string(body, refusal->why, strlen(refusal->why));
    str_add_char(body, '}');
    return "application/json";
}

static const struct http_handlers handlers = {
    .begin = begin,
    .body = take_body,
    .run = run,
    .read = read_more,
    .gone = gone,
    .end = end,
    .refuse = refuse,
};

/* ---- The loop ---- */

static bool watch(struct http *http, enum source source, int fd, struct status *st)
{
    http->sources[source].fd = fd;
    return http_server_watch(http->server, &http->sources[source]) ||
           status_set(st, STATUS_UNAVAILABLE, "HTTP_UNAVAILABLE", "cannot poll: %s",
                      strerror(errno));
}

bool http_new(struct listener *listener, struct gateway *gateway, struct http **ret_http,
              struct status *st)
{
    struct http *http = mem_zalloc(sizeof *http);
    *http = (struct http){.listener = listener, .gateway = gateway};
    const struct http_settings settings = {
        .listen_fd = listener->fd,
        .max_connections = http_connection_limit(CONNECTIONS_MAX),
        .handlers = &handlers,
        .user = http,
    };
    if (!http_server_new(&settings, &http->server, st) ||
        !watch(http, SOURCE_CALLS, calls_fd(gateway->calls), st) ||
        !watch(http, SOURCE_FEED, feed_fd(gateway->feed), st) ||
        !watch(http, SOURCE_STREAMS, streams_fd(gateway->streams), st)) {
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
    assert(http->n_open == 0);
    http_server_free(http->server);
    free(http);
}

/* Waits for events, at most until until_ns (-1: no limit), and handles them. */
static void turn(struct http *http, int64_t until_ns)
{
    struct gateway *gateway = http->gateway;
    until_ns = clock_earlier(until_ns, waits_next_ns(gateway->waits));
    until_ns = clock_earlier(until_ns, streams_next_ns(gateway->streams));
    http_server_poll(http->server, until_ns);
    calls_run(gateway->calls, resume, http);
    feed_run(gateway->feed, gateway);
    waits_run(gateway->waits, resume, http);
    streams_run(gateway->streams, resume, http);
    http_server_run(http->server);
    calls_flush(gateway->calls);
}

static void turn_until_idle(struct http *http, int64_t patience_ms)
{
    int64_t until_ns = clock_monotonic_ns() + patience_ms * 1000000;
    while (!http_server_is_idle(http->server) && clock_monotonic_ns() < until_ns) {
        turn(http, until_ns);
    }
}

static void stop_accepting(struct http *http)
{
    http->gateway->stopping = true;
    waits_all_changed(http->gateway->waits); /* long polls end now */
    streams_stop(http->gateway->streams);
    http_server_stop(http->server);
    listener_close(http->listener);
    http->listener = NULL;
}

/* Without a client, whatever is open ends soon. */
static void turn_until_none_is_open(struct http *http)
{
    while (http->n_open > 0 || streams_watches(http->gateway->streams) > 0) {
        turn(http, clock_monotonic_ns());
    }
}

void http_serve(struct http *http, int stop_fd, int64_t grace_ms)
{
    struct http_watched *stop = &http->sources[SOURCE_STOP];
    struct status st;
    bool watched = watch(http, SOURCE_STOP, stop_fd, &st);
    assert(watched && "a descriptor that can be polled");
    while (!stop->is_readable) {
        turn(http, -1);
    }
    http_server_unwatch(http->server, stop);
    stop_accepting(http);
    turn_until_idle(http, grace_ms);
    mirror_free(MOVE(http->gateway->mirror));
    registry_client_free(MOVE(http->gateway->client));
    waits_all_changed(http->gateway->waits);
    turn_until_none_is_open(http);
    turn_until_idle(http, FAREWELL_MS);
    turn_until_none_is_open(http); /* a page that was asked for in the last turn */
}
