/* Private to tls: what the server and its sessions share. */
#ifndef TLS_INSIDE_H
#define TLS_INSIDE_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tls_server.h"
#include "tls_session.h"

struct tls_session {
    atomic_uint refs; /* the owner's, and the server's thread while it looks at the session */
    struct tls_server *server;
    pthread_mutex_t lock; /* of the next five */
    SSL *ssl;
    int fd;          /* -1: closed */
    bool is_drained; /* the last recv(2) got less than it asked for */
    bool is_over;    /* TLS has failed: nothing can be read or written any more */
    enum tls_protocol protocol;
    char *name;                  /* owned; written before the session is enlisted */
    int64_t end_s;               /* when the client's certificates expire */
    uint64_t reading;            /* of the files by which the client was believed last */
    LIST_ENTRY(tls_session) all; /* of sessions with a client certificate; the server's lock */
    bool enlisted;
};

struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server);
/* A reference to the context in force, and the number of its reading. */
SSL_CTX *tls_server_context(struct tls_server *server, uint64_t *ret_reading);
void tls_server_enlist(struct tls_server *server, struct tls_session *session);
void tls_server_unlist(struct tls_server *server, struct tls_session *session);
void tls_server_established(struct tls_server *server);

void tls_session_unref(struct tls_session *session);
/* Verifies the client's certificate by another reading of the files. */
bool tls_session_verify(struct tls_session *session, SSL_CTX *core);
/* Makes both sides find the connection ended. */
void tls_session_cut(struct tls_session *session);

#endif
