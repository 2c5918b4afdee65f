/* One client connection of the HTTP server: a state machine that runs after each event. For
 * http_*.c only. The server's thread only. */
#ifndef HTTP_HTTP_CONNECTION_H
#define HTTP_HTTP_CONNECTION_H

#include <sys/queue.h>

#include "http_answer.h"
#include "http_reader.h"
#include "http_server.h"
#include "http_socket.h"
#include "peer_address.h"

#define HTTP_PULL_BYTES 8192     /* pulled from the handlers at a time */
#define HTTP_CHUNK_SIZE_BYTES 16 /* room for a chunk size and its CRLF */
#define HTTP_HANDSHAKES_A_RUN 8  /* steps of TLS handshakes; each takes a fraction of a ms */

/* The wait of a connection; every one but HTTP_WAIT_NOTHING has a time-out. */
enum http_wait {
    HTTP_WAIT_NOTHING,   /* for the handlers: no time-out */
    HTTP_WAIT_HANDSHAKE, /* for the end of the TLS handshake */
    HTTP_WAIT_REQUEST,   /* for the first byte of a request */
    HTTP_WAIT_HEAD,      /* for the rest of a head; each byte does not restart the time */
    HTTP_WAIT_BODY,      /* for HTTP_BODY_BYTES more of a body, or its end */
    HTTP_WAIT_ROOM,      /* for the client to read; each byte sent restarts the time */
    HTTP_WAIT_LINGER,    /* for the client to close, after the last response */
};

struct http_connection {
    struct http_server *server;
    struct http_socket socket;
    struct http_reader reader;
    struct str ahead;          /* bytes read beyond the current request (pipelining) */
    struct exchange *exchange; /* owned; the current request; NULL between requests */

    struct iovec parts[5]; /* queued output: lead, common fields of two owners, fields, body */
    uint8_t n_parts;
    struct str rest; /* owns queued output that neither exchange nor handlers own */

    bool shakes;      /* the TLS handshake is not done */
    bool readable;    /* a read may return bytes or the end */
    bool half_closed; /* the client has closed its sending side */
    bool broken;      /* both directions are closed, or the socket has an error */
    bool closing;     /* the current response is the last one */
    bool lingers;     /* all is sent; discarding input until the client closes */
    bool is_ready;    /* in server->ready */
    bool served;      /* a request was served since the wait for one was set */
    bool progressed;  /* something was sent since the wait for room was set */
    enum http_wait wait;
    int64_t until_ns;
    TAILQ_ENTRY(http_connection) in_all, in_wait, in_ready;
    void *guest;   /* of the handlers */
    bool is_guest; /* `disconnected` is to be told */
    char peer[PEER_ADDRESS_SIZE];
};

TAILQ_HEAD(http_connection_list, http_connection);

struct http_server {
    const struct http_handlers *handlers;
    void *user;
    int poll_fd;
    struct http_listening {
        struct http_watched socket; /* readable: a connection can be accepted */
        bool is_watched;            /* it is registered with epoll */
    } listening[LISTENER_SOCKETS];
    size_t n_listening;
    bool stopping;
    int64_t not_before_ns; /* accepting pauses until then; 0: no pause */
    size_t max_connections, max_held;
    size_t held;            /* sum of `held` of all exchanges, see http_connection.c */
    struct tls_server *tls; /* borrowed; NULL: no TLS */
    const char *tls_fields;
    int64_t handshake_ns, patience_ns, linger_ns;
    size_t n, n_lingering; /* connections, and those of them that linger */
    size_t n_shaking;      /* those of them whose TLS handshake is not done */
    size_t handshakes;     /* steps of handshakes that are left in this run */
    size_t n_orphans;      /* exchanges that handlers hold and whose client has disconnected */
    struct http_connection_list all, ready;
    struct http_connection_list shaking, patient, lingering; /* waiting, sorted by until_ns */
    struct http_connection *current; /* the one inside http_connection_run */
    int64_t date_s;                  /* the second that `date` is of */
    char date[HTTP_DATE_SIZE];
    char in[HTTP_READ_BYTES];
    char out[HTTP_CHUNK_SIZE_BYTES + HTTP_PULL_BYTES + 2];
};

/* fd is moved and must be non-blocking. NULL, with fd closed, if epoll or the handlers do not
 * take it. */
struct http_connection *http_connection_new(struct http_server *server, int fd,
                                            const struct sockaddr_storage *peer);
/* Records the events that epoll reported, and makes the connection ready. */
void http_connection_note(struct http_connection *c, uint32_t events);
/* Schedules it for the next http_server_run. */
void http_connection_make_ready(struct http_connection *c);
/* Makes all progress that is possible without waiting. May free the connection. */
void http_connection_run(struct http_connection *c);
/* Handles its time-out: sends 408 for half a request, else closes. May free the connection. */
void http_connection_expire(struct http_connection *c);
/* Gives up a connection whose TLS handshake is not done; frees it. */
void http_connection_give_up(struct http_connection *c, enum tls_failure failure);
/* Closes and frees it at once. */
void http_connection_drop(struct http_connection *c);
/* Drops the connection that has waited longest for its client to read while its answer holds
 * memory; false if there is none. */
bool http_connection_drop_unread(struct http_server *server);

#endif
