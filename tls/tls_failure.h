/* Why a TLS handshake failed, for counting and for the log. */
#ifndef TLS_FAILURE_H
#define TLS_FAILURE_H

enum tls_failure {
    TLS_FAILURE_TIMEOUT,        /* the client was silent or slow */
    TLS_FAILURE_CLOSED,         /* the client closed the connection */
    TLS_FAILURE_NOT_TLS,        /* the client does not speak TLS */
    TLS_FAILURE_VERSION,        /* the client speaks only versions below 1.2 */
    TLS_FAILURE_CIPHER,         /* no cipher is common to both sides */
    TLS_FAILURE_PROTOCOL,       /* the client did not offer the application protocol (ALPN) */
    TLS_FAILURE_REFUSED,        /* the client refused with an alert, such as unknown CA */
    TLS_FAILURE_NO_CERTIFICATE, /* the client has none */
    TLS_FAILURE_UNTRUSTED,      /* its certificate is of no authority that is trusted, or not for
                                   clients, or no name in it can be used */
    TLS_FAILURE_EXPIRED,        /* its certificate has expired or is not valid yet */
    TLS_FAILURE_REVOKED,        /* its certificate is on the revocation list */
    TLS_FAILURE_CRL,            /* the revocation list has expired or is of another authority */
    TLS_FAILURE_OVERLOAD,       /* too many handshakes were open */
    TLS_FAILURE_OTHER,
    TLS_FAILURES,
};

/* A label's value: "no_certificate". */
const char *tls_failure_name(enum tls_failure failure);
/* Classifies an error code of OpenSSL's queue and the result of verifying the peer. */
enum tls_failure tls_failure_of(unsigned long error, long verify_result);

#endif
