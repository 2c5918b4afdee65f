/* The server's side of TLS: its certificate and whom it believes, from files that are read again
 * when they change.
 *
 * - TLS 1.2 and 1.3; of 1.2 only ciphers with forward secrecy and authenticated encryption. No
 *   renegotiation, no compression, no resumption: each connection proves its certificate.
 * - The application protocol (ALPN) is that of the session: one server is for gRPC and HTTP.
 * - Files that cannot be used change nothing: the last good ones stay in force, a line is logged,
 *   and tls_server_metrics counts it. Open connections keep the certificate that they began with.
 * - A connection whose client certificate expires, is revoked, or is no longer trusted after the
 *   files were read again, is ended within a second or two.
 *
 * It has a thread of its own, which reads the files. All functions may be called on any thread. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"
#include "str.h"
#include "tls_failure.h"

struct tls_server;

enum tls_client_auth {
    TLS_CLIENT_AUTH_NONE,    /* clients are not asked */
    TLS_CLIENT_AUTH_REQUEST, /* a client may have no certificate; one that it has must be good */
    TLS_CLIENT_AUTH_REQUIRE, /* clients without a good certificate are refused */
};
/* "none", "request" or "require". */
bool tls_client_auth_parse(const char *text, enum tls_client_auth *ret_auth);

struct tls_settings {
    const char *cert;      /* PEM: the certificate and those between it and the authority */
    const char *key;       /* PEM, without a passphrase */
    const char *client_ca; /* PEM; NULL only where clients are not asked */
    const char *crl;       /* PEM: the revocation list of client_ca; NULL: none */
    enum tls_client_auth client_auth;
};

/* Reads the files. INVALID_ARGUMENT, reason TLS_SETTINGS: settings that do not fit each other.
 * UNAVAILABLE, reason TLS_FILE_BROKEN: a file cannot be used; the message names the option. */
bool tls_server_new(const struct tls_settings *settings, struct tls_server **ret_server,
                    struct status *st);
/* Sessions that are open stay usable, but their certificates are no longer checked. NULL is
 * ignored. */
void tls_server_free(struct tls_server *server);
/* Reads the files again soon, whether they have changed or not. */
void tls_server_reload(struct tls_server *server);

/* Counts a handshake that failed and logs a line, at most LOG_LINES_A_SECOND of them. peer: the
 * client's address. */
void tls_server_failed(struct tls_server *server, enum tls_failure failure, const char *peer);

/* Adds metrics of it, each name beginning with prefix: "confreg". */
void tls_server_metrics(struct tls_server *server, const char *prefix, struct str *page);

#endif
