#include "tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#include "mem.h"
#include "tls_inside.h"

#define CIPHERS_OF_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

static bool broken(struct status *st, const char *option)
{
    unsigned long error = ERR_get_error();
    const char *why =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    ERR_clear_error();
    return status_set(st, STATUS_UNAVAILABLE, "TLS_FILE_BROKEN", "%s: %s", option,
                      why == NULL ? "the file cannot be used" : why);
}

int64_t tls_seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

/* Asking for a passphrase would wait on a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

/* Chooses the session's protocol (ALPN) if the client offers it. OpenSSL has checked the list. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_size,
                           const unsigned char *offered, unsigned int n, void *user)
{
    static const char *const names[] = {
        [TLS_PROTOCOL_H2] = "h2",
        [TLS_PROTOCOL_HTTP_1] = "http/1.1",
    };
    const struct tls_session *session = SSL_get_app_data(ssl);
    const char *protocol = names[session->protocol];
    size_t size = strlen(protocol);
    (void)user;
    for (const unsigned char *at = offered; at < offered + n; at += 1 + at[0]) {
        if (at[0] == size && memcmp(at + 1, protocol, size) == 0) {
            *ret_chosen = at + 1;
            *ret_size = at[0];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_protocol(SSL_CTX *core)
{
    SSL_CTX_set_min_proto_version(core, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(core, CIPHERS_OF_1_2);
    SSL_CTX_set_options(core, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(core, 0);
    SSL_CTX_set_session_cache_mode(core, SSL_SESS_CACHE_OFF);
    /* Without RELEASE_BUFFERS an idle connection holds 34 KiB of them. */
    SSL_CTX_set_mode(core, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(core, no_passphrase);
    SSL_CTX_set_alpn_select_cb(core, choose_protocol, NULL);
}

static bool load_own(SSL_CTX *core, const struct tls_settings *settings, struct status *st)
{
    if (SSL_CTX_use_certificate_chain_file(core, settings->cert) != 1) {
        return broken(st, "--tls-cert");
    }
    /* The key is compared with the certificate, too. */
    return SSL_CTX_use_PrivateKey_file(core, settings->key, SSL_FILETYPE_PEM) == 1 ||
           broken(st, "--tls-key");
}

/* The earliest end of the lists in the store; 0: none. */
static int64_t end_of_lists(X509_STORE *store)
{
    int64_t end = 0;
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509_CRL *list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
        int64_t until = list == NULL ? 0 : tls_seconds_of(X509_CRL_get0_nextUpdate(list));
        if (until != 0 && (end == 0 || until < end)) {
            end = until;
        }
    }
    return end;
}

static bool load_lists(SSL_CTX *core, const char *path, int64_t *ret_end, struct status *st)
{
    X509_STORE *store = SSL_CTX_get_cert_store(core);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0) {
        return broken(st, "--tls-crl");
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    *ret_end = end_of_lists(store);
    return true;
}

static bool load_clients(SSL_CTX *core, const struct tls_settings *settings, int64_t *ret_crl_end,
                         struct status *st)
{
    if (settings->client_auth == TLS_CLIENT_AUTH_NONE) {
        return true;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(core, settings->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return broken(st, "--tls-client-ca");
    }
    SSL_CTX_set_client_CA_list(core, names);
    SSL_CTX_set_verify(core,
                       settings->client_auth == TLS_CLIENT_AUTH_REQUIRE
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       NULL);
    return settings->crl == NULL || load_lists(core, settings->crl, ret_crl_end, st);
}

bool tls_context_load(const struct tls_settings *settings, struct tls_context *ret_context,
                      struct status *st)
{
    ERR_clear_error();
    struct tls_context context = {.core = SSL_CTX_new(TLS_server_method())};
    struct stat key;
    if (context.core == NULL) {
        abort(); /* no memory, or a broken libssl */
    }
    set_protocol(context.core);
    if (!load_own(context.core, settings, st) ||
        !load_clients(context.core, settings, &context.crl_end_s, st)) {
        SSL_CTX_free(context.core);
        return false;
    }
    context.cert_end_s = tls_seconds_of(X509_get0_notAfter(SSL_CTX_get0_certificate(context.core)));
    context.key_is_open = stat(settings->key, &key) == 0 && (key.st_mode & S_IRWXO) != 0;
    *ret_context = context;
    return true;
}
