#include "tls_failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>

#include "mem.h"

static const char *const names[TLS_FAILURES] = {
    [TLS_FAILURE_TIMEOUT] = "timeout",     [TLS_FAILURE_CLOSED] = "closed",
    [TLS_FAILURE_NOT_TLS] = "not_tls",     [TLS_FAILURE_VERSION] = "version",
    [TLS_FAILURE_CIPHER] = "cipher",       [TLS_FAILURE_PROTOCOL] = "protocol",
    [TLS_FAILURE_REFUSED] = "refused",     [TLS_FAILURE_NO_CERTIFICATE] = "no_certificate",
    [TLS_FAILURE_UNTRUSTED] = "untrusted", [TLS_FAILURE_EXPIRED] = "expired",
    [TLS_FAILURE_REVOKED] = "revoked",     [TLS_FAILURE_CRL] = "crl",
    [TLS_FAILURE_OVERLOAD] = "overload",   [TLS_FAILURE_OTHER] = "other",
};

const char *tls_failure_name(enum tls_failure failure)
{
    return names[failure];
}

static enum tls_failure of_certificate(long verify_result)
{
    switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_FAILURE_EXPIRED;
    case X509_V_ERR_CERT_REVOKED:
        return TLS_FAILURE_REVOKED;
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        return TLS_FAILURE_CRL;
    default:
        return TLS_FAILURE_UNTRUSTED;
    }
}

enum tls_failure tls_failure_of(unsigned long error, long verify_result)
{
    static const struct {
        int reason;
        enum tls_failure failure;
    } rows[] = {
        {SSL_R_UNEXPECTED_EOF_WHILE_READING, TLS_FAILURE_CLOSED},
        {SSL_R_HTTP_REQUEST, TLS_FAILURE_NOT_TLS},
        {SSL_R_HTTPS_PROXY_REQUEST, TLS_FAILURE_NOT_TLS},
        {SSL_R_WRONG_VERSION_NUMBER, TLS_FAILURE_NOT_TLS},
        {SSL_R_BAD_RECORD_TYPE, TLS_FAILURE_NOT_TLS},
        {SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAILURE_VERSION},
        {SSL_R_VERSION_TOO_LOW, TLS_FAILURE_VERSION},
        {SSL_R_NO_SHARED_CIPHER, TLS_FAILURE_CIPHER},
        {SSL_R_NO_APPLICATION_PROTOCOL, TLS_FAILURE_PROTOCOL},
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_FAILURE_NO_CERTIFICATE},
    };
    int reason = ERR_GET_REASON(error);
    if (error == 0 || ERR_SYSTEM_ERROR(error)) {
        return TLS_FAILURE_CLOSED;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].reason == reason) {
            return rows[i].failure;
        }
    }
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        return of_certificate(verify_result);
    }
    return reason > SSL_AD_REASON_OFFSET ? TLS_FAILURE_REFUSED : TLS_FAILURE_OTHER;
}
