/* A session over a pair of sockets, against OpenSSL's own client; and its certificates. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "peer_name.h"
#include "tls_server.h"
#include "tls_session.h"

#define BYTES (3u << 20) /* more than the buffers of the sockets hold */

#define PATH_TEMPLATE "/tmp/confreg-tls-XXXXXX"

static char cert_path[] = PATH_TEMPLATE;
static char key_path[] = PATH_TEMPLATE;

/* ---- Certificates ---- */

static X509 *make_certificate(EVP_PKEY *key, const char *name, const char *names)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    if (name != NULL) {
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0);
    }
    X509_set_issuer_name(certificate, subject);
    if (names != NULL) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        cr_assert_not_null(extension, "%s", names);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    cr_assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void write_files(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, "localhost", NULL);
    memcpy(cert_path, PATH_TEMPLATE, sizeof cert_path);
    memcpy(key_path, PATH_TEMPLATE, sizeof key_path);
    int cert_fd = mkstemp(cert_path);
    int key_fd = mkstemp(key_path);
    cr_assert(cert_fd >= 0 && key_fd >= 0);
    FILE *cert_file = fdopen(cert_fd, "w");
    FILE *key_file = fdopen(key_fd, "w");
    cr_assert(PEM_write_X509(cert_file, certificate) == 1);
    cr_assert(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(cert_file);
    fclose(key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

Test(tls, names_that_certificates_prove)
{
    static const struct {
        const char *name, *names, *proven;
    } rows[] = {
        {"ada", NULL, "cn:ada"},
        {"Ada Lovelace", NULL, "cn:Ada Lovelace"},
        {"ada", "DNS:a.example,DNS:b.example", "dns:a.example"},
        {"ada", "DNS:a.example,URI:spiffe://example/ada", "spiffe://example/ada"},
        {"ada", "URI:cn:root", "cn:ada"},
        {"ada", "URI:DNS:root", "cn:ada"},
        {NULL, "email:ada@example", NULL},
        {"a\nb", NULL, NULL},
        {NULL, NULL, NULL},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        X509 *certificate = make_certificate(key, rows[i].name, rows[i].names);
        AUTO(free) char *proven = peer_name_of(certificate);
        if (rows[i].proven == NULL) {
            cr_expect_null(proven, "%zu", i);
        } else {
            cr_assert_not_null(proven, "%zu", i);
            cr_expect_str_eq(proven, rows[i].proven);
        }
        X509_free(certificate);
    }
    EVP_PKEY_free(key);
}

Test(tls, failures_have_names)
{
    for (size_t i = 0; i < TLS_FAILURES; i++) {
        cr_expect_not_null(tls_failure_name((enum tls_failure)i), "%zu", i);
    }
}

/* ---- A connection ---- */

struct pair {
    struct tls_server *server;
    struct tls_session *session;
    int fds[2]; /* the server's, the client's */
    SSL_CTX *context;
    SSL *client;
};

static enum tls_step shake_hands(struct pair *pair, enum tls_failure *ret_failure)
{
    enum tls_step step = TLS_STEP_READ;
    for (int i = 0; i < 10 && step != TLS_STEP_DONE && step != TLS_STEP_FAILED; i++) {
        SSL_do_handshake(pair->client);
        step = tls_session_handshake(pair->session, ret_failure);
    }
    return step;
}

/* Both sides, before the handshake. offered: as ALPN has it. */
static struct pair make_pair(enum tls_protocol protocol, const char *offered)
{
    struct pair pair = {.server = NULL};
    struct status st;
    write_files();
    const struct tls_settings settings = {.cert = cert_path, .key = key_path};
    cr_assert(tls_server_new(&settings, &pair.server, &st), "%s", st.message);
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.fds) == 0);
    pair.session = tls_session_new(pair.server, pair.fds[0], protocol);
    pair.context = SSL_CTX_new(TLS_client_method());
    pair.client = SSL_new(pair.context);
    SSL_set_fd(pair.client, pair.fds[1]);
    SSL_set_connect_state(pair.client);
    SSL_set_alpn_protos(pair.client, (const unsigned char *)offered, (unsigned)strlen(offered));
    return pair;
}

static struct pair connect_pair(void)
{
    struct pair pair = make_pair(TLS_PROTOCOL_H2, "\2h2");
    enum tls_failure failure;
    cr_assert(shake_hands(&pair, &failure) == TLS_STEP_DONE);
    return pair;
}

static void disconnect(struct pair *pair)
{
    SSL_free(pair->client);
    SSL_CTX_free(pair->context);
    close(pair->fds[1]);
    tls_session_close(pair->session);
    close(pair->fds[0]);
    tls_server_free(pair->server);
    unlink(cert_path);
    unlink(key_path);
}

Test(tls, protocols)
{
    static const struct {
        enum tls_protocol protocol;
        const char *offered;
        bool is_good;
    } rows[] = {
        {TLS_PROTOCOL_H2, "\10http/1.1\2h2", true},
        {TLS_PROTOCOL_H2, "", false},
        {TLS_PROTOCOL_H2, "\10http/1.1", false},
        {TLS_PROTOCOL_HTTP_1, "\2h2\10http/1.1", true},
        {TLS_PROTOCOL_HTTP_1, "", true},
        {TLS_PROTOCOL_HTTP_1, "\2h2", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair pair = make_pair(rows[i].protocol, rows[i].offered);
        enum tls_failure failure = TLS_FAILURE_OTHER;
        enum tls_step step = shake_hands(&pair, &failure);
        cr_expect(step == (rows[i].is_good ? TLS_STEP_DONE : TLS_STEP_FAILED), "%zu", i);
        cr_expect(rows[i].is_good || failure == TLS_FAILURE_PROTOCOL, "%zu", i);
        disconnect(&pair);
    }
}

Test(tls, the_end_is_told)
{
    struct pair pair = connect_pair();
    char byte;
    const struct iovec part = {&byte, 1};
    cr_assert(tls_session_end(pair.session) == TLS_STEP_DONE);
    cr_expect(SSL_read(pair.client, &byte, 1) <= 0);
    cr_expect((SSL_get_shutdown(pair.client) & SSL_RECEIVED_SHUTDOWN) != 0);
    cr_assert(SSL_write(pair.client, "x", 1) == 1);
    cr_expect(tls_session_read(pair.session, &part, 1) == 1 && byte == 'x', "reading goes on");
    disconnect(&pair);
    pair = connect_pair();
    close(pair.fds[1]);
    pair.fds[1] = open("/dev/null", O_RDONLY);
    cr_expect(tls_session_end(pair.session) == TLS_STEP_FAILED);
    disconnect(&pair);
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

/* The rest of the bytes in pieces of growing size, as the gRPC core has them. */
static size_t in_parts(unsigned char *bytes, size_t n, struct iovec *parts, size_t max)
{
    size_t used = 0;
    for (size_t size = 1; n > 0 && used < max; size = size * 3 + 1) {
        size_t part = size < n ? size : n;
        parts[used++] = (struct iovec){bytes, part};
        bytes += part;
        n -= part;
    }
    return used;
}

/* Reads at the client what there is; checks that it goes on at *got. */
static void read_at_client(struct pair *pair, size_t *got)
{
    unsigned char bytes[7000];
    int n;
    while ((n = SSL_read(pair->client, bytes, sizeof bytes)) > 0) {
        for (int i = 0; i < n; i++) {
            cr_assert(bytes[i] == byte_at(*got + (size_t)i), "at %zu", *got + (size_t)i);
        }
        *got += (size_t)n;
    }
}

Test(tls, writes_that_do_not_fit_go_on_where_they_stopped)
{
    struct pair pair = connect_pair();
    AUTO(free) unsigned char *bytes = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = byte_at(i);
    }
    size_t put = 0;
    size_t got = 0;
    bool was_full = false;
    while (put < BYTES) {
        struct iovec parts[32];
        size_t n = in_parts(bytes + put, BYTES - put, parts, COUNT_OF(parts));
        ssize_t sent = tls_session_write(pair.session, parts, n);
        if (sent < 0) {
            cr_assert(errno == EAGAIN);
            was_full = true;
            read_at_client(&pair, &got);
        } else {
            put += (size_t)sent;
        }
    }
    while (got < BYTES) {
        read_at_client(&pair, &got);
    }
    cr_expect(was_full, "the sockets' buffers are smaller than what was written");
    disconnect(&pair);
}

Test(tls, reads_are_complete_at_eagain)
{
    struct pair pair = connect_pair();
    unsigned char sent[40000];
    unsigned char small[1000];
    unsigned char large[3000];
    size_t got = 0;
    ssize_t n;
    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = byte_at(i);
    }
    cr_assert(SSL_write(pair.client, sent, sizeof sent) == sizeof sent);
    const struct iovec parts[] = {{small, sizeof small}, {large, sizeof large}};
    while ((n = tls_session_read(pair.session, parts, 2)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++, got++) {
            unsigned char byte = i < sizeof small ? small[i] : large[i - sizeof small];
            cr_assert(byte == byte_at(got), "at %zu", got);
        }
    }
    cr_expect(n < 0 && errno == EAGAIN);
    cr_expect(got == sizeof sent);
    SSL_shutdown(pair.client);
    cr_expect(tls_session_read(pair.session, parts, 2) == 0, "the client has ended");
    disconnect(&pair);
}

Test(tls, a_write_to_a_client_that_has_gone_fails)
{
    struct pair pair = connect_pair();
    char byte = 'x';
    const struct iovec part = {&byte, 1};
    signal(SIGPIPE, SIG_IGN);
    SSL_shutdown(pair.client);
    cr_expect(tls_session_read(pair.session, &part, 1) == 0, "the client has ended");
    close(pair.fds[1]);
    pair.fds[1] = open("/dev/null", O_RDONLY);
    for (int i = 0; i < 2; i++) {
        cr_expect(tls_session_write(pair.session, &part, 1) < 0 && errno == ECONNRESET,
                  "a result of 0 would be tried again for ever");
    }
    disconnect(&pair);
}

Test(tls, what_is_no_tls_ends_reads_and_writes)
{
    struct pair pair = connect_pair();
    char bytes[64];
    const struct iovec part = {bytes, sizeof bytes};
    memset(bytes, 'x', sizeof bytes);
    cr_assert(write(pair.fds[1], bytes, sizeof bytes) == sizeof bytes);
    cr_expect(tls_session_read(pair.session, &part, 1) < 0 && errno == ECONNRESET);
    cr_expect(tls_session_read(pair.session, &part, 1) < 0 && errno == ECONNRESET);
    cr_expect(tls_session_write(pair.session, &part, 1) < 0 && errno == ECONNRESET);
    disconnect(&pair);
}
