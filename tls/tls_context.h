/* Private to tls: one reading of a server's files. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "tls_server.h"

struct tls_context {
    SSL_CTX *core;      /* owned by whoever has the struct */
    int64_t cert_end_s; /* when the certificate expires, seconds since 1970 */
    int64_t crl_end_s;  /* when the revocation list expires; 0: there is none, or it has no end */
    bool key_is_open;   /* everybody may read the key's file */
};

/* Fails as tls_server_new does. */
bool tls_context_load(const struct tls_settings *settings, struct tls_context *ret_context,
                      struct status *st);
/* Seconds since 1970. */
int64_t tls_seconds_of(const ASN1_TIME *time);

#endif
