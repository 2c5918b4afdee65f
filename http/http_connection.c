#include "http_connection.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "tls_server.h"

#define STEPS 64 /* of one connection in a run, so that the others get their turn */

enum stage {
    STAGE_READING,  /* the head was parsed, the body is being read */
    STAGE_RUNNING,  /* the request is complete, the handlers have not answered */
    STAGE_ANSWERED, /* answered; nothing has been sent */
    STAGE_SENDING,  /* the head of the response was queued for sending */
};

struct exchange {
    struct http_exchange x;
    struct http_server *server;
    struct http_connection *connection; /* borrowed; NULL once the client has disconnected */
    enum stage stage;
    bool answered;
    bool is_pulled, pulled_all;
    bool has_no_body; /* the response: to HEAD, or by its status */
    unsigned status;
    uint64_t n_body;    /* bytes of the request's body read so far */
    uint64_t n_in_time; /* n_body when the time-out was last restarted */
    size_t held;        /* bytes in memory that only this answer needs; in server->held */
    struct str own;     /* owns the fields of the response, unless it is a prepared one */
    struct iovec text;  /* fields and empty line of the response: `own`, or borrowed */
    struct iovec body;
    char peer[PEER_ADDRESS_SIZE];
    char lead[HTTP_LEAD_SIZE];
    struct http_field fields[]; /* of the request; followed by the text they point to */
};

/* The need of a connection after a step. */
enum step {
    STEP_ON,   /* another step now */
    STEP_WAIT, /* an event: of epoll, of a handler, or a time-out */
    STEP_GONE, /* to be closed and freed */
};

/* ---- Time-outs ---- */

static struct http_connection_list *list_of(struct http_connection *c)
{
    switch (c->wait) {
    case HTTP_WAIT_HANDSHAKE:
        return &c->server->shaking;
    case HTTP_WAIT_LINGER:
        return &c->server->lingering;
    default:
        return &c->server->patient;
    }
}

static int64_t patience_of(const struct http_server *server, enum http_wait what)
{
    switch (what) {
    case HTTP_WAIT_HANDSHAKE:
        return server->handshake_ns;
    case HTTP_WAIT_LINGER:
        return server->linger_ns;
    default:
        return server->patience_ns;
    }
}

static void stop_waiting(struct http_connection *c)
{
    if (c->wait != HTTP_WAIT_NOTHING) {
        TAILQ_REMOVE(list_of(c), c, in_wait);
        c->wait = HTTP_WAIT_NOTHING;
    }
}

/* Sets the connection's time-out; from_now: restarts it where the same wait is already set. All
 * connections of a list wait equally long, so appending keeps each list sorted by until_ns. */
static enum step wait_for(struct http_connection *c, enum http_wait what, bool from_now)
{
    if (c->wait == what && !from_now) {
        return STEP_WAIT;
    }
    stop_waiting(c);
    if (what != HTTP_WAIT_NOTHING) {
        c->wait = what;
        c->until_ns = clock_monotonic_ns() + patience_of(c->server, what);
        TAILQ_INSERT_TAIL(list_of(c), c, in_wait);
    }
    return STEP_WAIT;
}

void http_connection_make_ready(struct http_connection *c)
{
    if (!c->is_ready && c->server->current != c) {
        c->is_ready = true;
        TAILQ_INSERT_TAIL(&c->server->ready, c, in_ready);
    }
}

/* ---- Exchanges ---- */

/* The name that the client's certificate proves, owned by the caller; NULL: it has shown none. */
static char *client_of(const struct http_connection *c)
{
    const char *name = c->socket.tls == NULL ? NULL : tls_session_name(c->socket.tls);
    return name == NULL ? NULL : mem_string(name);
}

static struct exchange *exchange_new(struct http_connection *c, const struct http_input *text,
                                     size_t n_lines, struct http_refusal *refusal)
{
    size_t n_fields = n_lines * sizeof(struct http_field);
    struct exchange *exchange = mem_alloc(sizeof *exchange + n_fields + text->n);
    *exchange = (struct exchange){.server = c->server, .connection = c};
    char *copy = (char *)exchange->fields + n_fields;
    memcpy(copy, text->bytes, text->n);
    if (!http_head_parse(copy, text->n, exchange->fields, &exchange->x.head, refusal)) {
        free(exchange);
        return NULL;
    }
    memcpy(exchange->peer, c->peer, sizeof exchange->peer);
    exchange->x.peer = exchange->peer;
    exchange->x.certificate = client_of(c);
    exchange->x.is_secure = c->socket.tls != NULL;
    return exchange;
}

static void set_held(struct exchange *exchange, size_t n)
{
    assert(exchange->server->held >= exchange->held && "held is the sum of all exchanges'");
    exchange->server->held += n - exchange->held;
    exchange->held = n;
}

static void end_exchange(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    set_held(exchange, 0);
    server->handlers->end(server->user, &exchange->x);
    free(MOVE(exchange->x.certificate));
    str_fini(&exchange->own);
    free(exchange);
}

static struct exchange *exchange_of(struct http_exchange *x)
{
    return CONTAINER_OF(x, struct exchange, x);
}

static const struct exchange *const_exchange_of(const struct http_exchange *x)
{
    return (const struct exchange *)(const void *)((const char *)x - offsetof(struct exchange, x));
}

bool http_is_answered(const struct http_exchange *x)
{
    return const_exchange_of(x)->answered;
}

/* Ends the exchange if its client has disconnected; returns whether it did. */
static bool end_orphan(struct exchange *exchange)
{
    if (exchange->connection != NULL) {
        return false;
    }
    exchange->server->n_orphans--;
    end_exchange(exchange);
    return true;
}

static void note_answer(struct exchange *exchange)
{
    assert(!exchange->answered && "an exchange is answered once");
    exchange->answered = true;
    if (end_orphan(exchange)) {
        return;
    }
    if (exchange->stage == STAGE_RUNNING) {
        exchange->stage = STAGE_ANSWERED;
        http_connection_make_ready(exchange->connection);
    }
}

static bool is_head(const struct exchange *exchange)
{
    return strcmp(exchange->x.head.method, "HEAD") == 0;
}

static struct iovec bytes_of(const char *bytes, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)bytes, n};
}

void http_answer(struct http_exchange *x, const struct http_answer *answer)
{
    struct exchange *exchange = exchange_of(x);
    bool is_bare = http_status_has_no_body(answer->status) && answer->n_body == 0;
    bool has_length = !answer->is_pulled && !is_bare;
    exchange->status = answer->status;
    exchange->is_pulled = answer->is_pulled;
    exchange->has_no_body = http_status_has_no_body(answer->status) || is_head(exchange);
    http_answer_fields(answer, has_length, &exchange->own);
    exchange->text = bytes_of(exchange->own.data, exchange->own.len);
    exchange->body = bytes_of(answer->body, answer->n_body);
    set_held(exchange, answer->n_body);
    note_answer(exchange);
}

void http_answer_prepared(struct http_exchange *x, unsigned status,
                          const struct http_prepared *prepared)
{
    struct exchange *exchange = exchange_of(x);
    exchange->status = status;
    exchange->has_no_body = http_status_has_no_body(status) || is_head(exchange);
    exchange->text = bytes_of(prepared->fields.data, prepared->fields.len);
    exchange->body = bytes_of(prepared->body, prepared->n_body);
    note_answer(exchange);
}

void http_wake(struct http_exchange *x)
{
    struct exchange *exchange = exchange_of(x);
    if (!end_orphan(exchange)) {
        http_connection_make_ready(exchange->connection);
    }
}

/* ---- Sending ---- */

static void drop_sent(struct http_connection *c, size_t n)
{
    size_t i = 0;
    while (i < c->n_parts && n >= c->parts[i].iov_len) {
        n -= c->parts[i].iov_len;
        i++;
    }
    c->n_parts = (uint8_t)(c->n_parts - i);
    memmove(c->parts, c->parts + i, c->n_parts * sizeof c->parts[0]);
    if (c->n_parts > 0) {
        c->parts[0].iov_base = (char *)c->parts[0].iov_base + n;
        c->parts[0].iov_len -= n;
    } else {
        str_fini(&c->rest);
    }
}

static enum step send_parts(struct http_connection *c)
{
    size_t n;
    switch (http_socket_write(&c->socket, c->parts, c->n_parts, &n)) {
    case HTTP_IO_OK:
        c->progressed = true;
        drop_sent(c, n);
        return STEP_ON;
    case HTTP_IO_LATER: {
        bool from_now = c->progressed;
        c->progressed = false;
        return wait_for(c, HTTP_WAIT_ROOM, from_now);
    }
    default:
        return STEP_GONE;
    }
}

static void add_part(struct http_connection *c, struct iovec part)
{
    assert(c->n_parts < sizeof c->parts / sizeof c->parts[0]);
    if (part.iov_len > 0) {
        c->parts[c->n_parts++] = part;
    }
}

/* The Date field of the current second, formatted once a second. */
static const char *date_of(struct http_server *server)
{
    int64_t now_s = clock_wall_us() / 1000000;
    if (now_s != server->date_s) {
        server->date_s = now_s;
        http_format_date(now_s, server->date);
    }
    return server->date;
}

static bool is_chunked(const struct exchange *exchange)
{
    return exchange->is_pulled && !exchange->has_no_body && !exchange->x.head.is_http_1_0;
}

/* Whether the connection stays open for another request after this response. */
static bool may_go_on(const struct http_connection *c, const struct exchange *exchange)
{
    bool ends_where_the_connection_does = exchange->is_pulled && !exchange->has_no_body &&
                                          (exchange->x.lasts || exchange->x.head.is_http_1_0);
    return exchange->x.head.keeps_alive && exchange->stage == STAGE_ANSWERED &&
           !c->server->stopping && !ends_where_the_connection_does;
}

/* The Connection and Transfer-Encoding fields of the response. */
static const char *connection_fields(const struct http_connection *c)
{
    const struct exchange *exchange = c->exchange;
    if (is_chunked(exchange)) {
        return c->closing ? "Connection: close\r\nTransfer-Encoding: chunked\r\n"
                          : "Transfer-Encoding: chunked\r\n";
    }
    if (c->closing) {
        return "Connection: close\r\n";
    }
    return exchange->x.head.is_http_1_0 ? "Connection: keep-alive\r\n" : "";
}

/* Fields of all answers over TLS; "": none. */
static const char *tls_fields_of(const struct http_connection *c)
{
    return c->socket.tls == NULL || c->server->tls_fields == NULL ? "" : c->server->tls_fields;
}

static enum step begin_answer(struct http_connection *c)
{
    struct exchange *exchange = c->exchange;
    c->closing = !may_go_on(c, exchange);
    exchange->stage = STAGE_SENDING;
    size_t n = http_format_lead(exchange->status, date_of(c->server), connection_fields(c),
                                exchange->lead);
    const char *tls_fields = tls_fields_of(c);
    add_part(c, bytes_of(exchange->lead, n));
    add_part(c, bytes_of(tls_fields, strlen(tls_fields)));
    if (exchange->x.fields != NULL) {
        add_part(c, bytes_of(exchange->x.fields->data, exchange->x.fields->len));
    }
    add_part(c, exchange->text);
    if (exchange->is_pulled) {
        http_socket_bound_unsent(&c->socket);
    } else if (!exchange->has_no_body) {
        add_part(c, exchange->body);
    }
    return STEP_ON;
}

static enum step finish(struct http_connection *c)
{
    end_exchange(MOVE(c->exchange));
    c->served = true;
    return STEP_ON;
}

/* Sends the n bytes that were pulled into server->out, behind the room left for a chunk's size.
 * server->out is shared by all connections, so what the kernel does not take is copied to c->rest.
 */
static enum step send_block(struct http_connection *c, size_t n)
{
    struct http_server *server = c->server;
    char *from = server->out + HTTP_CHUNK_SIZE_BYTES;
    if (is_chunked(c->exchange)) {
        char size[HTTP_CHUNK_SIZE_BYTES + 1];
        int n_size = snprintf(size, sizeof size, "%zx\r\n", n);
        memcpy(from + n, "\r\n", 2);
        from -= n_size;
        memcpy(from, size, (size_t)n_size);
        n += (size_t)n_size + 2;
    }
    size_t n_sent = 0;
    enum http_io io = http_socket_write(&c->socket, &(struct iovec){from, n}, 1, &n_sent);
    if (io == HTTP_IO_OVER) {
        return STEP_GONE;
    }
    c->progressed = c->progressed || n_sent > 0;
    if (n_sent < n) {
        str_add(&c->rest, from + n_sent, n - n_sent);
        add_part(c, bytes_of(c->rest.data, c->rest.len));
    }
    return STEP_ON;
}

static enum step pull(struct http_connection *c)
{
    struct http_server *server = c->server;
    struct exchange *exchange = c->exchange;
    ssize_t n = server->handlers->read(server->user, &exchange->x,
                                       server->out + HTTP_CHUNK_SIZE_BYTES, HTTP_PULL_BYTES);
    set_held(exchange, exchange->x.n_held);
    if (n > 0) {
        return send_block(c, (size_t)n);
    }
    if (n == HTTP_READ_PENDING) {
        return wait_for(c, HTTP_WAIT_NOTHING, false);
    }
    exchange->pulled_all = true;
    if (n == HTTP_READ_END && is_chunked(exchange)) {
        add_part(c, bytes_of("0\r\n\r\n", 5));
    }
    return n == HTTP_READ_END ? STEP_ON : STEP_GONE;
}

/* Whether more of the body is to be pulled from the handlers. */
static bool has_more(const struct exchange *exchange)
{
    return exchange->is_pulled && !exchange->has_no_body && !exchange->pulled_all;
}

static enum step send_on(struct http_connection *c)
{
    return has_more(c->exchange) ? pull(c) : finish(c);
}

/* ---- Reading ---- */

/* Whether enough of the body has arrived to restart the time-out. */
static bool has_more_time(struct exchange *exchange)
{
    bool enough = exchange->n_body - exchange->n_in_time >= HTTP_BODY_BYTES;
    exchange->n_in_time = enough ? exchange->n_body : exchange->n_in_time;
    return enough;
}

static enum step wait_for_input(struct http_connection *c)
{
    bool served = c->served;
    c->served = false;
    if (c->exchange != NULL) {
        bool from_now = has_more_time(c->exchange) || served;
        return wait_for(c, HTTP_WAIT_BODY, from_now);
    }
    if (http_reader_is_within(&c->reader)) {
        return wait_for(c, HTTP_WAIT_HEAD, served);
    }
    return c->server->stopping ? STEP_GONE : wait_for(c, HTTP_WAIT_REQUEST, served);
}

/* A short read means that the socket is drained until epoll reports it again (edge-triggered).
 * After a half-close or an error the socket stays readable: only another read reports the end. */
static enum step fill(struct http_connection *c, struct http_input *in)
{
    size_t n;
    if (!c->readable) {
        return wait_for_input(c);
    }
    switch (http_socket_read(&c->socket, c->server->in, sizeof c->server->in, &n)) {
    case HTTP_IO_OK:
        *in = (struct http_input){c->server->in, n};
        c->readable = n == sizeof c->server->in || c->half_closed || c->broken;
        return STEP_ON;
    case HTTP_IO_LATER:
        c->readable = false;
        return wait_for_input(c);
    default:
        return STEP_GONE;
    }
}

/* Sends a refusal of the server itself, then closes the connection. */
static enum step refuse(struct http_connection *c, const struct http_refusal *refusal)
{
    struct http_server *server = c->server;
    struct http_exchange *x = c->exchange == NULL ? NULL : &c->exchange->x;
    AUTO_STR body = {0};
    struct http_field type = {"Content-Type", NULL};
    type.value = server->handlers->refuse(server->user, x, refusal, &body);
    struct http_answer answer = {
        .status = refusal->status, .fields = &type, .n_fields = 1, .n_body = body.len};
    assert(c->n_parts == 0 && "nothing is being sent while something is read");
    char lead[HTTP_LEAD_SIZE];
    str_add(&c->rest, lead,
            http_format_lead(answer.status, date_of(server), "Connection: close\r\n", lead));
    str_add_text(&c->rest, tls_fields_of(c));
    if (x != NULL && x->fields != NULL) {
        str_add(&c->rest, x->fields->data, x->fields->len);
    }
    if (c->exchange != NULL) {
        end_exchange(MOVE(c->exchange));
    }
    http_answer_fields(&answer, true, &c->rest);
    str_add(&c->rest, body.data, body.len);
    add_part(c, bytes_of(c->rest.data, c->rest.len));
    c->closing = true;
    return STEP_ON;
}

/* For a request that was answered before its body was read: whether to read the rest of the body
 * before sending the response. See HTTP_SWALLOW_BYTES. */
static bool is_worth_reading(const struct http_connection *c)
{
    const struct exchange *exchange = c->exchange;
    uint64_t left = http_reader_left(&c->reader); /* as large as the client says */
    return !exchange->x.head.awaits_continue && left <= HTTP_SWALLOW_BYTES &&
           exchange->n_body <= HTTP_SWALLOW_BYTES - left;
}

static enum step go_on_reading(struct http_connection *c)
{
    static const struct http_refusal too_large = {413, "The request's body is too large"};
    const struct exchange *exchange = c->exchange;
    uint64_t left = http_reader_left(&c->reader);
    if (exchange->answered) {
        return is_worth_reading(c) ? STEP_ON : begin_answer(c);
    }
    bool is_too_large = left > HTTP_SWALLOW_BYTES || exchange->n_body > HTTP_SWALLOW_BYTES;
    return is_too_large ? refuse(c, &too_large) : STEP_ON;
}

/* Sends 100 Continue if the client waits for it and has sent nothing of the body yet. */
static void invite(struct http_connection *c, const struct http_input *in)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_head *head = &c->exchange->x.head;
    if (head->awaits_continue && in->n == 0) {
        add_part(c, bytes_of(go_on, sizeof go_on - 1));
    }
    head->awaits_continue = false;
}

static enum step take_head(struct http_connection *c, const struct http_input *in,
                           const struct http_input *text)
{
    struct http_server *server = c->server;
    struct http_refusal refusal;
    c->exchange = exchange_new(c, text, c->reader.scan.n_lines, &refusal);
    if (c->exchange == NULL) {
        return refuse(c, &refusal);
    }
    struct http_exchange *x = &c->exchange->x;
    http_reader_begin_body(&c->reader, &x->head);
    server->handlers->begin(server->user, x);
    enum step next = go_on_reading(c);
    if (c->exchange != NULL && !c->exchange->answered) {
        invite(c, in);
    }
    return next;
}

static enum step take_body(struct http_connection *c, const struct http_input *part)
{
    struct http_server *server = c->server;
    struct exchange *exchange = c->exchange;
    exchange->n_body += part->n;
    if (!exchange->answered) {
        server->handlers->body(server->user, &exchange->x, part->bytes, part->n);
    }
    return go_on_reading(c);
}

static enum step take_end(struct http_connection *c)
{
    struct http_server *server = c->server;
    struct exchange *exchange = c->exchange;
    exchange->stage = exchange->answered ? STAGE_ANSWERED : STAGE_RUNNING;
    if (!exchange->answered) {
        server->handlers->run(server->user, &exchange->x);
    }
    return STEP_ON;
}

static enum step read_on(struct http_connection *c, struct http_input *in)
{
    struct http_input part;
    struct http_refusal refusal;
    switch (http_reader_next(&c->reader, in, &part, &refusal)) {
    case HTTP_PART_HEAD:
        return take_head(c, in, &part);
    case HTTP_PART_BODY:
        return take_body(c, &part);
    case HTTP_PART_END:
        return take_end(c);
    case HTTP_PART_REFUSED:
        return refuse(c, &refusal);
    default:
        return fill(c, in);
    }
}

/* ---- The TLS handshake ---- */

static void end_handshake(struct http_connection *c)
{
    c->server->n_shaking -= c->shakes;
    c->shakes = false;
}

/* The socket goes on without TLS. What was sent last, an alert, is lost if the client's bytes are
 * not read. Who speaks plain HTTP is told. */
static enum step after_failure(struct http_connection *c, enum tls_failure failure)
{
    static const struct http_refusal not_tls = {400, "This port speaks TLS: use https"};
    tls_server_failed(c->server->tls, failure, c->peer);
    c->closing = true;
    return failure == TLS_FAILURE_NOT_TLS ? refuse(c, &not_tls) : STEP_ON;
}

static enum step shake_hands(struct http_connection *c)
{
    enum tls_failure failure = TLS_FAILURE_OTHER;
    if (c->server->stopping) {
        return STEP_GONE;
    }
    c->server->handshakes--;
    enum http_io io = http_socket_handshake(&c->socket, &failure);
    if (io == HTTP_IO_LATER) {
        return wait_for(c, HTTP_WAIT_HANDSHAKE, false);
    }
    end_handshake(c);
    c->readable = true;
    return io == HTTP_IO_OK ? STEP_ON : after_failure(c, failure);
}

void http_connection_give_up(struct http_connection *c, enum tls_failure failure)
{
    tls_server_failed(c->server->tls, failure, c->peer);
    http_connection_drop(c);
}

/* ---- The end ---- */

static enum step begin_to_linger(struct http_connection *c)
{
    if (http_socket_end_writing(&c->socket) == HTTP_IO_LATER) {
        return wait_for(c, HTTP_WAIT_ROOM, false);
    }
    c->lingers = true;
    c->server->n_lingering++;
    c->readable = true;
    wait_for(c, HTTP_WAIT_LINGER, true);
    return STEP_ON;
}

/* Discards input after the last response. Closing a socket with unread input sends a reset, which
 * makes the client lose a response that it has not read yet. */
static enum step drain(struct http_connection *c)
{
    size_t n;
    switch (http_socket_read(&c->socket, c->server->in, sizeof c->server->in, &n)) {
    case HTTP_IO_OK:
        return STEP_ON;
    case HTTP_IO_LATER:
        return wait_for(c, HTTP_WAIT_LINGER, false);
    default:
        return STEP_GONE;
    }
}

/* Detaches the exchange from its connection, which is being freed. Ends it now, or leaves it as an
 * orphan until the handlers let go of it. */
static void leave(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    bool is_the_handlers = exchange->stage == STAGE_RUNNING ||
                           (exchange->stage == STAGE_SENDING && has_more(exchange));
    exchange->connection = NULL;
    if (is_the_handlers && !server->handlers->gone(server->user, &exchange->x)) {
        server->n_orphans++;
    } else {
        end_exchange(exchange);
    }
}

/* Whether a client of TLS has all that it will get, so that it is to be told of the end. */
static bool is_between_requests(const struct http_connection *c)
{
    return c->socket.tls != NULL && !c->shakes && !c->lingers && c->exchange == NULL &&
           c->n_parts == 0;
}

void http_connection_drop(struct http_connection *c)
{
    struct http_server *server = c->server;
    struct exchange *exchange = MOVE(c->exchange);
    if (is_between_requests(c)) {
        http_socket_end_writing(&c->socket);
    }
    http_socket_close(&c->socket);
    end_handshake(c);
    stop_waiting(c);
    if (c->is_ready) {
        TAILQ_REMOVE(&server->ready, c, in_ready);
    }
    TAILQ_REMOVE(&server->all, c, in_all);
    if (c->is_guest) {
        server->handlers->disconnected(server->user, c->guest);
    }
    server->n--;
    server->n_lingering -= c->lingers;
    if (exchange != NULL) {
        leave(exchange);
    }
    http_reader_fini(&c->reader);
    str_fini(&c->ahead);
    str_fini(&c->rest);
    free(c);
}

bool http_connection_drop_unread(struct http_server *server)
{
    struct http_connection *c = TAILQ_FIRST(&server->patient);
    while (c != NULL &&
           (c->wait != HTTP_WAIT_ROOM || c->exchange == NULL || c->exchange->held == 0)) {
        c = TAILQ_NEXT(c, in_wait);
    }
    if (c != NULL) {
        http_connection_drop(c);
    }
    return c != NULL;
}

void http_connection_expire(struct http_connection *c)
{
    static const struct http_refusal late = {408, "The rest of the request did not come in time"};
    bool is_half = c->wait == HTTP_WAIT_HEAD || c->wait == HTTP_WAIT_BODY;
    if (c->shakes) {
        http_connection_give_up(c, TLS_FAILURE_TIMEOUT);
        return;
    }
    if (!is_half || c->n_parts > 0) {
        http_connection_drop(c);
        return;
    }
    stop_waiting(c);
    refuse(c, &late);
    http_connection_make_ready(c);
}

/* ---- Running ---- */

/* Whether to stop working on the request: the connection is broken, or the client closed its
 * sending side while the answer `lasts`, which is how a client leaves a stream. */
static bool is_given_up(const struct http_connection *c)
{
    const struct exchange *exchange = c->exchange;
    return exchange != NULL && exchange->stage != STAGE_READING &&
           (c->broken || (c->half_closed && exchange->x.lasts));
}

static enum step step(struct http_connection *c, struct http_input *in)
{
    if (c->shakes) {
        return shake_hands(c);
    }
    if (is_given_up(c)) {
        return STEP_GONE;
    }
    if (c->n_parts > 0) {
        return send_parts(c);
    }
    if (c->lingers) {
        return drain(c);
    }
    if (c->exchange == NULL) {
        return c->closing ? begin_to_linger(c) : read_on(c, in);
    }
    switch (c->exchange->stage) {
    case STAGE_READING:
        return read_on(c, in);
    case STAGE_RUNNING:
        return wait_for(c, HTTP_WAIT_NOTHING, false);
    case STAGE_ANSWERED:
        return begin_answer(c);
    default:
        return send_on(c);
    }
}

/* The connection has used up its steps of this run and can continue later: no time-out runs. */
static void go_on_later(struct http_connection *c)
{
    if (!c->lingers) {
        stop_waiting(c);
    }
    http_connection_make_ready(c);
}

void http_connection_run(struct http_connection *c)
{
    struct http_server *server = c->server;
    AUTO_STR held = c->ahead;
    struct http_input in = {held.data, held.len};
    enum step next = STEP_ON;
    c->ahead = (struct str){0};
    server->current = c;
    for (size_t i = 0; i < STEPS && next == STEP_ON; i++) {
        next = step(c, &in);
    }
    server->current = NULL;
    if (next == STEP_GONE) {
        http_connection_drop(c);
        return;
    }
    if (in.n > 0 && !c->closing) {
        str_add(&c->ahead, in.bytes, in.n);
    }
    if (next == STEP_ON) {
        go_on_later(c);
    }
}

void http_connection_note(struct http_connection *c, uint32_t events)
{
    c->half_closed = c->half_closed || (events & EPOLLRDHUP) != 0;
    c->broken = c->broken || (events & (EPOLLERR | EPOLLHUP)) != 0;
    /* TLS may have stopped a read until it can write. */
    c->readable = c->readable || (events & EPOLLIN) != 0 || c->half_closed || c->broken ||
                  c->socket.tls != NULL;
    http_connection_make_ready(c);
}

static bool is_welcome(struct http_connection *c)
{
    const struct http_handlers *handlers = c->server->handlers;
    c->is_guest =
        handlers->connected != NULL && handlers->connected(c->server->user, c->peer, &c->guest);
    return c->is_guest || handlers->connected == NULL;
}

struct http_connection *http_connection_new(struct http_server *server, int fd,
                                            const struct sockaddr_storage *peer)
{
    struct http_connection *c = mem_zalloc(sizeof *c);
    c->server = server;
    peer_address_text(peer, c->peer);
    http_socket_init(&c->socket, fd, server->tls);
    c->shakes = server->tls != NULL;
    server->n_shaking += c->shakes;
    TAILQ_INSERT_TAIL(&server->all, c, in_all);
    server->n++;
    if (!is_welcome(c)) {
        http_connection_drop(c);
        return NULL;
    }
    /* Edge-triggered, so the set of events never has to be changed. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(server->poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        http_connection_drop(c);
        return NULL;
    }
    wait_for(c, c->shakes ? HTTP_WAIT_HANDSHAKE : HTTP_WAIT_REQUEST, true);
    return c;
}
