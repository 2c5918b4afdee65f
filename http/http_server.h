/* An HTTP/1.1 server on one thread with epoll. It knows nothing of what is served: it parses
 * requests strictly (http_head.h), passes each to the handlers, sends the answers in the order of
 * the requests, and enforces time-outs.
 *
 * - A connection has one request in progress. Of pipelined requests at most HTTP_READ_BYTES are
 *   read ahead; the rest stays in the kernel (back-pressure).
 * - Time-outs of HTTP_PATIENCE_MS: to begin a request; to complete its head; to send the next
 *   HTTP_BODY_BYTES of its body, or its end; to read something of an answer. A client that misses
 *   one is disconnected. No time-out runs while the handlers work on a request.
 * - When a client disconnects, its connection is freed at once. A client that only closed its
 *   sending side (shutdown) still gets its answer, unless the exchange `lasts`.
 * - After the last answer of a connection the server discards input for up to HTTP_LINGER_MS,
 *   because closing with unread input would reset the connection and could destroy the answer.
 * - Answers that clients do not read hold memory. If they hold more than max_held_bytes together,
 *   the clients that have read nothing for the longest time are disconnected.
 * - At max_connections, or with no descriptor left, new connections wait in the kernel's backlog.
 * - With TLS a connection has HTTP_HANDSHAKE_MS for its handshake. If more than half of
 *   max_connections are in theirs, the oldest of them is given up, so that silent clients cannot
 *   keep others out. Handshakes take turns with requests. A client that speaks plain HTTP gets 400.
 *
 * All functions must be called on the thread that runs the server; handlers run on it. */
#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "http_head.h"
#include "listener.h"
#include "status.h"
#include "str.h"

#define HTTP_READ_BYTES 32768
#define HTTP_PATIENCE_MS INT64_C(60000)
#define HTTP_LINGER_MS INT64_C(2000)
#define HTTP_HANDSHAKE_MS INT64_C(10000)
#define HTTP_BODY_BYTES 16384 /* the least of a body that must arrive in HTTP_PATIENCE_MS */
/* Many clients read the answer only after they have sent the whole body. So if a request is
 * answered early, up to this much of its body is read and discarded before the answer is sent. With
 * a larger body the answer is sent at once and the connection is closed. */
#define HTTP_SWALLOW_BYTES (UINT64_C(64) << 20)

struct http_server;
struct http_prepared;
struct tls_server;

/* A request and its answer. */
struct http_exchange {
    struct http_head head; /* valid until `end` returns, like the next two */
    const char *peer;      /* the client's address (peer_address.h) */
    char *certificate;     /* owned; the name that the client's certificate proves; NULL: none */
    bool is_secure;        /* it came over TLS */
    void *user;            /* for the handlers */
    /* Set by the handlers in `begin`: fields that every answer of this exchange carries, even the
     * refusal of a malformed body, each a line that ends with CRLF. Borrowed until `end`. NULL:
     * none. */
    const struct str *fields;
    /* Set by the handlers for a long wait or an endless stream: a half-closed connection then
     * counts as disconnected. */
    bool lasts;
    /* Set by the handlers in `read`: bytes that they hold for the rest of a pulled answer. */
    size_t n_held;
};

#define HTTP_READ_PENDING 0 /* no bytes yet; call http_wake when there are some */
#define HTTP_READ_END (-1)
#define HTTP_READ_FAILED (-2) /* the rest is lost: the server closes the connection mid-body */

struct http_handlers {
    /* A client has connected from this address (peer_address.h). *ret_guest comes back when the
     * connection has ended. False: it is closed at once. NULL: every client may connect; then
     * `disconnected` is NULL, too. */
    bool (*connected)(void *user, const char *peer, void **ret_guest);
    void (*disconnected)(void *user, void *guest);
    /* A head was parsed. May answer; then `body` and `run` are not called. */
    void (*begin)(void *user, struct http_exchange *x);
    /* A piece of the body was read. May answer; then the rest of the body is discarded. */
    void (*body)(void *user, struct http_exchange *x, const char *bytes, size_t n);
    /* The request is complete and unanswered. Answers now or later. */
    void (*run)(void *user, struct http_exchange *x);
    /* Writes the next bytes of a pulled answer; returns their number, up to max, or HTTP_READ_…. */
    ssize_t (*read)(void *user, struct http_exchange *x, char *bytes, size_t max);
    /* The client disconnected after `run` and before the answer, or before all of the answer was
     * pulled. True: the server ends the exchange now. False: the handlers still use it; it ends
     * when they call http_answer or http_wake, which then send nothing. */
    bool (*gone)(void *user, struct http_exchange *x);
    /* The exchange is over, whether the answer was sent or not. The server no longer uses x or
     * anything borrowed for its answer. */
    void (*end)(void *user, struct http_exchange *x);
    /* The server refuses a request: one that no handler has seen (x is NULL), or one whose body is
     * malformed, too large or late (`end` follows). Appends the response's body; returns its
     * content type, a literal. */
    const char *(*refuse)(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body);
};

struct http_settings {
    const struct listener *listener; /* borrowed; may be closed after http_server_stop */
    size_t max_connections;
    size_t max_held_bytes;          /* of unread answers together; 0: no limit */
    int64_t patience_ms, linger_ms; /* 0: the defaults HTTP_PATIENCE_MS, HTTP_LINGER_MS */
    struct tls_server *tls;         /* borrowed; of TCP only: unix sockets are plain; NULL: none */
    const char *tls_fields; /* borrowed: whole lines, of every answer over TLS; NULL: none */
    int64_t handshake_ms;   /* 0: HTTP_HANDSHAKE_MS */
    const struct http_handlers *handlers;
    void *user;
};

/* UNAVAILABLE if no descriptor is left. */
bool http_server_new(const struct http_settings *settings, struct http_server **ret_server,
                     struct status *st);
/* Closes all connections. Handlers must not hold an exchange any more. NULL is ignored. */
void http_server_free(struct http_server *server);

/* How many connections the limit on descriptors allows, less a reserve; at most `most`. Raises the
 * soft limit of the process to the hard one. */
size_t http_connection_limit(size_t most);

/* ---- The loop ----
 *
 * The thread repeats: http_server_poll, its own work, http_server_run. */

/* Another descriptor that http_server_poll waits for. The server does not read it. */
struct http_watched {
    int fd;
    bool is_readable; /* set by http_server_poll; the user clears it */
};
/* watched is borrowed until http_server_unwatch or http_server_free. False: errno is set. */
bool http_server_watch(struct http_server *server, struct http_watched *watched);
void http_server_unwatch(struct http_server *server, struct http_watched *watched);
/* Waits for an event or a time-out, at most until until_ns of clock_monotonic_ns(); -1: no limit.
 */
void http_server_poll(struct http_server *server, int64_t until_ns);
/* Makes progress on all connections that can; calls handlers. */
void http_server_run(struct http_server *server);

/* Stops accepting. Each connection closes after its current answer, idle ones at once. */
void http_server_stop(struct http_server *server);
/* After http_server_stop: whether all requests have been answered. */
bool http_server_is_idle(const struct http_server *server);

/* ---- Answers ---- */

/* The reason phrase of a status, "Not Found". Never NULL. */
const char *http_status_phrase(unsigned status);

/* The server itself adds Date, Connection, Content-Length and Transfer-Encoding. */
struct http_answer {
    unsigned status;
    const struct http_field *fields; /* used during the call only */
    size_t n_fields;
    const char *body; /* borrowed until `end`; not sent with 204 and 304, nor to HEAD */
    size_t n_body;    /* the Content-Length; with 204 and 304 it is sent unless 0 */
    bool is_pulled;   /* instead of a body: http_handlers.read provides it, in chunks */
};

/* Answers the exchange, once. If the client has disconnected it ends the exchange at once, so the
 * caller must not use x afterwards, unless it is a handler that was called with x. */
void http_answer(struct http_exchange *x, const struct http_answer *answer);
bool http_is_answered(const struct http_exchange *x);
/* Tells the server that `read` of a pulled answer has more bytes. If the client has disconnected,
 * this ends the exchange, like http_answer. */
void http_wake(struct http_exchange *x);

/* An answer whose fields are formatted once, to be sent many times. The body is borrowed until
 * http_prepared_free; answer->status is ignored. */
struct http_prepared *http_prepare(const struct http_answer *answer);
void http_prepared_free(struct http_prepared *prepared);
/* Like http_answer. prepared is borrowed until `end`; as many answers share it, its bytes do not
 * count as held by this one. */
void http_answer_prepared(struct http_exchange *x, unsigned status,
                          const struct http_prepared *prepared);

#endif
