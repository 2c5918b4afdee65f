/* A connection: a state machine that is run whenever something has happened to it. Of the server's
 * parts only. */
#ifndef HTTP_HTTP_CONNECTION_H
#define HTTP_HTTP_CONNECTION_H

#include <sys/queue.h>

#include "http_answer.h"
#include "http_reader.h"
#include "http_server.h"
#include "http_socket.h"

#define HTTP_PULL_BYTES 8192     /* of a pulled answer at a time */
#define HTTP_CHUNK_SIZE_BYTES 16 /* a chunk's size in digits, and its CRLF */

/* What it waits for, which says how long. */
enum http_wait {
    HTTP_WAIT_NOTHING, /* the request is the handler's */
    HTTP_WAIT_REQUEST,
    HTTP_WAIT_HEAD, /* the rest of it: not prolonged by what comes of it */
    HTTP_WAIT_BODY,
    HTTP_WAIT_ROOM, /* the client takes what is sent */
    HTTP_WAIT_LINGER,
};

struct http_connection {
    struct http_server *server;
    struct http_socket socket;
    struct http_reader reader;
    struct str ahead; /* bytes behind the request that is under way */
    struct exchange *exchange;

    struct iovec parts[3]; /* still to be sent */
    uint8_t n_parts;
    struct str rest; /* owns what parts point to that nobody else does */

    bool readable;    /* as far as epoll has told */
    bool half_closed; /* the client sends no more */
    bool broken;      /* nor does it read */
    bool closing;     /* no other request is read */
    bool lingers;     /* all has been sent */
    bool is_ready;
    bool served;     /* a request, since it has waited for one */
    bool progressed; /* something was sent since it has waited for room */
    enum http_wait wait;
    int64_t until_ns;
    TAILQ_ENTRY(http_connection) in_all, in_wait, in_ready;
};

TAILQ_HEAD(http_connection_list, http_connection);

struct http_server {
    const struct http_handlers *handlers;
    void *user;
    int poll_fd;
    struct http_watched listener; /* readable: somebody waits to be accepted */
    bool listens;                 /* it is watched */
    bool stopping;
    int64_t not_before_ns; /* nothing is accepted until then; 0: at once */
    size_t max_connections;
    int64_t patience_ns, linger_ns;
    size_t n, n_lingering;
    size_t n_orphans; /* exchanges without a connection */
    struct http_connection_list all, ready;
    struct http_connection_list patient, lingering; /* by until_ns */
    struct http_connection *current;                /* is being run */
    int64_t date_s;
    char date[HTTP_DATE_SIZE];
    char in[HTTP_READ_BYTES];
    char out[HTTP_CHUNK_SIZE_BYTES + HTTP_PULL_BYTES + 2];
};

/* fd is moved; it must not block. NULL where it cannot be polled. */
struct http_connection *http_connection_new(struct http_server *server, int fd);
/* What epoll says of it. */
void http_connection_note(struct http_connection *c, uint32_t events);
/* To be run soon. */
void http_connection_make_ready(struct http_connection *c);
/* Does what can be done without waiting. May free it. */
void http_connection_run(struct http_connection *c);
/* It has waited for too long. May free it. */
void http_connection_expire(struct http_connection *c);
/* Cuts and frees it. */
void http_connection_drop(struct http_connection *c);

#endif
