#include "front.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "call_log.h"
#include "clock.h"
#include "cors.h"
#include "http_server.h"
#include "packer.h"
#include "peers.h"
#include "problem.h"
#include "route_stats.h"

#define CONNECTIONS_MAX 16384u
/* Limit of all request bodies in memory together. */
#define BODIES_BYTES (UINT64_C(256) << 20)
/* Limit of all answers in memory that clients have not read. */
#define ANSWERS_BYTES ((size_t)256 << 20)

struct front {
    struct http_server *server;
    struct listener *listener;
    struct gateway *gateway;
    const struct routes *routes;
    const struct cors *cors;
    struct limits *limits;
    size_t request_size;
    uint64_t max_body_bytes;
    bool (*identify)(struct request *r);
    void (*forget)(struct request *r);
    uint64_t body_bytes; /* of all requests under way */
    size_t n_suspended;
    struct heap held;      /* requests whose answers are held back, by the end of that */
    bool stops;            /* see front_stop */
    bool refuses;          /* see front_refuse */
    struct str https_only; /* the field Strict-Transport-Security, or empty */
};

/* ---- Answers ---- */

static void send_response(struct request *r)
{
    const struct response *response = &r->response;
    struct http_field fields[RESPONSE_HEADERS + 1];
    struct http_answer answer = {.status = response->status,
                                 .fields = fields,
                                 .body = str_text(&response->body),
                                 .n_body = response->body.len,
                                 .is_pulled = response->pull.read != NULL};
    if (answer.is_pulled || answer.n_body > 0) {
        const char *type = response->content_type;
        fields[answer.n_fields++] =
            (struct http_field){"Content-Type", type != NULL ? type : "application/json"};
    }
    for (size_t i = 0; i < response->n_headers; i++) {
        const struct response_header *header = &response->headers[i];
        fields[answer.n_fields++] = (struct http_field){header->name, header->value};
    }
    r->n_sent = answer.n_body;
    http_answer(r->x, &answer);
}

/* Counts the request if it is suspended. */
static void count(struct request *r)
{
    bool is_suspended = r->suspended != NULL;
    r->front->n_suspended += (size_t)is_suspended - (size_t)r->is_counted;
    r->is_counted = is_suspended;
}

static void send(struct request *r)
{
    const struct response *response = &r->response;
    if (response->prepared != NULL) {
        http_answer_prepared(r->x, response->status, response->prepared);
    } else {
        send_response(r);
    }
}

static void unhold(struct request *r)
{
    heap_remove(&r->front->held, &r->held);
}

static const struct suspension by_hold = {.cancel = unhold};

static void hold(struct request *r)
{
    int64_t until_ns = clock_monotonic_ns() + r->hold_ns;
    r->hold_ns = 0;
    heap_put(&r->front->held, &r->held, (uint64_t)until_ns);
    request_suspend(r, &by_hold);
    count(r);
}

/* Sends the answer: at once, or when it is held back no more, or compressed. */
static void answer(struct request *r)
{
    if (r->hold_ns > 0) {
        hold(r);
        return;
    }
    if (r->packing == NULL) {
        packer_take(r->gateway->packer, r);
    }
    if (r->suspended != NULL) {
        count(r);
        return;
    }
    send(r); /* which may end the request */
}

void front_resume(void *user, struct request *r)
{
    (void)user;
    assert(r->suspended == NULL);
    count(r);
    if (http_is_answered(r->x)) {
        http_wake(r->x);
    } else {
        answer(r);
    }
}

void front_run(struct front *front)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    struct heap_node *node;
    while ((node = heap_first(&front->held)) != NULL && (front->stops || node->key <= now_ns)) {
        struct request *r = CONTAINER_OF(node, struct request, held);
        unhold(r);
        request_resumed(r);
        front_resume(NULL, r);
    }
}

int64_t front_next_ns(const struct front *front)
{
    const struct heap_node *node = heap_first(&front->held);
    return node == NULL ? -1 : front->stops ? 0 : (int64_t)node->key;
}

static ssize_t read_more(void *user, struct http_exchange *x, char *bytes, size_t max)
{
    struct request *r = x->user;
    const struct response_pull *pull = &r->response.pull;
    (void)user;
    ssize_t n = r->packing != NULL ? packing_read(r->packing, bytes, max)
                                   : pull->read(pull->user, bytes, max);
    r->n_sent += n > 0 ? (uint64_t)n : 0;
    x->n_held = pull->n_held;
    count(r);
    return n;
}

/* ---- Requests ---- */

#define NAME(text) text, sizeof(text) - 1

/* The headers that the gateway reads. */
static const struct header_row {
    const char *name;
    size_t n_name;
    size_t target; /* in struct request_headers */
    bool is_list;  /* may come in several lines */
} header_rows[] = {
    {NAME("Accept"), offsetof(struct request_headers, accept), true},
    {NAME("Accept-Encoding"), offsetof(struct request_headers, accept_encoding), true},
    {NAME("Content-Type"), offsetof(struct request_headers, content_type), false},
    {NAME("Content-Encoding"), offsetof(struct request_headers, content_encoding), true},
    {NAME("If-Match"), offsetof(struct request_headers, if_match), true},
    {NAME("If-None-Match"), offsetof(struct request_headers, if_none_match), true},
    {NAME("Cache-Control"), offsetof(struct request_headers, cache_control), true},
    {NAME("Prefer"), offsetof(struct request_headers, prefer), true},
    {NAME("X-Config-Min-Revision"), offsetof(struct request_headers, minimum), false},
    {NAME("Last-Event-ID"), offsetof(struct request_headers, last_event_id), false},
    {NAME("Origin"), offsetof(struct request_headers, origin), false},
    {NAME("Access-Control-Request-Method"), offsetof(struct request_headers, preflight_method),
     false},
    /* Several lines make one malformed value: neither of two keys is to be taken for the other. */
    /* Several of these make one that is nobody's, too. */
    {NAME("Authorization"), offsetof(struct request_headers, authorization), true},
    {NAME("X-Config-Token"), offsetof(struct request_headers, config_token), true},
    {NAME("X-API-Key"), offsetof(struct request_headers, api_key), true},
    {NAME("traceparent"), offsetof(struct request_headers, traceparent), true},
    {NAME("Cookie"), offsetof(struct request_headers, cookie), false},
    {NAME("Host"), offsetof(struct request_headers, host), false},
    {NAME("Sec-Fetch-Site"), offsetof(struct request_headers, fetch_site), true},
    {NAME("X-Confreg-Csrf"), offsetof(struct request_headers, csrf), true},
    {NAME("Idempotency-Key"), offsetof(struct request_headers, idempotency_key), true},
};
static_assert(COUNT_OF(header_rows) == REQUEST_HEADERS, "each has its place");

/* Copies all earlier lines each time, which is good enough for so rare a case. */
static char *join_lines(const char *before, const char *value)
{
    AUTO_STR text = {0};
    str_add_text(&text, before);
    str_add_text(&text, ", ");
    str_add_text(&text, value);
    return mem_text(text.data, text.len);
}

static void take_value(struct request *r, const struct header_row *row, const char *value)
{
    char **joined = &r->joined[row - header_rows];
    const char **target = (const char **)(void *)((char *)&r->headers + row->target);
    if (*target == NULL) {
        *target = value;
    } else if (row->is_list) {
        char *longer = join_lines(*target, value);
        free(*joined);
        *target = *joined = longer;
    }
}

/* NULL where the gateway does not read that header. */
static const struct header_row *row_of(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(header_rows); i++) {
        /* Most names differ from all of these in the length or the first letter. */
        const struct header_row *row = &header_rows[i];
        if (n == row->n_name && (name[0] | 0x20) == (row->name[0] | 0x20) &&
            strcasecmp(name, row->name) == 0) {
            return row;
        }
    }
    return NULL;
}

static void take_headers(struct request *r, const struct http_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct header_row *row = row_of(head->fields[i].name);
        if (row != NULL) {
            take_value(r, row, head->fields[i].value);
        }
    }
}

static void refuse_size(struct request *r)
{
    struct status st;
    status_set(&st, STATUS_RESOURCE_EXHAUSTED, "BODY_TOO_LARGE",
               "The request's body may have %llu bytes",
               (unsigned long long)r->front->max_body_bytes);
    status_add_number(&st, "limit", r->front->max_body_bytes);
    request_refuse_status(r, 413, &st, "%s", st.message);
}

/* A browser asks whether a page may send a request (Fetch, 4.8). A gateway that allows no origin
 * knows no such question. */
static bool is_preflight(const struct request *r)
{
    return r->front->cors != NULL && strcmp(r->method, "OPTIONS") == 0 &&
           r->headers.origin != NULL && r->headers.preflight_method != NULL;
}

static void answer_preflight(struct request *r)
{
    AUTO_STR methods = {0};
    routes_methods(r->front->routes, &r->target, &methods);
    if (r->is_foreign) {
        request_refuse(r, 403, "ORIGIN_NOT_ALLOWED", "Pages of %s are not allowed here",
                       r->headers.origin);
    } else if (methods.len == 0) {
        request_refuse(r, 404, "ROUTE_UNKNOWN", "Not Found");
    } else {
        request_add_header(r, "Access-Control-Allow-Methods", methods.data);
        request_add_header(r, "Access-Control-Allow-Headers", CORS_REQUEST_HEADERS);
        request_add_header(r, "Access-Control-Max-Age", CORS_MAX_AGE);
        request_answer(r, 204);
    }
}

static void identify(struct request *r)
{
    struct front *front = r->front;
    if (front->identify != NULL) {
        front->identify(r);
        r->x->fields = cors_fields(front->cors, r->headers.origin, r->is_private);
    }
}

static bool connected(void *user, const char *peer, void **ret_guest)
{
    struct front *front = user;
    struct party *party = NULL;
    if (!peer_connected(front->limits, peer, &party)) {
        return false;
    }
    *ret_guest = party;
    return true;
}

static void disconnected(void *user, void *guest)
{
    (void)user;
    peer_disconnected(guest);
}

static void begin(void *user, struct http_exchange *x)
{
    struct front *front = user;
    struct request *r = mem_zalloc(front->request_size);
    request_init(r, front->gateway, x->head.target);
    r->front = front;
    r->x = x;
    r->begun_ns = clock_monotonic_ns();
    r->method = x->head.method;
    r->peer = x->peer;
    r->certificate = x->certificate;
    r->is_secure = x->is_secure;
    x->user = r;
    take_headers(r, &x->head);
    if (r->headers.traceparent != NULL) {
        traceparent_parse(r->headers.traceparent, strlen(r->headers.traceparent), r->trace);
    }
    r->is_foreign = r->headers.origin != NULL && !cors_allows(front->cors, r->headers.origin);
    x->fields = cors_fields(front->cors, r->headers.origin, false);
    route_stats_begin(front->gateway->routes);
    r->party = limits_peer(front->limits, r->peer);
    if (!request_use(r, LIMIT_CALLS)) {
        answer(r);
        return;
    }
    if (is_preflight(r)) {
        answer_preflight(r);
    } else if (routes_find(front->routes, r)) {
        if (x->head.length > front->max_body_bytes) {
            refuse_size(r); /* in the form of the route's errors */
        } else if (call_log_admit(r)) {
            identify(r);
        }
    }
    if (r->response.status != 0) {
        answer(r);
    }
}

static void drop_body(struct request *r)
{
    r->front->body_bytes -= r->body_text.len;
    str_fini(&r->body_text);
}

/* Whether its answer is made, and held back while the rest of the request comes. */
static bool is_refused(const struct request *r)
{
    return r->suspended == &by_hold;
}

static void take_body(void *user, struct http_exchange *x, const char *bytes, size_t n)
{
    struct front *front = user;
    struct request *r = x->user;
    r->n_body += n;
    if (r->route->body == BODY_NONE || is_refused(r)) {
        return;
    }
    if (r->n_body > front->max_body_bytes) {
        refuse_size(r);
    } else if (front->body_bytes + n > BODIES_BYTES) {
        request_refuse(r, 503, "OVERLOADED", "Too many large requests at once");
    } else {
        front->body_bytes += n;
        str_add(&r->body_text, bytes, n);
        return;
    }
    drop_body(r);
    answer(r);
}

static void run(void *user, struct http_exchange *x)
{
    struct front *front = user;
    struct request *r = x->user;
    if (is_refused(r)) {
        return;
    }
    if (front->refuses) {
        request_refuse(r, 503, "SHUTTING_DOWN", "The gateway is stopping");
    } else {
        routes_run(r);
    }
    x->lasts = r->lasts;
    count(r);
    if (r->lasts && r->response.pull.read != NULL) {
        call_log_opened(r);
    }
    if (r->suspended == NULL) {
        answer(r);
    }
}

static bool gone(void *user, struct http_exchange *x)
{
    struct request *r = x->user;
    (void)user;
    if (r->suspended != NULL) {
        if (r->suspended->cancel == NULL) {
            return false;
        }
        r->suspended->cancel(r);
        request_resumed(r);
        count(r);
    }
    return true;
}

static void end(void *user, struct http_exchange *x)
{
    struct front *front = user;
    struct request *r = x->user;
    route_stats_end(front->gateway->routes, r->route, r->response.status, r->begun_ns);
    call_log_ended(r);
    drop_body(r);
    packing_end(r->packing);
    if (front->forget != NULL) {
        front->forget(r);
    }
    request_unuse(r, LIMIT_CALLS);
    request_unuse(r, LIMIT_STREAMS);
    request_unuse(r, LIMIT_HELD);
    party_release(r->party);
    request_fini(r);
    free(r);
}

/* The reasons of what the HTTP server refuses, by status. */
static const char *reason_of(unsigned status)
{
    switch (status) {
    case 408:
        return "REQUEST_LATE";
    case 413:
        return "BODY_TOO_LARGE";
    case 414:
        return "TARGET_TOO_LONG";
    case 417:
        return "EXPECTATION_UNKNOWN";
    case 431:
        return "HEAD_TOO_LARGE";
    case 501:
        return "NOT_IMPLEMENTED";
    case 505:
        return "HTTP_VERSION";
    default:
        return "REQUEST_MALFORMED";
    }
}

static const char *refuse(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body)
{
    const struct front *front = user;
    if (x != NULL) {
        struct request *r = x->user;
        r->response.status = refusal->status; /* for the statistics */
    } else {
        route_stats_begin(front->gateway->routes);
        route_stats_end(front->gateway->routes, NULL, refusal->status, clock_monotonic_ns());
        call_log_refused(front->gateway, refusal->status, reason_of(refusal->status));
    }
    AUTO_STR members = {0};
    problem_add_reason(&members, reason_of(refusal->status), NULL);
    const struct request *r = x == NULL ? NULL : x->user;
    enum problem_form form = problem_form_of(r == NULL ? NULL : r->headers.accept);
    const struct problem problem = {.status = refusal->status,
                                    .detail = refusal->why,
                                    .n_detail = strlen(refusal->why),
                                    .members = &members};
    problem_render(body, form, &problem);
    return problem_content_type(form);
}

static const struct http_handlers handlers = {
    .connected = connected,
    .disconnected = disconnected,
    .begin = begin,
    .body = take_body,
    .run = run,
    .read = read_more,
    .gone = gone,
    .end = end,
    .refuse = refuse,
};

/* ---- Start and end ---- */

bool front_new(const struct front_settings *settings, struct front **ret_front, struct status *st)
{
    struct front *front = mem_zalloc(sizeof *front);
    *front = (struct front){
        .listener = settings->listener,
        .gateway = settings->gateway,
        .routes = settings->routes,
        .cors = settings->cors,
        .request_size = routes_request_size(settings->routes),
        .max_body_bytes = settings->max_body_bytes,
        .limits = settings->limits,
        .identify = settings->identify,
        .forget = settings->forget,
    };
    if (settings->hsts_ms > 0) {
        str_addf(&front->https_only, "Strict-Transport-Security: max-age=%lld\r\n",
                 (long long)(settings->hsts_ms / 1000));
    }
    const struct http_settings http = {
        .listener = front->listener,
        .max_connections = http_connection_limit(CONNECTIONS_MAX),
        .max_held_bytes = ANSWERS_BYTES,
        .tls = settings->tls,
        .tls_fields = str_text(&front->https_only),
        .handshake_ms = settings->handshake_ms,
        .handlers = &handlers,
        .user = front,
    };
    if (!http_server_new(&http, &front->server, st)) {
        front_free(front);
        return false;
    }
    *ret_front = front;
    return true;
}

void front_free(struct front *front)
{
    if (front != NULL) {
        assert(front->n_suspended == 0);
        http_server_free(front->server);
        heap_fini(&front->held);
        str_fini(&front->https_only);
        free(front);
    }
}

struct http_server *front_server(const struct front *front)
{
    return front->server;
}

size_t front_suspended(const struct front *front)
{
    return front->n_suspended;
}

void front_stop(struct front *front)
{
    front->stops = true;
    http_server_stop(front->server);
    listener_close(front->listener);
}

void front_refuse(struct front *front)
{
    front->refuses = true;
}
