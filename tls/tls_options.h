/* The options of a TLS server, the same for all programs. */
#ifndef TLS_TLS_OPTIONS_H
#define TLS_TLS_OPTIONS_H

#include "options.h"
#include "tls_server.h"

struct tls_options {
    struct tls_settings settings; /* all zero: no TLS */
    const char *client_auth;      /* text of settings.client_auth */
    int64_t handshake_ms;         /* how long a client may take for the handshake */
};

/* Rows of a struct option_table; o: struct tls_options *. */
/* clang-format off */
#define TLS_OPTION_ROWS(o)                                                                         \
    {"tls-cert", OPTION_TEXT, &(o)->settings.cert, NULL, "FILE",                                   \
     "Serve TLS with this certificate (PEM), followed by the certificates between it and its "     \
     "authority. It is for all TCP addresses, those of --metrics too; unix sockets stay plain. "   \
     "This file and the next ones are read again when they change and on SIGHUP; files that "      \
     "cannot be used are logged, and the ones before stay in force.",                              \
     0, 0, NULL},                                                                                  \
    {"tls-key", OPTION_TEXT, &(o)->settings.key, NULL, "FILE",                                     \
     "The certificate's private key (PEM, without a passphrase).", 0, 0, NULL},                    \
    {"tls-client-auth", OPTION_TEXT, &(o)->client_auth, "none", "HOW",                             \
     "Whether clients have to show a certificate. none: they are not asked. request: they may "    \
     "have none; one that they have must be good. require: without a good one they are refused.",  \
     0, 0, NULL},                                                                                  \
    {"tls-client-ca", OPTION_TEXT, &(o)->settings.client_ca, NULL, "FILE",                         \
     "The authorities whose client certificates are accepted (PEM).", 0, 0, NULL},                 \
    {"tls-crl", OPTION_TEXT, &(o)->settings.crl, NULL, "FILE",                                     \
     "The revocation list of the authority that signs client certificates (PEM). Connections "     \
     "whose certificates are revoked or expire are ended. A list that has expired lets nobody "    \
     "in.",                                                                                        \
     0, 0, NULL},                                                                                  \
    {"tls-handshake-timeout", OPTION_DURATION, &(o)->handshake_ms, "10s", "TIME",                  \
     "How long a client may take for the TLS handshake.", 100, 600000, NULL}
/* clang-format on */

/* Checks the texts; prints what is wrong on standard error, after the program's name. */
bool tls_options_check(struct tls_options *options, const char *program);
/* *ret_server is NULL if no option of TLS is given. Fails as tls_server_new does. */
bool tls_options_open(const struct tls_options *options, struct tls_server **ret_server,
                      struct status *st);

#endif
