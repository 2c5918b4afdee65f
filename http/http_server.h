/* An HTTP/1.1 server: one thread, epoll, and nothing of what is served. It reads requests strictly
 * (http_head.h), gives each to its handlers, sends one answer each in the order of the requests,
 * and keeps time.
 *
 * - A connection has one request under way at a time; what its client sends meanwhile is left in
 *   the kernel but for HTTP_READ_BYTES.
 * - Who is silent, sends no whole head, or takes nothing of an answer for HTTP_PATIENCE_MS is
 *   disconnected. While a request is the handler's, nothing is.
 * - A client that is gone frees its connection at once. One that has only closed its side for
 *   writing still gets its answer, unless the exchange `lasts`.
 * - An answer that ends the connection is followed by up to HTTP_LINGER_MS of reading what the
 *   client still sends, so that it gets the answer and no reset.
 * - Where there are as many connections as may be, or no descriptor is left, others wait in the
 *   kernel's queue until there is room.
 *
 * All functions are for the thread that runs the server, and handlers run on it. */
#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "http_head.h"
#include "status.h"
#include "str.h"

#define HTTP_READ_BYTES 32768
#define HTTP_PATIENCE_MS INT64_C(60000)
#define HTTP_LINGER_MS INT64_C(2000)
/* A body behind which an answer is sent that is known before: because a client that is still
 * sending does not look for an answer. Of a larger one nothing is read, and the connection ends. */
#define HTTP_SWALLOW_BYTES (UINT64_C(64) << 20)

struct http_server;
struct http_prepared;

/* A request and its answer. */
struct http_exchange {
    struct http_head head; /* valid as long as the exchange */
    void *user;            /* the handlers' */
    /* The handlers': whether its answer is long in coming or never ends, so that it is given up as
     * soon as the client has closed its side. */
    bool lasts;
};

#define HTTP_READ_PENDING 0 /* nothing now; http_wake tells when there is */
#define HTTP_READ_END (-1)
#define HTTP_READ_FAILED (-2) /* the rest cannot be had: the connection is cut */

struct http_handlers {
    /* A head is there. May answer: then the body is not handed on. */
    void (*begin)(void *user, struct http_exchange *x);
    /* More of the body. May answer. */
    void (*body)(void *user, struct http_exchange *x, const char *bytes, size_t n);
    /* The request is whole, and not answered. Answers now or later. */
    void (*run)(void *user, struct http_exchange *x);
    /* The next bytes of an answer that is pulled: how many, up to max, or HTTP_READ_…. */
    ssize_t (*read)(void *user, struct http_exchange *x, char *bytes, size_t max);
    /* The client is gone while the request is the handlers': after `run` and before its answer, or
     * before all of it was pulled. True: it may end now. False: not before http_answer or
     * http_wake, which then send nothing. */
    bool (*gone)(void *user, struct http_exchange *x);
    /* It is over, sent or not. x is not used any more, nor what it answered. */
    void (*end)(void *user, struct http_exchange *x);
    /* A request is refused that no handler has seen (x is NULL), or one whose body cannot be read,
     * which ends then. Adds the text for the client; returns its content type, a literal. */
    const char *(*refuse)(void *user, struct http_exchange *x, const struct http_refusal *refusal,
                          struct str *body);
};

struct http_settings {
    int listen_fd; /* borrowed, must not block; may be closed after http_server_stop */
    size_t max_connections;
    int64_t patience_ms, linger_ms; /* 0: HTTP_PATIENCE_MS, HTTP_LINGER_MS */
    const struct http_handlers *handlers;
    void *user;
};

/* UNAVAILABLE where there is no descriptor left. */
bool http_server_new(const struct http_settings *settings, struct http_server **ret_server,
                     struct status *st);
/* Cuts all connections. No exchange may be the handlers' any more. NULL is ignored. */
void http_server_free(struct http_server *server);

/* As many connections as the process may have descriptors, but for some; up to `most`. Raises the
 * soft limit to the hard one. */
size_t http_connection_limit(size_t most);

/* ---- The loop ----
 *
 * http_server_poll, whatever else the thread has to do, http_server_run, and over again. */

/* A descriptor besides those of connections, which http_server_poll waits for, too. It is not read.
 */
struct http_watched {
    int fd;
    bool is_readable; /* http_server_poll has seen that it was; for the user to clear */
};
/* watched is borrowed until http_server_unwatch or the server's end. False with errno. */
bool http_server_watch(struct http_server *server, struct http_watched *watched);
void http_server_unwatch(struct http_server *server, struct http_watched *watched);
/* Waits until there is something to do, or until a time on the monotonic clock; -1: for ever. */
void http_server_poll(struct http_server *server, int64_t until_ns);
/* Goes on with all connections that can; calls handlers. */
void http_server_run(struct http_server *server);

/* Accepts no more; a connection ends with its answer, or at once where it has no request. */
void http_server_stop(struct http_server *server);
/* After http_server_stop: whether all requests have been answered. */
bool http_server_is_idle(const struct http_server *server);

/* ---- Answers ---- */

/* Fields besides Date, Connection, Content-Length and Transfer-Encoding. */
struct http_answer {
    unsigned status;
    const struct http_field *fields; /* used during the call only */
    size_t n_fields;
    const char *body; /* borrowed until the exchange has ended; not sent of 304, nor to HEAD */
    size_t n_body;    /* what is told as Content-Length; of 304 unless it is 0 */
    bool is_pulled;   /* instead of the body: by http_handlers.read, in chunks */
};

/* Once an exchange. May end it at once where the client is gone: x is not used after it but by the
 * handler that calls it. */
void http_answer(struct http_exchange *x, const struct http_answer *answer);
bool http_is_answered(const struct http_exchange *x);
/* There is more to be read of an answer that is pulled. As http_answer where the client is gone. */
void http_wake(struct http_exchange *x);

/* An answer whose fields are made once. The body is borrowed, as long as the answer lives; the
 * status is not looked at. */
struct http_prepared *http_prepare(const struct http_answer *answer);
void http_prepared_free(struct http_prepared *prepared);
/* As http_answer; prepared is borrowed until the exchange has ended. */
void http_answer_prepared(struct http_exchange *x, unsigned status,
                          const struct http_prepared *prepared);

#endif
